//! Generators through the program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use duchenne::data::packed::builder::Take;
use duchenne::data::{Origin, PackedBuilder, PackedDataset, Split};
use duchenne::expression::LabelSet;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Bars whose place tells the class, by ten people: nobody's face.
pub(crate) fn write_set(path: &Path, label_set: LabelSet, per_class: usize) {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut builder = PackedBuilder::new("bars", label_set, 48, 48);
    let mut takes = Vec::new();
    for index in 0..per_class * 7 {
        let label = index % 7;
        let image: Vec<u8> = (0..48 * 48)
            .map(|pixel| {
                let bar = (label * 6..label * 6 + 12).contains(&(pixel % 48));
                random.random_range(0..80) + if bar { 150 } else { 20 }
            })
            .collect();
        builder.push(&image, label as u8, Split::Unassigned, Origin::Photograph).unwrap();
        takes.push(Take { subject: (index / 7 % 10) as u16, sequence: label as u16, frame: index as u16 });
    }
    builder.set_takes(takes).unwrap();
    builder.write(path, "made by a test").unwrap();
}

const SETTINGS: [&str; 6] = [
    "network.side=48",
    "network.width=4",
    "network.latent=8",
    "training.epochs=6",
    "training.batch_size=8",
    "training.sheet_every=3",
];

