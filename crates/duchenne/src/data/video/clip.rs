//! A *clip*: frames, whatever they are stored as.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use super::animation::Animation;
use super::decoding::Decoding;
use super::error::VideoError;
use super::ffmpeg::Ffmpeg;
use super::section::Section;
use super::{ClipFacts, ClipKind, VideoFrame};

/// The frames of a clip, in the order of their times.
///
/// ```no_run
/// use duchenne::{Clip, Ffmpeg, Section};
///
/// let clip = Clip::open("clip.mp4", Section::default(), &Ffmpeg::default())?;
/// for frame in clip {
///     let frame = frame?;
///     println!("{:.3} s: {} x {}", frame.time, frame.picture.width(), frame.picture.height());
/// }
/// # Ok::<(), duchenne::Error>(())
/// ```
#[derive(Debug)]
pub struct Clip {
    path: PathBuf,
    facts: ClipFacts,
    section: Section,
    frames: Frames,
    given: u64,
}

#[derive(Debug)]
enum Frames {
    Video(Box<Decoding>),
    Animation(Box<Animation>),
}

/// What is to be known of a clip that was read to its end.
#[derive(Debug, Clone, PartialEq)]
pub enum ClipWarning {
    /// Frames ended this many seconds into the clip, earlier than its file says.
    EndsEarly {
        /// Where they ended, in seconds.
        at: f64,
        /// Where they should have, in seconds.
        expected: f64,
    },
    /// The decoder met damage; its own words.
    Damaged(String),
}

impl Display for ClipWarning {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndsEarly { at, expected } => {
                write!(formatter, "is cut off: its frames end at {at:.2} s of {expected:.2} s")
            }
            Self::Damaged(words) => {
                write!(formatter, "is damaged, some frames may be missing or gray ({words})")
            }
        }
    }
}

impl Clip {
    /// Opens the clip `path`: a video, decoded by `ffmpeg`, or an animated GIF, WebP or PNG.
    ///
    /// # Errors
    /// [`VideoError`] when it is no clip, when its frames are larger than [`MOST_PIXELS`](super::MOST_PIXELS), or when
    /// `ffmpeg` is missing.
    pub fn open(path: impl AsRef<Path>, section: Section, ffmpeg: &Ffmpeg) -> Result<Self, VideoError> {
        let path = path.as_ref();
        if let Some(problem) = section.problem() {
            return Err(VideoError::Section(problem));
        }
        let file_error = |source| VideoError::File { path: path.to_owned(), source };
        if !path.metadata().map_err(file_error)?.is_file() {
            return Err(VideoError::content(path, "is no plain file"));
        }
        std::fs::File::open(path).map_err(file_error)?;
        let (facts, frames) = match ClipKind::of(path) {
            Some(ClipKind::Animation) => {
                let animation = Animation::open(path);
                let facts = ClipFacts { duration: None, rate: None, has_sound: false };
                (facts, Frames::Animation(Box::new(animation)))
            }
            // Formats are many: what it is not by its first bytes, ffmpeg may still know.
            Some(ClipKind::Video) | None => {
                let facts = ffmpeg.facts(path)?;
                (facts, Frames::Video(Box::new(ffmpeg.decode(path, &section)?)))
            }
        };
        Ok(Self { path: path.to_owned(), facts, section, frames, given: 0 })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What its file says of it.
    pub fn facts(&self) -> ClipFacts {
        self.facts
    }

    /// About how many frames there will be, where the file says so.
    pub fn expected_frames(&self) -> Option<u64> {
        let seconds = self.expected_end()? - self.section.from.unwrap_or(0.0);
        let rate = self.facts.rate?;
        let rate = self.section.every.map_or(rate, |every| rate.min(1.0 / every));
        Some((seconds.max(0.0) * rate).round() as u64)
    }

    /// Where its frames end, in seconds, where the file says so.
    fn expected_end(&self) -> Option<f64> {
        let duration = self.facts.duration?;
        Some(self.section.to.map_or(duration, |to| to.min(duration)))
    }

    /// Once the last frame was given: what is to be known of the clip.
    pub fn warning(&self) -> Option<ClipWarning> {
        let Frames::Video(decoding) = &self.frames else { return None };
        let (at, gap) = decoding.last_frame()?;
        let gap = self.section.every.map_or(gap, |every| gap.max(every));
        if let Some(expected) = self.expected_end()
            && at + 2.0 * gap + 0.2 < expected
        {
            return Some(ClipWarning::EndsEarly { at: at + gap, expected });
        }
        decoding.complaint().map(ClipWarning::Damaged)
    }
}

impl Iterator for Clip {
    type Item = Result<VideoFrame, VideoError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match &mut self.frames {
            Frames::Video(decoding) => decoding.next_frame(),
            Frames::Animation(animation) => animation.next_frame(&self.section),
        };
        let (time, picture) = match next {
            Ok(next) => next?,
            Err(error) => return Some(Err(error)),
        };
        let index = self.given;
        self.given += 1;
        Some(Ok(VideoFrame { index, time, picture }))
    }
}
