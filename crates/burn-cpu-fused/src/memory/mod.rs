//! *Memory*: the buffers that activations lie in, the blocked format in which they lie there, and how tasks
//! share, prefetch and transpose it.

pub(crate) mod blocked;
pub(crate) mod buffers;
pub(crate) mod parallel;
pub(crate) mod prefetch;
pub(crate) mod transpose;
pub(crate) mod unwritten;

/// Channels in a block of the blocked format: floats in a line of the cache.
pub(crate) const LANES: usize = 16;
