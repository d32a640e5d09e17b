//! The summary of a run, for programs: what was read, found and left out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Serialize;

use duchenne::Face;
use duchenne::evaluation::timeline::Timeline;
use duchenne::files::atomic::{check_writable, write_atomically};

use super::left_out::{KindLeftOut, LeftOut};

/// Checks before the work that the summary can be written to `path`, and that no picture lies there.
///
/// # Errors
/// When it cannot be written, or would replace what is no summary.
pub(super) fn check(path: &Path) -> anyhow::Result<()> {
    let mut start = [0];
    let earlier = File::open(path).and_then(|mut file| file.read(&mut start));
    if earlier.is_ok_and(|length| length == 1 && start != *b"{") {
        bail!("`{}` is there and is no summary: name another file", path.display());
    }
    Ok(check_writable(path)?)
}

/// What a run did so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Pictures met.
    pub(super) pictures: usize,
    /// Pictures that could not be read, or whose copy could not be written, with the reason.
    pub(super) failed: Vec<(String, String)>,
    /// Clips.
    pub(super) clips: ClipTally,
    without_faces: usize,
    with_warning: usize,
    expressions: BTreeMap<String, usize>,
}

/// What was done of clips.
#[derive(Debug, Default, Serialize)]
pub(super) struct ClipTally {
    /// Clips met, but those whose results were there already.
    #[serde(rename = "clips")]
    pub(super) met: usize,
    frames: u64,
    people: usize,
    /// Seconds in which people showed each expression as the likeliest.
    seconds: BTreeMap<String, f64>,
}

/// The summary as it is written.
#[derive(Serialize)]
struct Summary<'a> {
    pictures: usize,
    failed: Vec<Failed<'a>>,
    without_faces: usize,
    with_warning: usize,
    videos: &'a ClipTally,
    faces: usize,
    /// Faces of pictures by their likeliest expression.
    expressions: &'a BTreeMap<String, usize>,
    not_read: Vec<KindLeftOut>,
    links: Vec<String>,
}

#[derive(Serialize)]
struct Failed<'a> {
    path: &'a str,
    error: &'a str,
}

impl Tally {
    /// Counts a picture that was recognised.
    pub(super) fn add(&mut self, faces: &[Face], has_warning: bool) {
        self.without_faces += usize::from(faces.is_empty());
        self.with_warning += usize::from(has_warning);
        for face in faces {
            *self.expressions.entry(face.expression().to_owned()).or_default() += 1;
        }
    }

    /// Counts a clip that was recognised.
    pub(super) fn add_clip(&mut self, timeline: &Timeline) {
        let ClipTally { met, frames, people, seconds } = &mut self.clips;
        *met += 1;
        *frames += timeline.frames();
        *people += timeline.people().len();
        for person in timeline.people().values() {
            for (name, shown) in timeline.label_set().names().iter().zip(&person.seconds) {
                *seconds.entry((*name).to_owned()).or_default() += shown;
            }
        }
    }

    /// Pictures and clips met.
    pub(super) fn inputs(&self) -> usize {
        self.pictures + self.clips.met
    }

    /// Writes the summary to `path`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write(&self, left_out: &LeftOut, path: &Path) -> anyhow::Result<()> {
        let (not_read, links) = left_out.counted();
        let summary = Summary {
            pictures: self.pictures,
            failed: self.failed.iter().map(|(path, error)| Failed { path, error }).collect(),
            without_faces: self.without_faces,
            with_warning: self.with_warning,
            videos: &self.clips,
            faces: self.expressions.values().sum(),
            expressions: &self.expressions,
            not_read,
            links,
        };
        write_atomically(path, |out| -> anyhow::Result<()> {
            serde_json::to_writer_pretty(&mut *out, &summary)
                .map_err(std::io::Error::from)
                .and_then(|()| writeln!(out))
                .with_context(|| format!("cannot write `{}`", path.display()))
        })
    }
}
