//! `duchenne predict`, from the command line to files on the disk.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use assert_cmd::Command;
use image::{DynamicImage, GrayImage, ImageFormat, Luma};
use serde_json::Value;

/// How many faces `examples/faces.png` shows.
const EXAMPLE_FACES: usize = 6;

pub(crate) fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/faces.png")
}

fn duchenne() -> Command {
    Command::new(env!("CARGO_BIN_EXE_duchenne"))
}

/// Runs `predict` with these arguments: exit code, standard output, standard error.
pub(crate) fn predict<S: AsRef<std::ffi::OsStr>>(
    arguments: impl IntoIterator<Item = S>,
) -> (i32, String, String) {
    let output = duchenne().arg("predict").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json_lines(output: &str) -> Vec<Value> {
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A small picture without a face.
fn plain(format: ImageFormat) -> Vec<u8> {
    let gray = GrayImage::from_fn(64, 48, |x, y| Luma([(x + y) as u8]));
    let mut bytes = Vec::new();
    DynamicImage::from(gray).write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

#[test]
fn the_example_gives_a_table_with_every_face() {
    let (code, output, errors) = predict([example()]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(output.contains(&format!("(900 x 680, {EXAMPLE_FACES} faces)")), "{output}");
    assert_eq!(output.lines().count(), 2 + EXAMPLE_FACES);
    let (_, one, _) = predict([example().as_os_str(), "--top".as_ref(), "1".as_ref()]);
    assert_eq!(one.matches('%').count(), EXAMPLE_FACES);
}

#[test]
fn views_and_models_can_be_chosen() {
    let probabilities = |options: &[&str]| -> Vec<f64> {
        let example = example();
        let words = [&[example.to_str().unwrap(), "--json"], options].concat();
        let (code, output, errors) = predict(words);
        assert_eq!((code, errors.as_str()), (0, ""), "{options:?}");
        let faces = json_lines(&output)[0]["faces"].clone();
        assert_eq!(faces.as_array().unwrap().len(), EXAMPLE_FACES, "{options:?}");
        faces[0]["probabilities"].as_object().unwrap().values().map(|value| value.as_f64().unwrap()).collect()
    };
    let chosen =
        [&[][..], &["--views", "single"], &["--views", "ten-crop"], &["--model", "built-in-compact"]]
            .map(probabilities);
    for (index, one) in chosen.iter().enumerate() {
        assert!(chosen[index + 1..].iter().all(|other| one != other), "{chosen:?}");
    }
    assert_eq!(probabilities(&["--model", "built-in"]), chosen[0]);
    let together = probabilities(&["--model", "built-in", "--model", "built-in-compact"]);
    for ((mean, one), other) in together.iter().zip(&chosen[0]).zip(&chosen[3]) {
        assert!((mean - (one + other) / 2.0).abs() < 1e-4, "{together:?} {chosen:?}");
    }
}

#[test]
fn json_has_the_promised_shape() {
    let (code, output, _) = predict([example().as_os_str(), "--json".as_ref()]);
    assert_eq!(code, 0);
    let lines = json_lines(&output);
    assert_eq!(lines.len(), 1);
    let picture = &lines[0];
    assert_eq!(picture["path"], example().to_str().unwrap());
    assert_eq!((picture["width"].as_u64(), picture["height"].as_u64()), (Some(900), Some(680)));
    let faces = picture["faces"].as_array().unwrap();
    assert_eq!(faces.len(), EXAMPLE_FACES);
    for face in faces {
        let side = |name: &str| face["box"][name].as_u64().unwrap();
        assert!(side("x") + side("width") <= 900 && side("y") + side("height") <= 680);
        assert!(side("width") > 80 && side("width") < 260, "{face}");
        assert!(face["score"].as_f64().unwrap() > 0.6);
        let probabilities = face["probabilities"].as_object().unwrap();
        assert_eq!(probabilities.len(), 8);
        assert!(face["angle"].as_f64().unwrap().abs() < 10.0, "{face}");
        assert_eq!(face["landmarks"].as_object().unwrap().len(), 5);
        let sum: f64 = probabilities.values().map(|value| value.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-4, "{sum}");
        let best = probabilities
            .iter()
            .max_by(|first, second| first.1.as_f64().unwrap().total_cmp(&second.1.as_f64().unwrap()))
            .unwrap();
        let expression = face["expression"].as_str().unwrap();
        assert_eq!(probabilities[expression].as_f64(), best.1.as_f64());
    }
}

#[test]
fn csv_has_a_header_and_a_row_per_face() {
    let (code, output, _) = predict([example().as_os_str(), "--csv".as_ref()]);
    assert_eq!(code, 0);
    let mut reader = csv::Reader::from_reader(output.as_bytes());
    let header = reader.headers().unwrap().clone();
    assert_eq!(header.iter().take(6).collect::<Vec<_>>(), ["path", "frame", "time", "track", "face", "x"]);
    assert_eq!(header.len(), 11 + 10 + 1 + 8);
    assert_eq!(reader.records().map(Result::unwrap).count(), EXAMPLE_FACES);
}

#[test]
fn a_whole_picture_is_one_face() {
    let (code, output, _) = predict([example().as_os_str(), "--whole".as_ref(), "--json".as_ref()]);
    assert_eq!(code, 0);
    let faces = json_lines(&output)[0]["faces"].clone();
    assert_eq!(faces.as_array().unwrap().len(), 1);
    assert_eq!(faces[0]["box"], serde_json::json!({"x": 0, "y": 0, "width": 900, "height": 680}));
    assert!(faces[0]["score"].is_null());
}

#[test]
fn standard_input_is_one_picture() {
    let bytes = fs::read(example()).unwrap();
    let output = duchenne().args(["predict", "-", "--json"]).write_stdin(bytes).output().unwrap();
    assert!(output.status.success());
    let lines = json_lines(std::str::from_utf8(&output.stdout).unwrap());
    assert_eq!(lines[0]["path"], "-");
    assert_eq!(lines[0]["faces"].as_array().unwrap().len(), EXAMPLE_FACES);

    let output = duchenne().args(["predict", "-"]).write_stdin("").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`standard input` is empty"));
}

#[test]
fn a_broken_picture_is_reported_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.png"), "this is text").unwrap();
    fs::write(folder.path().join("b.png"), plain(ImageFormat::Png)).unwrap();
    fs::write(folder.path().join("c.jpg"), &plain(ImageFormat::Png)[..60]).unwrap();
    fs::create_dir(folder.path().join("deeper")).unwrap();
    fs::write(folder.path().join("deeper/d.webp"), plain(ImageFormat::WebP)).unwrap();
    fs::write(folder.path().join("notes.txt"), "not a picture").unwrap();
    let missing = folder.path().join("missing.jpg");

    let (code, output, errors) = predict([folder.path().as_os_str(), missing.as_os_str(), "--json".as_ref()]);
    assert_eq!(code, 1);
    let lines = json_lines(&output);
    let outcome = |name: &str| {
        lines.iter().find(|line| line["path"].as_str().unwrap().ends_with(name)).unwrap_or(&Value::Null)
    };
    assert_eq!(lines.len(), 5);
    assert!(outcome("a.png")["error"].as_str().unwrap().contains("not a picture by its content"));
    assert_eq!(outcome("b.png")["faces"], serde_json::json!([]));
    assert!(outcome("c.jpg")["error"].as_str().unwrap().contains("damaged or incomplete"));
    assert_eq!(outcome("d.webp")["width"], 64);
    assert!(outcome("missing.jpg")["error"].as_str().unwrap().contains("cannot read"));
    assert!(errors.contains("3 of 5 files failed"), "{errors}");

    let (code, output, errors) = predict([folder.path()]);
    assert_eq!(code, 1);
    assert_eq!(output.matches("no face found").count(), 2, "{output}");
    assert!(errors.contains("a.png` is not a picture by its content"), "{errors}");
}

#[test]
fn a_summary_says_what_was_read_and_what_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    fs::copy(example(), folder.path().join("faces.png")).unwrap();
    write("broken.png", b"\x89PNG\r\n\x1a\nnothing");
    write("empty.bmp", &plain(ImageFormat::Bmp));
    write("notes.txt", b"hello");
    write("web.avif", b"\0\0\0\x10ftypavif\0\0\0\0");
    let heic = Path::new(env!("CARGO_MANIFEST_DIR")).join("../duchenne/tests/goldens/heic/quarter.heic");
    fs::copy(heic, folder.path().join("IMG_0001.HEIC")).unwrap();
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("summary.json");
    let given = [folder.path().as_os_str(), "--csv".as_ref(), "--summary".as_ref(), path.as_os_str()];
    let (code, output, _) = predict(given);
    let summary: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!((code, &summary["pictures"], &summary["without_faces"]), (1, &4.into(), &1.into()));
    let faces = summary["faces"].as_u64().unwrap() as usize;
    assert!(faces > EXAMPLE_FACES && output.lines().count() == 1 + faces, "{output}");
    assert!(summary["failed"][0]["path"].as_str().unwrap().ends_with("broken.png"), "{summary}");
    let kinds: Vec<_> = summary["not_read"].as_array().unwrap().iter().map(|kind| &kind["kind"]).collect();
    assert_eq!(kinds, ["AVIF picture", "other file"]);

    // It replaces an earlier one, but nothing else, and says at once where it cannot be written.
    let example = example();
    let to = |summary: &Path| predict([example.as_os_str(), "--summary".as_ref(), summary.as_os_str()]);
    assert_eq!(to(&path).0, 0);
    let picture = folder.path().join("faces.png");
    let before = fs::read(&picture).unwrap();
    let (code, output, errors) = to(&picture);
    assert!(code == 1 && output.is_empty() && errors.contains("is no summary"), "{errors}");
    assert_eq!(fs::read(&picture).unwrap(), before);
    let (code, output, _) = to(&out.path().join("missing/summary.json"));
    assert!(code == 1 && output.is_empty(), "{output}");
}

#[test]
fn a_folder_without_pictures_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (code, output, errors) = predict([folder.path()]);
    assert_eq!((code, output.as_str()), (1, ""));
    assert!(errors.contains("holds no pictures"), "{errors}");
}

#[test]
fn wrong_usage_has_its_own_code() {
    assert_eq!(predict::<&str>([]).0, 2);
    for arguments in [
        ["x.png", "--json", "--csv"],
        ["x.png", "--top", "0"],
        ["x.png", "--min-face", "3"],
        ["x.png", "--min-face", "many"],
    ] {
        assert_eq!(predict(arguments).0, 2, "{arguments:?}");
    }
    assert_eq!(predict(["x.png", "--whole", "--min-face", "40"]).0, 2);
    assert_eq!(predict(["x.png", "--views", "sideways"]).0, 2);
}

#[test]
fn annotated_copies_appear_and_inputs_stay_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("one/faces.png"), folder.path().join("two/faces.png"));
    for path in [&first, &second] {
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::copy(example(), path).unwrap();
    }
    let jpeg = folder.path().join("one/faces.jpg");
    image::open(example()).unwrap().into_rgb8().save(&jpeg).unwrap();
    let before = [&first, &second, &jpeg].map(|path| fs::read(path).unwrap());
    let out = folder.path().join("new/out");

    let arguments = |out: &Path| {
        let mut arguments = vec![folder.path().join("one"), second.clone()];
        arguments.extend(["--annotate".into(), out.to_owned()]);
        arguments
    };
    for _ in 0..2 {
        let (code, _, errors) = predict(arguments(&out));
        assert_eq!((code, errors.as_str()), (0, ""));
        let mut names: Vec<_> = fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["faces-2.png", "faces.jpg", "faces.png"]);
    }
    assert_eq!(before, [&first, &second, &jpeg].map(|path| fs::read(path).unwrap()));
    let original = image::open(&first).unwrap().into_rgb8();
    let copy = image::open(out.join("faces.png")).unwrap().into_rgb8();
    assert_eq!(original.dimensions(), copy.dimensions());
    let changed = original.pixels().zip(copy.pixels()).filter(|(before, after)| before != after).count();
    // Boxes and labels, not the whole picture.
    assert!(changed > 6_000 && changed < 200_000, "{changed} pixels changed");
    assert_eq!(image::guess_format(&fs::read(out.join("faces.jpg")).unwrap()).unwrap(), ImageFormat::Jpeg);

    // Copies inside a searched folder are not searched themselves.
    let inside = folder.path().join("one/annotated");
    for _ in 0..2 {
        let (code, output, _) = predict(arguments(&inside));
        assert_eq!((code, output.matches("faces)").count()), (0, 3), "{output}");
    }
    // A folder that holds an input is refused before anything is done.
    let (code, output, errors) = predict(arguments(&folder.path().join("one")));
    assert_eq!((code, output.as_str()), (1, ""));
    assert!(errors.contains("could overwrite it"), "{errors}");
    assert_eq!(before, [&first, &second, &jpeg].map(|path| fs::read(path).unwrap()));
}

#[test]
fn a_reader_that_stops_early_is_no_error() {
    let mut arguments = vec!["predict".into(), "--json".into(), "--whole".into()];
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("a.png");
    fs::write(&picture, plain(ImageFormat::Png)).unwrap();
    // More output than a pipe holds.
    arguments.extend(std::iter::repeat_n(picture.into_os_string(), 400));
    let mut child = Process::new(env!("CARGO_BIN_EXE_duchenne"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

#[test]
fn a_missing_model_is_named() {
    let (code, output, errors) =
        predict([example().as_os_str(), "--model".as_ref(), "no/model.safetensors".as_ref()]);
    assert_eq!((code, output.as_str()), (1, ""));
    assert!(errors.contains("no/model.safetensors"), "{errors}");
}
