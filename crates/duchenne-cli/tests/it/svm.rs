//! Linear support vector machines against scikit-learn's `LinearSVC` (`reference/svm_goldens.py` made the
//! numbers), and through the program.

mod recipe;

use std::path::Path;
use std::process::Command;

use duchenne::data::features::file::write_features;
use duchenne::data::{Origin, PackedBuilder, Split};
use duchenne::expression::LabelSet;
use duchenne::models::linear_svm::LinearSvm;
use duchenne::training::svm::{ClassWeighting, HingeLoss, SvmSettings, fit};
use serde::Deserialize;

#[derive(Deserialize)]
struct Goldens {
    training: usize,
    length: usize,
    pixels: String,
    labels: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    loss: HingeLoss,
    c: f64,
    class_weights: ClassWeighting,
    intercept: bool,
    objectives: Vec<f64>,
    predictions: String,
}

fn goldens() -> (Goldens, Vec<f32>, Vec<u8>) {
    let goldens: Goldens = serde_json::from_str(include_str!("../goldens/svm.json")).unwrap();
    let value = |letter: char| if letter == 'g' { 16 } else { letter.to_digit(16).unwrap() };
    let features = goldens.pixels.chars().map(|letter| value(letter) as f32 / 16.0).collect();
    let labels = digits(&goldens.labels);
    (goldens, features, labels)
}

fn digits(text: &str) -> Vec<u8> {
    text.bytes().map(|letter| letter - b'0').collect()
}

#[test]
fn machines_equal_scikit_learns() {
    let (goldens, features, labels) = goldens();
    let (length, training) = (goldens.length, goldens.training);
    for case in goldens.cases {
        let Case { loss, c, class_weights, intercept, .. } = case;
        let settings =
            SvmSettings { loss, c, class_weights, intercept, max_passes: 20_000, ..SvmSettings::default() };
        let fit = fit(&features[..training * length], length, &labels[..training], 10, &settings, &|_, _| {})
            .unwrap();
        assert!(fit.converged.iter().all(|converged| *converged), "{settings:?}: {:?}", fit.passes);
        for (class, (ours, reference)) in fit.objectives.iter().zip(&case.objectives).enumerate() {
            let difference = (ours - reference) / reference;
            assert!(difference.abs() < 1e-4, "{settings:?}, class {class}: {ours} against {reference}");
        }
        let svm = LinearSvm::new(fit.weights, fit.intercepts, None);
        let decisions = svm.decisions(&features);
        let largest = |row: &[f64]| (0..10).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap() as u8;
        let predictions = decisions.chunks_exact(10).map(largest);
        let equal = predictions.zip(digits(&case.predictions)).filter(|(a, b)| a == b).count();
        assert!(equal as f64 >= 0.999 * labels.len() as f64, "{settings:?}: {equal} of {}", labels.len());
    }
}

fn duchenne(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_duchenne")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn succeeds(arguments: &[&str]) -> String {
    let (code, out, message) = duchenne(arguments);
    assert_eq!(code, Some(0), "{message}");
    out
}

fn refused(arguments: &[&str], expected: &str) {
    let (code, _, message) = duchenne(arguments);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains(expected), "`{expected}` not in `{message}`");
}

