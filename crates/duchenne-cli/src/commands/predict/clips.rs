//! Clips, one at a time: their frames recognised, written, and made into files.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use duchenne::data::video::Section;
use duchenne::evaluation::timeline::Timeline;
use duchenne::files::atomic::{AtomicError, write_atomically};
use duchenne::{Clip, Ffmpeg, Recognizer, Unit, VideoOptions, Watch as _, Work};

use super::Failure;
use super::clip_files::{ClipFiles, ClipPlaces};
use super::clip_results::ClipResults;
use super::output::{Form, ResultWriter};
use super::paths::Source;
use super::summary::Tally;
use crate::interrupt::stop_flag_saying;
use crate::terminal::{Terminal, clear, say};

/// How all clips of a run are done.
pub(super) struct Clips<'a> {
    pub(super) recognizer: &'a Recognizer,
    pub(super) ffmpeg: Ffmpeg,
    pub(super) section: Section,
    pub(super) options: VideoOptions,
    pub(super) places: ClipPlaces,
    pub(super) results: Option<ClipResults>,
    /// What the pages say of how they were made.
    pub(super) made_with: Vec<String>,
    /// Whether a bar is shown: not where results appear on the terminal themselves.
    pub(super) shows_progress: bool,
    pub(super) stop: Option<Arc<AtomicBool>>,
}

/// Why a clip was not done.
enum Problem {
    /// The clip, or a file made of it.
    Clip(String),
    /// What ends the run.
    Run(Failure),
}

impl From<AtomicError> for Problem {
    fn from(error: AtomicError) -> Self {
        Self::Clip(error.to_string())
    }
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        Self::Clip(format!("{error:#}"))
    }
}

impl Clips<'_> {
    /// Does one clip: its frames go to `writer`, or into its file. `Ok(Err(reason))` where the clip was not done.
    ///
    /// # Errors
    /// What ends the run: results cannot be written, or the user asked to stop.
    pub(super) fn run<W: Write>(
        &mut self,
        source: &Source,
        writer: &mut ResultWriter<W>,
        tally: &mut Tally,
    ) -> Result<Result<(), String>, Failure> {
        let done = self.clip(source, writer, tally);
        clear();
        // ffmpeg hears Ctrl-C as well; what it says then is not the reason.
        if self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(Failure::Other(anyhow::anyhow!(
                "stopped in `{}`: what was being made of it is left out",
                source.path.display()
            )));
        }
        match done {
            Ok(()) => Ok(Ok(())),
            Err(Problem::Clip(reason)) => Ok(Err(reason)),
            Err(Problem::Run(failure)) => Err(failure),
        }
    }

    fn clip<W: Write>(
        &mut self,
        source: &Source,
        writer: &mut ResultWriter<W>,
        tally: &mut Tally,
    ) -> Result<(), Problem> {
        let out = match &mut self.results {
            Some(results) => match results.path(source)? {
                Some(path) => Some((path, results.form())),
                None => return Ok(()),
            },
            None => None,
        };
        if self.stop.is_none() {
            self.stop = Some(stop_flag_saying("stopping; press Ctrl-C again to stop at once")?);
        }
        let clip = Clip::open(&source.path, self.section, &self.ffmpeg).map_err(anyhow::Error::from)?;
        let files = self.places.files(source, &clip, self.section)?;
        let labels = self.recognizer.predictor().label_set();
        let smooths = self.options.smooth.is_some();
        let mut timeline = Timeline::new(labels);
        match out {
            None => self.frames(source, clip, files, writer, &mut timeline)?,
            Some((path, form)) => write_atomically(&path, |file| {
                let into = |error: std::io::Error| Problem::from(AtomicError::system(&path, error));
                let mut frames = ResultWriter::new(form, labels, smooths, &mut *file).map_err(into)?;
                self.frames(source, clip, files, &mut frames, &mut timeline).map_err(
                    |problem| match problem {
                        // Of the clip's file, not of standard output.
                        Problem::Run(Failure::Output(error)) => into(error),
                        other => other,
                    },
                )
            })?,
        }
        tally.add_clip(&timeline);
        let path = source.path.to_string_lossy();
        writer.clip(&path, &timeline).map_err(|error| Problem::Run(Failure::Output(error)))
    }

    /// Recognises the frames and makes the files.
    fn frames<W: Write>(
        &self,
        source: &Source,
        clip: Clip,
        mut files: ClipFiles,
        writer: &mut ResultWriter<W>,
        timeline: &mut Timeline,
    ) -> Result<(), Problem> {
        let path = source.path.to_string_lossy();
        let output = |error: std::io::Error| Problem::Run(Failure::Output(error));
        let expected = clip.expected_frames();
        let name =
            source.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut frames = self.recognizer.recognize_video(clip, self.options);
        for frame in frames.by_ref() {
            let mut frame = frame.map_err(anyhow::Error::from)?;
            if self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Err(Problem::Clip("stopped".to_owned()));
            }
            writer.frame(&path, &frame).map_err(output)?;
            timeline.add(&frame);
            files.add(&mut frame, &self.ffmpeg)?;
            if self.shows_progress {
                let done = timeline.frames();
                let total = expected.unwrap_or(done).max(done);
                Terminal.progress(Work { what: &name, unit: Unit::Frames }, done, total);
            }
        }
        clear();
        timeline.finish();
        if let Some(warning) = frames.clip().warning() {
            say(format_args!("warning: `{path}` {warning}"));
            writer.warning(&path, &warning.to_string()).map_err(output)?;
        }
        Ok(files.finish(&name, &self.made_with, timeline)?)
    }
}

/// Whether frames are shown on the terminal while they are recognised.
pub(super) fn shows_frames(form: Form, has_out: bool) -> bool {
    !has_out && !matches!(form, Form::Table { .. })
}
