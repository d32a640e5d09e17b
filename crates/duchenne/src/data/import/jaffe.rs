//! Imports JAFFE, the Japanese Female Facial Expression set (Lyons, Akamatsu, Kamachi and Gyoba 1998), as its authors hand
//! it out: pictures named such as `KA.AN1.39.tiff`: the person, the expression and its take, a number.
//!
//! No split is assigned: ten persons are shown about 21 times each, so folds must be drawn by subject.

use std::path::Path;

use crate::data::Progress;
use crate::data::error::DataError;
use crate::data::import::folder::PictureOptions;
use crate::data::import::listing::{Listed, Listing};
use crate::data::import::picture_tree::PictureTree;
use crate::data::packed::builder::Imported;
use crate::data::packed::split::Split;
use crate::expression::LabelSet;

/// The expressions of the file names.
const EXPRESSIONS: [(&str, &str); 7] = [
    ("AN", "angry"),
    ("DI", "disgust"),
    ("FE", "fear"),
    ("HA", "happy"),
    ("NE", "neutral"),
    ("SA", "sad"),
    ("SU", "surprise"),
];

/// Imports JAFFE from the folder or zip archive `source`, in the order of file names, to the packed file `out`, whole or
/// not at all.
///
/// # Errors
/// [`DataError`] naming the file and what was expected.
pub fn import(
    source: &Path,
    options: &PictureOptions<'_>,
    out: &Path,
    progress: Progress<'_>,
) -> Result<Imported, DataError> {
    let mut tree = PictureTree::open(source)?;
    let mut listing = Listing::new(&options.name, LabelSet::Fer2013);
    for (index, parts) in tree.paths().enumerate() {
        let listed = parts.last().and_then(|name| named(name)).map(|(person, label)| Listed {
            subject: Some(person.to_owned()),
            ..Listed::photograph(index, label, Split::Unassigned)
        });
        let problem = "expected a name like KA.AN1.39.tiff (person, expression and take, number)";
        listing.add(listed.ok_or_else(|| tree.error(index, problem)), options.skip_broken)?;
    }
    if options.cropper.is_none() {
        listing.notes.push(
            "JAFFE's pictures show hair and shoulders: --detect cuts the faces out as the built-in models know them"
                .to_owned(),
        );
    }
    listing.pack(&mut tree, &[], options, out, progress)
}

/// Person and label in a file name.
fn named(name: &str) -> Option<(&str, u8)> {
    let mut parts = name.split('.');
    let (person, expression) = (parts.next()?, parts.next()?);
    let is_person = person.len() == 2 && person.bytes().all(|letter| letter.is_ascii_alphabetic());
    let (code, take) = expression.split_at_checked(2)?;
    let is_take = !take.is_empty() && take.bytes().all(|digit| digit.is_ascii_digit());
    let (_, class) = EXPRESSIONS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(code))?;
    (is_person && is_take).then_some((person, LabelSet::Fer2013.label_of(class)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_person_and_expression() {
        assert_eq!(named("KA.AN1.39.tiff"), Some(("KA", 0)));
        assert_eq!(named("YM.SU3.60.tiff"), Some(("YM", 5)));
        for wrong in ["KA.XX1.39.tiff", "KA.AN.39.tiff", "K.AN1.39.tiff", "happy.tiff", "KA.Aé1.tiff", ""] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }
}
