//! The evaluation protocol for anybody's model: logits of two models in, figures and a paired test out. Here the
//! logits are made up; a real program reads them from a file. `cargo run --release -p duchenne --example
//! evaluate_own_logits`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program of one's own prints")]

use duchenne::evaluation::mcnemar;
use duchenne::{LabelSet, ScoredSplit, evaluate, fit_temperature};

/// A model that is right about `share` of a thousand images, and as sure of itself when it is wrong.
fn made_up(share: f32, seed: u32) -> ScoredSplit {
    let names = LabelSet::Fer2013.names();
    let labels: Vec<u8> = (0..1000_u32).map(|image| (image * 31 % 7) as u8).collect();
    let random = |image: u32| image.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8;
    let answer = |image: u32, label: u8| {
        if (random(image) % 1000) as f32 / 1000.0 < share { label } else { (label + 1) % 7 }
    };
    let logits = (0..1000_u32).zip(&labels).flat_map(|(image, label)| {
        let answer = answer(image, *label);
        (0..7).map(move |class| if class == answer { 4.0 } else { 0.0 })
    });
    ScoredSplit {
        split: "validation".to_owned(),
        class_names: names.iter().map(|name| (*name).to_owned()).collect(),
        logits: logits.collect(),
        rows: (0..1000).collect(),
        seen_in_training: vec![false; 1000],
        ferplus_votes: None,
        labels,
    }
}

fn main() -> duchenne::Result<()> {
    let (first, second) = (made_up(0.70, 1), made_up(0.74, 2));
    for model in [&first, &second] {
        // Fitted on the validation split, never on the split that is reported.
        let temperature = fit_temperature(model)?;
        let figures = evaluate(model, temperature)?.overall;
        println!(
            "accuracy {:.1} % ({:.1} to {:.1}), temperature {temperature:.2}",
            100.0 * figures.accuracy.value,
            100.0 * figures.accuracy.low,
            100.0 * figures.accuracy.high
        );
    }
    let test = mcnemar(&first.correct(), &second.correct())?;
    println!("McNemar's p = {:.3}", test.p_mid);
    Ok(())
}