fn duchenne(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duchenne"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn succeeds(arguments: &[&str]) -> String {
    let output = duchenne(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(arguments: &[&str], expected: &str) {
    let output = duchenne(arguments).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains(expected), "`{expected}` not in `{message}`");
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn train(&self, recipe: &str, run: &str) -> Command {
        let (data, run) = (self.path("bars"), self.path(run));
        let mut command = duchenne(&["gan", "train", "--recipe", recipe, "--data", &data, "--run", &run]);
        SETTINGS.iter().for_each(|setting| {
            command.args(["--set", setting]);
        });
        command
    }
}

#[test]
fn runs_killed_at_random_moments_end_with_the_same_generators() {
    let place = Place::new();
    write_set(Path::new(&place.path("bars")), LabelSet::CkPlus, 20);
    for (recipe, class) in [("dcgan", "fear"), ("modern", "all")] {
        let train = |run: &str| {
            let mut command = place.train(recipe, run);
            command.args(["--class", class, "--set", "training.judge_every=0"]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let generator = |run: &str| {
            let file = PathBuf::from(place.path(run)).join(class).join("generator.safetensors");
            std::fs::read(file).unwrap()
        };
        let begun = std::time::Instant::now();
        let whole = format!("whole-{recipe}");
        assert!(train(&whole).status().unwrap().success());
        let duration = begun.elapsed();
        let expected = generator(&whole);
        let seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for attempt in 0..4 {
            let run = format!("killed-{recipe}-{attempt}");
            for kill in 0..3 {
                let mut child = train(&run).spawn().unwrap();
                std::thread::sleep(duration.mul_f64(random.random_range(0.1..0.8)));
                if (attempt + kill) % 3 == 0 {
                    child.kill().unwrap();
                } else {
                    // Asked politely, which saves within an epoch.
                    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
                }
                child.wait().unwrap();
            }
            assert!(train(&run).status().unwrap().success(), "attempt {attempt} of seed {seed}");
            assert!(generator(&run) == expected, "attempt {attempt} of seed {seed}: other weights");
        }
    }
}

#[test]
fn generated_faces_repeat_are_judged_and_join_the_training_split() {
    let place = Place::new();
    write_set(Path::new(&place.path("bars")), LabelSet::CkPlus, 20);
    let (bars, run) = (place.path("bars"), place.path("run"));
    assert!(place.train("dcgan", "run").output().unwrap().status.success());
    for class in LabelSet::CkPlus.names() {
        let folder = Path::new(&run).join(class);
        for file in ["generator.safetensors", "log.jsonl", "sheet-0003.png", "sheet-0006.png"] {
            assert!(folder.join(file).is_file(), "{class}/{file}");
        }
        assert_eq!(std::fs::read_to_string(folder.join("log.jsonl")).unwrap().lines().count(), 6);
    }
    assert!(std::fs::read_to_string(Path::new(&run).join("curves.html")).unwrap().contains("surprise"));

    let (first, second, other) = (place.path("first"), place.path("second"), place.path("other"));
    let png = place.path("png");
    succeeds(&["gan", "sample", &run, "--count", "30", "--seed", "4", "--out", &first, "--png", &png]);
    succeeds(&["gan", "sample", &run, "--count", "30", "--seed", "4", "--out", &second]);
    succeeds(&["gan", "sample", &run, "--count", "30", "--seed", "5", "--out", &other]);
    let read = |path: &str| std::fs::read(path).unwrap();
    assert!(read(&first) == read(&second), "the same seed gave other faces");
    assert!(read(&first) != read(&other), "another seed gave the same faces");
    let faces = PackedDataset::open(Path::new(&first)).unwrap();
    assert_eq!((faces.len(), faces.height(), faces.width()), (210, 48, 48));
    assert!((0..210).all(|row| faces.origin(row) == Origin::Synthetic));
    let classes = std::fs::read_dir(Path::new(&png).join("training")).unwrap().count();
    assert_eq!(classes, 7);

    let grid = place.path("grid.png");
    succeeds(&["gan", "grid", &run, &run, "--out", &grid]);
    let grid = image::open(&grid).unwrap().to_luma8();
    assert!(grid.width() > 700 && grid.height() > 200);

    let report = place.path("report");
    let json =
        succeeds(&["gan", "eval", &first, "--real", &bars, "--out", &report, "--json", "--no-classifier"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["reference"], "held-out");
    assert_eq!(json["epoch_chosen_by_reference"], false);
    // Photographs of other people are nearer than the noise of so young a generator.
    let distance = |set: &str| json[set]["kernel_distance"].as_f64().unwrap();
    assert!(distance("generated") > distance("floor"), "{json}");
    assert!(json["memorization"]["ratio"].as_f64().unwrap() > 0.0);
    for file in ["report.html", "report.json", "nearest.png"] {
        assert!(Path::new(&report).join(file).is_file(), "{file}");
    }

    // Joined to a set of FER-2013's labels: six classes, and only in training.
    let fer = place.path("fer");
    let mut builder = PackedBuilder::new("fer", LabelSet::Fer2013, 48, 48);
    for index in 0..28_u8 {
        let split = if index < 14 { Split::Training } else { Split::Validation };
        builder.push(&[index * 9; 48 * 48], index % 7, split, Origin::Photograph).unwrap();
    }
    builder.write(Path::new(&fer), "made by a test").unwrap();
    let joined = place.path("joined");
    let train = [
        "train",
        "--recipe",
        "compact",
        "--epochs",
        "1",
        "--data",
        &fer,
        "--run",
        &joined,
        "--synthetic",
        &first,
        "--synthetic-per-class",
        "5",
    ];
    succeeds(&train);
    let model = succeeds(&["model", "info", &format!("{joined}/best.safetensors"), "--json"]);
    assert!(
        model.contains("30 (angry 5, disgust 5, fear 5, happy 5, sad 5, surprise 5; neutral = real)"),
        "{model}"
    );
    // The run remembers what joined.
    let changed: Vec<&str> = train.iter().map(|word| if *word == "5" { "4" } else { word }).collect();
    refused(&changed, "another data set");
    refused(
        &["train", "--recipe", "compact", "--data", &fer, "--run", &place.path("r"), "--synthetic", &fer],
        "not synthetic",
    );
}

#[test]
fn divergence_stops_with_a_clear_message() {
    let place = Place::new();
    write_set(Path::new(&place.path("bars")), LabelSet::CkPlus, 20);
    let mut command = place.train("wgan-gp", "run");
    command.args(["--class", "fear", "--set", "training.learning_rate=100", "--set", "training.epochs=200"]);
    command.args(["--set", "loss.penalty_weight=1e6", "--set", "network.width=16"]);
    let output = command.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("training has diverged"), "{message}");
    let generator = Path::new(&place.path("run")).join("fear").join("generator.safetensors");
    assert!(!generator.exists(), "a diverged generator was kept");
}

#[test]
fn a_damaged_run_is_told_before_any_work() {
    let place = Place::new();
    write_set(Path::new(&place.path("bars")), LabelSet::CkPlus, 20);
    let mut command = place.train("dcgan", "run");
    command.args(["--class", "fear"]);
    assert!(command.output().unwrap().status.success());
    let state = Path::new(&place.path("run")).join("fear").join("state.safetensors");
    let bytes = std::fs::read(&state).unwrap();
    std::fs::write(&state, &bytes[..bytes.len() / 2]).unwrap();
    let output = command.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("state.safetensors") && message.contains("is damaged"), "{message}");
}

#[test]
fn what_cannot_be_generated_is_refused_before_any_work() {
    let place = Place::new();
    let (bars, run) = (place.path("bars"), place.path("run"));
    write_set(Path::new(&bars), LabelSet::CkPlus, 10);
    let train = |more: &[&str], expected: &str| {
        let fixed = ["gan", "train", "--data", &bars, "--run", &run];
        refused(&[&fixed[..], more].concat(), expected);
        assert!(!Path::new(&run).exists(), "work was begun");
    };
    train(&["--recipe", "nonsense"], "neither built in (dcgan, wgan-gp, cgan, modern)");
    train(&["--recipe", "dcgan"], "angry has 8 photographs");
    train(&["--recipe", "dcgan", "--class", "boredom"], "no photographs of class `boredom`");
    train(&["--recipe", "dcgan", "--class", "neutral"], "no photographs of class `neutral`");
    train(
        &["--recipe", "cgan", "--class", "fear", "--set", "training.batch_size=4"],
        "one generator for all",
    );
    train(&["--recipe", "dcgan", "--set", "network.side=40"], "side is 40");
    train(&["--recipe", "dcgan", "--set", "training.epoch=4"], "unknown field `epoch`");
    train(&["--recipe", "modern", "--set", "data.held_out=0"], "judge_every needs data.held_out");

    std::fs::create_dir(&run).unwrap();
    let out = place.path("faces");
    refused(&["gan", "sample", &run, "--out", &out], "holds no finished generator");
    refused(&["gan", "sample", &place.path("missing"), "--out", &out], "cannot read run");
    std::fs::write(Path::new(&run).join("generator.safetensors"), b"not a generator").unwrap();
    refused(&["gan", "sample", &run, "--out", &out], "generator.safetensors");
    refused(&["gan", "eval", &bars, "--real", &bars], "is a photograph");
    assert!(!Path::new(&out).exists());
}
