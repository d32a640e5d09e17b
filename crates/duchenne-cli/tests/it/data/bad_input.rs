//! What is wrong with an input is told in one line that names file, row and what was expected; the
//! exit code is 1, and no file appears, not even a part of one.

use super::*;

/// Imports into an empty folder and checks that it fails as it must; `pieces` are in the message.
fn refuses(arguments: &[&str], pieces: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let out = path_in(&folder, "out.safetensors");
    let mut all = vec!["import"];
    all.extend(arguments);
    all.extend(["--out", &out]);
    let (code, output, messages) = data(all);
    assert_eq!((code, output.as_str()), (1, ""), "{messages}");
    assert_eq!(messages.lines().count(), 1, "{messages}");
    assert!(messages.starts_with("error: "), "{messages}");
    for piece in pieces {
        assert!(messages.contains(piece), "`{piece}` is not in: {messages}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was left: {messages}");
}

/// Refuses FER-2013 from a file `bad.csv` with this content.
fn refuses_csv(bytes: impl AsRef<[u8]>, pieces: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let source = put(folder.path(), "bad.csv", bytes);
    let mut all = vec!["`", "bad.csv`"];
    all.extend(pieces);
    refuses(&["fer2013", &source], &all);
}

/// The small FER-2013 whose third row is `row`.
fn with_third_row(row: &str) -> String {
    let text = small_csv();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[3] = row;
    lines.join("\n")
}

#[test]
fn a_truncated_row() {
    let text = small_csv();
    refuses_csv(&text[..text.len() - 3000], &["row 14: has 2 fields, expected 3", "truncated"]);
    // Cut in the middle of the usage.
    refuses_csv(&text[..text.len() - 3], &["row 14: usage `Traini`, expected Training"]);
}

#[test]
fn a_pixel_too_few_or_too_many() {
    let few = pixel_text(&pixels(2)[1..]);
    let row = with_third_row(&format!("2,{few},PublicTest"));
    refuses_csv(row, &["row 3: has 2303 pixels, expected 2304"]);
    let row = with_third_row(&format!("2,{} 7,PublicTest", pixel_text(&pixels(2))));
    refuses_csv(row, &["row 3: has 2305 pixels, expected 2304"]);
}

#[test]
fn a_pixel_that_is_no_byte() {
    for bad in ["256", "-1", "1.5", "x", "1000"] {
        let row = with_third_row(&format!("2,{bad} {},PublicTest", pixel_text(&pixels(2)[1..])));
        let expected = format!("row 3: pixel 1 is `{bad}`, expected a number from 0 to 255");
        refuses_csv(row, &[&expected]);
    }
}

#[test]
fn a_label_that_is_no_class() {
    for bad in ["7", "-1", "", "cheerful"] {
        let row = with_third_row(&format!("{bad},{},PublicTest", pixel_text(&pixels(2))));
        refuses_csv(row, &[&format!("row 3: label `{bad}`, expected a number from 0 to 6")]);
    }
}

#[test]
fn an_unknown_usage() {
    let row = with_third_row(&format!("2,{},Validation", pixel_text(&pixels(2))));
    refuses_csv(row, &["row 3: usage `Validation`, expected Training, PublicTest or PrivateTest"]);
}

#[test]
fn the_first_bad_row_is_told_wherever_it_is() {
    // Enough rows for several blocks.
    let row = format!("2,{},Training\n", pixel_text(&[100; 48 * 48]));
    let bad = row.replacen("2,", "9,", 1);
    let text = ["emotion,pixels,Usage\n", &row.repeat(700), &bad, &row.repeat(100), &bad].concat();
    refuses_csv(text, &["row 701: label `9`"]);
}

#[test]
fn an_empty_file_or_only_a_header() {
    refuses_csv("", &["is empty; expected a header `emotion,pixels,Usage`"]);
    refuses_csv("emotion,pixels,Usage\n", &["has no data rows"]);
}

#[test]
fn the_wrong_columns() {
    let expected = "expected emotion, pixels and, where there are splits, Usage";
    refuses_csv("mood,pixels\n0,1\n", &[&format!("has columns `mood, pixels`, {expected}")]);
    refuses_csv(small_csv().split_once('\n').unwrap().1, &[expected]);
    refuses_csv([0_u8, 159, 146, 150].repeat(100), &[expected]);
}

#[test]
fn a_broken_archive() {
    let csv = small_csv();
    let plain = csv.as_bytes();
    let entries = [("fer2013.csv", plain)];
    for (form, whole) in
        [("gz", gzip(plain)), ("xz", xz(plain)), ("zip", zip(&entries)), ("tar.gz", gzip(&tar(&entries)))]
    {
        // Cut in the middle, and cut by a few bytes, where only the sums at the end are missing.
        for length in [whole.len() / 2, whole.len() - 4] {
            let broken = if form == "zip" { "is a broken zip archive" } else { "is broken or cut off" };
            refuses_csv(&whole[..length], &[broken]);
        }
        // Four bytes in the middle changed.
        let mut changed = whole.clone();
        let middle = whole.len() / 2;
        changed[middle..middle + 4].iter_mut().for_each(|byte| *byte ^= 0xff);
        let folder = tempfile::tempdir().unwrap();
        let source = put(folder.path(), "changed", changed);
        refuses(&["fer2013", &source], &["changed`"]);
    }
    // Whole rows are missing from a tar archive that was not compressed.
    let whole = tar(&entries);
    refuses_csv(&whole[..whole.len() / 2], &["bad.csv`"]);
}

#[test]
fn an_archive_without_the_csv_or_with_two() {
    refuses_csv(zip(&[("README", b"hello")]), &["is an archive without a csv file"]);
    refuses_csv(zip(&[("a.csv", b"1"), ("b.csv", b"2")]), &["holds 2 csv files (`a.csv`, `b.csv`"]);
}

#[test]
fn a_zip_whose_entries_climb_out() {
    let csv = small_csv();
    let picture = png(48, pixels(1));
    for name in ["../evil.csv", "/tmp/evil.csv", "a/../../evil.csv", "..\\evil.csv", "C:\\evil.csv"] {
        let entries: [(&str, &[u8]); 2] = [("fer2013.csv", csv.as_bytes()), (name, b"1")];
        refuses_csv(zip(&entries), &["leads out of the archive's folder"]);
    }
    let folder = tempfile::tempdir().unwrap();
    let entries: [(&str, &[u8]); 1] = [("../anger/S010_004_00000017.png", &picture)];
    let source = put(folder.path(), "bad.zip", zip(&entries));
    refuses(&["ckplus", &source], &["bad.zip`", "leads out"]);
    refuses(&["folder", &source], &["bad.zip`", "leads out"]);
}

#[test]
fn archives_that_expand_without_end() {
    let bomb = vec![b'0'; 64 << 20];
    // No row is so long, whatever the limit of the whole.
    for packed in [gzip(&bomb), xz(&bomb), zip(&[("fer2013.csv", &bomb)])] {
        assert!(packed.len() < bomb.len() / 100);
        refuses_csv(packed, &["is longer than 65536 bytes"]);
    }
    let folder = tempfile::tempdir().unwrap();
    let entries: [(&str, &[u8]); 1] = [("anger/S010_004_00000017.png", &bomb)];
    let source = put(folder.path(), "bad.zip", zip(&entries));
    refuses(&["ckplus", &source], &["bad.zip`", "S010_004_00000017.png`: has more than 16777216 bytes"]);
}

#[test]
fn a_picture_that_expands_without_end() {
    // A PNG whose header says 50,000 x 50,000; the rest does not matter, for nothing of it is read.
    let mut bytes = png(48, pixels(1));
    bytes[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "faces/happy/huge.png", bytes);
    refuses(
        &["folder", &path_in(&folder, "faces")],
        &["happy/huge.png`: claims 50000 x 50000 pixels, at most 8192 on a side"],
    );
}

#[test]
fn a_text_file_named_png() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "faces/anger/S010_004_00000016.png", png(48, pixels(1)));
    put(folder.path(), "faces/anger/S010_004_00000017.png", "hello");
    let faces = path_in(&folder, "faces");
    for kind in ["ckplus", "folder"] {
        refuses(&[kind, &faces], &["faces`, `anger/S010_004_00000017.png`: is not a picture", "PNG"]);
    }
}

