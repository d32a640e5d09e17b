//! Networks that are fine-tuned by recipe, their machine, and the machine at work, through the program.

use std::path::Path;

use burn::tensor::Device;
use duchenne::models::checkpoint::Checkpoint;
use duchenne::models::network::{Architecture, NetworkConfig};
use duchenne::models::tensors::{NamedTensor, Precision, write_tensors};
use duchenne::models::weights::collect;

use super::{bar, refused, succeeds, write_bars};

/// Fine-tuned from weights of eight classes, its first layers frozen: the stem and one block.
const TUNED: &str = r#"
[network]
architecture = "compact"
init = "pretrained"
freeze = 4

[input]
crop = 44

[augmentation]
mirror = false

[training]
epochs = 3
batch_size = 14
learning_rate = 0.05
"#;

const FRESH: &str = "[input]\ncrop = 44\n[training]\nepochs = 2\nbatch_size = 14\n";

struct Files {
    folder: tempfile::TempDir,
    pretrained: Vec<NamedTensor>,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pretrained = collect(&NetworkConfig::new(Architecture::Compact, 1, 8).init(5, &Device::flex()));
        let files = Self { folder, pretrained };
        write_bars(Path::new(&files.path("data")));
        std::fs::create_dir(files.path("weights")).unwrap();
        let weights = files.path("weights/compact-1a2b.safetensors");
        let text = Default::default();
        write_tensors(&files.pretrained, &[], text, Precision::Full, Path::new(&weights)).unwrap();
        for (name, text) in
            [("tuned", TUNED), ("fresh", FRESH), ("svm", "networks = [\"tuned.toml\", \"fresh.toml\"]")]
        {
            std::fs::write(files.path(&format!("{name}.toml")), text).unwrap();
        }
        files
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn networks_are_fine_tuned_and_their_machine_predicts() {
    let files = Files::new();
    let (data, run, weights) = (files.path("data"), files.path("run"), files.path("weights"));
    let recipe = files.path("svm.toml");
    let fit = ["svm", "fit", "--recipe", &recipe, "--data", &data, "--run", &run];
    refused(&fit, "name the folder that holds torchvision's compact.pth");
    let mixed = files.path("mixed.toml");
    std::fs::write(&mixed, "networks = [\"fresh.toml\", \"wide.toml\"]").unwrap();
    std::fs::write(files.path("wide.toml"), FRESH.replace("44", "48")).unwrap();
    refused(
        &["svm", "fit", "--recipe", &mixed, "--data", &data, "--run", &run],
        "`fresh` and `wide` differ in [input]",
    );
    assert!(!Path::new(&run).exists());
    let with_weights: Vec<&str> = fit.into_iter().chain(["--imagenet", &weights]).collect();
    let machine = succeeds(&with_weights).trim().to_owned();

    // Frozen layers are those of the file, the head is new, the rest has moved.
    let tuned = Checkpoint::read(Path::new(&format!("{run}/tuned/best.safetensors"))).unwrap();
    for own in &tuned.weights {
        let file = files.pretrained.iter().find(|file| file.name == own.name).unwrap();
        let is_frozen = ["conv", "bn", "blocks.0."].iter().any(|start| own.name.starts_with(start));
        assert_eq!(own.values == file.values, is_frozen, "{}", own.name);
    }
    assert!(tuned.manifest.provenance.init.unwrap().starts_with("compact-1a2b.safetensors (blake3:"));
    assert!(!Path::new(&format!("{run}/tuned/frozen")).exists());
    refused(&with_weights, "is there already");

    // The machine again, without training anything again.
    let log = |network: &str| std::fs::read(format!("{run}/{network}/log.jsonl")).unwrap();
    let (before, logs) = (std::fs::read(&machine).unwrap(), [log("tuned"), log("fresh")]);
    std::fs::remove_file(&machine).unwrap();
    succeeds(&with_weights);
    assert_eq!(std::fs::read(&machine).unwrap(), before);
    assert_eq!([log("tuned"), log("fresh")], logs);

    // One file names all it needs, wherever the folder lies. The mirror image of a bar is another class.
    let moved = files.path("moved");
    std::fs::rename(&run, &moved).unwrap();
    let machine = format!("{moved}/svm.safetensors");
    let pictures: Vec<String> = (0..7).map(|label| files.path(&format!("{label}.png"))).collect();
    for (label, path) in pictures.iter().enumerate() {
        image::GrayImage::from_raw(48, 48, bar(label, 1000 + label)).unwrap().save(path).unwrap();
    }
    let mut predict = vec!["predict", "--model", &machine, "--whole", "--views", "single", "--json"];
    predict.extend(pictures.iter().map(String::as_str));
    let lines = succeeds(&predict);
    let right = lines.lines().zip(duchenne::expression::LabelSet::Fer2013.names()).filter(|(line, name)| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["faces"][0]["expression"] == **name
    });
    assert!(right.count() >= 6, "{lines}");
    let eval = succeeds(&["eval", &machine, "--data", &data, "--json", "--views", "mirrored"]);
    assert!(eval.contains("linear SVM on compact + compact"), "{eval}");
    assert!(succeeds(&["model", "info", &machine]).contains("linear SVM on compact + compact"));
}

#[test]
fn kept_maps_train_as_computed_ones() {
    let files = Files::new();
    let (data, weights) = (files.path("data"), files.path("weights/compact-1a2b.safetensors"));
    let (recipe, kept, computed) = (files.path("tuned.toml"), files.path("kept"), files.path("computed"));
    let train = |run: &str, settings: &[&str]| -> Vec<f64> {
        let mut arguments =
            vec!["train", "--recipe", &recipe, "--data", &data, "--init", &weights, "--run", run];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        succeeds(&arguments);
        let log = std::fs::read_to_string(format!("{run}/log.jsonl")).unwrap();
        let loss = |line: &str| -> f64 {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["validation_loss"].as_f64().unwrap()
        };
        log.lines().map(loss).collect()
    };
    // An erased area of nothing changes no picture, but the program cannot know.
    let erasing = ["augmentation.erasing=1", "augmentation.erased_area=0.001"];
    for (a, b) in train(&kept, &[]).into_iter().zip(train(&computed, &erasing)) {
        assert!((a - b).abs() < 1e-3 * b, "{a} against {b}");
    }
    let bad = files.path("bad");
    let freeze = |count: &str| {
        let setting = format!("network.freeze={count}");
        let arguments = ["train", "--recipe", &recipe, "--data", &data, "--init", &weights, "--run", &bad];
        refused(
            &[&arguments[..], &["--set", &setting]].concat(),
            "can be frozen after 1, 2, 4, 6, 8, 10, 12 layers",
        );
    };
    freeze("3");
    freeze("13");
    let none = files.path("none");
    refused(
        &["train", "--recipe", &recipe, "--data", &data, "--run", &none],
        "name torchvision's compact (a file such as compact-*.pth",
    );
    assert!(!Path::new(&none).exists());
}
