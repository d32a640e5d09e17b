//! `duchenne data`, from source files to packed files, tables and pictures.

mod bad_input;
mod readers;
mod real;

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use duchenne::data::faces::picture::Picture;
use duchenne::data::faces::preprocessing::Preprocessing;
use duchenne::data::{Images as _, Origin, PackedDataset, Samples as _, Split};
use duchenne::files::checksum::SourceChecksum;
use duchenne::inference::recognition::FaceFinder;
use serde_json::Value;
use tempfile::TempDir;

/// Classes of `fer2013`, in label order.
const CLASSES: [&str; 7] = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];

/// Runs `duchenne data` with these arguments: exit code, standard output, standard error.
fn data<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duchenne"));
    let output = command.arg("data").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Runs `duchenne data import` into a new file and opens that; also gives the messages.
fn import(folder: &Path, arguments: &[&str]) -> (PackedDataset, String) {
    let out = folder.join("packed.safetensors");
    let mut all = vec!["import"];
    all.extend(arguments);
    all.extend(["--out", out.to_str().unwrap()]);
    let (code, output, messages) = data(all);
    assert_eq!((code, output.as_str()), (0, ""), "{messages}");
    (PackedDataset::open(&out).unwrap(), messages)
}

fn json(arguments: &[&str]) -> Value {
    let (code, output, messages) = data(arguments);
    assert_eq!(code, 0, "{messages}");
    serde_json::from_str(&output).unwrap()
}

/// Writes `bytes` to a file in `folder` and gives its path as text.
fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn path_in(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

/// Pixels of a picture that differ from `seed` to `seed`.
fn pixels(seed: u8) -> Vec<u8> {
    (0..48 * 48_u32).map(|pixel| (pixel * 7 + u32::from(seed) * 31) as u8).collect()
}

fn pixel_text(pixels: &[u8]) -> String {
    pixels.iter().map(u8::to_string).collect::<Vec<_>>().join(" ")
}

/// Row `row` of the small FER-2013: its label, split and what its pixels are made from.
fn row(row: u8) -> (u8, &'static str, u8) {
    let usage = ["Training", "Training", "PublicTest", "PrivateTest"][usize::from(row % 4)];
    (row % 7, usage, row)
}

/// FER-2013 with 14 rows.
fn small_csv() -> String {
    let mut text = "emotion,pixels,Usage\n".to_owned();
    for (label, usage, seed) in (0..14).map(row) {
        text += &format!("{label},{},{usage}\n", pixel_text(&pixels(seed)));
    }
    text
}

fn png(side: u32, pixels: Vec<u8>) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = image::GrayImage::from_raw(side, side, pixels).unwrap();
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

/// FER+ votes for the small FER-2013: row `r` has `r % 11` votes for happiness, the rest unknown.
fn small_ferplus() -> String {
    let mut text =
        "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
            .to_owned();
    for (row, (_, usage, _)) in (0..14).map(row).enumerate() {
        // Rows that the raters' tool dropped have no name.
        let name = if row == 5 { String::new() } else { format!("fer{:07}.png", row * 3) };
        let happy = row % 11;
        text += &format!("{usage},{name},0,{happy},0,0,0,0,0,0,{},0\n", 10 - happy);
    }
    text
}

#[test]
fn every_packing_of_the_csv_gives_the_same_samples() {
    let folder = tempfile::tempdir().unwrap();
    let csv = small_csv();
    let plain = csv.as_bytes();
    let mut kaggle = "emotion, Usage, pixels\r\n".to_owned();
    for (label, usage, seed) in (0..14).map(row) {
        kaggle += &format!("{label},{usage},{}\r\n", pixel_text(&pixels(seed)));
    }
    let entries = [("fer2013/README", &b"hello"[..]), ("fer2013/fer2013.csv", plain)];
    // The names say nothing: the format is detected from the content.
    let sources = [
        ("plain", plain.to_vec()),
        ("kaggle", kaggle.into_bytes()),
        ("without a last newline", plain[..plain.len() - 1].to_vec()),
        ("gz", gzip(plain)),
        ("xz", xz(plain)),
        ("zip", zip(&entries)),
        ("tar", tar(&entries)),
        ("tar.gz", gzip(&tar(&entries))),
        ("tar.xz", xz(&tar(&entries))),
    ];
    for (name, bytes) in sources {
        let source = put(folder.path(), "source", bytes);
        let (dataset, messages) = import(folder.path(), &["fer2013", &source]);
        assert_eq!(dataset.len(), 14, "{name}");
        assert!(messages.contains("note: 14 rows; the official file has 35887"), "{name}: {messages}");
        for (index, (label, usage, seed)) in (0..14).map(row).enumerate() {
            assert_eq!(dataset.label(index), label, "{name}");
            assert_eq!(Some(dataset.split(index)), Split::from_usage(usage.as_bytes()), "{name}");
            assert_eq!(dataset.image(index), pixels(seed), "{name}");
            assert_eq!(dataset.origin(index), Origin::Photograph, "{name}");
        }
        let expected = SourceChecksum::of_file(Path::new(&source)).unwrap();
        assert_eq!(dataset.source_checksum(), expected, "{name}");
    }
}

#[test]
fn lines_may_end_anywhere_in_the_blocks_that_are_read() {
    /// Of the text, as `data::fer2013` reads it.
    const BLOCK: usize = 2 << 20;
    let folder = tempfile::tempdir().unwrap();
    let header = "emotion,pixels,Usage\n";
    let seeds: Vec<u8> = (0..300_u32).map(|row| row as u8).collect();
    let row = |seed: &u8| format!("3,{},Training\n", pixel_text(&pixels(*seed)));
    let rows: Vec<String> = seeds.iter().map(row).collect();
    let last_end = rows
        .iter()
        .scan(header.len(), |end, row| {
            *end += row.len();
            Some(*end)
        })
        .take_while(|end| *end < BLOCK - 1)
        .last()
        .unwrap();
    // Empty lines push the end of a row to just before, on and just behind that of the first block.
    for end in BLOCK - 1..=BLOCK + 1 {
        for closing in ["\n", ""] {
            let text = [header, &"\n".repeat(end - last_end), rows.concat().trim_end(), closing].concat();
            let source = put(folder.path(), "fer2013.csv", &text);
            let (dataset, _) = import(folder.path(), &["fer2013", &source]);
            assert_eq!(dataset.len(), seeds.len());
            let same = |(row, seed): (usize, &u8)| dataset.image(row) == pixels(*seed);
            assert!(seeds.iter().enumerate().all(same), "{end}");
            let checksum = SourceChecksum::of_file(Path::new(&source)).unwrap();
            assert_eq!(dataset.source_checksum(), checksum);
        }
    }
}

#[test]
fn the_splits_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let source = put(folder.path(), "fer2013.csv", small_csv());
    let (dataset, _) = import(folder.path(), &["fer2013", &source]);
    assert_eq!(dataset.training().unwrap().rows(), [0, 1, 4, 5, 8, 9, 12, 13]);
    assert_eq!(dataset.validation().unwrap().rows(), [2, 6, 10]);
    let private = dataset.test().unwrap();
    assert_eq!(private.rows(), [3, 7, 11]);
    assert_eq!((private.row(1), private.label(1), private.image(1)), (7, 0, &pixels(7)[..]));
}

