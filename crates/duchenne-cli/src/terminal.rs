//! The *terminal*: the one owner of standard output, standard error and the progress bar between them.
//!
//! Results go to standard output, everything else to standard error. A reader who has seen enough (`| head`) is not an
//! error, and a closed standard error stops nothing.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use duchenne::{Note, Unit, Watch, Work};
use indicatif::{ProgressBar, ProgressStyle};

/// The bar that is on the terminal, if one is.
static BAR: Mutex<Option<(Unit, ProgressBar)>> = Mutex::new(None);

/// Shows notes as lines and progress as a bar, both on standard error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal;

impl Watch for Terminal {
    fn note(&self, note: &Note<'_>) {
        say(note);
    }

    fn progress(&self, work: Work<'_>, done: u64, total: u64) {
        let mut shown = BAR.lock().unwrap_or_else(PoisonError::into_inner);
        let is_shown = shown.as_ref().is_some_and(|(unit, bar)| *unit == work.unit && !bar.is_finished());
        if !is_shown {
            if let Some((_, bar)) = shown.take() {
                bar.finish_and_clear();
            }
            *shown = Some((work.unit, bar(work.unit)));
        }
        if let Some((_, bar)) = shown.as_ref() {
            if done < bar.position() {
                bar.reset();
            }
            bar.set_length(total);
            bar.set_message(work.what.to_owned());
            bar.set_position(done);
        }
    }
}

/// Writes a line to standard error, above the bar.
pub(crate) fn say(line: impl Display) {
    let shown = BAR.lock().unwrap_or_else(PoisonError::into_inner);
    // Nobody may be listening any more; the work continues.
    let write = || drop(writeln!(io::stderr(), "{line}"));
    match shown.as_ref() {
        Some((_, bar)) => bar.suspend(write),
        None => write(),
    }
}

/// Takes the bar from the terminal.
pub(crate) fn clear() {
    if let Some((_, bar)) = BAR.lock().unwrap_or_else(PoisonError::into_inner).take() {
        bar.finish_and_clear();
    }
}

/// Writes a result to standard output. A closed pipe is not an error: what follows, such as a report's files, is still
/// done.
///
/// # Errors
/// When the system refuses, such as on a full disk.
pub(crate) fn print(text: impl Display) -> anyhow::Result<()> {
    clear();
    let mut output = io::stdout().lock();
    match write!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// Writes a line to standard output, as [`print`] does.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_line(line: impl Display) -> anyhow::Result<()> {
    print(format_args!("{line}\n"))
}

/// Writes a value to standard output as indented JSON.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print_line(serde_json::to_string_pretty(value)?)
}

/// A bar that counts `unit`, invisible where standard error is not a terminal.
fn bar(unit: Unit) -> ProgressBar {
    let template = match unit {
        Unit::Bytes => "{msg} [{bar:30}] {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left",
        Unit::Pictures => "{msg} [{bar:30}] {pos}/{len} pictures, {per_sec}, {eta} left",
        Unit::Frames => "{msg} [{bar:30}] {pos}/{len} frames, {per_sec}, {eta} left",
        Unit::Images => "{msg} [{bar:30}] {pos}/{len} images, {per_sec}, {eta} left",
        Unit::Faces => "{msg} [{bar:30}] {pos}/{len} faces, {per_sec}, {eta} left",
        Unit::Epochs => "{msg} [{bar:30}] {pos}/{len} epochs, {eta} left",
        Unit::Classes => "{msg} [{bar:30}] {pos}/{len} classes",
        _ => "{msg} [{bar:30}] {pos}/{len}, {eta} left",
    };
    let style = ProgressStyle::with_template(template).expect("the templates are sound");
    let bar = ProgressBar::no_length().with_style(style.progress_chars("=> "));
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// A number with its noun, in the plural where it is not one: "1 picture", "1,234 pictures".
pub(crate) fn counted(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(number))
}

/// A number with commas between its thousands.
pub(crate) fn grouped(number: usize) -> String {
    duchenne::evaluation::report::thousands(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped_and_nouns_counted() {
        assert_eq!([0, 999, 1000, 35_887, 1_234_567].map(grouped).join(" "), "0 999 1,000 35,887 1,234,567");
        assert_eq!(counted(1, "picture"), "1 picture");
        assert_eq!(counted(2000, "picture"), "2,000 pictures");
    }

    #[test]
    fn progress_templates_are_sound() {
        let units = [
            Unit::Bytes,
            Unit::Pictures,
            Unit::Frames,
            Unit::Images,
            Unit::Faces,
            Unit::Epochs,
            Unit::Classes,
            Unit::Measurements,
        ];
        for unit in units {
            bar(unit).finish_and_clear();
        }
    }
}
