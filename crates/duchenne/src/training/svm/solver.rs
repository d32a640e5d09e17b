//! Dual coordinate descent with shrinking for the L2-regularised linear SVM (Hsieh et al. 2008, algorithm 3, as
//! LIBLINEAR has it), one class against the rest. Defaults and meaning are scikit-learn's `LinearSVC`'s.
//!
//! Every class visits the samples in one common order, so that a sample, once in the cache, serves several
//! classes; the order depends on the seed and the pass alone, and so do the results, not on the number of threads.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::vectors::Vectors;
use crate::data::faces::batches::mix_seed;
use crate::training::recipe_file::{Library, RecipeError, RecipeValues, Setting};

/// What a sample on the wrong side costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HingeLoss {
    /// `max(0, 1 - y f(x))`
    Hinge,
    /// Its square, scikit-learn's default.
    SquaredHinge,
}

/// How much each class's samples cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeighting {
    /// Every sample alike.
    None,
    /// Inversely to the class's frequency: `samples / (classes * samples of the class)`.
    Balanced,
}

/// Settings of a fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SvmSettings {
    /// `hinge` or `squared-hinge`.
    pub loss: HingeLoss,
    /// C: what the loss counts against the length of the weights.
    pub c: f64,
    /// The largest violation of optimality that counts as none.
    pub tolerance: f64,
    /// Passes over the samples after which a class gives up.
    pub max_passes: usize,
    /// Whether there is an intercept. Like scikit-learn's, it is the weight of a feature that is always 1, and
    /// regularised with the others.
    pub intercept: bool,
    /// How much each class's samples cost.
    pub class_weights: ClassWeighting,
    /// Decides the order of the samples.
    pub seed: u64,
}

impl Default for SvmSettings {
    fn default() -> Self {
        Self {
            loss: HingeLoss::SquaredHinge,
            c: 1.0,
            tolerance: 1e-4,
            max_passes: 1000,
            intercept: true,
            class_weights: ClassWeighting::None,
            seed: 0,
        }
    }
}

/// The settings alone, without networks.
const SETTINGS: Library<SvmSettings> = Library::new("settings of", &[]);

impl SvmSettings {
    /// The defaults with `settings`, such as `c=10`, in their place.
    ///
    /// # Errors
    /// An unknown key, a value of another type or out of range.
    pub fn with(settings: &[Setting]) -> Result<Self, RecipeError> {
        SETTINGS.parse("svm", "", settings)
    }
}

impl RecipeValues for SvmSettings {
    fn problem(&self) -> Option<String> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        (!positive(self.c) || !positive(self.tolerance) || self.max_passes == 0).then(|| {
            format!(
                "c is {}, tolerance {}, max_passes {}: expected positive numbers",
                self.c, self.tolerance, self.max_passes
            )
        })
    }
}

/// What cannot be fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FitError {
    /// Features and labels do not match.
    #[error("{features} values of {length} features each and {labels} labels do not match")]
    Shape {
        /// Number of values.
        features: usize,
        /// Features per sample.
        length: usize,
        /// Number of labels.
        labels: usize,
    },
    /// A value is NaN or infinite.
    #[error("feature {feature} of sample {sample} (from 0) is {value}, expected a finite number")]
    NotFinite {
        /// Index of the sample, from 0.
        sample: usize,
        /// Index of the feature, from 0.
        feature: usize,
        /// Value that is not finite.
        value: f32,
    },
    /// A label is not a class.
    #[error("label {label} of sample {sample} (from 0), expected 0 to {highest}")]
    Label {
        /// Index of the sample, from 0.
        sample: usize,
        /// Label of the sample.
        label: u8,
        /// Highest label of the classes.
        highest: usize,
    },
    /// A class has no samples.
    #[error("class {0} has no samples to learn from")]
    EmptyClass(usize),
    /// There is nothing to tell apart.
    #[error("only one class to learn from, expected at least two")]
    OneClass,
    /// A setting is out of range.
    #[error("{0}")]
    Setting(String),
}

