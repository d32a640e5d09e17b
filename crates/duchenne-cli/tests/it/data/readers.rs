//! Public sets in the forms that people hold, made small: their published descriptions are cited in the readers.

use super::*;
use duchenne::LabelSet;

/// What a packed set holds, row by row: label's name, split, what its pixels are made from.
fn rows(dataset: &PackedDataset) -> Vec<(&'static str, Split, u8)> {
    let seed = |row: usize| (0..=255).find(|seed| dataset.image(row) == pixels(*seed)).unwrap_or(255);
    let names = dataset.label_set().names();
    (0..dataset.len())
        .map(|row| (names[usize::from(dataset.label(row))], dataset.split(row), seed(row)))
        .collect()
}

/// A picture of 48x48 made from a number, at a path.
fn picture(folder: &Path, name: &str, seed: u8) {
    put(folder, name, png(48, pixels(seed)));
}

/// Runs a reader on the folder `set` and checks that it fails with these pieces in one line, and that with --skip-broken
/// it keeps `kept` pictures and says what it left out.
fn broken(folder: &Path, reader: &str, pieces: &[&str], kept: usize) {
    let set = folder.join("set");
    let set = set.to_str().unwrap();
    let out = folder.join("out");
    fs::create_dir(&out).unwrap();
    let packed = out.join("packed.safetensors");
    let (code, _, messages) = data(["import", reader, set, "--out", packed.to_str().unwrap()]);
    assert_eq!(code, 1, "{messages}");
    for piece in pieces {
        assert!(messages.contains(piece), "`{piece}` is not in: {messages}");
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
    fs::remove_dir(&out).unwrap();
    let (dataset, messages) = import(folder, &[reader, set, "--skip-broken"]);
    assert_eq!(dataset.len(), kept, "{messages}");
    assert!(
        messages.contains("left out:") && pieces.iter().all(|piece| messages.contains(piece)),
        "{messages}"
    );
}

#[test]
fn rafdb_by_its_list_and_by_folders() {
    let folder = tempfile::tempdir().unwrap();
    picture(folder.path(), "set/Image/aligned/train_00001_aligned.jpg", 1);
    picture(folder.path(), "set/Image/original/train_00001.jpg", 9);
    picture(folder.path(), "set/Image/original/test_0001.jpg", 2);
    let list = "train_00001.jpg 5\ntest_0001.jpg 7\n";
    put(folder.path(), "set/EmoLabel/list_patition_label.txt", list);
    let expected = [("sad", Split::Training, 1), ("neutral", Split::Test, 2)];
    let (dataset, messages) = import(folder.path(), &["rafdb", &path_in(&folder, "set")]);
    assert_eq!((rows(&dataset), dataset.label_set()), (expected.to_vec(), LabelSet::RafDb), "{messages}");
    assert!(messages.contains("note: 1 picture without an _aligned copy"), "{messages}");

    let entries: Vec<(&str, Vec<u8>)> = [("x/train/5/a.png", 1), ("x/test/7/b.png", 2)]
        .map(|(name, seed)| (name, png(48, pixels(seed))))
        .to_vec();
    let entries: Vec<(&str, &[u8])> = entries.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let archive = put(folder.path(), "raf.zip", zip(&entries));
    let (dataset, _) = import(folder.path(), &["rafdb", &archive]);
    let mut found = rows(&dataset);
    found.sort_by_key(|row| row.2);
    assert_eq!(found, expected);

    for (line, piece) in [
        ("train_00002.jpg 5", "there is no picture `train_00002.jpg` under"),
        ("train_00001.jpg 8", "label `8`, expected 1 to 7"),
        ("00001.jpg 5", "begins with train_ or test_"),
        ("train_00001.jpg", "expected `train_00001.jpg 5`"),
    ] {
        put(folder.path(), "set/EmoLabel/list_patition_label.txt", format!("{list}{line}\n"));
        broken(folder.path(), "rafdb", &["row 3", piece], 2);
    }
}

#[test]
fn affectnet_by_its_lists_and_by_folders() {
    let folder = tempfile::tempdir().unwrap();
    let header = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal\n";
    // The face of the first picture is its middle.
    let large: Vec<u8> = (0..96 * 96_u32)
        .map(|index| {
            let (x, y) = (index % 96, index / 96);
            let inside = (24..72).contains(&x) && (24..72).contains(&y);
            if inside { pixels(1)[((y - 24) * 48 + x - 24) as usize] } else { 0 }
        })
        .collect();
    put(folder.path(), "set/Manually_Annotated_Images/689/a.png", png(96, large));
    picture(folder.path(), "set/Manually_Annotated_Images/22/b.png", 2);
    let training = format!("{header}689/a.png,24,24,48,48,1;2,3,-0.4,0.2\n22/b.png,0,0,48,48,1;2,10,-2,-2\n");
    let validation = format!("{header}22/b.png,0,0,48,48,1;2,7,0,0\n");
    put(folder.path(), "set/Manually_Annotated_file_lists/training.csv", &training);
    put(folder.path(), "set/Manually_Annotated_file_lists/validation.csv", validation);
    let (dataset, messages) = import(folder.path(), &["affectnet", &path_in(&folder, "set")]);
    assert_eq!(rows(&dataset), [("surprise", Split::Training, 1), ("contempt", Split::Validation, 2)]);
    assert!(messages.contains("left out 1 row without an expression"), "{messages}");

    for (line, piece) in [
        ("x/none.png,0,0,48,48,,0,0,0", "there is no picture `x/none.png`"),
        ("22/b.png,0,0,48,48,,11,0,0", "`11` is not a class"),
        ("22/b.png,40,40,48,48,,1,0,0", "outside of the picture (48x48 pixels)"),
    ] {
        put(folder.path(), "set/Manually_Annotated_file_lists/training.csv", format!("{training}{line}\n"));
        broken(folder.path(), "affectnet", &[piece], 2);
    }
    put(folder.path(), "set/Manually_Annotated_file_lists/training.csv", "path,mood\na.png,1\n");
    let out = path_in(&folder, "no");
    let (code, _, messages) = data(["import", "affectnet", &path_in(&folder, "set"), "--out", &out]);
    assert!(code == 1 && messages.contains("has no column for the label"), "{messages}");

    picture(folder.path(), "numbered/train_set/4/a.png", 3);
    picture(folder.path(), "numbered/val_set/0/b.png", 4);
    let (dataset, _) = import(folder.path(), &["affectnet", &path_in(&folder, "numbered")]);
    assert_eq!(rows(&dataset), [("fear", Split::Training, 3), ("neutral", Split::Validation, 4)]);
}

#[test]
fn jaffe_by_its_names() {
    let folder = tempfile::tempdir().unwrap();
    for (name, seed) in [("KA.AN1.39.png", 1), ("KA.HA2.30.png", 2), ("YM.SU3.60.png", 3)] {
        picture(folder.path(), &format!("set/{name}"), seed);
    }
    let (dataset, messages) = import(folder.path(), &["jaffe", &path_in(&folder, "set")]);
    let none = Split::Unassigned;
    assert_eq!(rows(&dataset), [("angry", none, 1), ("happy", none, 2), ("surprise", none, 3)]);
    assert_eq!([0, 1, 2].map(|row| dataset.subject(row).unwrap()), [0, 0, 1]);
    assert_eq!(dataset.sequence(0), None);
    assert!(messages.contains("--detect"), "{messages}");
    picture(folder.path(), "set/somebody.png", 4);
    broken(folder.path(), "jaffe", &["`somebody.png`: expected a name like KA.AN1.39.tiff"], 3);
}

#[test]
fn expw_by_its_list() {
    let folder = tempfile::tempdir().unwrap();
    // Two faces in one picture, the right one first in the list.
    let two: Vec<u8> = (0..96 * 96_u32)
        .map(|index| {
            let (x, y) = (index % 96, index / 96);
            let seed = if x < 48 { 1 } else { 2 };
            if y < 48 { pixels(seed)[(y * 48 + x % 48) as usize] } else { 0 }
        })
        .collect();
    put(folder.path(), "set/origin/two.png", png(96, two));
    let list = "two.png 0 0 48 96 48 61.3 3\ntwo.png 1 0 0 48 48 22.9 0\n";
    put(folder.path(), "set/label/label.lst", list);
    let (dataset, messages) = import(folder.path(), &["expw", &path_in(&folder, "set")]);
    assert_eq!(rows(&dataset), [("happy", Split::Training, 2), ("angry", Split::Training, 1)]);
    assert!(messages.contains("no splits"), "{messages}");
    for (line, piece) in [
        ("none.png 0 0 0 48 48 1 3", "there is no picture `none.png`"),
        ("two.png 2 0 0 48 48 1 9", "label `9`, expected 0 to 6"),
        ("two.png 2 200 200 248 248 1 3", "outside of the picture (96x96 pixels)"),
        ("two.png 3", "has 2 fields"),
    ] {
        put(folder.path(), "set/label/label.lst", format!("{list}{line}\n"));
        broken(folder.path(), "expw", &[piece], 2);
    }
}

#[test]
fn ckplus_as_its_university_hands_it_out() {
    let folder = tempfile::tempdir().unwrap();
    for (film, frames) in [("S010/004", 1..=6_u8), ("S011/001", 11..=13), ("S011/002", 21..=22)] {
        let name = film.replace('/', "_");
        for seed in frames {
            let path = format!("set/cohn-kanade-images/{film}/{name}_{:08}.png", seed % 10);
            picture(folder.path(), &path, seed);
        }
    }
    put(folder.path(), "set/Emotion/S010/004/S010_004_00000006_emotion.txt", "   7.0000000e+00\n");
    put(folder.path(), "set/Emotion/S011/001/S011_001_00000003_emotion.txt", "   2.0000000e+00\n");
    let set = path_in(&folder, "set");
    let (dataset, messages) = import(folder.path(), &["ckplus", &set]);
    let none = Split::Unassigned;
    let surprise = [4, 5, 6].map(|seed| ("surprise", none, seed));
    let contempt = [11, 12, 13].map(|seed| ("contempt", none, seed));
    assert_eq!(rows(&dataset), [surprise, contempt].concat());
    assert_eq!((dataset.subject(0), dataset.sequence(0), dataset.frame(0)), (Some(10), Some(4), Some(4)));
    assert!(messages.contains("left out 1 film without a label"), "{messages}");

    let (dataset, _) = import(folder.path(), &["ckplus", &set, "--neutral"]);
    let neutral = [("neutral", none, 1)];
    // A film of three frames has no neutral one to spare.
    assert_eq!(rows(&dataset), [&neutral[..], &surprise, &contempt].concat());
    assert_eq!(dataset.label_set(), LabelSet::FerPlus);

    put(folder.path(), "set/Emotion/S011/002/S011_002_00000002_emotion.txt", "9\n");
    broken(folder.path(), "ckplus", &["`9`, expected the number of an expression"], 6);
    put(folder.path(), "set/Emotion/S011/002/S011_002_00000002_emotion.txt", "1\n");
    put(folder.path(), "set/Emotion/S012/001/S012_001_00000002_emotion.txt", "1\n");
    broken(folder.path(), "ckplus", &["there are no frames of film S012_001"], 8);
}

#[test]
fn ferplus_as_folders_of_its_program() {
    let folder = tempfile::tempdir().unwrap();
    let row = |name: &str, votes: &str| format!("{name},\"(0, 0, 48, 48)\",{votes}\n");
    picture(folder.path(), "set/FER2013Train/fer0000000.png", 1);
    picture(folder.path(), "set/FER2013Train/fer0000001.png", 2);
    picture(folder.path(), "set/FER2013Test/fer0035801.png", 3);
    let training =
        row("fer0000000.png", "4,0,0,1,3,2,0,0,0,0") + &row("fer0000001.png", "0,0,0,0,0,0,0,0,0,10");
    put(folder.path(), "set/FER2013Train/label.csv", &training);
    put(folder.path(), "set/FER2013Test/label.csv", row("fer0035801.png", "0,9,0,1,0,0,0,0,0,0"));
    let (dataset, messages) = import(folder.path(), &["ferplus", &path_in(&folder, "set")]);
    let mut found = rows(&dataset);
    found.sort_by_key(|row| row.2);
    assert_eq!(found, [("neutral", Split::Training, 1), ("happy", Split::Test, 3)]);
    assert!(messages.contains("left out 1 picture in which raters saw no face"), "{messages}");
    assert!((0..2).all(|row| dataset.votes(row).unwrap().iter().sum::<u8>() == 10));
    put(folder.path(), "set/FER2013Train/label.csv", training + &row("none.png", "10,0,0,0,0,0,0,0,0,0"));
    broken(folder.path(), "ferplus", &["there is no picture `FER2013Train/none.png`"], 2);
    put(folder.path(), "other/label.csv", "x");
    picture(folder.path(), "other/a.png", 1);
    let out = path_in(&folder, "no");
    let (code, _, messages) = data(["import", "ferplus", &path_in(&folder, "other"), "--out", &out]);
    assert!(code == 1 && messages.contains("lies in no folder of FER2013Train"), "{messages}");
}

#[test]
fn tables_with_everything_and_with_little() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 1..=4 {
        picture(folder.path(), &format!("set/pictures/{seed}.png"), seed);
    }
    let header = "path;label;split;subject;box;votes";
    let votes = "0 9 0 1 0 0 0 0 0 0";
    let line = |seed: u8, label: &str, split: &str, subject: &str| {
        format!("pictures/{seed}.png;{label};{split};{subject};0 0 48 48;{votes}\n")
    };
    let table = format!(
        "\u{feff}{header}\n{}{}{}",
        line(3, "bored", "train", "ann"),
        line(1, "awake", "valid", "bob"),
        line(2, "bored", "test", "ann")
    );
    let source = put(folder.path(), "set/table.csv", &table);
    let (dataset, messages) = import(folder.path(), &["table", &source]);
    assert_eq!(dataset.label_set().names(), ["awake", "bored"]);
    let expected =
        [("bored", Split::Training, 3), ("awake", Split::Validation, 1), ("bored", Split::Test, 2)];
    assert_eq!(rows(&dataset), expected);
    assert_eq!([0, 1, 2].map(|row| dataset.subject(row).unwrap()), [0, 1, 0]);
    assert_eq!(dataset.votes(0).unwrap(), [0, 9, 0, 1, 0, 0, 0, 0, 0, 0]);
    assert!(messages.contains("note: not in the table: 1 picture under the root"), "{messages}");
    assert_eq!((dataset.name(), messages.contains("of awake, bored")), ("table", true));

    // Names that differ in case or are synonyms are one class.
    let source = put(
        folder.path(),
        "set/names.csv",
        "path,label\npictures/1.png,Happy\npictures/2.png,happiness\npictures/3.png,Tired\npictures/4.png,tired\n",
    );
    let (dataset, _) = import(folder.path(), &["table", &source]);
    assert_eq!(dataset.label_set().names(), ["happy", "Tired"]);
    assert_eq!((0..4).map(|row| dataset.label(row)).collect::<Vec<_>>(), [0, 0, 1, 1]);

    // Another root, other columns, an index, classes by number.
    let source = put(folder.path(), "list.tsv", "\tfile\tmood\n0\t4.png\t2\n1\t1.png\t1\n");
    let root = path_in(&folder, "set/pictures");
    let arguments = ["table", &source, "--root", &root, "--column", "label=mood", "--map", "1=awake,2=bored"];
    let (dataset, messages) = import(folder.path(), &arguments);
    assert_eq!(rows(&dataset), [("bored", Split::Training, 4), ("awake", Split::Training, 1)]);
    assert!(messages.contains("no column for splits"), "{messages}");

    // What is wrong, one by one: a sentence with the row, or left out on request.
    for (bad, piece) in [
        (line(9, "bored", "train", "ann"), "row 4: there is no picture `pictures/9.png`"),
        (line(4, "bored", "holdout", "ann"), "row 4: split `holdout`, expected training"),
        (line(4, "bored", "train", ""), "row 4: names no subject"),
        (
            line(4, "bored", "train", "ann").replace("0 0 48 48", "0 0 48"),
            "row 4: box `0 0 48`, expected four numbers",
        ),
        (line(4, "bored", "train", "ann").replace("0 0 48 48", "90 0 48 48"), "outside of the picture"),
        ("pictures/4.png;bored\n".to_owned(), "row 4: has 2 fields, expected 6"),
        (line(4, "bored", "train", "ann").replace(votes, "1 2"), "row 4: votes `1 2`, expected ten numbers"),
    ] {
        let source = put(folder.path(), "set/bad.csv", table.clone() + &bad);
        let out = path_in(&folder, "bad.safetensors");
        let (code, _, messages) = data(["import", "table", &source, "--out", &out]);
        assert!(code == 1 && messages.contains(piece) && !Path::new(&out).exists(), "{piece}: {messages}");
        let (dataset, messages) = import(folder.path(), &["table", &source, "--skip-broken"]);
        assert!(dataset.len() == 3 && messages.contains(piece), "{messages}");
    }
    let source = put(folder.path(), "set/bad.csv", table + &line(4, "bore", "train", "ann"));
    let out = path_in(&folder, "bad.safetensors");
    let (code, _, messages) = data(["import", "table", &source, "--classes", "awake,bored", "--out", &out]);
    assert!(code == 1 && messages.contains("row 4: `bore` is not a class"), "{messages}");
    assert!(messages.contains("did you mean `bored`?"), "{messages}");
    let (code, _, messages) = data(["import", "table", &source, "--column", "label=mood", "--out", &out]);
    assert!(code == 1 && messages.contains("has no column `mood`"), "{messages}");
}

