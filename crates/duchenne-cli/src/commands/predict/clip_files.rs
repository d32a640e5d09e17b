//! The files that are made of a clip: its annotated copy, its page, its subtitles, its frames.

use std::path::{Path, PathBuf};

use duchenne::data::video::Section;
use duchenne::evaluation::timeline::{Subtitles, Timeline, render_timeline};
use duchenne::files::atomic::{check_writable, write_text};
use duchenne::inference::drawing::annotation::{Marks, annotate_frame};
use duchenne::{Clip, ClipWriter, Ffmpeg, FrameFaces};

use super::paths::Source;
use super::result_folder::ResultFolder;

/// The name that annotated copies of animations have: ffmpeg does not need to write animations.
const COPY_OF_AN_ANIMATION: &str = "mp4";

/// Where results of one kind go.
#[derive(Debug)]
enum Place {
    /// Into this file: there may be but one clip.
    File { path: PathBuf, taken: bool },
    /// Into this folder.
    Folder(ResultFolder),
}

impl Place {
    /// A file where the name says so, else a folder.
    fn new(path: &Path, what: &'static str, is_file: bool, inputs: &[PathBuf]) -> anyhow::Result<Self> {
        if is_file && !path.is_dir() {
            let is_input = |input: &PathBuf| {
                input.canonicalize().is_ok_and(|input| path.canonicalize().is_ok_and(|path| path == input))
            };
            anyhow::ensure!(!inputs.iter().any(is_input), "`{}` is the input itself", path.display());
            check_writable(path)?;
            return Ok(Self::File { path: path.to_owned(), taken: false });
        }
        Ok(Self::Folder(ResultFolder::create(path, what, inputs)?))
    }

    fn path(&mut self, source: &Source, ending: &str) -> anyhow::Result<PathBuf> {
        match self {
            Self::File { path, taken } => {
                anyhow::ensure!(
                    !std::mem::replace(taken, true),
                    "`{}` is taken by another clip; name a folder for the results of several",
                    path.display()
                );
                Ok(path.clone())
            }
            Self::Folder(folder) => folder.path(source, ending),
        }
    }

    fn root(&self) -> Option<&Path> {
        match self {
            Self::File { .. } => None,
            Self::Folder(folder) => Some(folder.root()),
        }
    }
}

/// Where the files of clips go.
#[derive(Debug, Default)]
pub(super) struct ClipPlaces {
    annotated: Option<Place>,
    timelines: Option<Place>,
    subtitles: Option<Place>,
    marks: Marks,
}

/// Whether `--annotate` names the copy of one clip and no folder.
pub(super) fn names_a_clip(path: &Path) -> bool {
    ClipWriter::can_write(path) && !path.is_dir()
}

fn ends_in(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| endings.contains(&ending.as_str()))
}

impl ClipPlaces {
    /// Makes the folders and checks that they are apart from the `inputs`.
    ///
    /// # Errors
    /// When a place is unfit.
    pub(super) fn new(
        annotated: Option<&Path>,
        timelines: Option<&Path>,
        subtitles: Option<&Path>,
        marks: Marks,
        inputs: &[PathBuf],
    ) -> anyhow::Result<Self> {
        let place = |path: Option<&Path>, what: &'static str, is_file: fn(&Path) -> bool| {
            path.map(|path| Place::new(path, what, is_file(path), inputs)).transpose()
        };
        Ok(Self {
            annotated: place(annotated, "annotated copies", names_a_clip)?,
            timelines: place(timelines, "timelines", |path| ends_in(path, &["html", "htm"]))?,
            subtitles: place(subtitles, "subtitles", |path| ends_in(path, &["srt"]))?,
            marks,
        })
    }

    /// Whether frames are drawn on.
    pub(super) fn draws(&self) -> bool {
        self.annotated.is_some()
    }

    /// The folders, which are not searched for inputs.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        [&self.annotated, &self.timelines, &self.subtitles].into_iter().flatten().filter_map(Place::root)
    }

    /// The files of one clip, about to be made.
    ///
    /// # Errors
    /// When a place is taken or cannot be made.
    pub(super) fn files(
        &mut self,
        source: &Source,
        clip: &Clip,
        section: Section,
    ) -> anyhow::Result<ClipFiles> {
        let ending = source.relative.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let copy = if ClipWriter::can_write(&source.relative) { ending } else { COPY_OF_AN_ANIMATION };
        let annotated = self.annotated.as_mut().map(|place| place.path(source, copy)).transpose()?;
        let sound = clip.facts().has_sound.then(|| source.path.clone());
        Ok(ClipFiles {
            annotated: annotated.map(|path| Annotated { path, section, sound, writer: None }),
            timeline: self.timelines.as_mut().map(|place| place.path(source, "html")).transpose()?,
            subtitles: self
                .subtitles
                .as_mut()
                .map(|place| place.path(source, "srt"))
                .transpose()?
                .map(|path| (path, Subtitles::default())),
            marks: self.marks,
        })
    }
}

/// The files of one clip in the making: whole or not at all.
pub(super) struct ClipFiles {
    annotated: Option<Annotated>,
    timeline: Option<PathBuf>,
    subtitles: Option<(PathBuf, Subtitles)>,
    marks: Marks,
}

struct Annotated {
    path: PathBuf,
    section: Section,
    /// The clip whose sound is kept.
    sound: Option<PathBuf>,
    /// From the first frame on, which tells the size.
    writer: Option<ClipWriter>,
}

impl ClipFiles {
    /// Adds a frame, and takes its picture.
    ///
    /// # Errors
    /// When the annotated copy cannot be written.
    pub(super) fn add(&mut self, frame: &mut FrameFaces, ffmpeg: &Ffmpeg) -> anyhow::Result<()> {
        if let Some((_, subtitles)) = &mut self.subtitles {
            subtitles.add(frame);
        }
        if let (Some(annotated), Some(picture)) = (&mut self.annotated, frame.picture.take()) {
            let mut picture = picture.into_rgb();
            annotate_frame(&mut picture, &frame.faces, self.marks);
            let Annotated { path, section, sound, writer } = annotated;
            if writer.is_none() {
                *writer = Some(ClipWriter::create(path, frame.size, section, sound.as_deref(), ffmpeg)?);
            }
            if let Some(writer) = writer {
                writer.frame(frame.time, &picture)?;
            }
        }
        Ok(())
    }

    /// Gives the files their names.
    ///
    /// # Errors
    /// When one cannot be written; those before it stay.
    pub(super) fn finish(self, title: &str, made_with: &[String], timeline: &Timeline) -> anyhow::Result<()> {
        if let Some(writer) = self.annotated.and_then(|annotated| annotated.writer) {
            writer.finish()?;
        }
        if let Some(path) = self.timeline {
            write_text(&path, &render_timeline(title, made_with, timeline)?)?;
        }
        if let Some((path, subtitles)) = self.subtitles {
            write_text(&path, &subtitles.finish())?;
        }
        Ok(())
    }
}