/// The result of a fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// `[classes, features]`, row-major.
    pub weights: Vec<f64>,
    /// `[classes]`, zero without intercept.
    pub intercepts: Vec<f64>,
    /// `[classes]`: the primal objective `(|w|^2 + b^2) / 2 + sum of C times loss`.
    pub objectives: Vec<f64>,
    /// `[classes]`: passes over the samples.
    pub passes: Vec<usize>,
    /// Classes that reached the tolerance.
    pub converged: Vec<bool>,
}

/// Fits one SVM per class on `features` `[samples, length]`, row-major, and `labels` `[samples]` in
/// `0..classes`. `watch` is told after every pass how many it was and how many classes are done; it is called
/// from several threads.
///
/// Memory: the features as they are, and one byte and one number per sample and class.
///
/// # Errors
/// When something cannot be fitted; see [`FitError`].
pub fn fit(
    features: &[f32],
    length: usize,
    labels: &[u8],
    classes: usize,
    settings: &SvmSettings,
    watch: &(dyn Fn(usize, usize) + Sync),
) -> Result<Fit, FitError> {
    let counts = counts_in(labels, classes);
    let weight = |class: usize| match settings.class_weights {
        ClassWeighting::None => 1.0,
        ClassWeighting::Balanced => labels.len() as f64 / (classes as f64 * counts[class].max(1) as f64),
    };
    let weights: Vec<f64> = (0..classes).map(weight).collect();
    fit_weighted(features, length, labels, &weights, settings, watch)
}

/// As [`fit`], with weights of one's own, one per class, instead of those that the settings ask for.
///
/// # Errors
/// When something cannot be fitted; see [`FitError`].
pub fn fit_weighted(
    features: &[f32],
    length: usize,
    labels: &[u8],
    weights: &[f64],
    settings: &SvmSettings,
    watch: &(dyn Fn(usize, usize) + Sync),
) -> Result<Fit, FitError> {
    let classes = weights.len();
    check(features, length, labels, classes, settings)?;
    if let Some(weight) = weights.iter().find(|weight| !(weight.is_finite() && **weight > 0.0)) {
        return Err(FitError::Setting(format!("a class weight is {weight}, expected a positive number")));
    }
    let vectors = Vectors::new();
    let squares: Vec<f64> = features
        .par_chunks_exact(length)
        .map(|row| row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>())
        .collect();
    let problem = Problem { features, length, labels, squares: &squares, settings, vectors };
    let groups = rayon::current_num_threads().clamp(1, classes);
    let done = std::sync::atomic::AtomicUsize::new(0);
    // Class 0 goes to group 0, class 1 to group 1, ...: neighbours are alike in no way that matters.
    let svms: Vec<Vec<ClassSvm>> = (0..groups)
        .into_par_iter()
        .map(|group| {
            let own = (group..classes).step_by(groups);
            let mut svms: Vec<ClassSvm> = own.map(|class| ClassSvm::new(class, weights, &problem)).collect();
            problem.descend(&mut svms, &done, watch);
            svms
        })
        .collect();
    let mut svms: Vec<ClassSvm> = svms.into_iter().flatten().collect();
    svms.sort_by_key(|svm| svm.class);
    let objectives = svms.par_iter().map(|svm| problem.objective(svm)).collect();
    Ok(Fit {
        weights: svms.iter().flat_map(|svm| svm.weights.iter().copied()).collect(),
        intercepts: svms.iter().map(|svm| svm.intercept).collect(),
        objectives,
        passes: svms.iter().map(|svm| svm.passes).collect(),
        converged: svms.iter().map(|svm| svm.converged).collect(),
    })
}

fn counts_in(labels: &[u8], classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    // A label that is none is told of when labels are checked.
    labels.iter().for_each(|label| {
        if let Some(count) = counts.get_mut(usize::from(*label)) {
            *count += 1
        }
    });
    counts
}

