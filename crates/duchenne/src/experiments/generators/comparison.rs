//! Generated faces against photographs: the join of data, inference and evaluation that `gan train` and
//! `gan eval` share.

use std::collections::BTreeMap;

use crate::error::refuse;
use image::GrayImage;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::data::PackedDataset;
use crate::data::packed::generative::{GenerativeSplit, face};
use crate::data::packed::provenance::SyntheticProvenance;
use crate::evaluation::generation::report::{ClassReport, Reference, SetFigures};
use crate::evaluation::generation::{
    FeatureSet, PrecisionRecall, Takes, diversity, frechet_distance, kernel_distance, memorization,
    precision_recall, standardized,
};
use crate::inference::predictor::Predictor;

/// Draws of generated faces, over which figures are averaged.
pub const DRAWS: usize = 10;

/// Photographs to compare with at least: precision and recall look at the three nearest neighbours.
const LEAST_PHOTOGRAPHS: usize = 4;

/// Generated faces per class that are searched for copies.
const SEARCHED: usize = 200;

/// Judges generated faces by their kernel distance to the photographs of the people held out.
#[derive(Debug)]
pub struct KernelJudge<'a> {
    predictor: &'a Predictor,
    reference: FeatureSet,
}

impl<'a> KernelJudge<'a> {
    /// Against what `photographs` holds out of a class, or of all, in the features of `predictor`.
    pub fn new(
        photographs: &GenerativeSplit<'_>,
        label: Option<u8>,
        predictor: &'a Predictor,
    ) -> crate::Result<Self> {
        let rows = photographs.held_out(label);
        if rows.len() < 2 {
            let names = photographs.dataset().label_set().names();
            let class = label.map_or("all classes", |label| names[usize::from(label)]);
            refuse!(
                "{} photographs of {class} are held out to judge by, expected at least 2; raise data.held_out",
                rows.len()
            );
        }
        let faces: Vec<GrayImage> = rows.iter().map(|row| photographs.face(*row)).collect();
        Ok(Self { predictor, reference: features(predictor, &faces) })
    }

    /// The distance of at least two faces.
    pub fn distance(&self, faces: &[GrayImage]) -> f64 {
        kernel_distance(&features(self.predictor, faces), &self.reference)
    }
}

fn features(predictor: &Predictor, faces: &[GrayImage]) -> FeatureSet {
    let values = predictor.deep_features(faces);
    FeatureSet::new(values.len() / faces.len(), values)
}

/// Generated faces beside the photographs that they are compared with, class by class.
#[derive(Debug)]
pub struct Comparison<'a> {
    real: &'a PackedDataset,
    generated: &'a PackedDataset,
    classes: Vec<Class>,
    /// What the generators know of the photographs that they are compared with.
    pub reference: Reference,
}

/// Rows of one class.
#[derive(Debug)]
struct Class {
    /// In the photographs' label set.
    label: u8,
    generated: Vec<usize>,
    seen: Vec<usize>,
    reference: Vec<usize>,
}

impl<'a> Comparison<'a> {
    /// Divides the photographs as the generators' own training did, or in halves where it held nobody out.
    pub fn new(generated: &'a PackedDataset, real: &'a PackedDataset) -> crate::Result<Self> {
        let provenance = generated.provenance();
        let share = provenance.and_then(SyntheticProvenance::held_out_share);
        let fingerprint = provenance.and_then(SyntheticProvenance::data_fingerprint);
        let same_photographs = fingerprint == Some(real.fingerprint().as_str());
        let held_out = share.filter(|share| (0.0..=0.5).contains(share) && *share > 0.0 && same_photographs);
        let reference = match (held_out, same_photographs) {
            (Some(_), _) => Reference::HeldOut,
            (None, true) => Reference::Seen,
            (None, false) => Reference::OtherSet,
        };
        let split = GenerativeSplit::new(real, held_out.unwrap_or(0.5))?;
        let mut rows: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
        for row in 0..generated.len() {
            let label = generated.label_set().translate(generated.label(row), real.label_set());
            if let Some(label) = label {
                rows.entry(label).or_default().push(row);
            }
        }
        let wide = |rows: Vec<u32>| rows.into_iter().map(|row| row as usize).collect::<Vec<usize>>();
        let classes: Vec<Class> = rows
            .into_iter()
            .map(|(label, generated)| {
                let (seen, mut reference) =
                    (wide(split.seen(Some(label))), wide(split.held_out(Some(label))));
                reference.truncate(seen.len());
                Class { label, generated, seen, reference }
            })
            .collect();
        let names = real.label_set().names();
        if classes.is_empty() {
            refuse!("`{}` and `{}` have no class in common", generated.name(), real.name());
        }
        let (classes, few): (Vec<Class>, Vec<Class>) =
            classes.into_iter().partition(|class| class.reference.len() > 1);
        let few: Vec<&str> = few.iter().map(|class| names[usize::from(class.label)]).collect();
        if !few.is_empty() {
            tracing::warn!("too few photographs to compare with, and left out: {}", few.join(", "));
        }
        let photographs: usize = classes.iter().map(|class| class.reference.len()).sum();
        if photographs < LEAST_PHOTOGRAPHS {
            refuse!(
                "`{}` has {photographs} photographs to compare with, expected at least {LEAST_PHOTOGRAPHS}",
                real.name()
            );
        }
        for class in &classes {
            let (needed, got) = (class.reference.len(), class.generated.len());
            if got < needed {
                let name = names[usize::from(class.label)];
                refuse!("{got} generated faces of {name}, expected at least {needed}; sample more");
            }
        }
        Ok(Self { real, generated, classes, reference })
    }