#[test]
fn pictures_of_another_size() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "x/train/sad/a.png", png(64, vec![1; 64 * 64]));
    put(folder.path(), "y/anger/S010_004_00000017.png", png(64, vec![1; 64 * 64]));
    refuses(&["fer2013", &path_in(&folder, "x")], &["train/sad/a.png`: is 64x64 pixels, expected 48x48"]);
    refuses(&["ckplus", &path_in(&folder, "y")], &["is 64x64 pixels, expected 48x48", "--size 48"]);
}

#[test]
fn folders_that_are_laid_out_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let picture = png(48, pixels(1));
    put(folder.path(), "empty/readme.txt", "hello");
    put(folder.path(), "class/bored/a.png", &picture);
    put(folder.path(), "nearly/suprise/a.png", &picture);
    put(folder.path(), "nearly/tired/a.png", &picture);
    put(folder.path(), "odd/holdout/sad/a.png", &picture);
    put(folder.path(), "odd/train/sad/a.png", &picture);
    put(folder.path(), "mixed/happy/a.png", &picture);
    put(folder.path(), "mixed/train/happy/a.png", &picture);
    put(folder.path(), "wrong/train/sad/PrivateTest_1.png", &picture);
    put(folder.path(), "name/anger/1.png", &picture);
    let at = |name: &str| path_in(&folder, name);
    refuses(&["folder", &at("empty")], &["empty`: holds no pictures"]);
    refuses(&["folder", &at("class")], &["class`: its classes are bored: 1 class, expected 2 to 256"]);
    refuses(
        &["folder", &at("class"), "--labels", "fer2013"],
        &["bored/a.png`: folder `bored` is not a class, expected one of angry, disgust"],
    );
    refuses(
        &["folder", &at("nearly")],
        &["`suprise`: did you mean `surprise`? --map suprise=surprise says so"],
    );
    refuses(
        &["folder", &at("nearly"), "--map", "supris=surprise"],
        &["the data does not have, it has suprise, tired"],
    );
    refuses(&["folder", &at("odd")], &["folder `holdout` is not a split, expected train, validation, test"]);
    refuses(&["folder", &at("mixed")], &["the folder mixes"]);
    refuses(&["fer2013", &at("wrong")], &["its name says test, but it lies in a folder of the training"]);
    refuses(&["ckplus", &at("name")], &["anger/1.png`: expected a name like S010_004_00000017.png"]);
    refuses(&["fer2013", &at("nowhere")], &["cannot read", "nowhere`"]);
}

