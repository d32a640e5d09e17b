//! The `data` commands as their users meet them: every form of the data sets, every kind of bad input.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use duchenne::data::{PackedDataset, Split};

fn duchenne(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_duchenne")).args(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder of its own for one test.
struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn import(&self, kind: &str, source: &Path) -> Output {
        duchenne(&["data", "import", kind, text(source), "--out", text(&self.path("out.safetensors"))])
    }

    /// The import fails with exit code 1 and these words, and leaves nothing behind.
    fn refuses(&self, kind: &str, source: &Path, words: &[&str]) {
        let before = names(self.folder.path());
        let output = self.import(kind, source);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{message}");
        for word in words.iter().chain([&"error: "]) {
            assert!(message.contains(word), "`{word}` not in: {message}");
        }
        assert_eq!(message.matches("error: ").count(), 1, "one clear error, not: {message}");
        assert_eq!(names(self.folder.path()), before, "something was left behind");
    }
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

/// 48 x 48 pixels whose first tells one image from another.
fn pixels(first: u8) -> String {
    let mut values = vec![first.to_string()];
    values.extend((1..48 * 48).map(|index| (index % 256).to_string()));
    values.join(" ")
}

fn csv(rows: &[(u8, u8, &str)]) -> String {
    let row = |(label, first, usage): &(u8, u8, &str)| format!("{label},{},{usage}\n", pixels(*first));
    format!("emotion,pixels,Usage\n{}", rows.iter().map(row).collect::<String>())
}

const ROWS: [(u8, u8, &str); 4] =
    [(0, 10, "Training"), (3, 20, "Training"), (6, 20, "PublicTest"), (6, 30, "PrivateTest")];

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, content) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn tar_gz(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content).unwrap();
    gzip(&builder.into_inner().unwrap())
}

