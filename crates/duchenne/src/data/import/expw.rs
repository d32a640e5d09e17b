//! Imports ExpW, the Expression in-the-Wild data set (Zhang, Luo, Loy and Tang 2018), as its authors hand it out: pictures
//! and `label.lst`, a line a face: `image_name face_id top left right bottom confidence label`.
//!
//! The labels are 0 angry, 1 disgust, 2 fear, 3 happy, 4 sad, 5 surprise, 6 neutral. There are no splits.

use std::path::Path;

use crate::data::Progress;
use crate::data::error::{DataError, RowProblem, excerpt};
use crate::data::import::folder::PictureOptions;
use crate::data::import::listing::{Listed, Listing};
use crate::data::import::lookup::Lookup;
use crate::data::import::picture_tree::{PictureTree, Wanted};
use crate::data::import::sample::Bounds;
use crate::data::packed::builder::Imported;
use crate::data::packed::split::Split;
use crate::expression::LabelSet;

/// The list's name.
const LIST: &str = "label.lst";

/// Imports the faces of ExpW from the folder or zip archive `source` to the packed file `out`, whole or not at all.
///
/// # Errors
/// [`DataError`] naming the file or line and what was expected.
pub fn import(
    source: &Path,
    options: &PictureOptions<'_>,
    out: &Path,
    progress: Progress<'_>,
) -> Result<Imported, DataError> {
    let mut tree = PictureTree::open(source)?;
    let lists = tree.others_named(|name| name == LIST);
    let list =
        lists.first().ok_or_else(|| DataError::file(source, format!("holds no list of faces `{LIST}`")));
    let text = tree.text(list?.0)?;
    let mut listing = Listing::new(&options.name, LabelSet::Fer2013);
    let files = Lookup::new(&tree);
    for (line, row) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
        let listed = face(line).and_then(|(name, bounds, label)| {
            let picture = files.find(name)?;
            let wanted = Wanted { picture, bounds: Some(bounds) };
            Ok(Listed { wanted, ..Listed::photograph(picture, label, Split::Training) })
        });
        let listed = listed.map_err(|problem| DataError::Row {
            path: source.join(LIST),
            row,
            problem: RowProblem::Field(problem),
        });
        listing.add(listed, options.skip_broken)?;
    }
    listing
        .notes
        .push("ExpW has no splits: all faces are training; `duchenne data split` draws splits".to_owned());
    listing.pack(&mut tree, text.as_bytes(), options, out, progress)
}

/// Picture, place and label of a line.
fn face(line: &str) -> Result<(&str, Bounds, u8), String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [name, _, top, left, right, bottom, _, label] = fields[..] else {
        let problem = "expected image_name face_id top left right bottom confidence label";
        return Err(format!("has {} fields, {problem}", fields.len()));
    };
    let pixels = |text: &str| {
        let value = text.parse::<i32>().map(i64::from);
        value.map_err(|_| format!("box value `{}`, expected a number of pixels", excerpt(text.as_bytes())))
    };
    let bounds =
        Bounds { left: pixels(left)?, top: pixels(top)?, right: pixels(right)?, bottom: pixels(bottom)? };
    let number = label.parse().ok().and_then(|number| LabelSet::Fer2013.label_of_number(number));
    let label = number.ok_or_else(|| format!("label `{}`, expected 0 to 6", excerpt(label.as_bytes())))?;
    Ok((name, bounds, label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_top_left_right_bottom() {
        let (name, bounds, label) = face("afraid_African_214.jpg 0 28 113 226 141 22.9362 6").unwrap();
        assert_eq!((name, label), ("afraid_African_214.jpg", 6));
        assert_eq!(bounds, Bounds { top: 28, left: 113, right: 226, bottom: 141 });
        assert!(face("a.jpg 0 1 2 3 4 6").unwrap_err().contains("has 7 fields"));
        assert!(face("a.jpg 0 1 2 3 x 5 6").unwrap_err().contains("`x`"));
        assert!(face("a.jpg 0 1 2 3 4 5 7").unwrap_err().contains("expected 0 to 6"));
    }
}
