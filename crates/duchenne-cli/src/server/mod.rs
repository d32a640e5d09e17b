//! The *server*: `POST /api/predict` for programs, a page for people.

mod clip;
mod refusal;
mod upload;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower_http::cors::CorsLayer;

use crate::picture_json::PictureJson;
use duchenne::data::faces::format::{Content, START_BYTES};
use duchenne::data::faces::picture::Limits;
use duchenne::inference::face_detection::LEAST_MIN_FACE;
use duchenne::inference::recognition::FaceFinder;
use duchenne::models::provenance::PROGRAM;
use duchenne::{Ffmpeg, Picture, Recognizer, Section};

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

/// Most clips in recognition at once: each takes its threads for as long as it lasts.
const CLIPS_AT_ONCE: usize = 2;

/// What a server allows.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The most bytes of a picture or clip file.
    pub most_bytes: usize,
    /// The most seconds of a clip that are looked at.
    pub most_seconds: f64,
    /// Pages of which other sites may ask.
    pub origins: AllowedOrigins,
    /// What decodes clips.
    pub ffmpeg: Ffmpeg,
}

impl Default for ServerOptions {
    /// 32 MiB, two minutes, no other site, the `ffmpeg` on the path.
    fn default() -> Self {
        Self {
            most_bytes: 32 << 20,
            most_seconds: 120.0,
            origins: AllowedOrigins::Own,
            ffmpeg: Ffmpeg::default(),
        }
    }
}

struct Server {
    recognizer: Recognizer,
    ffmpeg: Ffmpeg,
    most_seconds: f64,
    /// See [`CLIPS_AT_ONCE`].
    clips: Arc<Semaphore>,
    /// See [`MOST_AT_HAND`].
    places: Arc<Semaphore>,
    /// One for each picture in recognition: as many as there are cores.
    turns: Arc<Semaphore>,
}

/// Pages of which other sites may ask this server from a browser.
#[derive(Debug, Clone, Default)]
pub enum AllowedOrigins {
    /// None but this server's own.
    #[default]
    Own,
    /// Any.
    Any,
    /// These, such as `https://example.org`.
    List(Vec<HeaderValue>),
}

impl AllowedOrigins {
    fn layer(self) -> CorsLayer {
        let layer =
            CorsLayer::new().allow_methods([Method::GET, Method::POST]).allow_headers([header::CONTENT_TYPE]);
        match self {
            Self::Own => CorsLayer::new(),
            Self::Any => layer.allow_origin(tower_http::cors::Any),
            Self::List(origins) => layer.allow_origin(origins),
        }
    }
}

/// The description of the routes for programs.
const OPENAPI: &str = include_str!("openapi.json");

/// All routes.
pub fn router(recognizer: Recognizer, options: ServerOptions) -> Router {
    let ServerOptions { most_bytes, most_seconds, origins, ffmpeg } = options;
    let server = Server {
        recognizer,
        ffmpeg,
        most_seconds,
        clips: Arc::new(Semaphore::new(CLIPS_AT_ONCE)),
        places: Arc::new(Semaphore::new(MOST_AT_HAND)),
        turns: Arc::new(Semaphore::new(rayon::current_num_threads())),
    };
    Router::new()
        .route("/", get(page))
        .route("/api/predict", post(predict))
        .route("/api/health", get(health))
        .route("/api/openapi.json", get(async || ([(header::CONTENT_TYPE, "application/json")], OPENAPI)))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "no such page; try / or POST /api/predict"))
        .method_not_allowed_fallback(async || {
            let reason = "another method is needed: POST for /api/predict, GET for the rest";
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, reason)
        })
        .layer(DefaultBodyLimit::max(most_bytes))
        .layer(origins.layer())
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

async fn health() -> impl IntoResponse {
    Json(serde_json::json!({ "status": "ok", "program": PROGRAM }))
}

/// Reads `true`, `false`, `1` or `0`.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(D::Error::custom(format!("`{other}`, expected true, false, 1 or 0"))),
    }
}

/// What a request may ask for.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Take the picture as the crop of one face.
    #[serde(default, deserialize_with = "flag")]
    whole: bool,
    /// The smallest face to look for, in pixels.
    min_face: Option<u32>,
    /// The least score of a face, `0..=1`.
    min_score: Option<f32>,
    /// Of a clip: where to begin and end, and the distance between frames, in seconds.
    from: Option<f64>,
    to: Option<f64>,
    every: Option<f64>,
    /// Of a clip: the time constant of smoothing, in seconds.
    smooth: Option<f64>,
}

impl Options {
    fn problem(self) -> Option<String> {
        if self.whole && (self.min_face.is_some() || self.min_score.is_some()) {
            return Some("min_face and min_score have no effect with whole=true".to_owned());
        }
        let faces = LEAST_MIN_FACE..=Limits::RECOGNITION.side;
        let small = self.min_face.filter(|side| !faces.contains(side));
        let off = self.min_score.filter(|score| !(0.0..=1.0).contains(score));
        let smooth = self.smooth.filter(|seconds| !(seconds.is_finite() && *seconds > 0.0));
        small
            .map(|side| format!("min_face is {side}, expected {} to {}", faces.start(), faces.end()))
            .or(off.map(|score| format!("min_score is {score}, expected 0 to 1")))
            .or(smooth.map(|seconds| format!("smooth is {seconds}, expected seconds above 0")))
            .or(self.section().problem())
    }

    /// The part of a clip that is asked for.
    fn section(self) -> Section {
        Section { from: self.from, to: self.to, every: self.every }
    }

    /// Whether anything is asked for that only a clip has.
    fn asks_for_a_clip(self) -> bool {
        self.section() != Section::default() || self.smooth.is_some()
    }

    /// How faces are looked for.
    fn finder(self, recognizer: &Recognizer) -> FaceFinder {
        let mut finder = recognizer.finder();
        if self.whole {
            finder = FaceFinder::WholePicture;
        } else if let FaceFinder::Detector(detector) = &mut finder {
            *detector = self.min_face.map_or(*detector, |pixels| detector.min_face(pixels));
            *detector = self.min_score.map_or(*detector, |score| detector.min_score(score));
        }
        finder
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
    let upload = timeout(UPLOAD_TIME, upload::picture(request)).await;
    let bytes = upload
        .map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the picture took too long to arrive"))??;
    if Content::of(&bytes[..bytes.len().min(START_BYTES)]) == Content::Video {
        return clip::recognize(server, bytes, options, place).await;
    }
    if options.asks_for_a_clip() {
        let reason = "from, to, every and smooth are for videos, and this file is none";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, reason));
    }
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
    let faces = recognizer.recognize_by(&options.finder(recognizer), &picture);
    let faces = faces.map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let size = [picture.width(), picture.height()];
    Ok(Json(PictureJson::new(None, size, picture.warning(), &faces)).into_response())
}
