//! Imports RAF-DB, the Real-world Affective Faces Database (Li, Deng and Du 2017), as its authors hand it out, or as it is
//! passed around.
//!
//! - the list `list_patition_label.txt` (spelt so), a line `train_00001.jpg 5` a picture, beside the pictures or their
//!   aligned copies (`train_00001_aligned.jpg`, which are taken where they are there);
//! - folders `train/1/` to `test/7/`.
//!
//! The numbers are 1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger, 7 neutral.

use std::path::Path;

use crate::data::error::{DataError, RowProblem, excerpt};
use crate::data::import::classes::ClassChoice;
use crate::data::import::folder::{self, Layout, PictureOptions};
use crate::data::import::listing::{Listed, Listing};
use crate::data::import::lookup::Lookup;
use crate::data::import::picture_tree::PictureTree;
use crate::data::packed::builder::Imported;
use crate::data::packed::split::Split;
use crate::data::{Progress, counted};
use crate::expression::LabelSet;

/// The names of the list, as its authors spell it and as they meant to.
const LISTS: [&str; 2] = ["list_patition_label.txt", "list_partition_label.txt"];

/// Imports RAF-DB's seven basic classes from the folder or zip archive `source` to the packed file `out`, whole or not at
/// all.
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
    let lists = tree.others_named(|name| LISTS.contains(&name));
    let Some((list, _)) = lists.first() else {
        let options = PictureOptions { classes: ClassChoice::exactly(LabelSet::RafDb), ..options.clone() };
        return folder::import(source, Layout::Classes, &options, out, progress);
    };
    let text = tree.text(*list)?;
    let mut listing = Listing::new(&options.name, LabelSet::RafDb);
    let files = Lookup::new(&tree);
    let mut originals = 0;
    for (line, row) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
        let listed = listed(line, &files, &mut originals).map_err(|problem| DataError::Row {
            path: source.join(LISTS[0]),
            row,
            problem: RowProblem::Field(problem),
        });
        listing.add(listed, options.skip_broken)?;
    }
    if originals > 0 && originals < listing.listed.len() {
        let count = counted(originals, "picture");
        listing
            .notes
            .push(format!("{count} without an _aligned copy: whole pictures are among the aligned faces"));
    }
    listing.pack(&mut tree, text.as_bytes(), options, out, progress)
}

/// The picture of a line; counts those of which there is no aligned copy.
fn listed(line: &str, files: &Lookup, originals: &mut usize) -> Result<Listed, String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [name, number] = fields[..] else {
        return Err(format!("`{}`, expected `train_00001.jpg 5`", excerpt(line.as_bytes())));
    };
    let label = number.parse().ok().and_then(|number| LabelSet::RafDb.label_of_number(number));
    let label = label.ok_or_else(|| format!("label `{}`, expected 1 to 7", excerpt(number.as_bytes())))?;
    let split = name.split_once('_').and_then(|(split, _)| Split::from_word(split));
    let shown = || excerpt(name.as_bytes());
    let split =
        split.ok_or_else(|| format!("`{}`, expected a name that begins with train_ or test_", shown()))?;
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, "jpg"));
    let aligned = format!("{stem}_aligned.{ending}");
    let picture = match files.find(&aligned) {
        Ok(picture) => picture,
        Err(_) => {
            let original = files.find(name).map_err(|problem| format!("{problem}, nor its _aligned copy"))?;
            *originals += 1;
            original
        }
    };
    Ok(Listed::photograph(picture, label, split))
}
