//! The recogniser's routes inside a server of one's own: `cargo run --release -p duchenne-cli --example serve`, then
//! `curl --data-binary @photo.jpg http://127.0.0.1:8081/faces/api/predict`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program of one's own prints")]

use axum::Router;
use axum::routing::get;
use duchenne::Recognizer;
use duchenne_cli::server::{ServerOptions, router};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = ServerOptions { most_bytes: 16 << 20, ..ServerOptions::default() };
    let routes = Router::new()
        .route("/", get(async || "pictures go to /faces/api/predict"))
        .nest("/faces", router(Recognizer::built_in()?, options));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:8081").await?;
        eprintln!("listening on http://{}", listener.local_addr()?);
        axum::serve(listener, routes).await?;
        Ok(())
    })
}
