//! Evaluation against scikit-learn, properties of the figures, the FER+ filter on the real votes, and the
//! reports.

use std::path::{Path, PathBuf};

use duchenne::evaluation::report::{
    EpochRecord, ImageViews, ModelFigures, Provenance, ReportPage, render_html, render_json, render_table,
    write_report,
};
use duchenne::evaluation::robustness::{CorruptedAccuracy, Robustness};
use duchenne::evaluation::{
    EvaluationReport, ScoredSplit, evaluate, ferplus_majority, fit_temperature, mcnemar,
};
use duchenne::expression::LabelSet;
use proptest::prelude::*;
use serde::Deserialize;

// --- scikit-learn -------------------------------------------------------------------------------------------

/// Written by `reference/evaluation_goldens.py`.
#[derive(Deserialize)]
struct Goldens {
    cases: Vec<Case>,
    mcnemar: Vec<McNemarCase>,
    ferplus: Vec<Votes>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    classes: usize,
    labels: Vec<u8>,
    logits: Vec<f32>,
    accuracy: f64,
    accuracy_interval: [f64; 2],
    macro_f1: f64,
    macro_f1_interval: Option<[f64; 2]>,
    balanced_accuracy: f64,
    precision: Vec<f64>,
    recall: Vec<f64>,
    f1: Vec<f64>,
    support: Vec<u64>,
    confusion: Vec<Vec<u64>>,
    uncalibrated: Scores,
    temperature: f64,
    calibrated: Scores,
}

#[derive(Deserialize)]
struct Scores {
    nll: f64,
    brier: f64,
    ece: f64,
}

#[derive(Deserialize)]
struct McNemarCase {
    only_a: usize,
    only_b: usize,
    p_exact: f64,
    p_mid: f64,
}

#[derive(Deserialize)]
struct Votes {
    votes: [u8; 10],
    majority: Option<u8>,
}

