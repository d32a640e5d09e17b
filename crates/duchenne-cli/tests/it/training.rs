//! Training through the program: it learns, it resumes exactly, it refuses what it cannot do.

use std::path::Path;
use std::process::{Command, Stdio};

use duchenne::data::{Origin, PackedBuilder, PackedDataset, Split};
use duchenne::expression::LabelSet;
use duchenne::files::lock::FolderLock;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Twelve-pixel bars whose place tells the class, under noise: learnable, and nobody's face.
fn write_set(path: &Path, training: usize) {
    write_set_labelled(path, training, |label, _| label);
}

/// The same, with the Training labels that `told` gives for a picture's class and its number.
fn write_set_labelled(path: &Path, training: usize, told: fn(usize, usize) -> usize) {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut builder = PackedBuilder::new("bars", LabelSet::Fer2013, 48, 48);
    for index in 0..training + 28 {
        let label = index % 7;
        let image: Vec<u8> = (0..48 * 48)
            .map(|pixel| {
                let bar = (label * 6..label * 6 + 12).contains(&(pixel % 48));
                random.random_range(0..80) + if bar { 150 } else { 20 }
            })
            .collect();
        let (split, label) =
            if index < training { (Split::Training, told(label, index)) } else { (Split::Validation, label) };
        builder.push(&image, label as u8, split, Origin::Photograph).unwrap();
    }
    builder.write(path, "made by a test").unwrap();
}

const SETTINGS: [&str; 6] = [
    "training.epochs=3",
    "training.batch_size=14",
    "training.mixup=0.2",
    "training.weight_average=0.9",
    "training.learning_rate=0.05",
    "input.crop=32",
];

fn train(data: &Path, run: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duchenne"));
    command.args(["train", "--recipe", "compact", "--data"]).arg(data).arg("--run").arg(run);
    SETTINGS.iter().for_each(|setting| {
        command.args(["--set", setting]);
    });
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn models(run: &Path) -> [Vec<u8>; 2] {
    ["best.safetensors", "last.safetensors"].map(|name| std::fs::read(run.join(name)).unwrap())
}

#[test]
fn runs_killed_at_random_moments_end_with_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("bars.safetensors");
    write_set(&data, 140);
    // With a teacher, which sees what mixup made.
    let taught = |run: &Path| {
        let mut command = train(&data, run);
        command.args(["--teacher", "built-in-fer2013-compact", "--set", "training.teacher_share=0.5"]);
        command.args(["--set", "input.crop=44"]);
        command
    };
    let whole = folder.path().join("whole");
    let begun = std::time::Instant::now();
    assert!(taught(&whole).status().unwrap().success());
    let duration = begun.elapsed();
    let expected = models(&whole);

    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for attempt in 0..10 {
        let run = folder.path().join(format!("killed-{attempt}"));
        // Killed up to three times; every second time asked politely, which saves within an epoch.
        for kill in 0..3 {
            let mut child = taught(&run).spawn().unwrap();
            std::thread::sleep(duration.mul_f64(random.random_range(0.05..0.7)));
            if (attempt + kill) % 2 == 0 {
                child.kill().unwrap();
            } else {
                let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
                interrupted.unwrap();
            }
            child.wait().unwrap();
        }
        assert!(taught(&run).status().unwrap().success(), "attempt {attempt} of seed {seed}");
        assert!(models(&run) == expected, "attempt {attempt} of seed {seed} ended with other weights");
    }
}

#[test]
fn a_network_learns_what_there_is_to_learn() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("bars.safetensors");
    write_set(&data, 280);
    let run = folder.path().join("run");
    let settings = ["training.epochs=6", "training.mixup=0.0", "augmentation.mirror=false"];
    let mut command = train(&data, &run);
    settings.iter().for_each(|setting| {
        command.args(["--set", setting]);
    });
    assert!(command.status().unwrap().success());
    let log = std::fs::read_to_string(run.join("log.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(log.lines().count(), 6);
    assert!(last["validation_accuracy"].as_f64().unwrap() > 0.9, "{last}");
}

#[test]
fn a_teacher_teaches_what_the_labels_do_not_tell() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_set(&path("right.safetensors"), 280);
    // Every class under every label alike: nothing to learn from them.
    write_set_labelled(&path("wrong.safetensors"), 280, |label, index| (label + index / 7) % 7);
    let run = |data: &str, run: &str, more: &[&str]| {
        let mut command = train(&path(data), &path(run));
        for setting in ["training.epochs=6", "training.mixup=0.0", "augmentation.mirror=false"] {
            command.args(["--set", setting]);
        }
        command.args(more);
        command
    };
    let accuracy = |name: &str| {
        let log = std::fs::read_to_string(path(name).join("log.jsonl")).unwrap();
        let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        last["validation_accuracy"].as_f64().unwrap()
    };
    assert!(run("right.safetensors", "teacher", &[]).status().unwrap().success());
    let teacher = path("teacher").join("best.safetensors");
    let taught = ["--teacher", teacher.to_str().unwrap(), "--set", "training.teacher_share=0.9"];
    assert!(run("wrong.safetensors", "taught", &taught).status().unwrap().success());
    assert!(run("wrong.safetensors", "alone", &[]).status().unwrap().success());
    assert!(accuracy("taught") > 0.8, "{}", accuracy("taught"));
    assert!(accuracy("alone") < 0.5, "{}", accuracy("alone"));

    // The model says by whom it was taught, and its run resumes with the same teacher only.
    let model = std::fs::read(path("taught").join("best.safetensors")).unwrap();
    assert!(String::from_utf8_lossy(&model).contains("taught-by"));
    let other = path("alone").join("best.safetensors");
    let other = ["--teacher", other.to_str().unwrap(), "--set", "training.teacher_share=0.9"];
    let output = run("wrong.safetensors", "taught", &other).stderr(Stdio::piped()).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("holds a run with another model to begin from or to learn from"), "{message}");
}

