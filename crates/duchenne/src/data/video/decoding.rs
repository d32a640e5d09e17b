//! *Decoding*: frames as they come out of ffmpeg. A program that falls silent is ended; it ends, too, when its reader does.

use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use image::RgbImage;

use super::error::VideoError;
use super::ffmpeg::{Complaints, ended};
use super::nut::NutReader;
use super::section::Section;
use crate::data::faces::picture::Picture;

/// How long a program may be silent before it is taken for stuck: finding a place in a long file takes its time.
const SILENCE: Duration = Duration::from_secs(120);
/// How many bytes of frames wait for their reader; at least two frames.
const WAITING_BYTES: u64 = 24 << 20;

/// A frame that came through the pipe, with its time in the section, in seconds.
type Piped = io::Result<(f64, RgbImage)>;

/// A clip that is being decoded.
#[derive(Debug)]
pub(super) struct Decoding {
    path: PathBuf,
    child: Child,
    /// `None` once the last frame was given.
    frames: Option<Receiver<Piped>>,
    reader: Option<JoinHandle<()>>,
    complaints: Option<Complaints>,
    complaint: Option<String>,
    from: f64,
    given: u64,
    last: Option<(f64, f64)>,
}

impl Decoding {
    pub(super) fn new(mut child: Child, path: &Path, section: &Section) -> Self {
        let complaints = Complaints::of(&mut child);
        let stdout = child.stdout.take().expect("it is piped");
        let (ready, opened) = sync_channel::<Receiver<Piped>>(1);
        let reader = std::thread::spawn(move || {
            let mut frames = match NutReader::new(BufReader::with_capacity(1 << 16, stdout)) {
                Ok(Some(frames)) => frames,
                Ok(None) => return,
                Err(error) => {
                    let (sender, receiver) = sync_channel(1);
                    // Whoever is no longer there wants nothing more.
                    let _ = sender.send(Err(error));
                    let _ = ready.send(receiver);
                    return;
                }
            };
            let [width, height] = frames.size();
            let bytes = 3 * u64::from(width) * u64::from(height);
            let (sender, receiver) = sync_channel((WAITING_BYTES / bytes.max(1)).clamp(2, 16) as usize);
            if ready.send(receiver).is_err() {
                return;
            }
            loop {
                let frame = match frames.next_frame() {
                    Ok(None) => return,
                    Ok(Some(frame)) => Ok((
                        frame.time,
                        RgbImage::from_vec(width, height, frame.bytes)
                            .expect("the reader counts a frame's bytes"),
                    )),
                    Err(error) => Err(error),
                };
                let failed = frame.is_err();
                if sender.send(frame).is_err() || failed {
                    return;
                }
            }
        });
        // How many frames may wait depends on their size, which the first one tells.
        let (none, nothing) = sync_channel(1);
        drop(none);
        let frames = opened.recv_timeout(SILENCE).unwrap_or(nothing);
        Self {
            path: path.to_owned(),
            child,
            frames: Some(frames),
            reader: Some(reader),
            complaints: Some(complaints),
            complaint: None,
            from: section.from.unwrap_or(0.0),
            given: 0,
            last: None,
        }
    }

    /// The next frame with its time in seconds of the clip; `None` at the end.
    ///
    /// # Errors
    /// When no frame can be decoded, or decoding ended before its time.
    pub(super) fn next_frame(&mut self) -> Result<Option<(f64, Picture)>, VideoError> {
        let Some(frames) = &self.frames else { return Ok(None) };
        match frames.recv_timeout(SILENCE) {
            Ok(Ok((time, image))) => {
                let time = time + self.from;
                self.given += 1;
                self.last = Some((time, self.last.map_or(0.0, |(earlier, _)| time - earlier)));
                Ok(Some((time, image.into())))
            }
            Ok(Err(error)) => {
                let (status, complaints) = self.end(false);
                let problem = match status {
                    Some(status) if !status.success() => ended(status, &complaints),
                    _ => error.to_string(),
                };
                Err(self.broken(&problem))
            }
            Err(RecvTimeoutError::Timeout) => {
                self.end(true);
                Err(self.broken(&format!("gave no frame for {} s and was ended", SILENCE.as_secs())))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let (status, complaints) = self.end(false);
                if let Some(status) = status.filter(|status| !status.success()) {
                    return Err(self.broken(&ended(status, &complaints)));
                }
                self.complaint = complaints.first().cloned();
                if self.given > 0 {
                    return Ok(None);
                }
                let problem = match (&self.complaint, self.from > 0.0) {
                    (Some(line), _) => format!("holds no frame that can be decoded ({line})"),
                    (None, true) => format!("has no frame from {} s on", self.from),
                    (None, false) => "holds no frame that can be decoded".to_owned(),
                };
                Err(VideoError::content(&self.path, problem))
            }
        }
    }

    /// The time of the last frame that was given and its distance to the one before, in seconds.
    pub(super) fn last_frame(&self) -> Option<(f64, f64)> {
        self.last
    }

    /// What ffmpeg said first about damage, once it has ended.
    pub(super) fn complaint(&self) -> Option<String> {
        self.complaint.clone()
    }

    fn broken(&self, problem: &str) -> VideoError {
        let frames = crate::data::counted(self.given as usize, "frame");
        VideoError::broken(&self.path, format!("{problem}, after {frames}"))
    }

    /// Waits for the end of the program, or brings it about.
    fn end(&mut self, kill: bool) -> (Option<ExitStatus>, Vec<String>) {
        self.frames = None;
        if kill {
            // It may have ended by itself.
            let _ = self.child.kill();
        }
        let status = self.child.wait().ok();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        (status, self.complaints.take().map(Complaints::heard).unwrap_or_default())
    }
}

impl Drop for Decoding {
    fn drop(&mut self) {
        if self.reader.is_some() {
            self.end(true);
        }
    }
}
