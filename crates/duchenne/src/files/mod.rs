//! *Files*: what every stored file needs, whatever it holds: atomic writing, locks, checksums.

pub mod atomic;
pub mod checksum;
