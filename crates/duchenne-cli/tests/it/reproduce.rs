//! The reproduction of the paper through the program, on bars in place of faces and with networks that learn them in
//! seconds.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use duchenne::expression::LabelSet;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SCALE: &str = r#"
faces_per_class = 8
judge_by_classifier = false

[[gans]]
name = "dcgan"
title = "DCGAN"
recipe = "dcgan"
settings = ["network.side=48", "network.width=4", "network.latent=8", "training.epochs=3", "training.batch_size=4"]
neutral_settings = ["training.epochs=2", "data.held_out=0.5"]

[classifiers.small]
recipe = "compact"
settings = ["training.epochs=2", "training.batch_size=14"]

[classifiers.other]
recipe = "compact"
settings = ["training.epochs=1", "training.batch_size=14"]

[svm]
scratch = "SVM"
imagenet = "SVM"

[[rows]]
key = "df-svm"
network = "svm"

[[rows]]
key = "vgg16"
network = "small"

[[rows]]
key = "vgg16+dcgan"
network = "small"
faces = "dcgan"
baseline = "vgg16"

[[rows]]
key = "other"
title = "Another"
group = "ablation"
network = "other"
"#;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        super::svm::write_bars(&place.path("fer.safetensors"));
        super::gan::write_set(&place.path("ck.safetensors"), LabelSet::CkPlus, 20);
        std::fs::write(place.path("svm.toml"), "networks = [\"net.toml\"]").unwrap();
        std::fs::write(place.path("net.toml"), "[training]\nepochs = 2\nbatch_size = 14\n").unwrap();
        place.write_scale(SCALE);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write_scale(&self, text: &str) {
        let text = text.replace("SVM", self.path("svm.toml").to_str().unwrap());
        std::fs::write(self.path("scale.toml"), text).unwrap();
    }

    fn command(&self, out: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_duchenne"));
        command.arg("reproduce");
        for (option, file) in
            [("--fer2013", "fer.safetensors"), ("--ckplus", "ck.safetensors"), ("--scale", "scale.toml")]
        {
            command.arg(option).arg(self.path(file));
        }
        command.arg("--out").arg(self.path(out));
        command
    }

    fn run(&self, out: &str) -> Output {
        self.command(out).output().unwrap()
    }

    /// The finished table and what was said about the stages.
    fn succeeds(&self, out: &str) -> (serde_json::Value, String) {
        let output = self.run(out);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        (self.table(out), said)
    }

    fn table(&self, out: &str) -> serde_json::Value {
        let text = std::fs::read_to_string(self.path(out).join("report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        serde_json::json!([report["table"], report["comparisons"], report["rows"], report["generators"]])
    }

    /// A file of the stage whose folder begins so.
    fn file(&self, out: &str, stage: &str, name: &str) -> PathBuf {
        let folders = std::fs::read_dir(self.path(out).join("stages")).unwrap();
        let mut folders = folders.map(|entry| entry.unwrap().path());
        let is_it = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(stage);
        folders.find(is_it).unwrap().join(name)
    }
}

/// The stages that were worked on.
fn worked_on(said: &str) -> Vec<&str> {
    let stages = said.lines().filter(|line| line.starts_with('[') && !line.ends_with("already done"));
    stages.map(|line| line.split_once("] ").unwrap().1.split(':').next().unwrap()).collect()
}

#[test]
fn what_is_damaged_or_changed_is_done_again_and_nothing_else() {
    let place = Place::new();
    let (table, said) = place.succeeds("out");
    assert_eq!(worked_on(&said).len(), 17, "{said}");
    for (row, images) in [(0, 70), (1, 70), (2, 70 + 6 * 8 + 8), (3, 70)] {
        assert_eq!(table[0][row]["training_images"], images, "{}", table[0][row]);
        assert!(table[0][row]["accuracy"].as_f64().is_some());
    }
    assert_eq!(table[1][0]["row"], "VGG-16+DCGAN");
    let page = std::fs::read_to_string(place.path("out/report.html")).unwrap();
    let page = page.replace("&#x2f;", "/");
    for link in page.split("src=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(place.path("out").join(link).is_file(), "{link}");
    }
    assert!(place.file("out", "figure-1", "figure1.png").is_file());

    let (again, said) = place.succeeds("out");
    assert_eq!((worked_on(&said).len(), &again), (0, &table), "{said}");

    std::fs::write(place.file("out", "train-other", "run/best.safetensors"), "damaged").unwrap();
    std::fs::remove_file(place.file("out", "generate-dcgan-faces", "faces.safetensors")).unwrap();
    let (again, said) = place.succeeds("out");
    assert_eq!(worked_on(&said), ["generate dcgan faces", "train other seed 0"], "{said}");
    assert!(said.contains("`run/best.safetensors` is not as it was; rebuilding"), "{said}");
    assert_eq!(again, table);

    place.write_scale(&SCALE.replace("epochs=1", "epochs=2"));
    let (_, said) = place.succeeds("out");
    // The same settings as the other classifier's: there is nothing to do.
    assert_eq!(worked_on(&said).len(), 0, "{said}");
    place.write_scale(&SCALE.replace("epochs=1", "epochs=3"));
    let (_, said) = place.succeeds("out");
    assert_eq!(worked_on(&said), ["train other seed 0", "score other seed 0"], "{said}");

    // A row that fails stops no other.
    place.write_scale(
        &SCALE.replace("\"training.epochs=1\"", "\"training.epochs=1\", \"training.learning_rate=90\""),
    );
    let output = place.run("out");
    assert_eq!(output.status.code(), Some(1));
    let failed = place.table("out");
    assert_eq!(failed[0][1], table[0][1]);
    assert!(failed[0][3]["problem"].as_str().unwrap().contains("training has diverged"), "{}", failed[0][3]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("training has diverged"), "{shown}");
}

#[test]
fn a_reproduction_killed_at_random_moments_ends_with_the_same_table() {
    let place = Place::new();
    let begun = std::time::Instant::now();
    let (expected, _) = place.succeeds("whole");
    let duration = begun.elapsed();
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for kill in 0..5 {
        let mut command = place.command("killed");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(duration.mul_f64(random.random_range(0.02..0.5)));
        if kill % 2 == 0 {
            child.kill().unwrap();
        } else {
            Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        }
        child.wait().unwrap();
    }
    let (table, _) = place.succeeds("killed");
    // Paths of sheets and pages hold the keys of their stages, which are the same too.
    assert_eq!(table, expected, "seed {seed}");
}

#[test]
fn a_plan_is_measured_and_does_nothing() {
    let place = Place::new();
    let output = place.command("out").arg("--plan").output().unwrap();
    let plan = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let line = |name: &str| plan.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("train vgg16+dcgan seed 0").ends_with("to do"), "{plan}");
    assert!(line("import fer2013").contains("minutes at most"), "{plan}");
    assert!(plan.lines().last().unwrap().starts_with("to do: "), "{plan}");
    let stages = place.path("out").join("stages");
    assert!(!stages.exists());
    // What earlier calls left for other rows is counted.
    std::fs::create_dir_all(stages.join("train-vgg99.0123456789ab")).unwrap();
    let output = place.command("out").arg("--plan").output().unwrap();
    let plan = String::from_utf8(output.stdout).unwrap();
    assert!(plan.lines().last().unwrap().starts_with("1 folder below "), "{plan}");
}

#[cfg(unix)]
#[test]
fn a_folder_that_another_call_works_in_is_left_alone() {
    let place = Place::new();
    std::fs::create_dir(place.path("out")).unwrap();
    let _lock = duchenne::files::lock::FolderLock::take(&place.path("out")).unwrap();
    let output = place.run("out");
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("another run of the program is at work in this folder"), "{message}");
    assert_eq!(std::fs::read_dir(place.path("out")).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_reproduced_is_refused_before_any_work() {
    let place = Place::new();
    let refused = |arguments: &[&str], expected: &str| {
        let output = place.command("out").args(arguments).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains(expected), "`{expected}` not in `{message}`");
        assert!(!Path::new(&place.path("out")).exists());
    };
    refused(&["--rows", "vgg16,vgg99"], "no row `vgg99`; this scale has df-svm, vgg16");
    refused(&["--ferplus", "votes.csv"], "FER+'s votes join when it is imported");
    place.write_scale(&SCALE.replace("epochs=2", "epochs=none"));
    refused(&[], "training.epochs");
}