fn png(value: u8) -> Vec<u8> {
    let image = image::GrayImage::from_fn(48, 48, |x, y| image::Luma([value ^ (x * y % 256) as u8]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[test]
fn fer2013_is_the_same_in_every_form() {
    let plain = csv(&ROWS);
    let mut xz = Vec::new();
    liblzma::read::XzEncoder::new(plain.as_bytes(), 1).read_to_end_into(&mut xz);
    let swapped = plain.lines().enumerate().map(|(index, line)| {
        let fields: Vec<&str> = line.split(',').collect();
        // icml_face_data.csv: another order, names with spaces.
        let space = if index == 0 { " " } else { "" };
        format!("{},{space}{},{space}{}\n", fields[0], fields[2], fields[1])
    });
    let forms: [(&str, Vec<u8>); 6] = [
        ("fer2013.csv", plain.clone().into_bytes()),
        ("fer2013.csv.gz", gzip(plain.as_bytes())),
        ("fer2013.csv.xz", xz),
        ("fer2013.zip", zip(&[("fer2013/fer2013.csv", plain.as_bytes())])),
        ("fer2013.tar.gz", tar_gz("fer2013/fer2013.csv", plain.as_bytes())),
        ("icml_face_data.csv", swapped.collect::<String>().into_bytes()),
    ];
    for (name, content) in forms {
        let scene = Scene::new();
        let output = scene.import("fer2013", &scene.file(name, content));
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let dataset = PackedDataset::open(&scene.path("out.safetensors")).unwrap();
        assert_eq!(dataset.len(), 4, "{name}");
        for (row, (label, first, usage)) in ROWS.iter().enumerate() {
            assert_eq!((dataset.label(row), dataset.image(row)[0]), (*label, *first), "{name}");
            assert_eq!(dataset.image(row)[1..4], [1, 2, 3], "{name}");
            assert_eq!(Some(dataset.split(row)), Split::from_usage(usage.as_bytes()), "{name}");
        }
    }
}

/// `read_to_end` whose result is looked at.
trait ReadAll {
    fn read_to_end_into(self, out: &mut Vec<u8>);
}

impl<R: std::io::Read> ReadAll for R {
    fn read_to_end_into(mut self, out: &mut Vec<u8>) {
        self.read_to_end(out).unwrap();
    }
}

#[test]
fn bad_rows_are_named_and_leave_nothing() {
    let good = format!("0,{},Training\n", pixels(1));
    let short: String = pixels(1).rsplit_once(' ').unwrap().0.to_owned();
    let cases = [
        (format!("0,{},Training\n", short), "2303 pixels"),
        (format!("0,{} 1,Training\n", pixels(1)), "expected 2304"),
        (format!("0,{}256,Training\n", &pixels(1)[1..]), "expected"),
        (format!("7,{},Training\n", pixels(1)), "label `7`, expected a number from 0 to 6"),
        (format!("x,{},Training\n", pixels(1)), "label `x`"),
        (format!("0,{},Test\n", pixels(1)), "usage `Test`"),
        ("0,1 2 3".to_owned(), "fields, expected 3"),
    ];
    for (row, problem) in cases {
        let scene = Scene::new();
        let content = format!("emotion,pixels,Usage\n{good}{row}");
        scene.refuses("fer2013", &scene.file("bad.csv", content), &["bad.csv", "row 2", problem]);
    }
    let scene = Scene::new();
    let content = format!("emotion,pixels,Usage\n0,{},Training\n", pixels(1).replacen("1 1 2", "1 256 2", 1));
    scene.refuses("fer2013", &scene.file("bad.csv", content), &["row 1", "256", "0 to 255"]);
}

#[test]
fn bad_files_are_named_and_leave_nothing() {
    let scene = Scene::new();
    scene.refuses("fer2013", &scene.file("empty.csv", ""), &["empty.csv", "empty"]);
    scene.refuses("fer2013", &scene.file("columns.csv", "a,b,c\n1,2,3\n"), &["columns.csv", "emotion"]);
    scene.refuses("fer2013", &scene.path("missing.csv"), &["missing.csv"]);
    let archive = gzip(csv(&ROWS).as_bytes());
    scene.refuses("fer2013", &scene.file("cut.csv.gz", &archive[..archive.len() / 2]), &["cut.csv.gz"]);
    scene.refuses("ckplus", &scene.file("cut.zip", b"PK\x03\x04 broken"), &["cut.zip"]);
    scene.refuses("ckplus", &scene.file("set.zip", zip(&[("CK+48/fear/x.png", &png(1))])), &["x.png"]);
    let climbing = zip(&[("../../evil/S010_004_00000017.png", &png(1))]);
    scene.refuses("ckplus", &scene.file("climbing.zip", climbing), &["climbing.zip", "evil"]);
    let tree = scene.file("tree/train/happy/text.png", "not a picture");
    let root = tree.ancestors().nth(3).unwrap().to_owned();
    scene.refuses("folder", &root, &["text.png"]);
}

#[test]
fn archives_that_expand_without_end_are_stopped() {
    // 2 GiB of zeros in a few megabytes of gzip: never expanded into memory or onto the disk.
    let scene = Scene::new();
    let path = scene.path("bomb.csv.gz");
    let mut encoder =
        flate2::write::GzEncoder::new(fs::File::create(&path).unwrap(), flate2::Compression::fast());
    encoder.write_all(b"emotion,pixels,Usage\n").unwrap();
    let zeros = vec![b'0'; 1 << 20];
    (0..64).for_each(|_| encoder.write_all(&zeros).unwrap());
    encoder.finish().unwrap();
    scene.refuses("fer2013", &path, &["bomb.csv.gz", "row 1", "longer than"]);
}

#[test]
fn a_full_disk_and_a_missing_folder_are_reported() {
    let scene = Scene::new();
    let source = scene.file("fer2013.csv", csv(&[(0, 1, "Training"); 40]));
    let nowhere = scene.path("nowhere/out.safetensors");
    let output = duchenne(&["data", "import", "fer2013", text(&source), "--out", text(&nowhere)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere"));

    // A limit on file size behaves as a full disk does: the write fails half way.
    let out = scene.path("out.safetensors");
    let script = format!(
        "trap '' XFSZ; ulimit -f 40; '{}' data import fer2013 '{}' --out '{}'",
        env!("CARGO_BIN_EXE_duchenne"),
        source.display(),
        out.display()
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("cannot write"), "{message}");
    assert_eq!(names(scene.folder.path()), [source]);
}

#[test]
fn no_permission_is_reported() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new();
    let source = scene.file("secret.csv", csv(&ROWS));
    fs::set_permissions(&source, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&source).is_ok() {
        println!("SKIPPED: this user may read everything, so no file can refuse it");
        return;
    }
    scene.refuses("fer2013", &source, &["secret.csv", "ermission"]);
}

#[test]
fn folders_that_hide_the_split_are_taken_with_a_word() {
    let scene = Scene::new();
    for name in ["set/train/happy/a.png", "set/test/sad/b.png"] {
        scene.file(name, png(name.len() as u8));
    }
    let output = scene.import("fer2013", &scene.path("set"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("PublicTest"), "the user is told");
    let dataset = PackedDataset::open(&scene.path("out.safetensors")).unwrap();
    assert_eq!(dataset.training().unwrap().len(), 1);
    assert!(dataset.private_test().is_err() && dataset.public_test().is_err());
}

#[test]
fn ckplus_keeps_subject_and_sequence() {
    let scene = Scene::new();
    let archive = zip(&[
        ("CK+48/anger/S010_004_00000017.png", &png(1)),
        ("CK+48/contempt/S138_008_00000009.png", &png(2)),
    ]);
    assert!(scene.import("ckplus", &scene.file("CK+48.zip", archive)).status.success());
    let dataset = PackedDataset::open(&scene.path("out.safetensors")).unwrap();
    let takes: Vec<_> =
        (0..2).map(|row| (dataset.subject(row), dataset.sequence(row), dataset.frame(row))).collect();
    assert_eq!(takes, [(Some(10), Some(4), Some(17)), (Some(138), Some(8), Some(9))]);
}

#[test]
fn info_check_and_export_say_what_is_there() {
    let scene = Scene::new();
    assert!(scene.import("fer2013", &scene.file("fer2013.csv", csv(&ROWS))).status.success());
    let packed = scene.path("out.safetensors");
    let check = duchenne(&["data", "check", text(&packed), "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
    assert!(json.to_string().contains('3'), "three distinct images: {json}");
    let info = duchenne(&["data", "info", text(&packed), "--json"]);
    assert!(serde_json::from_slice::<serde_json::Value>(&info.stdout).is_ok());
    let folder = scene.path("exported");
    assert!(duchenne(&["data", "export", text(&packed), "--to", text(&folder)]).status.success());
    let again = duchenne(&["data", "export", text(&packed), "--to", text(&folder)]);
    assert_eq!(again.status.code(), Some(1), "a folder with pictures in it is not written over");
    // What was exported comes back.
    let back = scene.path("back.safetensors");
    assert!(duchenne(&["data", "import", "folder", text(&folder), "--out", text(&back)]).status.success());
    assert_eq!(PackedDataset::open(&back).unwrap().len(), 4);
}

#[test]
fn the_real_data_has_the_known_faults() {
    let Some(folder) = std::env::var_os("DUCHENNE_DATA").map(PathBuf::from) else {
        println!("SKIPPED: DUCHENNE_DATA is unset, so FER-2013 and CK+ were not tested");
        return;
    };
    let scene = Scene::new();
    let out = scene.path("fer2013.safetensors");
    let (source, votes) = (folder.join("fer2013.csv.xz"), folder.join("fer2013new.csv"));
    let arguments =
        ["data", "import", "fer2013", text(&source), "--ferplus", text(&votes), "--out", text(&out)];
    assert!(duchenne(&arguments).status.success());
    let dataset = PackedDataset::open(&out).unwrap();
    let counts = [
        dataset.training().unwrap().len(),
        dataset.public_test().unwrap().len(),
        dataset.private_test().unwrap().len(),
    ];
    assert_eq!(counts, [28_709, 3_589, 3_589]);
    let table = duchenne(&["data", "check", text(&out)]);
    let table = String::from_utf8(table.stdout).unwrap().replace(',', "");
    for figure in ["34034", "288", "280", "57", "12"] {
        assert!(table.split(|c: char| !c.is_ascii_digit()).any(|word| word == figure), "{figure}: {table}");
    }
    let ckplus = scene.import("ckplus", &folder.join("CK+48.zip"));
    assert!(ckplus.status.success());
    let dataset = PackedDataset::open(&scene.path("out.safetensors")).unwrap();
    let mut subjects: Vec<_> = (0..dataset.len()).map(|row| dataset.subject(row)).collect();
    subjects.sort();
    subjects.dedup();
    assert_eq!((dataset.len(), subjects.len()), (981, 118));
}