fn check(
    features: &[f32],
    length: usize,
    labels: &[u8],
    classes: usize,
    settings: &SvmSettings,
) -> Result<(), FitError> {
    if let Some(problem) = settings.problem() {
        return Err(FitError::Setting(problem));
    }
    if length == 0 || labels.is_empty() || features.len() != length * labels.len() {
        return Err(FitError::Shape { features: features.len(), length, labels: labels.len() });
    }
    check_labels(labels, classes)?;
    if let Some(at) = features.par_iter().position_first(|value| !value.is_finite()) {
        let (sample, feature) = (at / length, at % length);
        return Err(FitError::NotFinite { sample, feature, value: features[at] });
    }
    Ok(())
}

/// Checks that every label is a class and every class has samples.
///
/// # Errors
/// [`FitError::Label`], [`FitError::OneClass`] or [`FitError::EmptyClass`].
pub fn check_labels(labels: &[u8], classes: usize) -> Result<(), FitError> {
    let highest = classes.max(1) - 1;
    if let Some(sample) = labels.iter().position(|label| usize::from(*label) > highest) {
        return Err(FitError::Label { sample, label: labels[sample], highest });
    }
    let counts = counts_in(labels, classes);
    if counts.iter().filter(|count| **count > 0).count() < 2 {
        return Err(FitError::OneClass);
    }
    match counts.iter().position(|count| *count == 0) {
        Some(class) => Err(FitError::EmptyClass(class)),
        None => Ok(()),
    }
}

/// Features that have one value in all samples, ascending: no SVM can learn from them, and in features made
/// by hand they are usually a mistake.
pub fn constant_features(features: &[f32], length: usize) -> Vec<usize> {
    let first = &features[..length];
    let mut varies = vec![false; length];
    for row in features.chunks_exact(length).skip(1) {
        for ((varies, value), first) in varies.iter_mut().zip(row).zip(first) {
            *varies |= value != first;
        }
    }
    (0..length).filter(|feature| !varies[*feature]).collect()
}

/// What all classes share.
struct Problem<'a> {
    features: &'a [f32],
    length: usize,
    labels: &'a [u8],
    /// Squared lengths of the samples.
    squares: &'a [f64],
    settings: &'a SvmSettings,
    vectors: Vectors,
}

/// One class against the rest, on its way.
struct ClassSvm {
    class: usize,
    /// C of its own samples and of the rest.
    costs: [f64; 2],
    weights: Vec<f64>,
    intercept: f64,
    /// The dual variables.
    alphas: Vec<f64>,
    /// Samples not put aside by shrinking.
    active: Vec<bool>,
    active_count: usize,
    /// Violations of the last pass: largest and smallest projected gradient.
    bounds: [f64; 2],
    passes: usize,
    converged: bool,
    finished: bool,
}

impl ClassSvm {
    fn new(class: usize, class_weights: &[f64], problem: &Problem<'_>) -> Self {
        let samples = problem.labels.len();
        // scikit-learn's class weights count for a class's own samples; in one against the rest, the rest has weight one,
        // but where it is a class it has its own.
        let rest = match class_weights {
            [first, second] => [second, first][class],
            _ => &1.0,
        };
        Self {
            class,
            costs: [class_weights[class], *rest].map(|weight| problem.settings.c * weight),
            weights: vec![0.0; problem.length],
            intercept: 0.0,
            alphas: vec![0.0; samples],
            active: vec![true; samples],
            active_count: samples,
            bounds: [f64::INFINITY, f64::NEG_INFINITY],
            passes: 0,
            converged: false,
            finished: false,
        }
    }
}

