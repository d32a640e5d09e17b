//! The *server*: `POST /api/predict` for programs, a page for people.

mod refusal;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::picture_json::PictureJson;
use duchenne::data::faces::picture::Limits;
use duchenne::inference::face_detection::{FaceDetector, LEAST_MIN_FACE};
use duchenne::inference::recognition::FaceFinder;
use duchenne::{Picture, Recognizer};

use refusal::Refusal;

/// The page; all it needs is in it.
const PAGE: &str = include_str!("page.html");
/// What the page may do: run its own script, show what it was given, and ask this server.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
    img-src blob: data:; media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'";

/// Most recognition requests in flight, each with a picture in memory; more are refused.
const MOST_AT_HAND: usize = 32;
/// How long a picture may take to arrive.
const UPLOAD_TIME: Duration = Duration::from_secs(60);

struct Server {
    recognizer: Recognizer,
    /// See [`MOST_AT_HAND`].
    places: Arc<Semaphore>,
    /// One for each picture in recognition: as many as there are cores.
    turns: Arc<Semaphore>,
}

/// All routes; a picture file may have up to `most_bytes`.
pub fn router(recognizer: Recognizer, most_bytes: usize) -> Router {
    let server = Server {
        recognizer,
        places: Arc::new(Semaphore::new(MOST_AT_HAND)),
        turns: Arc::new(Semaphore::new(rayon::current_num_threads())),
    };
    Router::new()
        .route("/", get(page))
        .route("/api/predict", post(predict))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "no such page; try / or POST /api/predict"))
        .layer(DefaultBodyLimit::max(most_bytes))
        .with_state(Arc::new(server))
}

async fn page() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, PAGE)
}

/// What a request may ask for.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Take the picture as the crop of one face.
    #[serde(default)]
    whole: bool,
    /// The smallest face to look for, in pixels.
    min_face: Option<u32>,
}

impl Options {
    fn problem(self) -> Option<String> {
        match self.min_face {
            Some(_) if self.whole => Some("min_face has no effect with whole=true".to_owned()),
            Some(side) if side < LEAST_MIN_FACE => {
                Some(format!("min_face is {side}, expected at least {LEAST_MIN_FACE}"))
            }
            _ => None,
        }
    }
}

async fn predict(
    State(server): State<Arc<Server>>,
    options: Result<Query<Options>, QueryRejection>,
    request: Request,
) -> Result<Response, Refusal> {
    let Query(options) = options?;
    if let Some(problem) = options.problem() {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, problem));
    }
    let place = Arc::clone(&server.places).try_acquire_owned().map_err(|_| {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many pictures at once; try again in a moment")
    })?;
    let upload = timeout(UPLOAD_TIME, Bytes::from_request(request, &())).await;
    let bytes = upload
        .map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the picture took too long to arrive"))??;
    let turn = Arc::clone(&server.turns).acquire_owned().await.expect("turns are never closed");
    let work = tokio::task::spawn_blocking(move || {
        // Given back when the work is done, even where nobody waits for it any more.
        let _held = (place, turn);
        recognize(&server.recognizer, &bytes, options)
    });
    // A bug in a decoder, met by one strange file, must not end the server.
    work.await.unwrap_or_else(|_| {
        let reason = "internal error on this picture; please report it";
        Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, reason))
    })
}

fn recognize(recognizer: &Recognizer, bytes: &[u8], options: Options) -> Result<Response, Refusal> {
    let picture = Picture::from_bytes(bytes, Path::new("upload"), &Limits::RECOGNITION)
        .map_err(|error| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    let faces = match options {
        Options { whole: true, .. } => recognizer.recognize_by(&FaceFinder::WholePicture, &picture),
        Options { min_face: None, .. } => recognizer.recognize(&picture),
        Options { min_face, .. } => {
            recognizer.recognize_by(&FaceFinder::Detector(FaceDetector::new(min_face)), &picture)
        }
    };
    let faces = faces.map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let size = [picture.width(), picture.height()];
    Ok(Json(PictureJson::new(None, size, &faces)).into_response())
}
