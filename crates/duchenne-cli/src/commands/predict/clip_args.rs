//! What `predict` is told about clips.

use std::path::PathBuf;

use duchenne::inference::tracking::DEFAULT_SEARCH_EVERY;
use duchenne::{Ffmpeg, Section, VideoOptions};

/// Arguments about videos and animations.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Videos and animations")]
pub(super) struct ClipArgs {
    /// Look at a frame every so many seconds instead of at every frame
    #[arg(long, value_name = "SECONDS", value_parser = above_zero, conflicts_with = "fps")]
    every: Option<f64>,

    /// Look at so many frames a second
    #[arg(long, value_name = "N", value_parser = above_zero)]
    fps: Option<f64>,

    /// Begin here: seconds, or [HH:]MM:SS
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<f64>,

    /// End here
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<f64>,

    /// Smooth probabilities over time with this time constant, beside the raw ones: 0.15 takes the flicker out of labels
    /// and moves a change by about 0.1 s
    #[arg(long, value_name = "SECONDS", value_parser = above_zero)]
    smooth: Option<f64>,

    /// Search the whole frame for new faces every so many seconds, and follow known ones between; 0 searches every frame
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_SEARCH_EVERY, value_parser = from_zero)]
    search_every: f64,

    /// Write a page with each person's expressions over time: a file such as page.html for one clip, a folder for many
    #[arg(long, value_name = "FILE|DIR")]
    pub(super) timeline: Option<PathBuf>,

    /// Write subtitles that name the expressions: a file such as clip.srt for one clip, a folder for many
    #[arg(long, value_name = "FILE|DIR")]
    pub(super) srt: Option<PathBuf>,

    /// Write the frames of each clip into a file of its own in this folder, as CSV, or as JSON lines with --json. Run again,
    /// it does only the clips that are not there yet
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,

    /// The ffmpeg that decodes and encodes videos; ffprobe is taken from beside it
    #[arg(long, value_name = "PROGRAM", default_value = "ffmpeg")]
    ffmpeg: PathBuf,

    /// Options of ffmpeg for reading, such as "-hwaccel auto"
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    ffmpeg_options: Option<String>,
}

impl ClipArgs {
    /// The part of every clip that is wanted.
    pub(super) fn section(&self) -> Section {
        Section { from: self.from, to: self.to, every: self.every.or(self.fps.map(|fps| 1.0 / fps)) }
    }

    /// How clips are looked at.
    pub(super) fn options(&self, keep_pictures: bool) -> VideoOptions {
        VideoOptions { smooth: self.smooth, search_every: self.search_every, keep_pictures }
    }

    /// The time constant of smoothing, in seconds, where that is wanted.
    pub(super) fn smooth(&self) -> Option<f64> {
        self.smooth
    }

    /// The program that reads and writes clips.
    pub(super) fn ffmpeg(&self) -> Ffmpeg {
        let options = self.ffmpeg_options.as_deref().unwrap_or_default();
        Ffmpeg::at(&self.ffmpeg).input_options(options.split_whitespace())
    }
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(|| "expected a number".to_owned())
}

fn above_zero(text: &str) -> Result<f64, String> {
    number(text)
        .and_then(|value| if value > 0.0 { Ok(value) } else { Err("expected a number above 0".to_owned()) })
}

fn from_zero(text: &str) -> Result<f64, String> {
    number(text).and_then(|value| {
        if value >= 0.0 { Ok(value) } else { Err("expected a number from 0 on".to_owned()) }
    })
}

/// Parses a time in a clip: seconds, or hours, minutes and seconds.
fn moment(text: &str) -> Result<f64, String> {
    let wrong = || "expected seconds such as 90.5, or [HH:]MM:SS such as 1:30.5".to_owned();
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() > 3 {
        return Err(wrong());
    }
    let (seconds, larger) = parts.split_last().expect("a text has a part");
    let seconds: f64 = from_zero(seconds).map_err(|_| wrong())?;
    if !larger.is_empty() && seconds >= 60.0 {
        return Err(wrong());
    }
    larger.iter().rev().zip([60.0, 3600.0]).try_fold(seconds, |sum, (part, length)| {
        let part: u32 = part.parse().map_err(|_| wrong())?;
        if length < 100.0 && larger.len() > 1 && part >= 60 {
            Err(wrong())
        } else {
            Ok(sum + f64::from(part) * length)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_seconds_or_clock_times() {
        assert_eq!(moment("90.5"), Ok(90.5));
        assert_eq!(moment("1:30.5"), Ok(90.5));
        assert_eq!(moment("75:00"), Ok(4500.0));
        assert_eq!(moment("1:02:03"), Ok(3723.0));
        for wrong in ["", "a", "-1", "1:60", "1:61:00", "1:2:3:4", "1:-2", "inf", ":"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
