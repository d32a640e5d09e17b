//! Imports CK+ from the zip archive or folder of 48x48 pictures that is passed around
//! (Lucey et al. 2010): 981 pictures, the last three frames of 327 films of 118 subjects.
//!
//! No split is assigned: neighbouring frames are near copies, so folds must be drawn by subject.

use std::path::Path;

use crate::data::error::DataError;
use crate::data::import::picture_tree::{PictureTree, Sizing};
use crate::data::packed::builder::{Imported, PackedBuilder, Take};
use crate::data::packed::split::{Origin, Split};
use crate::data::{FACE_SIDE, Progress, counted};
use crate::expression::LabelSet;

/// Imports CK+ from the folder or zip archive `source`, in the order of class and file name, to the packed file
/// `out`, whole or not at all.
///
/// # Errors
/// [`DataError`] naming the file and what was expected.
pub fn import(source: &Path, out: &Path, progress: Progress<'_>) -> Result<Imported, DataError> {
    let mut tree = PictureTree::open(source)?;
    let (mut labels, mut takes) = (Vec::new(), Vec::new());
    for (index, parts) in tree.paths().enumerate() {
        let (label, take) = place_of(parts).map_err(|problem| tree.error(index, problem))?;
        labels.push(label);
        takes.push(take);
    }
    let mut builder = PackedBuilder::new("ckplus", LabelSet::CkPlus, FACE_SIDE, FACE_SIDE);
    let source_checksum = tree.read_all(Sizing::Exactly(FACE_SIDE as u32), progress, |index, pixels| {
        builder.push(pixels, labels[index], Split::Unassigned, Origin::Photograph)
    })?;
    builder.set_takes(takes)?;
    let mut notes = Vec::new();
    if tree.skipped() > 0 {
        notes.push(format!("skipped {} without a picture extension", counted(tree.skipped(), "file")));
    }
    let samples = builder.len();
    builder.write(out, &source_checksum)?;
    Ok(Imported { samples, notes })
}

/// Label and take of a picture from its path, or the problem of the path.
fn place_of(parts: &[String]) -> Result<(u8, Take), String> {
    let [.., class, file] = parts else {
        return Err("expected <class>/S<subject>_<sequence>_<frame>.png".to_owned());
    };
    let label = LabelSet::CkPlus.label_of(class).ok_or_else(|| {
        format!(
            "folder `{class}` is not a class of ckplus, expected one of {}",
            LabelSet::CkPlus.names().join(", ")
        )
    })?;
    let take = take_of(file)
        .ok_or_else(|| "expected a name like S010_004_00000017.png (subject, sequence, frame)".to_owned())?;
    Ok((label, take))
}

fn take_of(file: &str) -> Option<Take> {
    let (stem, _) = file.rsplit_once('.')?;
    let mut numbers = stem.strip_prefix(['S', 's'])?.split('_');
    let mut next = || {
        // `parse` alone would take a sign.
        numbers.next().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
    };
    let take = Take { subject: next()?, sequence: next()?, frame: next()? };
    numbers.next().is_none().then_some(take)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_subject_sequence_and_frame() {
        assert_eq!(take_of("S010_004_00000017.png"), Some(Take { subject: 10, sequence: 4, frame: 17 }));
        for wrong in ["S010_004.png", "S010_004_00000017", "010_004_17.png", "S1_2_3_4.png", "S1_2_+3.png"] {
            assert_eq!(take_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn classes_are_found_whatever_folder_is_around_them() {
        let parts = ["CK+48", "contempt", "S138_008_00000007.png"].map(str::to_owned);
        assert_eq!(place_of(&parts).unwrap().0, 1);
        assert!(place_of(&parts[1..]).is_ok());
        assert!(place_of(&parts[2..]).is_err());
        let neutral = ["neutral", "S138_008_00000007.png"].map(str::to_owned);
        assert!(place_of(&neutral).unwrap_err().contains("`neutral` is not a class of ckplus"));
    }
}
