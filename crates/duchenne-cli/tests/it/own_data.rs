//! One's own pictures in classes of one's own: from a folder to a trained model that recognises them, nothing renamed.

use std::path::Path;
use std::process::Command;

use duchenne::PackedDataset;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

const CLASSES: [&str; 3] = ["bored", "glad", "tired"];

/// Twelve-pixel bars whose place tells the class, under noise, as PNG files of 60 x 60 pixels; four of each person.
fn write_pictures(folder: &Path, count: usize) {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for index in 0..count {
        let label = index % CLASSES.len();
        let picture = image::GrayImage::from_fn(60, 60, |x, _| {
            let bar = (label as u32 * 20..label as u32 * 20 + 15).contains(&x);
            image::Luma([random.random_range(0..80) + if bar { 150 } else { 20 }])
        });
        let path = folder.join(CLASSES[label]).join(format!("p{}-{index}.png", index / 4));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture.save(path).unwrap();
    }
}

/// Runs the program in a folder: exit code, standard output, standard error.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duchenne"));
    let output = command.current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let (code, output, messages) = run(folder, arguments);
    assert_eq!(code, 0, "{arguments:?}: {messages}");
    output
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

const SETTINGS: &[&str] =
    &["--epochs", "6", "--set", "training.batch_size=8", "--set", "training.learning_rate=0.02"];

#[test]
fn pictures_in_folders_become_a_model_that_answers_in_their_names() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    write_pictures(&here.join("faces"), 90);
    succeeds(here, &["data", "import", "folder", "faces", "--out", "own.safetensors"]);

    // Without a split that selects, the remedies are named.
    let train = ["train", "--recipe", "compact", "--data", "own.safetensors", "--run", "run"];
    let (code, _, messages) = run(here, &train);
    assert!(code == 1 && messages.contains("--validation 0.1"), "{messages}");
    assert!(messages.contains("duchenne data split FILE"), "{messages}");
    succeeds(here, &[&train, &["--validation", "0.2"][..], SETTINGS].concat());

    let (code, _, messages) = run(here, &["eval", "run/best.safetensors", "--data", "own.safetensors"]);
    assert!(code == 1 && messages.contains("has no validation samples"), "{messages}");
    let eval = ["eval", "run/best.safetensors", "--data", "own.safetensors", "--split", "training", "--json"];
    let report = json(&succeeds(here, &eval));
    assert_eq!(report["results"][0]["report"]["classes"], serde_json::json!(CLASSES));
    let accuracy = report["results"][0]["report"]["overall"]["accuracy"]["value"].as_f64().unwrap();
    assert!(accuracy > 0.9, "{accuracy}");

    let faces = succeeds(
        here,
        &["predict", "faces/tired/p0-2.png", "--whole", "--model", "run/best.safetensors", "--json"],
    );
    let faces = json(faces.trim());
    assert_eq!(faces["faces"][0]["expression"], "tired");
    // The validation split is small and all of it right, which is no reason to be certain of every other picture.
    assert!(faces["faces"][0]["probabilities"]["tired"].as_f64().unwrap() < 0.999, "{faces}");
    assert_eq!(faces["faces"][0]["probabilities"].as_object().unwrap().len(), 3);
    let table =
        succeeds(here, &["predict", "faces/glad", "--whole", "--model", "run/best.safetensors", "--csv"]);
    assert!(table.lines().next().unwrap().contains("bored,glad,tired"), "{table}");
    let copies =
        ["predict", "faces/glad/p0-1.png", "--whole", "--model", "run/best.safetensors", "--annotate", "out"];
    succeeds(here, &copies);
    let info = succeeds(here, &["model", "info", "run/best.safetensors"]);
    assert!(info.contains("bored, glad, tired"), "{info}");

    // A lasting split, and the test split beside it.
    let split = [
        "data",
        "split",
        "own.safetensors",
        "--validation",
        "0.2",
        "--test",
        "0.3",
        "--out",
        "split.safetensors",
    ];
    succeeds(here, &split);
    let train = ["train", "--recipe", "compact", "--data", "split.safetensors", "--run", "other"];
    succeeds(here, &[&train, SETTINGS].concat());
    for (split, count) in [("validation", 18), ("test", 27), ("private-test", 27)] {
        let eval =
            ["eval", "other/best.safetensors", "--data", "split.safetensors", "--split", split, "--json"];
        let report = json(&succeeds(here, &eval));
        assert_eq!(report["results"][0]["report"]["overall"]["n"], count, "{split}");
    }

    // Classes that a model does not know are refused, by name.
    let (code, _, messages) = run(here, &["eval", "built-in", "--data", "split.safetensors"]);
    let expected =
        "the classes of data set `faces` are own classes bored, glad, tired, none of which is one of ferplus";
    assert!(code == 1 && messages.contains(expected), "{messages}");
    // Classes that it does know go by name; the others are counted.
    let map = ["data", "import", "folder", "faces", "--map", "glad=happy", "--out", "mapped.safetensors"];
    succeeds(here, &map);
    let eval = ["eval", "built-in-compact", "--data", "mapped.safetensors", "--split", "training", "--json"];
    let report = json(&succeeds(here, &eval));
    assert_eq!(report["results"][0]["report"]["overall"]["n"], 30);
    let labels = report["provenance"]["evaluated labels"].as_str().unwrap();
    assert!(labels.starts_with("ferplus, by name from own classes happy, bored, tired"), "{labels}");
    assert!(labels.ends_with("left out for want of a class: 60 pictures"), "{labels}");
    // Weights of other classes begin a model.
    let begun = ["--init", "built-in-compact", "--run", "begun"];
    succeeds(here, &[&train[..5], &begun, SETTINGS].concat());
}

