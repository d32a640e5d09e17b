//! *Animations*: GIF, WebP and PNG pictures of several frames.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use image::codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::{AnimationDecoder, DynamicImage, Frame, Frames, ImageDecoder, ImageError, ImageResult};

use super::MOST_PIXELS;
use super::error::VideoError;
use super::section::Section;
use crate::data::faces::format::{Content, PictureFormat, START_BYTES};
use crate::data::faces::picture::{Limits, Picture};

/// Frames that say they last no longer than this are shown for [`SHOWN`] by every browser, in seconds.
const TOO_SHORT: f64 = 0.010;
const SHOWN: f64 = 0.1;
/// Frames that wait for their reader.
const WAITING: usize = 2;

/// Whether pictures of a format may be animations that are read.
pub(super) fn reads(format: PictureFormat) -> bool {
    matches!(format, PictureFormat::Gif | PictureFormat::WebP | PictureFormat::Png)
}

/// The frames of an animated picture, decoded in a thread of its own.
#[derive(Debug)]
pub(super) struct Animation {
    frames: Receiver<Result<Decoded, VideoError>>,
    /// When the next frame begins, in seconds.
    time: f64,
    earlier: Option<f64>,
}

/// A frame, and how long it lasts in seconds.
#[derive(Debug)]
struct Decoded {
    picture: Picture,
    lasts: f64,
}

impl Animation {
    /// Begins to decode an animation.
    pub(super) fn open(path: &Path) -> Self {
        let (sender, receiver) = sync_channel(WAITING);
        let path = path.to_owned();
        std::thread::spawn(move || {
            let frames = match frames(&path) {
                Ok(frames) => frames,
                // Whoever is no longer there wants nothing more.
                Err(error) => return drop(sender.send(Err(error))),
            };
            for frame in frames {
                let decoded = frame.map(decoded).map_err(|error| damaged(&path, &error));
                if sender.send(decoded).is_err() {
                    return;
                }
            }
        });
        Self { frames: receiver, time: 0.0, earlier: None }
    }

    /// The next frame of `section` with its time in seconds; `None` at the end.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or its frames are too large.
    pub(super) fn next_frame(&mut self, section: &Section) -> Result<Option<(f64, Picture)>, VideoError> {
        loop {
            let time = self.time;
            if section.is_over(time) {
                return Ok(None);
            }
            let Ok(decoded) = self.frames.recv() else { return Ok(None) };
            let Decoded { picture, lasts } = decoded?;
            self.time += if lasts <= TOO_SHORT { SHOWN } else { lasts };
            if section.wants(time, self.earlier.replace(time)) {
                return Ok(Some((time, picture)));
            }
        }
    }
}

fn decoded(frame: Frame) -> Decoded {
    let (above, below) = frame.delay().numer_denom_ms();
    let lasts = f64::from(above) / f64::from(below.max(1)) / 1000.0;
    Decoded { picture: DynamicImage::from(frame.into_buffer()).into(), lasts }
}

fn damaged(path: &Path, error: &ImageError) -> VideoError {
    VideoError::content(path, format!("is damaged or incomplete: {error}"))
}

fn frames(path: &Path) -> Result<Frames<'static>, VideoError> {
    let file_error = |source| VideoError::File { path: path.to_owned(), source };
    let mut reader = BufReader::new(File::open(path).map_err(file_error)?);
    let start = std::io::BufRead::fill_buf(&mut reader).map_err(file_error)?;
    let content = Content::of(&start[..start.len().min(START_BYTES)]);
    let image = |error: ImageError| damaged(path, &error);
    match content {
        Content::Picture(PictureFormat::Gif) => {
            let decoder = limited(GifDecoder::new(reader).map_err(image)?, path)?;
            Ok(decoder.into_frames())
        }
        Content::Picture(PictureFormat::WebP) => {
            let decoder = limited(WebPDecoder::new(reader).map_err(image)?, path)?;
            Ok(decoder.into_frames())
        }
        Content::Picture(PictureFormat::Png) => {
            let decoder = limited(PngDecoder::new(reader).map_err(image)?, path)?;
            let animated: ImageResult<_> = decoder.apng();
            Ok(animated.map_err(image)?.into_frames())
        }
        _ => Err(VideoError::content(path, "is no animated GIF, WebP or PNG")),
    }
}

/// The decoder, once it is known that it makes no more pixels and takes no more memory than it may.
fn limited<D: ImageDecoder>(mut decoder: D, path: &Path) -> Result<D, VideoError> {
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(super::ffmpeg::too_large(path, [width, height]));
    }
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(Limits::RECOGNITION.decoder_bytes);
    decoder.set_limits(limits).map_err(|error| damaged(path, &error))?;
    Ok(decoder)
}