#[test]
fn ferplus_of_other_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let source = put(folder.path(), "fer2013.csv", small_csv());
    let check = |text: &str, pieces: &[&str]| {
        let votes = put(folder.path(), "votes.csv", text);
        refuses(&["fer2013", &source, "--ferplus", &votes], pieces);
    };
    let good = small_ferplus();
    check(
        &good.replacen("PublicTest", "Training", 1),
        &["votes.csv`, row 3: usage is training, but the same"],
    );
    let shorter = good.trim_end().rsplit_once('\n').unwrap().0;
    check(shorter, &["votes.csv`: has 13 rows, expected 14 as in", "fer2013.csv`"]);
    check(&small_csv(), &["votes.csv`: has no column `neutral`"]);
    put(folder.path(), "pictures/train/sad/a.png", png(48, pixels(1)));
    let (pictures, votes) = (path_in(&folder, "pictures"), put(folder.path(), "votes.csv", &good));
    refuses(&["fer2013", &pictures, "--ferplus", &votes], &["FER+ is joined by row"]);
}

#[test]
fn synthetic_pictures_outside_training() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "faces/test/happy/a.png", png(48, pixels(1)));
    refuses(
        &["folder", &path_in(&folder, "faces"), "--synthetic"],
        &["a.png`: is synthetic", "may only train"],
    );
}