#[test]
fn features_of_any_program_are_fitted_and_scored() {
    let (goldens, features, labels) = goldens();
    let length = goldens.length;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (train, test, run) = (path("train"), path("test"), path("run"));
    let write = |path: &str, features: &[f32], labels: &[u8]| {
        write_features(Path::new(path), features, labels, None).unwrap();
    };
    // Every third sample is scored: the set's last ones are of other writers than its first.
    let part = |path: &str, chosen: &dyn Fn(usize) -> bool| {
        let rows: Vec<usize> = (0..labels.len()).filter(|row| chosen(*row)).collect();
        let of_row = |row: &usize| &features[row * length..][..length];
        let labels: Vec<u8> = rows.iter().map(|row| labels[*row]).collect();
        write(path, &rows.iter().flat_map(of_row).copied().collect::<Vec<f32>>(), &labels);
        labels.len()
    };
    part(&train, &|row| row % 3 != 0);
    let scored = part(&test, &|row| row % 3 == 0);
    succeeds(&["svm", "fit", "--features", &train, "--run", &run]);
    let model = format!("{run}/svm.safetensors");
    let report = path("report");
    let json = succeeds(&["svm", "eval", &model, "--features", &test, "--json", "--out", &report]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let overall = &json["results"][0]["report"]["overall"];
    let accuracy = overall["accuracy"]["value"].as_f64().unwrap();
    assert!(accuracy > 0.9, "{accuracy}");
    let error = |key: &str| overall[key]["nll"].as_f64().unwrap();
    // Probabilities come from margins on samples that the fit had not seen.
    assert!(error("calibrated") < error("uncalibrated"), "{overall}");
    let bytes = std::fs::read(format!("{report}/decisions.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("decisions").unwrap().shape(), [scored, 10]);

    refused(&["svm", "fit", "--features", &train, "--run", &run], "is there already");
    let other = path("other");
    let broken = path("broken");
    let fit = |expected: &str| {
        refused(&["svm", "fit", "--features", &broken, "--run", &other], expected);
        assert!(!Path::new(&other).join("svm.safetensors").exists());
    };
    write(&broken, &[0.0, 1.0, f32::NAN, 3.0], &[0, 1]);
    fit("feature 0 of sample 1 (from 0) is NaN");
    write(&broken, &[0.0, 1.0, 2.0, 3.0], &[0, 0]);
    fit("only one class");
    write(&broken, &[0.0, 1.0, 2.0, 3.0], &[0, 2]);
    fit("class 1 has no samples");
    write(&broken, &[0.0, 1.0, 0.0, 3.0], &[0, 1]);
    fit("feature 0 (from 0) is 0 in all samples");
    std::fs::write(&broken, "text").unwrap();
    fit("`features` f32 [n, d]");
    write(&broken, &[0.0, 1.0], &[0, 1]);
    refused(&["svm", "eval", &model, "--features", &broken], "has 1 features per sample");
    refused(&["svm", "eval", &train, "--features", &test], "is not a linear SVM: it holds none");
    refused(&["svm", "fit", "--features", &train, "--run", &other, "--set", "c=-1"], "c is -1");
    refused(
        &["svm", "fit", "--features", &train, "--run", &other, "--set", "cost=1"],
        "unknown field `cost`",
    );
}

/// 210 pictures of a bar whose place is the label, ten of each class in every split.
pub(crate) fn write_bars(path: &Path) {
    let mut builder = PackedBuilder::new("bars", LabelSet::Fer2013, 48, 48);
    for index in 0..210_usize {
        let label = index % 7;
        let split = [Split::Training, Split::Validation, Split::Test][index / 7 % 3];
        builder.push(&bar(label, index), label as u8, split, Origin::Photograph).unwrap();
    }
    builder.write(path, "made by a test").unwrap();
}

fn bar(label: usize, seed: usize) -> Vec<u8> {
    let pixel = |pixel: usize| {
        let noise = (pixel * 7919 + seed * 104_729) % 61;
        let is_bar = (label * 6..label * 6 + 12).contains(&(pixel % 48));
        (noise + if is_bar { 150 } else { 20 }) as u8
    };
    (0..48 * 48).map(pixel).collect()
}

#[test]
fn features_of_networks_are_joined_and_their_machine_knows_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let data = path("data");
    write_bars(Path::new(&data));
    let train = |run: &str, crop: &str| {
        succeeds(&[
            "train",
            "--recipe",
            "compact",
            "--data",
            &data,
            "--run",
            run,
            "--epochs",
            "1",
            "--set",
            "training.batch_size=14",
            "--set",
            crop,
        ]);
        format!("{run}/best.safetensors")
    };
    let a = train(&path("a"), "input.crop=44");
    let b = train(&path("b"), "input.crop=44");
    let other = train(&path("c"), "input.crop=32");
    let run = path("svm");
    let fit = ["svm", "fit", "--network", &a, "--network", &b, "--data", &data, "--run", &run];
    succeeds(&fit);
    let machine = format!("{run}/svm.safetensors");
    assert_eq!(LinearSvm::read(Path::new(&machine)).unwrap().manifest.length, 240);
    assert_eq!(std::fs::read_dir(Path::new(&run).join("features")).unwrap().count(), 2);
    let report = succeeds(&["svm", "eval", &machine, "--data", &data, "--split", "test", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let accuracy = report["results"][0]["report"]["overall"]["accuracy"]["value"].as_f64().unwrap();
    assert!(accuracy > 0.9, "{accuracy}");

    let mixed =
        ["svm", "fit", "--network", &a, "--network", &other, "--data", &data, "--run", &path("mixed")];
    refused(&mixed, "differ in preprocessing");
    // A built-in network, by name, beside one of a file.
    let named = path("named");
    succeeds(&[
        "svm",
        "fit",
        "--network",
        "built-in-fer2013-compact",
        "--network",
        &a,
        "--data",
        &data,
        "--run",
        &named,
    ]);
    let machine_on_named = format!("{named}/svm.safetensors");
    let networks = LinearSvm::read(Path::new(&machine_on_named)).unwrap().manifest.networks;
    assert_eq!(networks[0].path, Path::new("built-in-fer2013-compact"));
    succeeds(&["svm", "eval", &machine_on_named, "--data", &data, "--split", "test"]);

    std::fs::copy(&b, &a).unwrap();
    std::fs::copy(&other, &a).unwrap();
    refused(&["svm", "eval", &machine, "--data", &data], "is not the one that the SVM was fitted on");
}
