//! `duchenne model export` to ONNX and to torchvision's names, and that ONNX files are not run.

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

use crate::predict::{example, predict};

/// Runs `duchenne` in a folder: exit code, standard output, standard error.
fn duchenne(folder: &Path, words: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duchenne"));
    let output = command.current_dir(folder).args(words.split(' ')).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn info(folder: &Path, file: &str) -> Value {
    let (code, output, errors) = duchenne(folder, &format!("model info {file} --json"));
    assert_eq!((code, errors.as_str()), (0, ""), "{file}");
    serde_json::from_str(&output).unwrap()
}

#[test]
fn built_in_models_leave_in_both_forms() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for words in [
        "built-in-compact --out full.onnx",
        "built-in-compact --half --keep-batch-norm --views single --out half.onnx",
        "built-in-fer2013-compact built-in-fer2013 --half --out both.onnx",
        "built-in-detector --half --out detector.onnx",
        "built-in-compact --half --out back.safetensors",
    ] {
        let (code, output, errors) = duchenne(here, &format!("model export {words}"));
        assert_eq!((code, errors.as_str()), (0, ""), "{words}");
        assert_eq!(output.trim_end(), words.rsplit(' ').next().unwrap());
    }
    let full = info(here, "full.onnx");
    assert_eq!(full["inputs"][0], "images [batch, 1, 48, 48]");
    assert_eq!(full["metadata"]["duchenne.labels"][1], "happy");
    assert_eq!(full["metadata"]["duchenne.views"], "mirrored");
    let half = info(here, "half.onnx");
    assert_eq!(half["metadata"]["duchenne.views"], "single");
    assert_eq!(half["metadata"]["duchenne.precision"], "half");
    assert_eq!(info(here, "both.onnx")["metadata"]["duchenne.models"].as_array().unwrap().len(), 2);
    assert_eq!(info(here, "detector.onnx")["metadata"]["duchenne.kind"], "detector");
    let (_, text, _) = duchenne(here, "model info full.onnx");
    assert!(text.contains("probabilities [batch, 8]"), "{text}");

    // What was written under torchvision's names is the same model.
    let example = example();
    let example = example.to_str().unwrap();
    let of = |model: &str| predict([example, "--json", "--model", model]);
    let back = here.join("back.safetensors");
    assert_eq!(of(back.to_str().unwrap()), of("built-in-compact"));
}

#[test]
fn what_cannot_be_written_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (words, expected) in [
        ("built-in --out model.pth", "`model.pth` ends in neither .safetensors nor .onnx"),
        ("built-in --out model", "ends in neither"),
        ("built-in built-in-compact --out both.safetensors", "several models become one file as .onnx only"),
        ("built-in built-in-fer2013 --out both.onnx", "differ in their labels"),
        ("built-in-detector --out detector.safetensors", "`built-in-detector` is written as .onnx only"),
        ("built-in-detector built-in --out both.onnx", "export it alone"),
        ("built-in-detector --views single --out detector.onnx", "--views belongs to classifiers"),
        ("built-in --views single --out model.safetensors", "belong to .onnx"),
        ("built-in --out missing/model.onnx", "missing"),
        ("no-such-model --out model.onnx", "cannot read model `no-such-model`"),
    ] {
        let (code, output, errors) = duchenne(here, &format!("model export {words}"));
        assert_eq!((code, output.as_str()), (1, ""), "{words}");
        assert!(errors.contains(expected), "{words}: {errors}");
    }
    assert_eq!(std::fs::read_dir(here).unwrap().count(), 0, "nothing was left behind");
}

#[test]
fn commands_that_take_models_say_that_onnx_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    assert_eq!(duchenne(here, "model export built-in-compact --out m.onnx").0, 0);
    let example = example();
    for words in [
        format!("predict {} --model m.onnx", example.display()),
        "serve --model m.onnx --address 127.0.0.1:0".to_owned(),
        "model export m.onnx --out again.onnx".to_owned(),
    ] {
        let (code, _, errors) = duchenne(here, &words);
        assert_eq!(code, 1, "{words}");
        assert!(
            errors.contains("it is ONNX") && errors.contains("duchenne model import"),
            "{words}: {errors}"
        );
    }
    let import = "model import m.onnx --arch compact --labels ferplus --input 48 --channels 1 --mean 0.5 --std 0.25 \
                  --out m.safetensors";
    let (code, _, errors) = duchenne(here, import);
    assert_eq!(code, 1);
    assert!(errors.contains("save the network's state_dict instead"), "{errors}");
    let (code, _, errors) = predict([example.to_str().unwrap(), "--model", "built-in-detector"]);
    assert_eq!(code, 1);
    assert!(errors.contains("knows no expressions"), "{errors}");
    let (code, _, errors) = duchenne(here, "model info missing.onnx");
    assert_eq!(code, 1);
    assert!(errors.contains("cannot read `missing.onnx`"), "{errors}");
}
