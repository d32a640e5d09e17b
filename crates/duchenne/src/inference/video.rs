//! *Videos*: the faces of a clip's frames with their numbers and expressions.

use std::borrow::Borrow;
use std::collections::VecDeque;

use super::InferenceError;
use super::recognition::{Face, FaceFinder, FoundFace};
use super::recognizer::Recognizer;
use super::smoothing::Smoothing;
use super::tracking::{DEFAULT_SEARCH_EVERY, Tracker};
use crate::data::faces::picture::Picture;
use crate::data::video::{Clip, VideoError, VideoFrame};

/// How many bytes of frames are followed at once, while the faces of those before are classified; at least one frame and
/// at most [`MOST_FRAMES`].
const WINDOW_BYTES: u64 = 24 << 20;
const MOST_FRAMES: u64 = 16;

/// How a clip is looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VideoOptions {
    /// The time constant, in seconds, with which probabilities are smoothed beside the raw ones.
    pub smooth: Option<f64>,
    /// Seconds between two searches of the whole frame for new faces; 0 for every frame.
    pub search_every: f64,
    /// Whether frames keep their pictures, to draw on.
    pub keep_pictures: bool,
}

impl Default for VideoOptions {
    fn default() -> Self {
        Self { smooth: None, search_every: DEFAULT_SEARCH_EVERY, keep_pictures: false }
    }
}

/// The faces of a frame.
#[derive(Debug, Clone)]
pub struct FrameFaces {
    /// The frame's place among those that were looked at, from 0.
    pub index: u64,
    /// When it is shown, in seconds from the clip's beginning.
    pub time: f64,
    /// Its width and height in pixels.
    pub size: [u32; 2],
    /// Its faces, by their numbers.
    pub faces: Vec<TrackedFace>,
    /// The frame itself, where that was asked for.
    pub picture: Option<Picture>,
}

/// A face of a frame.
#[derive(Debug, Clone)]
pub struct TrackedFace {
    /// Its number in this clip, from 1.
    pub track: u64,
    /// What this frame alone says of it.
    pub face: Face,
    /// The same with probabilities smoothed over time, where that was asked for.
    pub smoothed: Option<Face>,
    /// The upright crop.
    pub crop: Picture,
}

impl TrackedFace {
    /// What is shown to people: smoothed, if anything is.
    pub fn shown(&self) -> &Face {
        self.smoothed.as_ref().unwrap_or(&self.face)
    }
}

/// The faces of a clip, frame by frame: an iterator that [`Recognizer::recognize_video`] gives.
///
/// While the faces of some frames are classified, those of the next are followed; the memory that it takes does not grow
/// with the clip.
#[derive(Debug)]
pub struct VideoFaces<R> {
    recognizer: R,
    clip: Clip,
    options: VideoOptions,
    tracker: Tracker,
    smoothing: Option<Smoothing>,
    followed: Vec<Followed>,
    ready: VecDeque<FrameFaces>,
    end: Option<Result<(), VideoError>>,
}

/// A frame whose faces are found.
#[derive(Debug)]
struct Followed {
    index: u64,
    time: f64,
    size: [u32; 2],
    faces: Vec<(u64, FoundFace)>,
    picture: Option<Picture>,
}

impl<R: Borrow<Recognizer>> VideoFaces<R> {
    /// The faces of `clip` that `finder` finds, as `recognizer` sees them.
    pub fn new(recognizer: R, finder: FaceFinder, clip: Clip, options: VideoOptions) -> Self {
        let tracker = Tracker::new(finder).search_every(options.search_every);
        Self {
            recognizer,
            clip,
            options,
            tracker,
            smoothing: options.smooth.map(Smoothing::new),
            followed: Vec::new(),
            ready: VecDeque::new(),
            end: None,
        }
    }

    /// The clip.
    pub fn clip(&self) -> &Clip {
        &self.clip
    }

    /// Waits for the next frames.
    fn frames(&mut self) -> Vec<VideoFrame> {
        let mut frames: Vec<VideoFrame> = Vec::new();
        let mut most = 1;
        while self.end.is_none() && (frames.len() as u64) < most {
            match self.clip.next() {
                Some(Ok(frame)) => {
                    let pixels = u64::from(frame.picture.width()) * u64::from(frame.picture.height());
                    most = (WINDOW_BYTES / (3 * pixels.max(1))).clamp(1, MOST_FRAMES);
                    frames.push(frame);
                }
                Some(Err(error)) => self.end = Some(Err(error)),
                None => self.end = Some(Ok(())),
            }
        }
        frames
    }

    /// Follows the faces of the next frames and classifies those of the frames before.
    fn step(&mut self) -> Result<(), InferenceError> {
        let frames = self.frames();
        let followed = std::mem::take(&mut self.followed);
        let (tracker, keeps, recognizer) =
            (&mut self.tracker, self.options.keep_pictures, self.recognizer.borrow());
        let classify = || -> Result<Vec<Face>, InferenceError> {
            let crops: Vec<&FoundFace> =
                followed.iter().flat_map(|frame| frame.faces.iter().map(|(_, face)| face)).collect();
            recognizer.classify(&crops)
        };
        let follow = || -> Vec<Followed> {
            let follow = |VideoFrame { index, time, picture }| {
                let faces = tracker.next(time, &picture);
                let size = [picture.width(), picture.height()];
                Followed { index, time, size, faces, picture: keeps.then_some(picture) }
            };
            frames.into_iter().map(follow).collect()
        };
        // Both on the threads that networks run on.
        let (next, classified) = rayon::join(follow, classify);
        self.followed = next;
        let mut classified = classified?.into_iter();
        for Followed { index, time, size, faces, picture } in followed {
            let faces = faces.into_iter().zip(classified.by_ref()).map(|((track, found), face)| {
                let smoothed = self.smoothing.as_mut().map(|smoothing| {
                    let raw: Vec<f32> = face.probabilities().map(|(_, probability)| probability).collect();
                    face.with_probabilities(smoothing.next(track, time, &raw))
                });
                TrackedFace { track, face, smoothed, crop: found.crop }
            });
            self.ready.push_back(FrameFaces { index, time, size, faces: faces.collect(), picture });
        }
        Ok(())
    }
}

impl<R: Borrow<Recognizer>> Iterator for VideoFaces<R> {
    type Item = Result<FrameFaces, InferenceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(Ok(frame));
            }
            if self.followed.is_empty() {
                match self.end.take() {
                    Some(Ok(())) => {
                        self.end = Some(Ok(()));
                        return None;
                    }
                    Some(Err(error)) => {
                        self.end = Some(Ok(()));
                        return Some(Err(error.into()));
                    }
                    None => {}
                }
            }
            if let Err(error) = self.step() {
                self.end = Some(Ok(()));
                return Some(Err(error));
            }
        }
    }
}