#[test]
fn ferplus_is_joined_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let source = put(folder.path(), "fer2013.csv", small_csv());
    let votes = put(folder.path(), "fer2013new.csv", small_ferplus());
    let (without, _) = import(folder.path(), &["fer2013", &source]);
    assert_eq!(without.votes(0), None);
    let (with, _) = import(folder.path(), &["fer2013", &source, "--ferplus", &votes]);
    assert_eq!(with.votes(5).unwrap(), [0, 5, 0, 0, 0, 0, 0, 0, 5, 0]);
    assert_eq!(with.votes(13).unwrap(), [0, 2, 0, 0, 0, 0, 0, 0, 8, 0]);
    assert_ne!(without.fingerprint(), with.fingerprint());
}

#[test]
fn fer2013_folders_know_public_and_private_only_by_file_names() {
    let named = tempfile::tempdir().unwrap();
    let unnamed = tempfile::tempdir().unwrap();
    for (label, usage, seed) in (0..14).map(row) {
        let split = if usage == "Training" { "train" } else { "test" };
        let class = CLASSES[usize::from(label)];
        let picture = png(48, pixels(seed));
        put(named.path(), &format!("{split}/{class}/{usage}_{seed}.png"), &picture);
        put(unnamed.path(), &format!("{split}/{class}/im{seed}.png"), &picture);
    }
    let out = tempfile::tempdir().unwrap();
    let (dataset, messages) = import(out.path(), &["fer2013", named.path().to_str().unwrap()]);
    assert!(!messages.contains("note"), "{messages}");
    assert_eq!((dataset.validation().unwrap().len(), dataset.test().unwrap().len()), (3, 3));

    let (dataset, messages) = import(out.path(), &["fer2013", unnamed.path().to_str().unwrap()]);
    assert!(
        messages.contains("note: 6 test pictures without PublicTest or PrivateTest in the file name"),
        "{messages}"
    );
    assert_eq!(dataset.training().unwrap().len(), 8);
    assert_eq!(dataset.test().unwrap().len(), 6);
    let error = dataset.validation().unwrap_err().to_string();
    assert!(error.contains("train with `--validation 0.1`"), "{error}");
}

