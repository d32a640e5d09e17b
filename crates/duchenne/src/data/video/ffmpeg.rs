//! The user's *ffmpeg*: found, asked what a clip holds, and started.
//!
//! A clip may come from anybody. So no shell sees its name, only files are opened (no network, none that a play list
//! names: formats that lead to other files are not on the list), and frames are bounded.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use serde_json::Value;

use super::decoding::Decoding;
use super::error::VideoError;
use super::section::Section;
use super::{ClipFacts, MOST_PIXELS};

/// Formats of files that hold their frames themselves, by the names of ffmpeg's demuxers.
const FORMATS: &str = "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,rm,mxf,dv,nut,ivf,m4v,h264,hevc,av1,obu,vc1,\
                       h263,wtv,gxf,yuv4mpegpipe,mjpeg";
/// How many lines of complaints are kept.
const KEPT_LINES: usize = 8;
/// The most bytes of what ffprobe says.
const MOST_FACTS: u64 = 16 << 20;

/// The program `ffmpeg` with `ffprobe` beside it, as the user has it: versions from 4.4 on.
#[derive(Debug, Clone)]
pub struct Ffmpeg {
    program: PathBuf,
    input_options: Vec<OsString>,
}

impl Default for Ffmpeg {
    /// The one on the path.
    fn default() -> Self {
        Self::at("ffmpeg")
    }
}

impl Ffmpeg {
    /// A certain one; `ffprobe` is looked for beside it.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), input_options: Vec::new() }
    }

    /// With options of ffmpeg for reading, such as `-hwaccel auto`.
    #[must_use]
    pub fn input_options<O: Into<OsString>>(self, options: impl IntoIterator<Item = O>) -> Self {
        Self { input_options: options.into_iter().map(Into::into).collect(), ..self }
    }

    fn prober(&self) -> PathBuf {
        let name = self.program.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        self.program.with_file_name(name.replace("ffmpeg", "ffprobe"))
    }

    /// The program, about to be started with what every use of it has in common.
    pub(super) fn command(&self) -> Command {
        quiet(&self.program)
    }

    /// Starts a command of [`command`](Self::command).
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(&self, command: &mut Command) -> Result<Child, VideoError> {
        command.spawn().map_err(|source| VideoError::Program { program: self.program.clone(), source })
    }

    /// The option that keeps the times of frames as they are: its name changed with version 5.1, and the old one goes.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(super) fn timing_option(&self) -> Result<&'static str, VideoError> {
        let program = || self.program.clone();
        let output = Command::new(&self.program).arg("-version").stdin(Stdio::null()).output();
        let output = output.map_err(|source| VideoError::Program { program: program(), source })?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(if is_before_5_1(&text) { "-vsync" } else { "-fps_mode" })
    }

    /// Arguments that open `path`, wherever they stand.
    pub(super) fn input(&self, path: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> =
            ["-protocol_whitelist", "file", "-format_whitelist", FORMATS, "-i"].map(Into::into).to_vec();
        arguments.push(plain(path));
        arguments
    }

    /// What the file says of the clip in it.
    ///
    /// # Errors
    /// When it is no video, holds none, or its frames are too large; when `ffprobe` is missing.
    pub(super) fn facts(&self, path: &Path) -> Result<ClipFacts, VideoError> {
        let program = self.prober();
        let mut command = quiet(&program);
        command.args(["-print_format", "json", "-show_streams", "-show_format"]).args(self.input(path));
        command.stdin(Stdio::null());
        let mut child =
            command.spawn().map_err(|source| VideoError::Program { program: program.clone(), source })?;
        let complaints = Complaints::of(&mut child);
        let mut json = Vec::new();
        let stdout = child.stdout.take().expect("it is piped");
        let read = stdout.take(MOST_FACTS).read_to_end(&mut json);
        let status = child.wait();
        let complaints = complaints.heard();
        if read.is_err() || !status.is_ok_and(|status| status.success()) {
            let why = complaints.last().map_or(String::new(), |line| format!(" ({line})"));
            return Err(VideoError::content(path, format!("is damaged, or no video that is read{why}")));
        }
        let facts: Value = serde_json::from_slice(&json)
            .map_err(|error| VideoError::broken(path, format!("says what is not understood: {error}")))?;
        of_streams(&facts, path)
    }

    /// Starts to decode the frames of a section.
    ///
    /// # Errors
    /// When `ffmpeg` cannot be started.
    pub(super) fn decode(&self, path: &Path, section: &Section) -> Result<Decoding, VideoError> {
        let mut command = self.command();
        command.args(["-nostdin", "-max_pixels"]).arg(MOST_PIXELS.to_string());
        command.args(&self.input_options).args(from_to(section)).args(self.input(path));
        command.args(["-map", "0:V:0", "-an", "-sn", "-dn"]);
        if let Some(filter) = section.filter() {
            command.args(["-vf", &filter]);
        }
        // Times to the microsecond; otherwise they are rounded to the mean rate.
        command.args(["-c:v", "rawvideo", "-pix_fmt", "rgb24", "-enc_time_base", "1:1000000"]);
        command.args(["-f", "nut", "pipe:1"]).stdin(Stdio::null());
        Ok(Decoding::new(self.start(&mut command)?, path, section))
    }
}