#[test]
fn folds_are_tested_by_models_that_have_not_seen_them() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    write_pictures(&here.join("faces"), 120);
    let import =
        ["data", "import", "folder", "faces", "--subject-pattern", "/(p[0-9]+)-", "--out", "own.safetensors"];
    succeeds(here, &import);
    let crossval = [
        &["crossval", "--recipe", "compact", "--data", "own.safetensors", "--run", "folds", "--folds", "3"],
        SETTINGS,
    ]
    .concat();
    let report = json(&succeeds(here, &[&crossval[..], &["--json", "--out", "report"]].concat()));
    let folds = report["folds"]["folds"].as_array().unwrap();
    assert_eq!((folds.len(), report["folds"]["by"].as_str()), (3, Some("subject")));
    let sum = |key: &str| folds.iter().map(|fold| fold[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("images"), sum("validation"), sum("training")), (120, 120, 120));
    assert_eq!(report["results"][0]["report"]["overall"]["n"], 120);
    assert!(report["folds"]["accuracy"]["value"].as_f64().unwrap() > 0.9, "{report}");
    let page = std::fs::read_to_string(here.join("report/report.html")).unwrap();
    assert!(page.contains("fold-03") && page.contains("Student"));

    // Called again, it says the same without training.
    let (_, again, messages) = run(here, &[&crossval[..], &["--json"]].concat());
    assert_eq!(json(&again)["folds"], report["folds"]);
    assert!(!messages.contains("epoch"), "{messages}");
    // Other folds are another run.
    let (code, _, messages) = run(here, &[&crossval[..], &["--by", "picture"]].concat());
    assert!(code == 1 && messages.contains("fold-01"), "{messages}");
    let table = succeeds(
        here,
        &[&crossval[..5], &["--run", "loose", "--by", "picture", "--folds", "4"], SETTINGS].concat(),
    );
    assert!(table.contains("Warning: the same persons"), "{table}");
    let held = ["--set", "training.validation=0.1", "--run", "held"];
    let (code, _, messages) = run(here, &[&crossval[..5], &held].concat());
    assert!(code == 1 && messages.contains("the next fold selects"), "{messages}");
}

