//! *Files*: what every stored file needs, whatever it holds: atomic writing, locks, checksums, memory maps.

pub mod atomic;
pub(crate) mod bounded;
pub mod checksum;
mod error;
pub mod facts;
pub mod lock;
pub mod mapped;
pub(crate) mod tensor_header;

pub use error::ReadError;