/// Whether a version older than 5.1 says so of itself; versions between releases have no such number.
fn is_before_5_1(text: &str) -> bool {
    let version = text.strip_prefix("ffmpeg version ").unwrap_or_default().trim_start_matches('n');
    let mut numbers = version.split(|letter: char| !letter.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < (5, 1),
        _ => false,
    }
}

/// Arguments for the part of the next input that a section asks for.
pub(super) fn from_to(section: &Section) -> Vec<OsString> {
    let mut arguments = Vec::new();
    let from = section.from.unwrap_or(0.0);
    if from > 0.0 {
        arguments.extend(["-ss".into(), format!("{from:.6}").into()]);
    }
    if let Some(to) = section.to {
        arguments.extend(["-t".into(), format!("{:.6}", to - from).into()]);
    }
    arguments
}

/// A program of ffmpeg's that says nothing but errors, piped.
fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["-v", "error", "-hide_banner"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A path that is a plain file, whatever its name looks like.
pub(super) fn plain(path: &Path) -> OsString {
    let mut name = OsString::from("file:");
    name.push(path);
    name
}

/// That frames are too large.
pub(super) fn too_large(path: &Path, [width, height]: [u32; 2]) -> VideoError {
    let problem = format!(
        "has frames of {width} x {height} pixels, at most {} megapixels are read; scale it down first",
        MOST_PIXELS / 1_000_000
    );
    VideoError::content(path, problem)
}

fn of_streams(facts: &Value, path: &Path) -> Result<ClipFacts, VideoError> {
    let empty = Vec::new();
    let streams = facts["streams"].as_array().unwrap_or(&empty);
    let of_type = |kind: &'static str| streams.iter().filter(move |stream| stream["codec_type"] == kind);
    let is_cover = |stream: &&Value| stream["disposition"]["attached_pic"] == 1;
    let has_sound = of_type("audio").next().is_some();
    let Some(video) = of_type("video").find(|stream| !is_cover(stream)) else {
        let held = if has_sound { "sound, but no video" } else { "no video" };
        return Err(VideoError::content(path, format!("holds {held}")));
    };
    let side = |name: &str| video[name].as_u64().and_then(|side| u32::try_from(side).ok()).unwrap_or(0);
    let size = [side("width"), side("height")];
    if u64::from(size[0]) * u64::from(size[1]) > MOST_PIXELS {
        return Err(too_large(path, size));
    }
    let seconds = |value: &Value| value.as_str()?.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
    let duration = seconds(&video["duration"]);
    // A file's own duration is that of the longest of its streams.
    let duration = duration.or_else(|| seconds(&facts["format"]["duration"]).filter(|_| !has_sound));
    let rate = video["avg_frame_rate"].as_str().and_then(|rate| {
        let (above, below) = rate.split_once('/')?;
        let (above, below) = (above.parse::<f64>().ok()?, below.parse::<f64>().ok()?);
        (above > 0.0 && below > 0.0).then(|| above / below)
    });
    Ok(ClipFacts { duration, rate, has_sound })
}

/// What a program says on standard error, read beside it so that it never waits to be heard.
#[derive(Debug)]
pub(super) struct Complaints(JoinHandle<Vec<String>>);

impl Complaints {
    /// Of a child whose standard error is piped.
    pub(super) fn of(child: &mut Child) -> Self {
        let stderr = child.stderr.take().expect("it is piped");
        Self(std::thread::spawn(move || {
            let mut kept = Vec::new();
            let mut lines = BufReader::new(stderr);
            let mut line = Vec::new();
            // Of a line without end no more than this is held.
            while matches!(lines.by_ref().take(4096).read_until(b'\n', &mut line), Ok(length) if length > 0) {
                let text = clean(&String::from_utf8_lossy(&line));
                line.clear();
                if text.is_empty() || kept.last() == Some(&text) {
                    continue;
                }
                if kept.len() == KEPT_LINES {
                    kept.pop();
                }
                kept.push(text);
            }
            kept
        }))
    }

    /// The first lines and the last, once the child has ended.
    pub(super) fn heard(self) -> Vec<String> {
        self.0.join().unwrap_or_default()
    }
}

/// A line without what names a place in memory, and without what a terminal would obey.
fn clean(line: &str) -> String {
    let mut line = line.trim();
    while let Some((_, rest)) = line.strip_prefix('[').and_then(|line| line.split_once("] ")) {
        line = rest.trim_start();
    }
    line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(200).collect()
}

/// How a program ended, in words.
pub(super) fn ended(status: ExitStatus, complaints: &[String]) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("was ended by signal {signal}");
    }
    let code = status.code().unwrap_or(-1);
    match complaints.last() {
        Some(line) => format!("failed: {line}"),
        None => format!("failed with exit code {code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        let old = ["ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright (c)", "ffmpeg version n5.0 Copyright"];
        let new =
            ["ffmpeg version 5.1.9-0+deb12u1", "ffmpeg version n7.1", "ffmpeg version N-118-gab12", "other"];
        assert!(old.iter().all(|text| is_before_5_1(text)));
        assert!(!new.iter().any(|text| is_before_5_1(text)));
    }

    #[test]
    fn complaints_lose_what_terminals_obey_and_nobody_needs() {
        let line = "[mov,mp4 @ 0x56] [h264 @ 0x9] broken \u{1b}[31mred\u{7}";
        assert_eq!(clean(line), "broken  [31mred ");
        assert_eq!(clean("file.mp4: Invalid data"), "file.mp4: Invalid data");
    }

    #[test]
    fn streams_say_what_a_clip_is() {
        let path = Path::new("a.mp4");
        let facts = |json: &str| of_streams(&serde_json::from_str(json).unwrap(), path);
        let video = r#"{"codec_type": "video", "width": 640, "height": 480, "avg_frame_rate": "30000/1001"}"#;
        let sound = r#"{"codec_type": "audio"}"#;
        let told =
            facts(&format!(r#"{{"streams": [{sound}, {video}], "format": {{"duration": "9.5"}}}}"#)).unwrap();
        assert!(told.has_sound && (told.rate.unwrap() - 29.97).abs() < 0.001);
        // The sound may be longer.
        assert_eq!(told.duration, None);
        let told = facts(&format!(r#"{{"streams": [{video}], "format": {{"duration": "9.5"}}}}"#)).unwrap();
        assert_eq!((told.duration, told.has_sound), (Some(9.5), false));
        let cover = r#"{"codec_type": "video", "width": 9, "height": 9, "disposition": {"attached_pic": 1}}"#;
        let error = facts(&format!(r#"{{"streams": [{sound}, {cover}]}}"#)).unwrap_err().to_string();
        assert_eq!(error, "`a.mp4` holds sound, but no video");
        assert!(facts("{}").unwrap_err().to_string().contains("holds no video"));
        let large = r#"{"streams": [{"codec_type": "video", "width": 10000, "height": 10000}]}"#;
        assert!(facts(large).unwrap_err().to_string().contains("10000 x 10000"));
    }
}