#[test]
fn colour_is_seen_where_a_recipe_and_the_data_have_it() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    // The classes differ in colour alone: their grays are equal.
    let mut random = ChaCha8Rng::seed_from_u64(6);
    for index in 0..60 {
        let color = [[114, 114, 114], [200, 70, 114], [30, 157, 114]][index % 3];
        let picture = image::RgbImage::from_fn(48, 48, |_, _| {
            let noise = random.random_range(0..20);
            image::Rgb(color.map(|value: u8| value + noise))
        });
        let path = here.join("faces").join(CLASSES[index % 3]).join(format!("{index}.png"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture.save(path).unwrap();
    }
    succeeds(here, &["data", "import", "folder", "faces", "--color", "--out", "colour.safetensors"]);
    succeeds(here, &["data", "import", "folder", "faces", "--out", "gray.safetensors"]);
    let info = json(&succeeds(here, &["data", "info", "colour.safetensors", "--json"]));
    assert_eq!(info["channels"], 3);
    let accuracy = |data: &str, channels: &str, run_folder: &str| {
        let channels = format!("input.channels={channels}");
        let train =
            ["train", "--recipe", "compact", "--data", data, "--validation", "0.3", "--run", run_folder];
        // What it is taught is seen uncorrupted, and corrupted in the same colours.
        let settings =
            ["--set", &channels, "--set", "corruption.probability=0.3", "--set", "corruption.blur=[0.4,1]"];
        succeeds(here, &[&train[..], &settings, SETTINGS].concat());
        let model = format!("{run_folder}/best.safetensors");
        let eval = ["eval", &model, "--data", data, "--split", "training", "--json"];
        let report = json(&succeeds(here, &eval));
        report["results"][0]["report"]["overall"]["accuracy"]["value"].as_f64().unwrap()
    };
    assert!(accuracy("colour.safetensors", "3", "seen") > 0.9);
    assert!(accuracy("colour.safetensors", "1", "unseen") < 0.7);
    assert!(accuracy("gray.safetensors", "3", "gray") < 0.7);
    let predict = ["predict", "faces/glad/1.png", "--whole", "--model", "seen/best.safetensors", "--json"];
    assert_eq!(json(succeeds(here, &predict).trim())["faces"][0]["expression"], "glad");
    // A copy keeps the colours; a generator refuses them.
    succeeds(here, &["data", "export", "colour.safetensors", "--out", "copies"]);
    succeeds(here, &["data", "import", "folder", "copies", "--color", "--out", "again.safetensors"]);
    let again = json(&succeeds(here, &["data", "info", "again.safetensors", "--json"]));
    assert_eq!((&again["channels"], &again["samples"]), (&info["channels"], &info["samples"]));
    let pictures = |name: &str| {
        let set = PackedDataset::open(here.join(name)).unwrap();
        let mut all: Vec<Vec<u8>> = (0..set.len()).map(|row| set.image(row).to_vec()).collect();
        all.sort();
        all
    };
    assert_eq!(pictures("colour.safetensors"), pictures("again.safetensors"));
    // What sees colour and what does not cannot be averaged, nor teach the other.
    let mixed = ["predict", "faces/glad/1.png", "--whole", "--model", "seen/best.safetensors", "--model"];
    let (code, _, messages) = run(here, &[&mixed[..], &["gray/best.safetensors"]].concat());
    assert!(code == 1 && messages.contains("in seeing colour: they cannot be averaged"), "{messages}");
    let taught = [
        "train",
        "--recipe",
        "compact",
        "--data",
        "colour.safetensors",
        "--validation",
        "0.3",
        "--run",
        "taught",
    ];
    let settings = ["--set", "input.channels=3", "--set", "training.teacher_share=0.5", "--teacher"];
    let (code, _, messages) = run(here, &[&taught[..], &settings, &["gray/best.safetensors"]].concat());
    assert!(
        code == 1 && messages.contains("sees other pictures than the recipe's network: gray"),
        "{messages}"
    );
    succeeds(here, &[&taught[..], &settings, &["seen/best.safetensors"], SETTINGS].concat());
    let gan = ["gan", "train", "--recipe", "dcgan", "--data", "colour.safetensors", "--run", "gan"];
    let (code, _, messages) = run(here, &gan);
    assert!(code == 1 && messages.contains("is in colour, and generators learn gray faces"), "{messages}");
}
