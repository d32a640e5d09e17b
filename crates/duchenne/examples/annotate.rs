//! A copy of a picture with a box and a label on every face:
//! `cargo run --release -p duchenne --example annotate -- photo.jpg annotated.png`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program of one's own prints")]

use duchenne::inference::drawing::annotation::{Marks, annotate};
use duchenne::{Picture, Recognizer, Views};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err("usage: annotate <picture> <copy>".into());
    };
    let recognizer = Recognizer::built_in()?.views(Views::TenCrop).min_face(40);
    let picture = Picture::open(&from)?;
    let faces = recognizer.recognize(&picture)?;
    let mut copy = picture.into_rgb();
    annotate(&mut copy, &faces, Marks { landmarks: true });
    copy.save(&to)?;
    println!("{} faces: {to}", faces.len());
    Ok(())
}
