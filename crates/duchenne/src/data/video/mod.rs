//! *Videos*: clips and animated pictures as frames, each with its time.
//!
//! Clips are decoded by the user's [`Ffmpeg`] in a process of its own, its frames coming through a pipe; animated GIF, WebP
//! and PNG need nothing. [`Clip`] is the one door to both, [`ClipWriter`] the way back.

mod animation;
mod clip;
mod decoding;
mod encoding;
mod error;
mod ffmpeg;
mod nut;
mod section;

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use crate::data::faces::format::{Content, START_BYTES};
use crate::data::faces::picture::Picture;
use crate::data::faces::warnings::{PictureWarning, warning};

pub use clip::{Clip, ClipWarning};
pub use encoding::ClipWriter;
pub use error::VideoError;
pub use ffmpeg::Ffmpeg;
pub use section::Section;

/// The most pixels of a frame: 8K video has 33.2 million.
pub const MOST_PIXELS: u64 = 1 << 25;

/// A frame of a clip.
#[derive(Debug, Clone)]
pub struct VideoFrame {
    /// Its place among the frames that are given, from 0.
    pub index: u64,
    /// When it is shown, in seconds from the clip's beginning.
    pub time: f64,
    /// The frame as a person sees it: turned as the clip says.
    pub picture: Picture,
}

/// What is known of a clip before its first frame is decoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClipFacts {
    /// How long it lasts, in seconds, where its file says so.
    pub duration: Option<f64>,
    /// How many frames a second it has on average, where its file says so.
    pub rate: Option<f64>,
    /// Whether sound goes with it.
    pub has_sound: bool,
}

/// Endings of the names of videos, which may begin in ways that nobody knows; `ts` is as often a program's text.
const ENDINGS: [&str; 15] = [
    "mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "mts", "m2ts", "wmv", "flv", "ogv", "3gp",
    "mxf",
];

/// What holds several frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClipKind {
    /// A video, for `ffmpeg`.
    Video,
    /// An animated GIF, WebP or PNG.
    Animation,
}

impl ClipKind {
    /// Of the file `path` by its content, or where that is unknown by its name: `None` where it is no clip, or cannot be
    /// read.
    pub fn of(path: &Path) -> Option<Self> {
        if !path.metadata().ok()?.is_file() {
            return None;
        }
        let mut reader = BufReader::new(File::open(path).ok()?);
        let start = reader.fill_buf().ok()?;
        match Content::of(&start[..start.len().min(START_BYTES)]) {
            Content::Video => Some(Self::Video),
            Content::Picture(format) if animation::reads(format) => (warning(&mut reader, format).ok()?
                == Some(PictureWarning::FirstFrame))
            .then_some(Self::Animation),
            Content::Other => {
                let ending = path.extension()?.to_str()?.to_ascii_lowercase();
                ENDINGS.contains(&ending.as_str()).then_some(Self::Video)
            }
            _ => None,
        }
    }
}