impl Problem<'_> {
    fn row(&self, sample: usize) -> &[f32] {
        &self.features[sample * self.length..][..self.length]
    }

    /// The value that the intercept's feature has.
    fn constant(&self) -> f64 {
        if self.settings.intercept { 1.0 } else { 0.0 }
    }

    /// `y` and C of a sample for a class.
    fn side(&self, svm: &ClassSvm, sample: usize) -> (f64, f64) {
        let is_own = usize::from(self.labels[sample]) == svm.class;
        if is_own { (1.0, svm.costs[0]) } else { (-1.0, svm.costs[1]) }
    }

    /// `y`, the diagonal's addend and the upper bound of a sample for a class.
    fn sample(&self, svm: &ClassSvm, sample: usize) -> (f64, f64, f64) {
        let (sign, cost) = self.side(svm, sample);
        match self.settings.loss {
            HingeLoss::Hinge => (sign, 0.0, cost),
            HingeLoss::SquaredHinge => (sign, 0.5 / cost, f64::INFINITY),
        }
    }

    fn decision(&self, svm: &ClassSvm, sample: usize) -> f64 {
        self.vectors.dot(self.row(sample), &svm.weights) + svm.intercept
    }

    fn objective(&self, svm: &ClassSvm) -> f64 {
        let length: f64 = svm.weights.iter().map(|weight| weight * weight).sum();
        let loss = |sample: usize| {
            let (sign, cost) = self.side(svm, sample);
            let short = (1.0 - sign * self.decision(svm, sample)).max(0.0);
            cost * if self.settings.loss == HingeLoss::Hinge { short } else { short * short }
        };
        (length + svm.intercept * svm.intercept) / 2.0 + (0..self.labels.len()).map(loss).sum::<f64>()
    }

    /// Passes over the samples until every class is finished.
    fn descend(
        &self,
        svms: &mut [ClassSvm],
        done: &std::sync::atomic::AtomicUsize,
        watch: &(dyn Fn(usize, usize) + Sync),
    ) {
        for pass in 0..self.settings.max_passes {
            let mut order: Vec<u32> = (0..self.labels.len() as u32).collect();
            let seed = mix_seed(&[self.settings.seed, pass as u64]);
            order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
            let mut violations = vec![[f64::NEG_INFINITY, f64::INFINITY]; svms.len()];
            for sample in order {
                for (svm, violation) in svms.iter_mut().zip(&mut violations) {
                    if !svm.finished && svm.active[sample as usize] {
                        self.visit(svm, sample as usize, violation);
                    }
                }
            }
            let unfinished = svms.iter_mut().zip(violations).filter(|(svm, _)| !svm.finished);
            for (svm, violation) in unfinished {
                self.finish_pass(svm, violation);
                if svm.finished {
                    done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            }
            watch(pass + 1, done.load(std::sync::atomic::Ordering::Relaxed));
            if svms.iter().all(|svm| svm.finished) {
                return;
            }
        }
    }

    /// Moves one dual variable to its optimum, the others fixed.
    fn visit(&self, svm: &mut ClassSvm, sample: usize, [largest, smallest]: &mut [f64; 2]) {
        let (sign, addend, upper) = self.sample(svm, sample);
        let alpha = svm.alphas[sample];
        let gradient = sign * self.decision(svm, sample) - 1.0 + addend * alpha;
        let [most, least] = svm.bounds;
        let (projected, put_aside) = if alpha == 0.0 {
            (gradient.min(0.0), gradient > most)
        } else if alpha == upper {
            (gradient.max(0.0), gradient < least)
        } else {
            (gradient, false)
        };
        if put_aside {
            svm.active[sample] = false;
            svm.active_count -= 1;
            return;
        }
        *largest = largest.max(projected);
        *smallest = smallest.min(projected);
        if projected.abs() > 1e-12 {
            let constant = self.constant();
            let curvature = self.squares[sample] + constant + addend;
            let moved = (alpha - gradient / curvature).clamp(0.0, upper);
            svm.alphas[sample] = moved;
            let change = (moved - alpha) * sign;
            self.vectors.add_scaled(&mut svm.weights, self.row(sample), change);
            svm.intercept += change * constant;
        }
    }

    /// Ends, goes on, or takes back the samples put aside.
    fn finish_pass(&self, svm: &mut ClassSvm, [largest, smallest]: [f64; 2]) {
        svm.passes += 1;
        let samples = self.labels.len();
        if largest - smallest <= self.settings.tolerance {
            if svm.active_count == samples {
                svm.converged = true;
                svm.finished = true;
                return;
            }
            svm.active.fill(true);
            svm.active_count = samples;
            svm.bounds = [f64::INFINITY, f64::NEG_INFINITY];
        } else {
            svm.bounds = [
                if largest > 0.0 { largest } else { f64::INFINITY },
                if smallest < 0.0 { smallest } else { f64::NEG_INFINITY },
            ];
        }
        svm.finished = svm.passes == self.settings.max_passes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(_: usize, _: usize) {}

    /// Two clusters on a line, at -1 and 1: by symmetry the separating weight is known.
    #[test]
    fn a_problem_with_a_known_answer_is_solved() {
        let features = [-1.0, -1.0, 1.0, 1.0];
        let labels = [0, 0, 1, 1];
        for (loss, expected) in [
            // min w^2/2 + 4 (1 - w)^2 has its minimum at 8/9; min w^2/2 + 4 max(0, 1 - w) at 1.
            (HingeLoss::SquaredHinge, 8.0 / 9.0),
            (HingeLoss::Hinge, 1.0),
        ] {
            let settings = SvmSettings { loss, tolerance: 1e-10, ..SvmSettings::default() };
            let fit = fit(&features, 1, &labels, 2, &settings, &quiet).unwrap();
            assert!((fit.weights[1] - expected).abs() < 1e-8, "{loss:?} {:?}", fit.weights);
            assert!((fit.weights[0] + expected).abs() < 1e-8 && fit.intercepts[0].abs() < 1e-8);
            assert!(fit.converged.iter().all(|converged| *converged));
        }
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let features: Vec<f32> = (0..300).map(|i| ((i * 7919 % 1009) as f32 / 1009.0) - 0.5).collect();
        let labels: Vec<u8> = (0..60).map(|i| (i * 31 % 5) as u8).collect();
        let fitted = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&features, 5, &labels, 5, &SvmSettings::default(), &quiet).unwrap())
        };
        let one = fitted(1);
        assert_eq!(fitted(2), one);
        assert_eq!(fitted(7), one);
        let other = SvmSettings { seed: 1, ..SvmSettings::default() };
        let other = fit(&features, 5, &labels, 5, &other, &quiet).unwrap();
        let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-4 * a.abs();
        assert!(one.objectives.iter().zip(&other.objectives).all(close), "{one:?} {other:?}");
    }

    #[test]
    fn what_cannot_be_fitted_is_named() {
        let settings = SvmSettings::default();
        let error = |features: &[f32], labels: &[u8], classes: usize| {
            fit(features, 2, labels, classes, &settings, &quiet).unwrap_err().to_string()
        };
        let features = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let three = |labels: &[u8], classes: usize| error(&features, labels, classes);
        assert!(three(&[0, 1], 2).contains("do not match"));
        assert!(three(&[0, 0, 0], 2).contains("only one class"));
        assert!(three(&[0, 1, 1], 3).contains("class 2 has no samples"));
        assert!(three(&[0, 1, 7], 3).contains("label 7 of sample 2"));
        assert!(
            error(&[0.0, 1.0, f32::NAN, 3.0], &[0, 1], 2).contains("feature 0 of sample 1 (from 0) is NaN")
        );
        assert_eq!(constant_features(&[0.0, 1.0, 2.0, 1.0], 2), [1]);
        let settings = SvmSettings { c: -1.0, ..settings };
        assert!(
            fit(&features, 2, &[0, 1, 1], 2, &settings, &quiet).unwrap_err().to_string().contains("c is -1")
        );
    }

    #[test]
    fn a_class_that_gives_up_says_so() {
        let features: Vec<f32> = (0..400).map(|i| (i * 7919 % 1009) as f32 / 10.0).collect();
        let labels: Vec<u8> = (0..100).map(|i| (i * 31 % 3) as u8).collect();
        let settings = SvmSettings { max_passes: 2, ..SvmSettings::default() };
        let fit = fit(&features, 4, &labels, 3, &settings, &quiet).unwrap();
        assert_eq!((fit.converged, fit.passes), (vec![false; 3], vec![2; 3]));
    }
}
