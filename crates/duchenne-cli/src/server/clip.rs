//! A *clip* that was sent: its frames as JSON lines, each as soon as it is recognised.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use duchenne::data::video::VideoError;
use duchenne::{Clip, VideoOptions};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::refusal::Refusal;
use super::{Options, Server};
use crate::picture_json::FrameJson;

/// Lines that wait for a slow client.
const WAITING: usize = 16;

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// Answers with the frames of the clip in `bytes`; what is wrong from the start is refused.
pub(super) async fn recognize(
    server: Arc<Server>,
    bytes: Bytes,
    options: Options,
    place: OwnedSemaphorePermit,
) -> Result<Response, Refusal> {
    let turn = Arc::clone(&server.clips).try_acquire_owned().map_err(|_| {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many videos at once; try again in a while")
    })?;
    let (opened, is_open) = tokio::sync::oneshot::channel();
    let (sender, lines) = mpsc::channel::<Result<Bytes, Infallible>>(WAITING);
    tokio::task::spawn_blocking(move || {
        // Given back when the work is done, even where nobody waits for it any more.
        let _held = (place, turn);
        match open(&server, &bytes, options) {
            Ok(clip) => {
                // Who has left needs no frames either: the first of them finds that out.
                let _ = opened.send(Ok(()));
                frames(&server, clip, options, &sender);
            }
            Err(refusal) => drop(opened.send(Err(refusal))),
        }
    });
    is_open.await.unwrap_or_else(|_| {
        Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error on this video; please report it"))
    })?;
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(ReceiverStream::new(lines))).into_response())
}

/// A clip in a file of its own, which goes with it.
struct Opened {
    clip: Clip,
    /// Where the limit of this server ends a longer clip, in seconds.
    cut: Option<f64>,
    /// Removed when dropped.
    _file: tempfile::NamedTempFile,
}

fn open(server: &Server, bytes: &[u8], options: Options) -> Result<Opened, Refusal> {
    let internal = |error: std::io::Error| {
        let reason = format!("the video cannot be kept while it is looked at: {error}");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, reason)
    };
    let mut file = tempfile::Builder::new().prefix("duchenne-").tempfile().map_err(internal)?;
    file.write_all(bytes).and_then(|()| file.flush()).map_err(internal)?;
    let mut section = options.section();
    let most = section.from.unwrap_or(0.0) + server.most_seconds;
    let asked = section.to;
    section.to = Some(asked.map_or(most, |to| to.min(most)));
    let clip = Clip::open(file.path(), section, &server.ffmpeg).map_err(|error| {
        let status = match &error {
            VideoError::Program { .. } => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        // The name of a file that nobody knows tells nothing.
        let name = format!("`{}`", file.path().display());
        Refusal::new(status, error.to_string().replace(&name, "`upload`"))
    })?;
    let wanted = asked.or(clip.facts().duration).unwrap_or(0.0);
    Ok(Opened { clip, cut: (wanted > most).then_some(most), _file: file })
}

/// Sends the frames; ends early where nobody takes them.
fn frames(
    server: &Server,
    opened: Opened,
    options: Options,
    lines: &mpsc::Sender<Result<Bytes, Infallible>>,
) {
    let send = |line: serde_json::Result<Vec<u8>>| {
        let Ok(mut text) = line else { return false };
        text.push(b'\n');
        lines.blocking_send(Ok(text.into())).is_ok()
    };
    let video = VideoOptions { smooth: options.smooth, ..VideoOptions::default() };
    let finder = options.finder(&server.recognizer);
    let mut frames = server.recognizer.recognize_video_by(finder, opened.clip, video);
    for frame in frames.by_ref() {
        let went = match frame {
            Ok(frame) => send(serde_json::to_vec(&FrameJson::new(None, &frame))),
            Err(error) => {
                send(serde_json::to_vec(&Line { warning: None, error: Some(&error.to_string()) }));
                return;
            }
        };
        if !went {
            return;
        }
    }
    let cut = opened
        .cut
        .map(|at| format!("this server looks at no more than {} s: ended at {at} s", server.most_seconds));
    let warning = cut.or_else(|| frames.clip().warning().map(|warning| warning.to_string()));
    if let Some(warning) = warning {
        send(serde_json::to_vec(&Line { warning: Some(&warning), error: None }));
    }
}
