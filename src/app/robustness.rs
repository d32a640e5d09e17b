//! Accuracy on spoilt pictures: the join of corruptions, a recogniser and the figures.

use image::GrayImage;
use indicatif::{ProgressBar, ProgressStyle};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;

use crate::app::scoring::EvaluatedSplit;
use crate::data::batches::mix_seed;
use crate::data::corruption::{Corruption, SEVERITIES};
use crate::data::views::Views;
use crate::data::{PackedDataset, Samples};
use crate::evaluation::robustness::{CorruptedAccuracy, Robustness};
use crate::inference::predictor::Predictor;

/// Accuracy on a split as it is and under every corruption at every severity. What is random about them depends on
/// the picture's row alone, so every model meets the same pictures.
pub fn robustness(
    predictor: &Predictor,
    dataset: &PackedDataset,
    split: EvaluatedSplit,
    views: Views,
) -> anyhow::Result<Robustness> {
    Ok(match split {
        EvaluatedSplit::PublicTest => measure(predictor, dataset, &dataset.public_test()?, views)?,
        EvaluatedSplit::PrivateTest => measure(predictor, dataset, &dataset.private_test()?, views)?,
    })
}

fn measure(
    predictor: &Predictor,
    dataset: &PackedDataset,
    samples: &(impl Samples + Sync),
    views: Views,
) -> anyhow::Result<Robustness> {
    let style = ProgressStyle::with_template("robustness: {msg} [{bar:30}] {pos}/{len}, {eta} left")?;
    let bar =
        ProgressBar::new((Corruption::ALL.len() * SEVERITIES) as u64).with_style(style.progress_chars("=> "));
    let accuracy = |spoil: &(dyn Fn(&GrayImage, usize) -> GrayImage + Sync)| {
        let face = |index: usize| {
            let (width, height) = (dataset.width() as u32, dataset.height() as u32);
            let face = GrayImage::from_raw(width, height, samples.image(index).to_vec())
                .expect("packed images have the packed size");
            predictor.manifest().preprocessing.resized(&spoil(&face, samples.row(index)))
        };
        let faces: Vec<Vec<u8>> = (0..samples.len()).into_par_iter().map(face).collect();
        let logits = predictor.logits(&faces.iter().map(Vec::as_slice).collect::<Vec<_>>(), views);
        let rows = logits.chunks_exact(predictor.label_set().len());
        let correct =
            rows.enumerate().filter(|(index, row)| {
                let label = usize::from(samples.label(*index));
                // The first of equals, as everywhere.
                row.iter().enumerate().all(|(class, value)| {
                    if class < label { *value < row[label] } else { *value <= row[label] }
                })
            });
        correct.count() as f64 / samples.len() as f64
    };
    let clean = accuracy(&|face, _| face.clone());
    let mut corruptions = Vec::new();
    for corruption in Corruption::ALL {
        bar.set_message(corruption.name());
        let mut accuracies = Vec::new();
        for severity in 1..=SEVERITIES {
            accuracies.push(accuracy(&|face, row| {
                let seed = mix_seed(&[corruption as u64, severity as u64, row as u64]);
                corruption.apply(severity, face, &mut ChaCha8Rng::seed_from_u64(seed))
            }));
            bar.inc(1);
        }
        let (unit, strengths) = (corruption.unit(), corruption.strengths());
        corruptions.push(CorruptedAccuracy::new(corruption.name(), unit, &strengths, accuracies));
    }
    bar.finish_and_clear();
    Ok(Robustness::new(views.description(), clean, corruptions))
}