#[test]
fn models_are_compared_and_seeds_summarised() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let data = path("bars.safetensors");
    write_set(Path::new(&data), 140);
    for (run, seed) in [("one", "1"), ("two", "2")] {
        let mut command = train(Path::new(&data), Path::new(&path(run)));
        assert!(command.args(["--seed", seed]).status().unwrap().success());
    }
    let [one, two] = ["one", "two"].map(|run| path(&format!("{run}/best.safetensors")));
    let json = |words: &[&str]| -> serde_json::Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_duchenne"));
        let output = command.args(words).args(["--data", &data, "--json"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let comparison = json(&["compare", "built-in-fer2013-compact", &one, &two, "--views", "mirrored"]);
    let models = comparison["models"].as_array().unwrap();
    let accuracy = |model: &serde_json::Value| model["accuracy"]["value"].as_f64().unwrap();
    for (model, name) in models.iter().zip(["built-in-fer2013-compact", &one, &two]) {
        let alone = json(&["eval", name, "--views", "mirrored"]);
        assert_eq!(model["accuracy"], alone["results"][1]["report"]["overall"]["accuracy"], "{name}");
    }
    assert!(models[0]["against_first"].is_null());
    let difference = models[1]["against_first"]["difference"].as_f64().unwrap();
    assert!((difference - (accuracy(&models[1]) - accuracy(&models[0]))).abs() < 1e-12);
    let trainings = comparison["trainings"].as_array().unwrap();
    assert_eq!((trainings.len(), &trainings[0]["accuracy"]["runs"]), (1, &2.into()));
    let mean = trainings[0]["accuracy"]["mean"].as_f64().unwrap();
    assert!((mean - (accuracy(&models[1]) + accuracy(&models[2])) / 2.0).abs() < 1e-12);
    refused(&["compare", &one, "missing", "--data", &data], "missing");
}

fn refused(arguments: &[&str], expected: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_duchenne")).args(arguments).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains(expected), "{message}");
}

#[test]
fn what_cannot_be_trained_is_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("bars.safetensors");
    write_set(&data, 28);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (data, run) = (path("bars.safetensors"), path("run"));
    let train = ["train", "--data", &data, "--run", &run, "--recipe"];
    let with = |more: &[&'static str]| -> Vec<String> {
        train.iter().chain(more).map(|word| (*word).to_owned()).collect()
    };
    for (more, expected) in [
        (&["nonsense"][..], "neither built in"),
        (&["compact", "--set", "training.epoch=3"], "unknown field `epoch`"),
        (&["compact", "--set", "training.batch_size=0"], "must be at least 1"),
        (&["compact", "--limit", "1"], "expected at least 2"),
        (&["wide-distilled"], "train --teacher"),
        (&["compact", "--teacher", "built-in"], "training.teacher_share"),
    ] {
        let words = with(more);
        refused(&words.iter().map(String::as_str).collect::<Vec<_>>(), expected);
        assert!(!Path::new(&run).join("state.safetensors").exists());
    }
    refused(&["train", "--recipe", "compact", "--data", "missing", "--run", &run], "missing");

    // Without a split to select by, there is nothing to train against.
    let lone = path("lone.safetensors");
    let mut builder = PackedBuilder::new("lone", LabelSet::Fer2013, 48, 48);
    builder.push(&[0; 48 * 48], 0, Split::Training, Origin::Photograph).unwrap();
    builder.write(Path::new(&lone), "made by a test").unwrap();
    refused(&["train", "--recipe", "compact", "--data", &lone, "--run", &run], "validation");
    assert!(PackedDataset::open(Path::new(&lone)).is_ok());
}

#[cfg(unix)]
#[test]
fn a_run_that_another_process_works_on_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (data, run) = (path("bars.safetensors"), path("run"));
    write_set(Path::new(&data), 28);
    std::fs::create_dir(&run).unwrap();
    let words = ["train", "--recipe", "compact", "--data", &data, "--run", &run, "--epochs", "1"];
    let lock = FolderLock::take(Path::new(&run)).unwrap();
    refused(&words, "another run of the program is at work in this folder");
    assert_eq!(std::fs::read_dir(&run).unwrap().count(), 0);
    drop(lock);
    assert!(Command::new(env!("CARGO_BIN_EXE_duchenne")).args(words).status().unwrap().success());
}

#[test]
fn divergence_stops_with_a_clear_message() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("bars.safetensors");
    write_set(&data, 140);
    let run = folder.path().join("run");
    let mut command = train(&data, &run);
    command.args(["--set", "training.learning_rate=100", "--set", "training.loss=squared-hinge"]);
    command.args(["--set", "training.schedule=constant", "--set", "training.momentum=0.99"]);
    let output = command.stderr(Stdio::piped()).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("training has diverged"), "{message}");
}