    /// Faces in each of the sets compared.
    pub fn faces(&self) -> usize {
        self.classes.iter().map(|class| class.reference.len()).sum()
    }

    /// Figures of the generated faces, of photographs of the people seen, and of each class.
    pub fn figures(&self, predictor: &Predictor) -> (SetFigures, SetFigures, Vec<ClassReport>) {
        let of = |dataset: &PackedDataset, rows: &[usize]| {
            let faces: Vec<GrayImage> = rows.iter().map(|row| face(dataset, *row)).collect();
            features(predictor, &faces)
        };
        let reference: Vec<usize> =
            self.classes.iter().flat_map(|class| class.reference.iter().copied()).collect();
        let reference = of(self.real, &reference);
        let figures = |dataset, pick: fn(&Class) -> &[usize]| {
            let draws: Vec<FeatureSet> =
                (0..DRAWS as u64).map(|draw| of(dataset, &self.draw(pick, draw))).collect();
            set_figures(&draws, &reference)
        };
        let generated = figures(self.generated, |class| &class.generated);
        let floor = figures(self.real, |class| &class.seen);
        let names = self.real.label_set().names();
        let classes = self.classes.iter().map(|class| {
            let count = class.generated.len().min(SEARCHED);
            let searched = &class.generated[..count];
            ClassReport {
                class: names[usize::from(class.label)].to_owned(),
                photographs: class.reference.len(),
                diversity: diversity(&of(self.generated, searched)),
                photograph_diversity: diversity(&of(self.real, &class.seen)),
                memorization: (self.reference == Reference::HeldOut).then(|| {
                    let (seen, seen_takes) = pixels(self.real, &class.seen);
                    let (reference, reference_takes) = pixels(self.real, &class.reference);
                    let (generated, _) = pixels(self.generated, searched);
                    memorization(&generated, (&seen, &seen_takes), (&reference, &reference_takes))
                }),
            }
        });
        let classes = classes.collect();
        (generated, floor, classes)
    }

    /// As many rows of every class as are held out, drawn without replacement.
    fn draw(&self, pick: fn(&Class) -> &[usize], draw: u64) -> Vec<usize> {
        let mut random = ChaCha8Rng::seed_from_u64(draw);
        let of_class = |class: &Class| {
            let mut rows = pick(class).to_vec();
            rows.shuffle(&mut random);
            rows.truncate(class.reference.len());
            rows
        };
        self.classes.iter().flat_map(of_class).collect()
    }

    /// For every class its name, `count` generated faces and the nearest photographs that the generators saw.
    pub fn nearest(&self, count: usize) -> Vec<(String, Vec<GrayImage>)> {
        let names = self.real.label_set().names();
        let mut rows = Vec::new();
        for class in &self.classes {
            let (seen, _) = pixels(self.real, &class.seen);
            let chosen = &class.generated[..count.min(class.generated.len())];
            let generated = chosen.iter().map(|row| face(self.generated, *row)).collect();
            let nearest = chosen.iter().map(|row| {
                let pixels = standardized(self.generated.image(*row));
                let (index, _) = crate::evaluation::generation::nearest(&pixels, &seen);
                face(self.real, class.seen[index])
            });
            let nearest = nearest.collect();
            rows.push((names[usize::from(class.label)].to_owned(), generated));
            rows.push(("nearest seen".to_owned(), nearest));
        }
        rows
    }

    /// Rows with labels for a classifier: generated, photographs seen, photographs held out.
    pub fn labelled(&self) -> [Vec<(usize, u8)>; 3] {
        let picks: [fn(&Class) -> &[usize]; 3] =
            [|class| &class.generated, |class| &class.seen, |class| &class.reference];
        picks.map(|pick| {
            let rows =
                self.classes.iter().flat_map(|class| pick(class).iter().map(|row| (*row, class.label)));
            rows.collect()
        })
    }
}

fn set_figures(draws: &[FeatureSet], reference: &FeatureSet) -> SetFigures {
    let n = draws.len() as f64;
    let kernel: Vec<f64> = draws.iter().map(|draw| kernel_distance(draw, reference)).collect();
    let mean = kernel.iter().sum::<f64>() / n;
    let variance = kernel.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let coverage: Vec<PrecisionRecall> = draws.iter().map(|draw| precision_recall(reference, draw)).collect();
    SetFigures {
        kernel_distance: mean,
        kernel_distance_deviation: variance.sqrt(),
        frechet_distance: draws.iter().map(|draw| frechet_distance(draw, reference)).sum::<f64>() / n,
        coverage: PrecisionRecall {
            precision: coverage.iter().map(|one| one.precision).sum::<f64>() / n,
            recall: coverage.iter().map(|one| one.recall).sum::<f64>() / n,
        },
    }
}

/// Pixels without light and contrast, and which of them belong to one film.
fn pixels(dataset: &PackedDataset, rows: &[usize]) -> (FeatureSet, Takes) {
    let values = rows.iter().flat_map(|row| standardized(dataset.image(*row))).collect();
    let mut films: BTreeMap<(u64, u64), Vec<usize>> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        // Where nobody is told apart every photograph is a film of its own.
        let film = match (dataset.subject(*row), dataset.sequence(*row)) {
            (Some(subject), Some(sequence)) => (u64::from(subject), u64::from(sequence)),
            _ => (u64::MAX, *row as u64),
        };
        films.entry(film).or_default().push(index);
    }
    (FeatureSet::new(dataset.height() * dataset.width(), values), films.into_values().collect())
}
