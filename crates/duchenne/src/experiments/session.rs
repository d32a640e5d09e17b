//! A *session* is what long work needs of its surroundings: a device, a way to be stopped, and somebody to tell.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::Device;
use crate::experiments::watch::Watch;

/// Where long work runs, what stops it, and whom it tells.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    /// Where networks run.
    pub device: &'a Device,
    /// Set from outside to save and stop at the next batch.
    pub stop: &'a AtomicBool,
    /// Is told what happens.
    pub watch: &'a dyn Watch,
}

impl Session<'_> {
    /// Whether the work shall save and stop.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Session").field("device", &self.device).finish_non_exhaustive()
    }
}
