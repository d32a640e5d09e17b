//! Trains the compact network for two epochs and evaluates it:
//! `cargo run --release -p duchenne --example train -- fer2013.safetensors runs/example`.
//!
//! The packed data set is made by `duchenne data import`. A run that was stopped is resumed by the same call.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program of one's own prints")]

use duchenne::experiments::scoring::EvaluatedSplit;
use duchenne::{
    Device, Note, PackedDataset, Predictor, Recipe, Views, Watch, Work, evaluate_split, train_classifier,
};

/// Prints a line for every epoch and leaves out the bars.
struct Lines;

impl Watch for Lines {
    fn note(&self, note: &Note<'_>) {
        eprintln!("{note}");
    }

    fn progress(&self, _work: Work<'_>, _done: u64, _total: u64) {}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(data), Some(run)) = (arguments.next(), arguments.next()) else {
        return Err("usage: train <packed data set> <run directory>".into());
    };
    let dataset = PackedDataset::open(data)?;
    let recipe = Recipe::read("compact", &["training.epochs=2".parse()?])?;
    let best = train_classifier(&recipe, &dataset, run.as_ref(), &Lines)?;
    let model = Predictor::load(&best, &Device::cpu())?;
    let report = evaluate_split(&model, &dataset, EvaluatedSplit::Validation, Views::Mirrored)?;
    let accuracy = report.overall.accuracy;
    println!(
        "accuracy on PublicTest {:.2} % ({:.2} to {:.2})",
        100.0 * accuracy.value,
        100.0 * accuracy.low,
        100.0 * accuracy.high
    );
    Ok(())
}