/// Whether permissions bind this process; they do not bind root.
#[cfg(unix)]
fn permissions_bind(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let probe = folder.join("probe");
    fs::write(&probe, "x").unwrap();
    fs::set_permissions(&probe, PermissionsExt::from_mode(0o000)).unwrap();
    fs::read(&probe).is_err()
}

#[cfg(unix)]
#[test]
fn no_permission() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    if !permissions_bind(folder.path()) {
        eprintln!("SKIPPED: no_permission, because this process is root, whom permissions do not bind");
        return;
    }
    let source = put(folder.path(), "fer2013.csv", small_csv());
    fs::set_permissions(&source, PermissionsExt::from_mode(0o000)).unwrap();
    refuses(&["fer2013", &source], &["cannot read", "fer2013.csv`", "denied"]);

    fs::set_permissions(&source, PermissionsExt::from_mode(0o644)).unwrap();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, PermissionsExt::from_mode(0o555)).unwrap();
    let out = closed.join("out.safetensors");
    let (code, _, messages) = data(["import", "fer2013", &source, "--out", out.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(messages.contains("cannot write") && messages.contains("denied"), "{messages}");
}

#[test]
fn an_unfit_output_is_told_before_the_source_is_read() {
    let folder = tempfile::tempdir().unwrap();
    // The source is bad too, but the output is looked at first.
    let source = put(folder.path(), "fer2013.csv", "nonsense");
    let check = |out: &str, piece: &str| {
        let (code, output, messages) = data(["import", "fer2013", &source, "--out", out]);
        assert_eq!((code, output.as_str(), messages.lines().count()), (1, "", 1), "{messages}");
        assert!(messages.contains("cannot write") && messages.contains(piece), "{messages}");
    };
    check(&path_in(&folder, "missing/out.safetensors"), "does not exist; create it first");
    check(&path_in(&folder, "fer2013.csv/out.safetensors"), "ot a ");
    check(folder.path().to_str().unwrap(), "it is a folder, expected the name of a file");
    #[cfg(unix)]
    check("/dev/full", "it exists and is not a plain file");
    let (code, _, messages) = data(["import", "fer2013", &source, "--out", &source]);
    assert!(code == 1 && messages.contains("is both source and output"), "{messages}");
    assert_eq!(fs::read(&source).unwrap(), b"nonsense");
}

/// A full disk, as the system's limit on the size of a file shows it: the write fails half way.
#[cfg(unix)]
#[test]
fn a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let source = put(folder.path(), "fer2013.csv", small_csv());
    let packed = folder.path().join("packed");
    fs::create_dir(&packed).unwrap();
    let out = packed.join("out.safetensors");
    fs::write(&out, "what was there before").unwrap();
    // 8 blocks are 4 or 8 KiB, by the shell; the packed file has 33 KiB.
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" data import fer2013 \"$1\" --out \"$2\"";
    let output = std::process::Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_duchenne"), &source])
        .arg(&out)
        .output()
        .unwrap();
    let messages = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{messages}");
    assert_eq!(messages.lines().count(), 1, "{messages}");
    assert!(messages.contains("cannot write") && messages.contains("out.safetensors`"), "{messages}");
    assert_eq!(fs::read(&out).unwrap(), b"what was there before");
    assert_eq!(fs::read_dir(&packed).unwrap().count(), 1, "a part of the output was left");
}

#[test]
fn what_is_no_packed_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = put(folder.path(), "x.safetensors", "emotion,pixels,Usage\n");
    for command in ["info", "check"] {
        let (code, output, messages) = data([command, &file]);
        assert_eq!((code, output.as_str()), (1, ""));
        assert!(messages.contains("x.safetensors`: is not a packed data set"), "{messages}");
        assert_eq!(data([command, folder.path().to_str().unwrap()]).0, 1);
    }
}

#[test]
fn usage_errors_have_their_own_exit_code() {
    assert_eq!(data(["import", "fer2013"]).0, 2);
    assert_eq!(data(["import", "folder", "x", "--out", "y", "--labels", "feelings"]).0, 2);
    assert_eq!(data(["import", "folder", "x", "--out", "y", "--size", "0"]).0, 2);
}
