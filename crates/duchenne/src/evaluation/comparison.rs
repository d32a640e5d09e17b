//! A *comparison* of models that answered the same images: the difference of each to the first with McNemar's test, and
//! mean and spread of those that differ in their seed alone.

use serde::Serialize;

use super::report::{percent, thousands};
use super::text_table::{Align, aligned};
use super::{
    Estimate, EvaluationError, McNemarTest, ScoredSplit, SeedSummary, mcnemar, summarize_seeds, wilson,
};
use crate::models::provenance::ClassifierProvenance;

/// One of the models to compare.
#[derive(Debug, Clone)]
pub struct Contestant {
    /// Its name.
    pub name: String,
    /// Where it comes from: runs of one training are summarised over their seeds.
    pub provenance: ClassifierProvenance,
    /// Its answers.
    pub scored: ScoredSplit,
}

/// Models compared on one split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The split.
    pub split: String,
    /// What is averaged over for each picture.
    pub views: String,
    /// Its images.
    pub images: u64,
    /// The models, in the order given.
    pub models: Vec<ComparedModel>,
    /// Trainings of which there are models of several seeds.
    pub trainings: Vec<ComparedTraining>,
}

/// A model beside the first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedModel {
    /// Its name.
    pub name: String,
    /// Accuracy with its 95 % interval (Wilson).
    pub accuracy: Estimate,
    /// `None` for the first itself.
    pub against_first: Option<AgainstFirst>,
}

/// The difference to the first model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AgainstFirst {
    /// Accuracy less the first model's (`-1..=1`).
    pub difference: f64,
    /// The paired test; `a` is the first model, `b` this one.
    pub test: McNemarTest,
}

/// Models that differ in their seed alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedTraining {
    /// The recipe's name.
    pub recipe: String,
    /// Accuracy over the seeds.
    pub accuracy: SeedSummary,
}

impl Comparison {
    /// Of models that scored the same images in the same order.
    ///
    /// # Errors
    /// [`EvaluationError`] where a split cannot be scored, or models scored other images.
    pub fn new(views: &str, contestants: &[Contestant]) -> Result<Self, EvaluationError> {
        let mut models: Vec<ComparedModel> = Vec::new();
        let mut first: Option<Vec<bool>> = None;
        for Contestant { name, scored, .. } in contestants {
            scored.check()?;
            let correct = scored.correct();
            let right = correct.iter().filter(|correct| **correct).count() as u64;
            let accuracy = wilson(right, scored.len() as u64);
            let against_first = first
                .as_ref()
                .map(|first| -> Result<_, EvaluationError> {
                    let difference = accuracy.value - models[0].accuracy.value;
                    Ok(AgainstFirst { difference, test: mcnemar(first, &correct)? })
                })
                .transpose()?;
            first.get_or_insert(correct);
            models.push(ComparedModel { name: name.clone(), accuracy, against_first });
        }
        let of_first = contestants.first().map(|contestant| &contestant.scored);
        Ok(Self {
            split: of_first.map_or(String::new(), |scored| scored.split.clone()),
            views: views.to_owned(),
            images: of_first.map_or(0, |scored| scored.len() as u64),
            trainings: trainings(contestants, &models),
            models,
        })
    }
}

/// The trainings of which there are models of several seeds, each of another.
fn trainings(contestants: &[Contestant], models: &[ComparedModel]) -> Vec<ComparedTraining> {
    let mut known: Vec<&ClassifierProvenance> = Vec::new();
    let mut compared = Vec::new();
    for training in contestants.iter().map(|contestant| &contestant.provenance) {
        let (Some(recipe), Some(_)) = (&training.recipe, training.seed) else { continue };
        if known.iter().any(|other| other.same_but_for_the_seed(training)) {
            continue;
        }
        known.push(training);
        let alike = contestants.iter().zip(models).filter_map(|(contestant, model)| {
            let own = Some(&contestant.provenance).filter(|own| own.same_but_for_the_seed(training))?;
            Some((own.seed?, model.accuracy.value))
        });
        let (mut seeds, accuracies): (Vec<u64>, Vec<f64>) = alike.unzip();
        seeds.sort_unstable();
        seeds.dedup();
        // Two models of one run are not two seeds.
        if seeds.len() > 1 && seeds.len() == accuracies.len() {
            let accuracy = summarize_seeds(&accuracies).expect("there are several");
            compared.push(ComparedTraining { recipe: recipe.clone(), accuracy });
        }
    }
    compared
}

