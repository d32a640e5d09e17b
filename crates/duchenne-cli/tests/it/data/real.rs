//! The importers on the real data sets, where `DUCHENNE_DATA` says where they are.

use super::*;

#[test]
fn the_real_fer2013_gives_the_published_figures() {
    let Some(real) = real_data("the_real_fer2013_gives_the_published_figures") else { return };
    let folder = tempfile::tempdir().unwrap();
    let source = real.join("fer2013.csv.xz");
    let votes = real.join("fer2013new.csv");
    let arguments = ["fer2013", source.to_str().unwrap(), "--ferplus", votes.to_str().unwrap()];
    let (dataset, messages) = import(folder.path(), &arguments);
    assert!(!messages.contains("note"), "{messages}");
    assert_eq!(dataset.training().unwrap().len(), 28_709);
    assert_eq!(dataset.validation().unwrap().len(), 3_589);
    assert_eq!(dataset.test().unwrap().len(), 3_589);

    let packed = path_in(&folder, "packed.safetensors");
    let info = json(&["info", &packed, "--json"]);
    for (split, counts) in [
        ("training", [3995, 436, 4097, 7215, 4830, 3171, 4965]),
        ("validation", [467, 56, 496, 895, 653, 415, 607]),
        ("test", [491, 55, 528, 879, 594, 416, 626]),
    ] {
        for (class, count) in CLASSES.iter().zip(counts) {
            assert_eq!(info["splits"][split]["classes"][class], count, "{split} {class}");
        }
    }
    let findings = json(&["check", &packed, "--json"]);
    assert_eq!(findings["distinct_images"], 34_034);
    assert_eq!(findings["also_in_training"]["test"]["count"], 288);
    assert_eq!(findings["also_in_training"]["validation"]["count"], 280);
    assert_eq!(findings["conflicting_labels"]["count"], 57);
    assert_eq!(findings["constant"]["count"], 12);
    let duplicated = duchenne::data::packed::findings::training_duplicates(&dataset);
    let private = dataset.test().unwrap();
    assert_eq!(private.rows().iter().filter(|&&row| duplicated[row as usize]).count(), 288);
    // One row has nine votes.
    let short = (0..dataset.len()).filter(|&row| dataset.votes(row).unwrap().iter().sum::<u8>() != 10);
    assert_eq!(short.count(), 1);
}

#[test]
fn the_real_ckplus_has_118_subjects() {
    let Some(real) = real_data("the_real_ckplus_has_118_subjects") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (dataset, _) = import(folder.path(), &["ckplus", real.join("CK+48.zip").to_str().unwrap()]);
    let mut counts = [0; 7];
    let (mut subjects, mut films) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    for row in 0..dataset.len() {
        counts[usize::from(dataset.label(row))] += 1;
        subjects.insert(dataset.subject(row).unwrap());
        films.insert((dataset.subject(row).unwrap(), dataset.sequence(row).unwrap()));
    }
    assert_eq!(counts, [135, 54, 177, 75, 207, 84, 249]);
    assert_eq!((dataset.len(), subjects.len(), films.len()), (981, 118, 327));
}
