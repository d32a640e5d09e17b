//! The expression of every face in a picture: `cargo run --release -p duchenne --example recognise -- photo.jpg`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program of one's own prints")]

use duchenne::{Picture, Recognizer};

fn main() -> duchenne::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "examples/faces.png".to_owned());
    let recognizer = Recognizer::built_in()?;
    for face in recognizer.recognize(&Picture::open(path)?)? {
        println!("{} {:.0} % at {:?}", face.expression(), 100.0 * face.confidence(), face.bounds());
    }
    Ok(())
}
