//! Accuracy on corrupted pictures: the join of corruptions, a recogniser and the figures.

use std::borrow::Cow;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::data::faces::batches::mix_seed;
use crate::data::faces::corruption::{Corruption, SEVERITIES};
use crate::data::faces::pixels::{PackedFace, each_channel};
use crate::data::faces::views::Views;
use crate::data::{Images as _, PackedDataset, Samples as _};
use crate::evaluation::robustness::{CorruptedAccuracy, Robustness};
use crate::experiments::scoring::{EvaluatedSamples, EvaluatedSplit, score_faces};
use crate::experiments::watch::{Unit, Watch, Work};
use crate::inference::predictor::Predictor;

/// Accuracy on a split under every corruption at every severity, beside the `clean` one. What is random about a
/// corruption is drawn from the severity and the picture's row, so every model meets the same pictures.
pub fn robustness(
    predictor: &Predictor,
    dataset: &PackedDataset,
    split: EvaluatedSplit,
    views: Views,
    clean: f64,
    watch: &dyn Watch,
) -> crate::Result<Robustness> {
    let samples = EvaluatedSamples::of(dataset, split)?;
    let kinds = || Corruption::TRAINABLE.into_iter().chain(Corruption::NEVER_TRAINED);
    let total = (kinds().count() * SEVERITIES) as u64;
    let images = samples.len() as u64;
    let mut done = 0;
    let seen = vec![false; dataset.len()];
    let shape = dataset.shape();
    let mut corruptions = Vec::new();
    for corruption in kinds() {
        let what = format!("robustness: {}", corruption.name());
        let mut accuracies = Vec::new();
        for severity in 1..=SEVERITIES {
            let corrupted = |index: usize| -> Cow<'_, [u8]> {
                let seed = mix_seed(&[corruption as u64, severity as u64, samples.row(index) as u64]);
                // Every channel by the same random numbers.
                let pixels = each_channel(samples.image(index), shape, |plane| {
                    corruption.apply(severity, &plane, &mut ChaCha8Rng::seed_from_u64(seed))
                });
                Cow::Owned(predictor.manifest().preprocessing.resized(&PackedFace { pixels: &pixels, shape }))
            };
            let name = format!("pictures corrupted by {}", corruption.name());
            let scored = score_faces(predictor, dataset, &samples, &corrupted, &name, &seen, views)?;
            accuracies.push(scored.accuracy()?);
            done += 1;
            watch.progress(Work { what: &what, unit: Unit::Measurements }, done, total);
        }
        let (unit, strengths) = (corruption.unit(), corruption.strengths());
        corruptions.push(CorruptedAccuracy::new(corruption.name(), unit, &strengths, accuracies, images));
    }
    let never_trained = corruptions.split_off(Corruption::TRAINABLE.len());
    Ok(Robustness::new(views.description(), clean, corruptions, never_trained, images))
}