/// Renders a comparison as text for a terminal.
pub fn render_comparison(comparison: &Comparison) -> String {
    let mut lines = vec![
        format!("{}, {} images, intervals at 95 %", comparison.split, thousands(comparison.images)),
        format!("test-time augmentation: {}", comparison.views),
        String::new(),
    ];
    let header = ["", "accuracy", "difference", "only it right", "only the first right", "p"];
    let rows = comparison.models.iter().map(|model| {
        let Estimate { value, low, high } = model.accuracy;
        let accuracy = format!("{} % ({} to {})", percent(value), percent(low), percent(high));
        let compared = match &model.against_first {
            None => [const { String::new() }; 4],
            Some(AgainstFirst { difference, test }) => [
                format!("{:+.2}", 100.0 * difference),
                thousands(test.only_b_correct),
                thousands(test.only_a_correct),
                p_value(test.p_mid),
            ],
        };
        [model.name.clone(), accuracy].into_iter().chain(compared).collect()
    });
    let rows: Vec<Vec<String>> = std::iter::once(header.map(String::from).to_vec()).chain(rows).collect();
    lines.extend(aligned(&rows, Align::Right));
    lines.push(
        "p: McNemar's two-sided mid-p against the first model. Of many models some differ by chance.".into(),
    );
    if !comparison.trainings.is_empty() {
        lines.push(String::new());
        let header = ["seeds", "runs", "accuracy", "deviation"].map(String::from).to_vec();
        let rows = comparison.trainings.iter().map(|ComparedTraining { recipe, accuracy }| {
            let deviation =
                accuracy.deviation.map_or(String::new(), |deviation| format!("{} %", percent(deviation)));
            vec![
                recipe.clone(),
                accuracy.runs.to_string(),
                format!("{} %", percent(accuracy.mean)),
                deviation,
            ]
        });
        lines.extend(aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>(), Align::Right));
        if comparison.trainings.iter().any(|training| training.accuracy.runs < 3) {
            lines.push("A claim about a difference between trainings needs at least 3 seeds of each.".into());
        }
    }
    lines.join("\n") + "\n"
}

/// A p-value in as many digits as say something.
fn p_value(p: f64) -> String {
    if p < 1e-4 { "< 0.0001".to_owned() } else { format!("{p:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::scored::tests::scored;

    /// A model of two classes that answers so on images of class 0.
    fn contestant(name: &str, right: &[bool], training: Option<(&str, u64)>) -> Contestant {
        let logits: Vec<f32> =
            right.iter().flat_map(|right| if *right { [1.0, 0.0] } else { [0.0, 1.0] }).collect();
        let provenance = ClassifierProvenance {
            recipe: training.map(|(recipe, _)| recipe.to_owned()),
            seed: training.map(|(_, seed)| seed),
            ..ClassifierProvenance::default()
        };
        Contestant { name: name.to_owned(), provenance, scored: scored(2, &vec![0; right.len()], &logits) }
    }

    #[test]
    fn models_stand_beside_the_first() {
        let first = contestant("a", &[true, true, false, false, true], None);
        let second = contestant("b", &[true, true, true, true, false], None);
        let comparison = Comparison::new("none", &[first, second]).unwrap();
        assert_eq!(comparison.models[0].against_first, None);
        let AgainstFirst { difference, test } = comparison.models[1].against_first.unwrap();
        assert!((difference - 0.2).abs() < 1e-12);
        assert_eq!((test.only_a_correct, test.only_b_correct, test.both_correct), (1, 2, 2));
        let text = render_comparison(&comparison);
        assert!(text.contains("+20.00") && !text.contains("seeds"), "{text}");
    }

    #[test]
    fn seeds_of_one_training_are_summarised_and_runs_of_one_seed_are_not() {
        let models = [
            contestant("a", &[true, true, false, false], Some(("x", 0))),
            contestant("b", &[true, true, true, false], Some(("y", 0))),
            contestant("c", &[true, true, true, true], Some(("x", 1))),
            contestant("d", &[true, false, false, false], Some(("y", 0))),
        ];
        let comparison = Comparison::new("none", &models).unwrap();
        assert_eq!(comparison.trainings.len(), 1);
        let training = &comparison.trainings[0];
        assert_eq!(
            (training.recipe.as_str(), training.accuracy.runs, training.accuracy.mean),
            ("x", 2, 0.75)
        );
        assert!(render_comparison(&comparison).contains("at least 3 seeds"));
    }

    #[test]
    fn other_images_are_refused() {
        let models = [contestant("a", &[true, true], None), contestant("b", &[true], None)];
        assert!(matches!(Comparison::new("none", &models), Err(EvaluationError::Unpaired { .. })));
    }
}
