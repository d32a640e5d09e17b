//! *Cross-validation*: a data set is drawn into folds, and each is tested by a model trained without it.
//!
//! With k folds, fold i is tested by a model that k - 2 others trained and whose epoch and temperature fold i + 1 chose:
//! what tests a model chooses nothing about it.

use std::path::Path;

use crate::data::faces::views::Views;
use crate::data::packed::partition::{Together, partition};
use crate::data::{Images as _, Origin, PackedDataset, Split};
use crate::error::refuse;
use crate::evaluation::folds::{Fold, Folds, MOST_FOLDS};
use crate::evaluation::{EvaluationReport, ScoredSplit, evaluate};
use crate::experiments::classifier::ClassifierRun;
use crate::experiments::scoring::score;
use crate::experiments::session::Session;
use crate::experiments::watch::Note;
use crate::inference::predictor::Predictor;
use crate::training::classifier::ClassifierTask;

/// What to cross-validate, on what, where to.
#[derive(Debug)]
pub struct CrossValidation<'a> {
    /// The recipe with its models. Its seed also draws the folds.
    pub task: &'a ClassifierTask,
    /// The data set with the recipe's targets. All photographs but those of its test split take part.
    pub dataset: &'a PackedDataset,
    /// How many folds, 3 to 30.
    pub folds: usize,
    /// What is kept together, beside identical pictures.
    pub together: Together,
    /// What is averaged over for each picture that tests.
    pub views: Views,
    /// A folder of run directories, one a fold.
    pub directory: &'a Path,
    /// Device, stop and watch.
    pub session: Session<'a>,
}

/// The figures of a cross-validation.
#[derive(Debug)]
pub struct CrossValidated {
    /// Of all pictures, each scored by the model of its fold: pooled confusion and calibrated probabilities.
    pub pooled: EvaluationReport,
    /// Fold by fold.
    pub folds: Folds,
}

impl CrossValidation<'_> {
    /// Trains and tests all folds, or resumes: their figures, or `None` when stopped.
    ///
    /// # Errors
    /// Fewer than 3 or more than 30 folds; a recipe that holds out a share of its own; folds without pictures; whatever
    /// training may refuse.
    pub fn finish(&self) -> crate::Result<Option<CrossValidated>> {
        if !(3..=MOST_FOLDS).contains(&self.folds) {
            refuse!(
                "{} folds, expected 3 to {MOST_FOLDS}: one tests, one selects, the others train",
                self.folds
            );
        }
        if self.task.recipe().training.validation != 0.0 {
            refuse!(
                "the recipe holds out training.validation; in a cross-validation the next fold selects: set it to 0"
            );
        }
        let dataset = self.dataset;
        let takes_part = |row: &u32| {
            let row = *row as usize;
            let split = dataset.split(row);
            // What raters' votes leave out is in no split, as is CK+ as a whole.
            let is_left_out = split == Split::Unassigned && dataset.assigned_split(row) != Split::Unassigned;
            dataset.origin(row) == Origin::Photograph && split != Split::Test && !is_left_out
        };
        // A packed file holds at most u32::MAX rows; opening it checked that.
        let rows: Vec<u32> = (0..dataset.len() as u32).filter(takes_part).collect();
        let seed = self.task.recipe().training.seed;
        let parts = partition(dataset, &rows, &vec![1.0; self.folds], self.together, seed)?;
        if let Some(empty) = (0..self.folds).find(|fold| !parts.contains(fold)) {
            let count = rows.len();
            refuse!("{count} pictures leave nothing for fold {} of {}: ask for fewer", empty + 1, self.folds);
        }
        std::fs::create_dir_all(self.directory)
            .map_err(|error| crate::files::atomic::AtomicError::system(self.directory, error))?;

        let mut pooled: Option<[ScoredSplit; 2]> = None;
        let mut temperatures = 0.0;
        let mut folds = Vec::with_capacity(self.folds);
        for fold in 0..self.folds {
            let mut splits = vec![Split::Unassigned; dataset.len()];
            for (row, part) in rows.iter().zip(&parts) {
                splits[*row as usize] = match *part {
                    part if part == fold => Split::Test,
                    part if part == (fold + 1) % self.folds => Split::Validation,
                    _ => Split::Training,
                };
            }
            let Some((scored, temperature, figures)) = self.fold(fold, &dataset.with_splits(splits))? else {
                return Ok(None);
            };
            folds.push(figures);
            temperatures += temperature;
            let mut calibrated = scored.clone();
            calibrated.logits.iter_mut().for_each(|logit| *logit /= temperature as f32);
            match &mut pooled {
                None => pooled = Some([scored, calibrated]),
                Some(pooled) => {
                    pooled.iter_mut().zip([scored, calibrated]).for_each(|(all, more)| append(all, more));
                }
            }
        }
        let [scored, calibrated] = pooled.expect("there are folds");
        let (by, warning) = self.kept_together();
        // Each fold's logits were divided by its own temperature; the report shows their mean.
        let mut report = evaluate(&calibrated, 1.0)?;
        report.temperature = temperatures / self.folds as f64;
        report.overall.calibrated.temperature = report.temperature;
        report.overall.uncalibrated = evaluate(&scored, 1.0)?.overall.uncalibrated;
        Ok(Some(CrossValidated { pooled: report, folds: Folds::new(by, folds, warning) }))
    }

    /// Trains without a fold and tests on it: its logits, the model's temperature, its figures.
    fn fold(&self, fold: usize, dataset: &PackedDataset) -> crate::Result<Option<(ScoredSplit, f64, Fold)>> {
        let Session { device, watch, .. } = self.session;
        let name = format!("fold-{:02}", fold + 1);
        watch.note(&Note::Fold { fold: fold + 1, folds: self.folds });
        let (training, test) = (dataset.training()?, dataset.test()?);
        let directory = self.directory.join(&name);
        let run = ClassifierRun {
            task: self.task,
            dataset,
            training: &training,
            directory: &directory,
            session: self.session,
        };
        let Some(best) = run.finish()? else {
            return Ok(None);
        };
        let predictor = Predictor::load(&best, device)?;
        let seen = vec![false; dataset.len()];
        let scored = score(&predictor, dataset, &test, "all folds", &seen, self.views)?;
        let accuracy = scored.accuracy()?;
        let manifest = predictor.manifest();
        let figures = Fold {
            name,
            training: training.len(),
            validation: dataset.validation()?.len(),
            images: test.len(),
            accuracy,
            epoch: manifest.provenance.epoch,
        };
        Ok(Some((scored, manifest.temperature, figures)))
    }

    fn kept_together(&self) -> (&'static str, Option<String>) {
        match (self.together, self.dataset.subject(0)) {
            (Together::Subject, _) => ("subject", None),
            (Together::Picture, None) => ("picture", None),
            (Together::Picture, Some(_)) => {
                let problem = "the same persons stand in training and test: such folds claim too much (folds by subject do not)";
                ("picture", Some(problem.to_owned()))
            }
        }
    }
}

/// Puts the pictures of a fold behind those of others.
fn append(pooled: &mut ScoredSplit, fold: ScoredSplit) {
    pooled.labels.extend(fold.labels);
    pooled.logits.extend(fold.logits);
    pooled.rows.extend(fold.rows);
    pooled.seen_in_training.extend(fold.seen_in_training);
    pooled.ferplus_votes = pooled.ferplus_votes.take().zip(fold.ferplus_votes).map(|(mut votes, more)| {
        votes.extend(more);
        votes
    });
}