fn goldens() -> Goldens {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/evaluation.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn scored(class_names: Vec<String>, labels: Vec<u8>, logits: Vec<f32>) -> ScoredSplit {
    let images = labels.len();
    ScoredSplit {
        split: "test".into(),
        class_names,
        labels,
        logits,
        rows: (0..images as u32).collect(),
        seen_in_training: vec![false; images],
        ferplus_votes: None,
    }
}

fn class_names(classes: usize) -> Vec<String> {
    (0..classes).map(|class| format!("class {class}")).collect()
}

#[track_caller]
fn close(got: f64, expected: f64, what: &str) {
    assert!((got - expected).abs() < 1e-9, "{what}: got {got}, scikit-learn has {expected}");
}

#[test]
fn every_figure_equals_scikit_learns() {
    let goldens = goldens();
    assert!(goldens.cases.len() >= 9);
    for case in goldens.cases {
        let split = scored(class_names(case.classes), case.labels, case.logits);
        let temperature = fit_temperature(&split).unwrap();
        close(temperature, case.temperature, &format!("{}: temperature", case.name));
        let figures = evaluate(&split, temperature).unwrap().overall;
        let say = |what: &str| format!("{}: {what}", case.name);
        close(figures.accuracy.value, case.accuracy, &say("accuracy"));
        close(figures.accuracy.low, case.accuracy_interval[0], &say("accuracy, lower end"));
        close(figures.accuracy.high, case.accuracy_interval[1], &say("accuracy, upper end"));
        close(figures.macro_f1.value, case.macro_f1, &say("macro-F1"));
        close(figures.balanced_accuracy.value, case.balanced_accuracy, &say("balanced accuracy"));
        for (class, got) in figures.per_class.iter().enumerate() {
            close(got.precision, case.precision[class], &say("precision"));
            close(got.recall, case.recall[class], &say("recall"));
            close(got.f1, case.f1[class], &say("F1"));
            assert_eq!(got.support, case.support[class], "{}", say("support"));
        }
        assert_eq!(figures.confusion.rows().collect::<Vec<_>>(), case.confusion, "{}", say("confusion"));
        for (got, expected, when) in [
            (&figures.uncalibrated, &case.uncalibrated, "uncalibrated"),
            (&figures.calibrated, &case.calibrated, "calibrated"),
        ] {
            close(got.nll, expected.nll, &say(&format!("{when} NLL")));
            close(got.brier, expected.brier, &say(&format!("{when} Brier")));
            close(got.ece, expected.ece, &say(&format!("{when} ECE")));
        }
        if let Some([low, high]) = case.macro_f1_interval {
            // Another random generator: equal up to simulation error, some 5 % of the interval's width.
            let tolerance = 0.05 * (high - low);
            assert!((figures.macro_f1.low - low).abs() < tolerance, "{}", say("macro-F1, lower end"));
            assert!((figures.macro_f1.high - high).abs() < tolerance, "{}", say("macro-F1, upper end"));
        }
    }
}

#[test]
fn mcnemar_equals_scipys_binomial_test() {
    for case in goldens().mcnemar {
        let a: Vec<bool> = (0..case.only_a + case.only_b + 7).map(|image| image < case.only_a).collect();
        let b: Vec<bool> = (0..a.len()).map(|image| (case.only_a..a.len() - 7).contains(&image)).collect();
        let test = mcnemar(&a, &b).unwrap();
        assert_eq!((test.only_a_correct as usize, test.only_b_correct as usize), (case.only_a, case.only_b));
        assert_eq!((test.both_correct, test.both_wrong), (0, 7));
        close(test.p_exact, case.p_exact, "exact p");
        close(test.p_mid, case.p_mid, "mid-p");
    }
}

// --- FER+ ---------------------------------------------------------------------------------------------------

#[test]
fn ferplus_filter_equals_the_reference_on_random_votes() {
    let rows = goldens().ferplus;
    assert!(rows.iter().any(|row| row.majority.is_none()) && rows.iter().any(|row| row.majority.is_some()));
    for row in rows {
        assert_eq!(ferplus_majority(&row.votes), row.majority, "{:?}", row.votes);
    }
}

/// The published counts of the official filter, and FER-2013's agreement with the majority, on the real file.
#[test]
fn ferplus_filter_keeps_the_published_rows_of_the_real_file() {
    let Some(folder) = std::env::var_os("DUCHENNE_DATA").map(PathBuf::from) else {
        eprintln!("SKIPPED: set DUCHENNE_DATA to the folder of fer2013new.csv to check FER+'s counts");
        return;
    };
    let mut kept = std::collections::BTreeMap::new();
    let mut reader = csv::Reader::from_path(folder.join("fer2013new.csv")).unwrap();
    for record in reader.records() {
        let record = record.unwrap();
        let votes: [u8; 10] = std::array::from_fn(|column| record[column + 2].parse().unwrap());
        let counts = kept.entry(record[0].to_string()).or_insert([0; 8]);
        if let Some(majority) = ferplus_majority(&votes) {
            counts[usize::from(majority)] += 1;
        }
    }
    let total = |split: &str| kept[split].iter().sum::<u32>();
    assert_eq!([total("Training"), total("PublicTest"), total("PrivateTest")], [25_060, 3_199, 3_153]);
    // neutral, happiness, surprise, sadness, anger, disgust, fear, contempt; by reference numpy code
    assert_eq!(kept["PrivateTest"], [1090, 893, 396, 384, 273, 18, 83, 16]);
}

// --- properties ---------------------------------------------------------------------------------------------

/// A split of 1 to 60 images in 2 to 8 classes, with votes and marks of duplicates.
fn any_split() -> impl Strategy<Value = ScoredSplit> {
    (2_usize..=8, 1_usize..=60).prop_flat_map(|(classes, images)| {
        let names =
            LabelSet::FerPlus.names()[..classes].iter().map(|name| name.to_string()).collect::<Vec<_>>();
        (
            proptest::collection::vec(0..classes as u8, images),
            proptest::collection::vec(-9.0_f32..9.0, images * classes),
            proptest::collection::vec(proptest::bool::weighted(0.2), images),
            proptest::collection::vec(proptest::array::uniform10(0_u8..6), images),
        )
            .prop_map(move |(labels, logits, seen_in_training, votes)| ScoredSplit {
                seen_in_training,
                ferplus_votes: Some(votes),
                ..scored(names.clone(), labels, logits)
            })
    })
}

/// The split with its images in another order.
fn reordered(split: &ScoredSplit, order: &[usize]) -> ScoredSplit {
    let classes = split.class_names.len();
    let votes = split.ferplus_votes.as_ref().unwrap();
    ScoredSplit {
        labels: order.iter().map(|&image| split.labels[image]).collect(),
        logits: order.iter().flat_map(|&image| split.logits[image * classes..][..classes].to_vec()).collect(),
        rows: order.iter().map(|&image| split.rows[image]).collect(),
        seen_in_training: order.iter().map(|&image| split.seen_in_training[image]).collect(),
        ferplus_votes: Some(order.iter().map(|&image| votes[image]).collect()),
        ..split.clone()
    }
}

fn is_share(value: f64) -> bool {
    (0.0..=1.0).contains(&value)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn figures_stay_within_their_bounds(split in any_split()) {
        let report = evaluate(&split, fit_temperature(&split).unwrap()).unwrap();
        let overall = &report.overall;
        prop_assert_eq!(overall.confusion.total(), split.len() as u64);
        prop_assert_eq!(overall.per_class.iter().map(|class| class.support).sum::<u64>(), split.len() as u64);
        prop_assert_eq!(overall.per_class.iter().map(|class| class.predicted).sum::<u64>(), split.len() as u64);
        let removed = report.deduplicated.removed;
        let rest = report.deduplicated.figures.as_ref().map_or(0, |figures| figures.n);
        prop_assert_eq!(removed + rest, split.len() as u64);
        let accuracy = overall.accuracy;
        prop_assert!(accuracy.low <= accuracy.value && accuracy.value <= accuracy.high);
        for estimate in [accuracy, overall.macro_f1, overall.balanced_accuracy, report.ferplus.unwrap().accuracy] {
            prop_assert!(is_share(estimate.value) && is_share(estimate.low) && is_share(estimate.high));
            prop_assert!(estimate.low <= estimate.high);
        }
        for class in &overall.per_class {
            prop_assert!(is_share(class.precision) && is_share(class.recall) && is_share(class.f1));
        }
        for calibration in [&overall.uncalibrated, &overall.calibrated] {
            prop_assert!(calibration.nll >= 0.0 && (0.0..=2.0).contains(&calibration.brier));
            prop_assert!(is_share(calibration.ece));
            prop_assert_eq!(calibration.bins.iter().map(|bin| bin.count).sum::<u64>(), split.len() as u64);
        }
        // The temperature is the best one on the split it was fitted on.
        prop_assert!(overall.calibrated.nll <= overall.uncalibrated.nll + 1e-12);
    }

    #[test]
    fn the_order_of_the_images_does_not_matter(
        (split, order) in any_split().prop_flat_map(|split| {
            let order: Vec<usize> = (0..split.len()).collect();
            (Just(split), Just(order).prop_shuffle())
        })
    ) {
        let (one, other) = (evaluate(&split, 1.7).unwrap(), evaluate(&reordered(&split, &order), 1.7).unwrap());
        prop_assert_eq!(&one.overall.confusion, &other.overall.confusion);
        prop_assert_eq!(one.overall.accuracy, other.overall.accuracy);
        prop_assert_eq!(one.overall.macro_f1, other.overall.macro_f1);
        prop_assert_eq!(one.overall.balanced_accuracy, other.overall.balanced_accuracy);
        prop_assert_eq!(&one.ferplus, &other.ferplus);
        prop_assert!((one.overall.calibrated.nll - other.overall.calibrated.nll).abs() < 1e-12);
        prop_assert!((one.overall.calibrated.brier - other.overall.calibrated.brier).abs() < 1e-12);
        prop_assert!((one.overall.calibrated.ece - other.overall.calibrated.ece).abs() < 1e-12);
    }

    /// `right` of `images` are right, and the model says so: its confidence is `right / images` throughout.
    #[test]
    fn a_perfectly_calibrated_constant_has_no_calibration_error(
        (images, right) in (3_usize..200).prop_flat_map(|images| (Just(images), images / 2 + 1..images))
    ) {
        let labels = (0..images).map(|image| u8::from(image >= right)).collect();
        let logits = [(right as f32).ln(), ((images - right) as f32).ln()].repeat(images);
        let split = scored(class_names(2), labels, logits);
        let figures = evaluate(&split, 1.0).unwrap().overall;
        prop_assert!(figures.uncalibrated.ece < 1e-6, "{}", figures.uncalibrated.ece);
        // And the temperature has nothing to repair, unless a coin toss leaves it undetermined.
        if right * 20 > images * 11 {
            prop_assert!((fit_temperature(&split).unwrap() - 1.0).abs() < 1e-4);
        }
    }
}

// --- reports ------------------------------------------------------------------------------------------------

/// A small page of invented figures; the numbers come from a fixed recurrence, not from a generator whose
/// stream may change.
fn page(images: usize) -> ReportPage {
    let classes = LabelSet::Fer2013.names();
    let mut state = 12345_u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let mut labels = Vec::new();
    let mut logits = Vec::new();
    let mut votes = Vec::new();
    for _ in 0..images {
        let label = (next() * 7.0) as u8;
        labels.push(label);
        logits.extend((0..7).map(|class| 5.0 * next() + if class == label { 3.4 } else { 0.0 }));
        let majority =
            if next() < 0.02 { 7 } else { LabelSet::Fer2013.translate(label, LabelSet::FerPlus).unwrap() };
        let strong = 4 + (next() * 7.0) as u8;
        votes.push(std::array::from_fn(|column| match column {
            8 => 10 - strong,
            column if column == usize::from(majority) => strong,
            _ => 0,
        }));
    }
    let mut single = scored(classes.iter().map(|name| name.to_string()).collect(), labels, logits);
    single.seen_in_training.iter_mut().step_by(12).for_each(|seen| *seen = true);
    single.ferplus_votes = Some(votes);
    let mut augmented = single.clone();
    augmented.logits.iter_mut().zip(&single.logits).for_each(|(logit, plain)| *logit = plain * 0.8);
    let result = |views, split: &ScoredSplit| -> ModelFigures {
        let report: EvaluationReport = evaluate(split, fit_temperature(split).unwrap()).unwrap();
        ModelFigures { views, report }
    };
    ReportPage {
        title: "compact <invented>".into(),
        provenance: vec![
            Provenance::new("model", "runs/compact/best.safetensors"),
            Provenance::new("recipe", "compact, seed 0, 24 epochs"),
        ],
        results: vec![
            result(ImageViews::SingleCrop, &single),
            result(ImageViews::TestTimeAugmentation, &augmented),
        ],
        robustness: Some(Robustness::new(
            "none: the centre alone",
            0.8,
            vec![
                CorruptedAccuracy::new("noise", "standard deviation", &[8.0, 16.0], vec![0.75, 0.5], 210),
                CorruptedAccuracy::new("low resolution", "pixels of 48", &[32.0, 24.0], vec![0.8, 0.65], 210),
            ],
            vec![CorruptedAccuracy::new("gamma", "exponent", &[1.3, 1.7], vec![0.7, 0.6], 210)],
            210,
        )),
        training: (1..=24)
            .map(|epoch| {
                let progress = epoch as f64 / 24.0;
                EpochRecord {
                    epoch,
                    learning_rate: 0.15 * (1.0 - progress),
                    training_loss: 1.9 - 0.9 * progress,
                    training_accuracy: 0.3 + 0.42 * progress,
                    validation_loss: 1.8 - 0.8 * progress.sqrt(),
                    validation_accuracy: 0.41 + 0.28 * progress.sqrt(),
                    seconds: 1.0,
                }
            })
            .collect(),
        folds: None,
        kept_epoch: Some(23),
    }
}

#[test]
fn the_table_reads_like_this() {
    insta::assert_snapshot!(render_table(&page(300)));
}

/// Keys are an interface: programs read them.
#[test]
fn the_json_has_these_keys() {
    fn keys(value: &serde_json::Value, path: &str, into: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => {
                map.iter().for_each(|(key, value)| keys(value, &format!("{path}.{key}"), into))
            }
            // All entries of a list are alike; the first stands for them.
            serde_json::Value::Array(list) if list.first().is_some_and(|first| first.is_object()) => {
                keys(&list[0], &format!("{path}[]"), into)
            }
            _ => into.push(path.trim_start_matches('.').to_string()),
        }
    }
    let text = render_json(&page(60)).unwrap();
    let mut found = Vec::new();
    keys(&serde_json::from_str(&text).unwrap(), "", &mut found);
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn the_page_is_self_contained_and_escapes_names() {
    let html = render_html(&page(200)).unwrap();
    assert!(html.contains("compact &lt;invented&gt;") && !html.contains("<invented>"));
    let outside = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for forbidden in ["http:", "https:", "src=", "href=", "@import", "url(", "<script", "<link"] {
        assert!(!outside.contains(forbidden), "the page must request nothing, but has {forbidden}");
    }
    // Curves (3), then confusion, bars and two reliability diagrams for both results.
    assert_eq!(html.matches("<svg").count(), 3 + 2 * 4);
    assert!(!html.contains("NaN"));
    assert!(html.contains("single crop") && html.contains("test-time augmentation"));
    assert!(html.contains("Wilson") && html.contains("chosen on the validation split"));
    // 0.5 of 0.8 is 63 %, at a standard deviation of 16.
    assert!(html.contains("Robustness") && html.contains("--kept: 63") && html.contains(">16<"));
}

#[test]
fn equal_predictions_give_equal_bytes() {
    assert_eq!(render_html(&page(80)).unwrap(), render_html(&page(80)).unwrap());
    assert_eq!(render_json(&page(80)).unwrap(), render_json(&page(80)).unwrap());
}

#[test]
fn a_page_without_curves_votes_or_second_result_renders() {
    let mut page = page(50);
    page.training.clear();
    page.robustness = None;
    page.results.truncate(1);
    page.results[0].report.ferplus = None;
    let html = render_html(&page).unwrap();
    assert!(!html.contains("Learning rate") && !html.contains("FER+ 8-class"));
    assert!(!html.contains("Robustness"));
    let table = render_table(&page);
    assert!(!table.contains("FER+") && !table.contains("augmentation") && !table.contains("Robustness"));
}

#[test]
fn report_files_are_written_whole_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("report");
    let files = write_report(&page(40), &target).unwrap();
    assert_eq!(std::fs::read_to_string(files.json).unwrap(), render_json(&page(40)).unwrap());
    assert_eq!(std::fs::read_to_string(files.html).unwrap(), render_html(&page(40)).unwrap());
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 2);
    // Once they could be read by their owner alone, as the temporary file they were renamed from.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "x").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&target.join("report.html")), mode(&plain));
    }
    // A file in the folder's place is reported by name.
    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "x").unwrap();
    let message = write_report(&page(40), &blocked).unwrap_err().to_string();
    assert!(message.contains(&blocked.display().to_string()), "{message}");
}