#[test]
fn a_zip_of_fer2013_folders_is_read_like_the_folders() {
    let folder = tempfile::tempdir().unwrap();
    let picture = png(48, pixels(1));
    let entries: [(&str, &[u8]); 2] =
        [("archive/train/sad/Training_1.png", &picture), ("archive/test/happy/PrivateTest_2.png", &picture)];
    let source = put(folder.path(), "archive.zip", zip(&entries));
    let (dataset, _) = import(folder.path(), &["fer2013", &source]);
    assert_eq!((dataset.len(), dataset.test().unwrap().label(0)), (2, 3));
}

#[test]
fn ckplus_keeps_subject_and_sequence() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("CK+48/surprise/S999_001_00000018.png", 6_u8, (999, 1, 18)),
        ("CK+48/contempt/S138_008_00000007.png", 1, (138, 8, 7)),
        ("CK+48/contempt/S138_008_00000006.png", 1, (138, 8, 6)),
    ];
    let pictures: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(name, _, (_, _, frame))| (*name, png(48, pixels(*frame as u8)))).collect();
    let entries: Vec<(&str, &[u8])> =
        pictures.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let archive = put(folder.path(), "CK+48.zip", zip(&entries));
    for (name, bytes) in &entries {
        put(folder.path(), name, bytes);
    }
    let (from_zip, _) = import(folder.path(), &["ckplus", &archive]);
    for (row, (_, label, take)) in files.iter().rev().enumerate() {
        let found = (from_zip.subject(row), from_zip.sequence(row), from_zip.frame(row));
        assert_eq!(found, (Some(take.0), Some(take.1), Some(take.2)));
        assert_eq!((from_zip.label(row), from_zip.split(row)), (*label, Split::Unassigned));
    }
    assert!(from_zip.training().is_err());
    let (from_folder, _) = import(folder.path(), &["ckplus", &path_in(&folder, "CK+48")]);
    assert_eq!(from_folder.fingerprint(), from_zip.fingerprint());
}

#[test]
fn folders_of_classes_become_training_pictures_of_one_size() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "faces/anger/a.png", png(64, vec![9; 64 * 64]));
    put(folder.path(), "faces/Contempt/b.png", png(24, vec![200; 24 * 24]));
    put(folder.path(), "faces/readme.txt", "hello");
    let faces = path_in(&folder, "faces");
    let (dataset, messages) =
        import(folder.path(), &["folder", &faces, "--size", "32", "--labels", "ckplus", "--synthetic"]);
    assert!(messages.contains("note: skipped 1 file without a picture extension"), "{messages}");
    assert_eq!((dataset.name(), dataset.height(), dataset.width()), ("faces", 32, 32));
    // Paths are ordered by their bytes: `Contempt` comes before `anger`.
    assert_eq!((dataset.label(0), dataset.label(1)), (1, 0));
    assert!(dataset.image(1).iter().all(|&pixel| pixel == 9));
    assert_eq!((dataset.split(0), dataset.origin(0)), (Split::Training, Origin::Synthetic));
}

#[test]
fn broken_pictures_are_left_out_on_request_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "faces/happy/a.png", png(48, pixels(1)));
    put(folder.path(), "faces/happy/b.png", "hello");
    let mut jpeg = Cursor::new(Vec::new());
    let gray = image::GrayImage::from_raw(48, 48, pixels(2)).unwrap();
    gray.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    let jpeg = jpeg.into_inner();
    put(folder.path(), "faces/sad/c.jpg", &jpeg[..jpeg.len() / 2]);
    put(folder.path(), "faces/sad/d.jpg", &jpeg);
    let faces = path_in(&folder, "faces");
    let (dataset, messages) = import(folder.path(), &["folder", &faces, "--skip-broken"]);
    assert_eq!(dataset.len(), 2);
    assert_eq!(dataset.label_set().names(), ["happy", "sad"]);
    assert_eq!((dataset.label(0), dataset.label(1)), (0, 1));
    for piece in ["left out: ", "happy/b.png`: is not a picture", "sad/c.jpg`: is cut off"] {
        assert!(messages.contains(piece), "{messages}");
    }
}

