//! Ctrl-C and termination: long work saves and stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use crate::terminal::say;

/// Does something at Ctrl-C or a request to terminate, and says `message`; the second one ends the program at
/// once.
pub(crate) fn on_stop(message: &'static str, stop: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    let asked = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            #[expect(clippy::exit, reason = "the second Ctrl-C asks for exactly this")]
            std::process::exit(130);
        }
        // Told first: what stops may end the program before another word.
        say(format_args!("\n{message}"));
        stop();
    })
    .context("cannot listen for Ctrl-C")
}

/// A flag that Ctrl-C or a request to terminate sets in training; the second one ends the program at once.
pub(crate) fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    stop_flag_saying("stopping after this batch and saving; press Ctrl-C again to stop at once")
}

/// The same for other work, which says `message` when it is asked to stop.
pub(crate) fn stop_flag_saying(message: &'static str) -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    on_stop(message, move || {
        asked.store(true, Ordering::Relaxed);
    })?;
    Ok(stop)
}
