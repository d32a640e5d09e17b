//! Imports RAF-DB, the Real-world Affective Faces Database (Li, Deng and Du 2017), as its authors hand it out, or as it is
//! passed around.
//!
//! - the list `list_patition_label.txt` (spelt so), a line `train_00001.jpg 5` a picture, beside the pictures or their
//!   aligned copies (`train_00001_aligned.jpg`, which are taken where they are there);
//! - folders `train/1/` to `test/7/`.
//!
//! The numbers are 1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger, 7 neutral.

use std::collections::HashMap;
use std::path::Path;

use crate::data::Progress;
use crate::data::error::{DataError, RowProblem, excerpt};
use crate::data::import::classes::ClassChoice;
use crate::data::import::folder::{self, Layout, PictureOptions};
use crate::data::import::listing::{Listed, Listing};
use crate::data::import::picture_tree::PictureTree;
use crate::data::packed::builder::Imported;
use crate::data::packed::split::Split;
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
    let is_list = |parts: &[String]| parts.last().is_some_and(|name| LISTS.contains(&name.as_str()));
    let list = tree.others().position(is_list);
    let Some(list) = list else {
        let options = PictureOptions { classes: ClassChoice::exactly(LabelSet::RafDb), ..options.clone() };
        return folder::import(source, Layout::Classes, &options, out, progress);
    };
    let text = tree.text(list)?;
    let mut listing = Listing::new(&options.name, LabelSet::RafDb);
    let files: HashMap<&str, usize> = by_file_name(&tree);
    for (line, row) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
        let listed = listed(line, &files).map_err(|problem| DataError::Row {
            path: source.join(LISTS[0]),
            row,
            problem: RowProblem::Field(problem),
        });
        listing.add(listed, options.skip_broken)?;
    }
    listing.pack(&mut tree, text.as_bytes(), &options.shaping(), options.skip_broken, out, progress)
}

/// All pictures by their file names; the list names no folders.
pub(super) fn by_file_name(tree: &PictureTree) -> HashMap<&str, usize> {
    let named = tree.paths().enumerate();
    named.filter_map(|(index, parts)| Some((parts.last()?.as_str(), index))).collect()
}

fn listed(line: &str, files: &HashMap<&str, usize>) -> Result<Listed, String> {
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
    let picture = files.get(aligned.as_str()).or_else(|| files.get(name));
    let picture = picture.ok_or_else(|| format!("there is neither `{}` nor its _aligned copy", shown()))?;
    Ok(Listed::photograph(*picture, label, split))
}