/// A packed picture and what a model is shown of the same file as one face: they had different grays once, because
/// importing decoded on its own.
#[test]
fn what_is_learned_from_a_picture_is_what_is_recognized() {
    use image::{DynamicImage, ImageBuffer, ImageEncoder as _, ImageFormat, Luma, Rgb, Rgba};

    let encoded = |image: DynamicImage| {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    // Dark at its left, which orientation 6, a quarter turn clockwise, makes the top.
    let ramp: Vec<u8> = (0..48 * 32).flat_map(|at| [(at % 48 * 5) as u8; 3]).collect();
    let mut turned = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut turned, 95);
    let exif = *b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    encoder.set_exif_metadata(exif.to_vec()).unwrap();
    encoder.write_image(&ramp, 48, 32, image::ExtendedColorType::Rgb8).unwrap();

    let red = image::RgbImage::from_pixel(48, 48, Rgb([255, 0, 0]));
    let half = image::RgbaImage::from_pixel(64, 48, Rgba([0, 0, 255, 128]));
    let deep = ImageBuffer::from_fn(48, 48, |x, _| Luma([257 * (x as u16 + 3)]));
    let deep_color = ImageBuffer::from_pixel(30, 30, Rgb([0, 65_535_u16, 0]));
    let cases = [
        ("1-red.png", encoded(red.into())),
        ("2-turned.jpe", turned),
        ("3-half-transparent.png", encoded(half.into())),
        ("4-of-16-bits.png", encoded(deep.into())),
        ("5-green-of-16-bits.png", encoded(deep_color.into())),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in &cases {
        put(folder.path(), &format!("faces/happy/{name}"), bytes);
    }
    let (dataset, _) = import(folder.path(), &["folder", &path_in(&folder, "faces")]);
    let preprocessing = Preprocessing::gray(48, 48, 0.0, 1.0);
    for (row, (name, _)) in cases.iter().enumerate() {
        let picture = Picture::open(folder.path().join("faces/happy").join(name)).unwrap();
        let [face] = FaceFinder::WholePicture.find(&picture).try_into().unwrap();
        assert_eq!(dataset.image(row), preprocessing.resized(&face.crop), "{name}");
    }
    // Pillow's luma of red; blue half over white, of green; 16 bits to 8.
    assert_eq!(dataset.image(0), [76; 48 * 48]);
    assert_eq!(dataset.image(2), [142; 48 * 48]);
    assert_eq!(dataset.image(3)[..4], [3, 4, 5, 6]);
    assert_eq!(dataset.image(4), [150; 48 * 48]);
    let (top, bottom) = (dataset.image(1)[24], dataset.image(1)[47 * 48 + 24]);
    assert!(top < 20 && bottom > 215, "{top} {bottom}");
}

#[test]
fn export_writes_what_import_reads_again() {
    let folder = tempfile::tempdir().unwrap();
    let source = put(folder.path(), "fer2013.csv", small_csv());
    let (dataset, _) = import(folder.path(), &["fer2013", &source]);
    let (packed, to) = (path_in(&folder, "packed.safetensors"), path_in(&folder, "pictures"));
    fs::create_dir(&to).unwrap();
    let (code, _, messages) = data(["export", &packed, "--out", &to]);
    assert_eq!(code, 0, "{messages}");
    assert!(Path::new(&to).join("test/angry/000007.png").is_file());
    let again = tempfile::tempdir().unwrap();
    let (read, _) = import(again.path(), &["folder", &to]);
    // The order differs: files are read by split and class.
    let samples = |set: &PackedDataset| {
        let sample = |row| (set.image(row).to_vec(), set.label(row), set.split(row));
        let mut samples: Vec<_> = (0..set.len()).map(sample).collect();
        samples.sort();
        samples
    };
    assert_eq!(samples(&read), samples(&dataset));

    let (code, _, messages) = data(["export", &packed, "--out", &to]);
    assert_eq!(code, 1);
    assert!(messages.contains("the folder is not empty"), "{messages}");
    let inside = path_in(&folder, "missing/pictures");
    let (code, _, messages) = data(["export", &packed, "--out", &inside]);
    assert_eq!(code, 1);
    assert!(messages.contains("does not exist; create it first"), "{messages}");
}

#[test]
fn synthetic_pictures_stay_synthetic_through_export_and_import() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "faces/happy/a.png", png(48, pixels(1)));
    import(folder.path(), &["folder", &path_in(&folder, "faces"), "--synthetic"]);
    let to = path_in(&folder, "pictures");
    assert_eq!(data(["export", &path_in(&folder, "packed.safetensors"), "--out", &to]).0, 0);
    let (again, _) = import(folder.path(), &["folder", &to]);
    assert_eq!(again.origin(0), Origin::Synthetic);
}

