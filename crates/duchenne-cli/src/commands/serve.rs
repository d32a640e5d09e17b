//! `duchenne serve`: recognition over HTTP, and a page for pictures, videos and the camera.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::arguments::RecognizerArgs;
use crate::interrupt::on_stop;
use crate::server::router;
use crate::terminal::say;

const EXAMPLES: &str = "\
Examples:
  duchenne serve
  curl -s --data-binary @photo.jpg http://127.0.0.1:8080/api/predict

The page at the address takes pictures, videos and the camera. A program sends the bytes of a
picture file with POST to /api/predict and gets the JSON of `duchenne predict --json`;
?whole=true takes the picture as one face, ?min_face=80 looks for larger faces only, which is
faster. Nothing that is sent is kept.

The output is the expression that a face shows, not what the person feels.";

/// Arguments of `duchenne serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Where to listen; with port 0 the system chooses one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    address: SocketAddr,

    /// Largest accepted picture file, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    max_upload: u16,

    #[command(flatten)]
    recognizer: RecognizerArgs,
}

/// Runs the command until it is told to stop.
pub(crate) fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let router = router(args.recognizer.recognizer()?, usize::from(args.max_upload) << 20);
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
    Ok(ExitCode::SUCCESS)
}
