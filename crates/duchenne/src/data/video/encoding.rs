//! *Encoding*: frames back into a clip.

use std::ffi::OsString;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};

use image::RgbImage;

use super::error::VideoError;
use super::ffmpeg::{Complaints, Ffmpeg, ended, from_to, plain};
use super::nut::NutWriter;
use super::section::Section;
use crate::files::atomic::{AtomicError, AtomicFile};

/// Formats of clips that are written: the ending of the name, and ffmpeg's name.
const FORMATS: [(&str, &str); 6] =
    [("mp4", "mp4"), ("m4v", "mp4"), ("mov", "mov"), ("mkv", "matroska"), ("webm", "webm"), ("avi", "avi")];

/// A clip in the making, whole or not at all: it appears under its name once it is [finished](Self::finish).
#[derive(Debug)]
pub struct ClipWriter {
    file: Option<AtomicFile>,
    path: PathBuf,
    child: Child,
    frames: Option<NutWriter<BufWriter<ChildStdin>>>,
    complaints: Option<Complaints>,
    size: [u32; 2],
    from: f64,
}

impl ClipWriter {
    /// Endings of the names of clips that can be written.
    pub fn endings() -> impl Iterator<Item = &'static str> {
        FORMATS.iter().map(|(ending, _)| *ending)
    }

    /// ffmpeg's name of the format that the ending of `path` asks for.
    fn format(path: &Path) -> Option<&'static str> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        FORMATS.iter().find(|(known, _)| *known == ending).map(|(_, format)| *format)
    }

    /// Whether a clip can be written under the name of `path`.
    pub fn can_write(path: &Path) -> bool {
        Self::format(path).is_some()
    }

    /// Begins the clip `path` with frames of `size` pixels, `[width, height]`, whose times are those of a `section` of
    /// another clip; `sound` names that clip where its sound is to be kept.
    ///
    /// # Errors
    /// When the name's ending is none of [`endings`](Self::endings), the file cannot be written, or ffmpeg not started.
    pub fn create(
        path: &Path,
        size: [u32; 2],
        section: &Section,
        sound: Option<&Path>,
        ffmpeg: &Ffmpeg,
    ) -> Result<Self, VideoError> {
        let Some(format) = Self::format(path) else {
            let endings: Vec<String> = Self::endings().map(|ending| format!(".{ending}")).collect();
            return Err(VideoError::content(
                path,
                format!("is no name of a clip, expected {}", endings.join(", ")),
            ));
        };
        let file = AtomicFile::create(path)?;
        let mut command = ffmpeg.command();
        command.args(["-nostdin", "-y", "-xerror", "-f", "nut", "-i", "pipe:0"]);
        if let Some(sound) = sound {
            command.args(from_to(section)).args(ffmpeg.input(sound));
        }
        command.args(["-map", "0:v:0"]);
        if let Some(sound) = sound {
            command.args(["-map", "1:a?"]);
            // What one format holds, another may not.
            let ending = |path: &Path| path.extension().map(|ending| ending.to_ascii_lowercase());
            if ending(sound) == ending(path) {
                command.args(["-c:a", "copy"]);
            }
        }
        // Encoders halve the colours' resolution: sides must be even. Times in 60,000ths of a second meet the common rates.
        command.args([ffmpeg.timing_option()?, "vfr"]);
        command.args([
            "-vf",
            "pad=ceil(iw/2)*2:ceil(ih/2)*2",
            "-pix_fmt",
            "yuv420p",
            "-enc_time_base",
            "1:60000",
        ]);
        command.args(["-preset", "veryfast", "-map_metadata", "-1", "-f", format]);
        let temporary: OsString = plain(file.temporary_path());
        command.arg(temporary).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = ffmpeg.start(&mut command)?;
        let complaints = Complaints::of(&mut child);
        let stdin = BufWriter::with_capacity(1 << 16, child.stdin.take().expect("it is piped"));
        let from = section.from.unwrap_or(0.0);
        let mut writer = Self {
            file: Some(file),
            path: path.to_owned(),
            child,
            frames: None,
            complaints: Some(complaints),
            size,
            from,
        };
        match NutWriter::new(stdin, size) {
            Ok(frames) => writer.frames = Some(frames),
            Err(_) => return Err(writer.failed()),
        }
        Ok(writer)
    }

    /// Adds the frame that is shown at `time`, in seconds.
    ///
    /// # Errors
    /// When ffmpeg has ended: it could not encode, or the disk is full.
    ///
    /// # Panics
    /// When the frame has another size, or an earlier one failed.
    pub fn frame(&mut self, time: f64, frame: &RgbImage) -> Result<(), VideoError> {
        assert_eq!([frame.width(), frame.height()], self.size, "frames of a clip have one size");
        let frames = self.frames.as_mut().expect("no frame after a failure");
        match frames.frame(time - self.from, frame.as_raw()) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.failed()),
        }
    }

    /// Ends the clip and gives it its name.
    ///
    /// # Errors
    /// When it cannot be encoded or written; then nothing is left of it.
    pub fn finish(mut self) -> Result<(), VideoError> {
        let frames = self.frames.take().expect("no end after a failure");
        if frames.finish().is_err() {
            return Err(self.failed());
        }
        let status = self.child.wait().map_err(|error| AtomicError::system(&self.path, error))?;
        let complaints = self.complaints.take().map(Complaints::heard).unwrap_or_default();
        // Some versions end well although the disk was full.
        let wrote =
            !complaints.iter().any(|line| line.contains("rror writing") || line.contains("No space left"));
        if !status.success() || !wrote {
            return Err(VideoError::broken(&self.path, ended(status, &complaints)));
        }
        Ok(self.file.take().expect("it is finished once").commit()?)
    }

    /// How ffmpeg ended.
    fn failed(&mut self) -> VideoError {
        self.frames = None;
        // It has closed its end of the pipe; should it live on, it has nothing to live for.
        let _ = self.child.kill();
        let status = self.child.wait();
        let complaints = self.complaints.take().map(Complaints::heard).unwrap_or_default();
        match (status, complaints.last()) {
            (_, Some(line)) => VideoError::broken(&self.path, format!("failed: {line}")),
            (Ok(status), None) => VideoError::broken(&self.path, ended(status, &complaints)),
            (Err(error), None) => AtomicError::system(&self.path, error).into(),
        }
    }
}

impl Drop for ClipWriter {
    fn drop(&mut self) {
        // Closing the pipe would make ffmpeg end the clip properly; nobody wants it any more.
        if self.complaints.is_some() {
            let _ = self.child.kill();
            self.frames = None;
            let _ = self.child.wait();
        }
    }
}