#[test]
fn info_counts_classes_and_splits() {
    let folder = tempfile::tempdir().unwrap();
    let source = put(folder.path(), "fer2013.csv", small_csv());
    let votes = put(folder.path(), "fer2013new.csv", small_ferplus());
    import(folder.path(), &["fer2013", &source, "--ferplus", &votes]);
    let packed = path_in(&folder, "packed.safetensors");
    let (_, table, _) = data(["info", &packed]);
    let counts = table.split("\nsource").next().unwrap();
    insta::assert_snapshot!(counts, @r"
    fer2013: 14 pictures of 48x48, labels fer2013
    with FER+ votes

                    training    validation          test         total
    angry                  1             0             1             2
    disgust                2             0             0             2
    fear                   1             1             0             2
    happy                  0             1             1             2
    sad                    1             0             1             2
    surprise               2             0             0             2
    neutral                1             1             0             2
    total                  8             3             3            14
    ");
    let info = json(&["info", &packed, "--json"]);
    assert_eq!(info["splits"]["training"]["classes"]["surprise"], 2);
    assert_eq!((&info["samples"], &info["votes"]), (&14.into(), &true.into()));
}

#[test]
fn check_finds_what_was_planted() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = small_csv();
    // Row 14: row 0 again, as PrivateTest. Row 15: row 1 with another label. Row 16: constant.
    text += &format!("0,{},PrivateTest\n", pixel_text(&pixels(0)));
    text += &format!("6,{},Training\n", pixel_text(&pixels(1)));
    text += &format!("3,{},Training\n", pixel_text(&[17; 48 * 48]));
    let source = put(folder.path(), "fer2013.csv", text);
    import(folder.path(), &["fer2013", &source]);
    let packed = path_in(&folder, "packed.safetensors");
    let (_, report, _) = data(["check", &packed]);
    insta::assert_snapshot!(report, @r"
    15 distinct images among 17 (rows count from 0)

    0 validation rows are identical to a training image

    1 test rows are identical to a training image
      row 14 (angry)

    2 groups of identical images
      0 (training, angry) = 14 (test, angry)
      1 (training, disgust) = 15 (training, neutral)

    1 groups of identical images with conflicting labels
      1 (training, disgust) = 15 (training, neutral)

    0 pairs of nearly identical images

    0 more validation rows are nearly identical to a training image

    0 more test rows are nearly identical to a training image

    largest class angry (3), smallest disgust (2)

    0 images have hardly any contrast

    1 images are one constant value
      row 16 (training, happy), value 17
    ");
    let findings = json(&["check", &packed, "--json"]);
    assert_eq!(findings["also_in_training"]["test"]["rows"], serde_json::json!([14]));
    assert_eq!(
        findings["conflicting_labels"]["groups"][0]["labels"],
        serde_json::json!(["disgust", "neutral"])
    );
}

#[test]
fn check_notices_a_damaged_file() {
    let folder = tempfile::tempdir().unwrap();
    let source = put(folder.path(), "fer2013.csv", small_csv());
    import(folder.path(), &["fer2013", &source]);
    let packed = folder.path().join("packed.safetensors");
    let mut bytes = fs::read(&packed).unwrap();
    // Past the header, which has less than 1,000 bytes, the pictures begin.
    bytes[5000] ^= 1;
    fs::write(&packed, bytes).unwrap();
    let (code, output, messages) = data(["check", packed.to_str().unwrap()]);
    assert_eq!((code, output.as_str()), (1, ""));
    assert!(messages.contains("no longer matches its fingerprint"), "{messages}");
}

#[test]
fn help_shows_examples() {
    for command in [&["import", "fer2013"][..], &["import", "ckplus"], &["import", "folder"], &["info"]] {
        let (code, help, _) = data(command.iter().chain(&["--help"]));
        let example = format!("duchenne data {} ", command.join(" "));
        assert!(
            code == 0 && (help.contains("Example:") || help.contains("Examples:")) && help.contains(&example),
            "{help}"
        );
    }
}

/// The folder that `DUCHENNE_DATA` names, or `None` with a loud word that a test is skipped.
fn real_data(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("DUCHENNE_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!(
            "SKIPPED: {test} needs DUCHENNE_DATA, a folder with fer2013.csv.xz, fer2013new.csv, CK+48.zip"
        );
    }
    folder
}
