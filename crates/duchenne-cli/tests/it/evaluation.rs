//! Evaluation through the program.

use duchenne::data::{Origin, PackedBuilder, Split};
use duchenne::expression::LabelSet;

#[test]
fn robustness_begins_from_the_accuracy_of_the_same_views_and_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.safetensors");
    let mut builder = PackedBuilder::new("shapes", LabelSet::Fer2013, 48, 48);
    for index in 0..21_usize {
        let image: Vec<u8> =
            (0..48 * 48).map(|pixel| (pixel * (index + 3) % 241 + pixel / 48 * index % 13) as u8).collect();
        builder.push(&image, (index % 7) as u8, Split::Validation, Origin::Photograph).unwrap();
    }
    builder.write(&path, "made by a test").unwrap();
    let evaluated = |more: &[&str]| -> serde_json::Value {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_duchenne"));
        command
            .args(["eval", "built-in-fer2013-compact", "--json", "--robustness", "--data"])
            .arg(&path)
            .args(more);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    for (more, result) in [(&[][..], 0), (&["--views", "mirrored"], 1)] {
        let report = evaluated(more);
        let robustness = &report["robustness"];
        assert_eq!(robustness["clean"], report["results"][result]["report"]["overall"]["accuracy"]["value"]);
        let corruptions = robustness["corruptions"].as_array().unwrap();
        assert_eq!(corruptions.len(), 9);
        let all: Vec<f64> = corruptions
            .iter()
            .flat_map(|corruption| corruption["accuracies"].as_array().unwrap())
            .map(|accuracy| accuracy.as_f64().unwrap())
            .collect();
        assert_eq!(all.len(), 45);
        // Not the clean pictures again.
        assert!(all.iter().any(|accuracy| Some(*accuracy) != robustness["clean"].as_f64()), "{all:?}");
        let mean = robustness["mean"]["value"].as_f64().unwrap();
        assert!((mean - all.iter().sum::<f64>() / 45.0).abs() < 1e-12);
        assert_eq!(robustness["never_trained"].as_array().unwrap().len(), 4);
        assert_eq!(&evaluated(more)["robustness"], robustness);
    }
}