#[test]
fn faces_are_found_and_pictures_without_one_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let drawn = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/faces.png")).unwrap();
    put(folder.path(), "set/happy/faces.png", drawn);
    picture(folder.path(), "set/bored/stripes.png", 7);
    let set = path_in(&folder, "set");
    let (whole, _) = import(folder.path(), &["folder", &set]);
    let whole = whole.image(1).to_vec();
    let (found, messages) = import(folder.path(), &["folder", &set, "--detect", "--size", "64"]);
    assert_eq!((found.len(), found.width(), found.label_set().names()), (1, 64, &["bored", "happy"][..]));
    assert!(
        messages.contains("left out 1 picture in which no face was found: bored/stripes.png"),
        "{messages}"
    );
    assert_ne!(found.image(0)[..48], whole[..48]);
}

#[test]
fn subjects_come_from_names_and_stay_on_one_side() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..40_u8 {
        let class = ["calm", "glad"][usize::from(seed % 2)];
        picture(folder.path(), &format!("set/{class}/p{}_{seed}.png", seed / 4), seed);
    }
    let set = path_in(&folder, "set");
    let (dataset, _) = import(folder.path(), &["folder", &set, "--subject-pattern", "/p([0-9]+)_"]);
    assert!(dataset.subject(0).is_some());
    let (packed, out) = (path_in(&folder, "packed.safetensors"), path_in(&folder, "split.safetensors"));
    let split = ["split", &packed, "--validation", "0.2", "--test", "0.3", "--seed", "5", "--out", &out];
    let (code, _, messages) = data(split);
    assert_eq!(code, 0, "{messages}");
    let drawn = PackedDataset::open(&out).unwrap();
    assert_eq!([drawn.validation().unwrap().len(), drawn.test().unwrap().len()], [8, 12]);
    assert_eq!(json(&["check", &out, "--json"])["subjects_across_splits"]["count"], 0);
    // Asked to, it breaks persons apart, and the check says so.
    let (code, ..) = data(split.iter().chain(&["--by", "picture"]));
    assert_eq!(code, 0);
    assert_ne!(json(&["check", &out, "--json"])["subjects_across_splits"]["count"], 0);
    let refused = data(["split", &out, "--test", "0.1", "--out", &path_in(&folder, "x")]);
    assert!(refused.0 == 1 && refused.2.contains("has a test split of 12 already"), "{}", refused.2);
    let (code, _, messages) =
        data(["import", "folder", &set, "--subject-pattern", "/q([0-9]+)_", "--out", &path_in(&folder, "x")]);
    assert!(code == 1 && messages.contains("finds no person in its path"), "{messages}");
    let (code, _, messages) =
        data(["import", "folder", &set, "--subject-pattern", "p[0-9]+", "--out", &path_in(&folder, "x")]);
    assert!(code == 2 && messages.contains("expected a group in parentheses"), "{messages}");
}

#[test]
fn folders_within_folders_and_every_name_of_a_split() {
    let folder = tempfile::tempdir().unwrap();
    for (name, seed) in [
        ("set/archive/data/train/Bored/a.png", 1),
        ("set/archive/data/Valid/Bored/b.png", 2),
        ("set/archive/data/testing/Happiness/c.png", 3),
    ] {
        picture(folder.path(), name, seed);
    }
    let (dataset, _) = import(folder.path(), &["folder", &path_in(&folder, "set")]);
    let mut found = rows(&dataset);
    found.sort_by_key(|row| row.2);
    let expected =
        [("Bored", Split::Training, 1), ("Bored", Split::Validation, 2), ("happy", Split::Test, 3)];
    assert_eq!(found, expected);
    let (code, _, messages) = data(["info", &path_in(&folder, "packed.safetensors")]);
    assert!(code == 0 && messages.is_empty());
}
