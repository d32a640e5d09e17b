//! `duchenne serve`: recognition over HTTP, and a page for pictures, videos and the camera.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use duchenne::Ffmpeg;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::Outcome;
use crate::arguments::RecognizerArgs;
use crate::interrupt::on_stop;
use crate::server::{AllowedOrigins, ServerOptions, router};
use crate::terminal::say;

const EXAMPLES: &str = "\
Examples:
  duchenne serve
  curl -s --data-binary @photo.jpg http://127.0.0.1:8080/api/predict
  curl -s -F image=@photo.jpg http://127.0.0.1:8080/api/predict

The page at the address takes pictures, videos and the camera. A program sends the bytes of a
picture file with POST to /api/predict, as they are, as a form's file or in base64 as
{\"image\": ...}, and gets the JSON of `duchenne predict --json`; ?whole=1 takes the picture as
one face, ?min_face=80 looks for larger faces only, which is faster. The bytes of a video give a
line of JSON for each frame, as soon as it is recognised: ?every=0.5 for two frames a second,
?from=10&to=20 for a part, ?smooth=0.15 for labels that do not flicker. /api/openapi.json says it
to programs, /api/health whether the server answers. Nothing that is sent is kept.

The output is the expression that a face shows, not what the person feels.";

/// Arguments of `duchenne serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Where to listen; with port 0 the system chooses one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    address: SocketAddr,

    /// Largest accepted picture or video file, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    max_upload: u16,

    /// Most seconds of a video that are looked at
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..))]
    max_seconds: u32,

    /// The ffmpeg that decodes videos; ffprobe is taken from beside it
    #[arg(long, value_name = "PROGRAM", default_value = "ffmpeg")]
    ffmpeg: PathBuf,

    /// Let pages of this origin, such as https://example.org, ask the server from a browser; * lets all. Repeatable
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    origins: Vec<String>,

    #[command(flatten)]
    recognizer: RecognizerArgs,
}

/// Runs the command until it is told to stop.
pub(crate) fn run(args: ServeArgs) -> anyhow::Result<Outcome> {
    let origins = origins(&args.origins)?;
    let options = ServerOptions {
        most_bytes: usize::from(args.max_upload) << 20,
        most_seconds: args.max_seconds.into(),
        origins,
        ffmpeg: Ffmpeg::at(&args.ffmpeg),
    };
    let router = router(args.recognizer.recognizer()?, options);
    let stop = Arc::new(Notify::new());
    let asked = Arc::clone(&stop);
    on_stop("finishing what has been asked; press Ctrl-C again to stop at once", move || asked.notify_one())?;

    // Recognition has threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the server")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.address)
            .await
            .with_context(|| format!("cannot listen on {}", args.address))?;
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            say(format_args!(
                "warning: anyone who can reach {address} can use this server; there is no password"
            ));
        }
        say(format_args!("listening on http://{address}, Ctrl-C stops"));
        axum::serve(listener, router)
            .with_graceful_shutdown(async move { stop.notified().await })
            .await
            .context("the server stopped")
    })?;
    Ok(Outcome::Done)
}

/// What `--allow-origin` names.
fn origins(named: &[String]) -> anyhow::Result<AllowedOrigins> {
    if named.is_empty() {
        return Ok(AllowedOrigins::Own);
    }
    if named.iter().any(|origin| origin == "*") {
        return Ok(AllowedOrigins::Any);
    }
    let origin = |origin: &String| {
        let is_origin = origin.split_once("://").is_some_and(|(scheme, host)| {
            ["http", "https"].contains(&scheme) && !host.is_empty() && !host.contains('/')
        });
        anyhow::ensure!(is_origin, "`{origin}` is no origin, expected one such as https://example.org, or *");
        origin.parse().with_context(|| format!("`{origin}` is no origin"))
    };
    Ok(AllowedOrigins::List(named.iter().map(origin).collect::<anyhow::Result<_>>()?))
}
