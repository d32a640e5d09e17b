//! Imports AffectNet (Mollahosseini, Hasani and Mahoor 2017), as its authors hand it out or as it is passed around.
//!
//! - csv lists (`training.csv`, `validation.csv`) with the columns `subDirectory_filePath`, `face_x`, `face_y`,
//!   `face_width`, `face_height` and `expression`, beside the pictures;
//! - folders `train/0/` to `val/7/`, or with names.
//!
//! The numbers are 0 neutral, 1 happy, 2 sad, 3 surprise, 4 fear, 5 disgust, 6 anger, 7 contempt; 8 none, 9 uncertain and
//! 10 no face are left out of the lists. The lists' paths begin in `Manually_Annotated_Images/` or wherever their folders are.

use std::path::Path;

use crate::data::error::DataError;
use crate::data::import::classes::ClassChoice;
use crate::data::import::folder::{self, Layout, PictureOptions};
use crate::data::import::listing::Listing;
use crate::data::import::picture_tree::PictureTree;
use crate::data::import::table::Rows;
use crate::data::packed::builder::Imported;
use crate::data::packed::split::Split;
use crate::data::{Progress, counted};
use crate::expression::LabelSet;

/// The numbers of rows that show no expression.
const NO_EXPRESSION: [&str; 3] = ["8", "9", "10"];

/// Imports AffectNet's eight expressions from the folder or zip archive `source` to the packed file `out`, whole or not at
/// all.
///
/// # Errors
/// [`DataError`] naming the file or row and what was expected.
pub fn import(
    source: &Path,
    options: &PictureOptions<'_>,
    out: &Path,
    progress: Progress<'_>,
) -> Result<Imported, DataError> {
    let options = &PictureOptions { classes: ClassChoice::exactly(LabelSet::AffectNet), ..options.clone() };
    let mut tree = PictureTree::open(source)?;
    let lists = tree.others_named(|name| name.to_lowercase().ends_with(".csv"));
    if lists.is_empty() {
        return folder::import(source, Layout::Classes, options, out, progress);
    }
    let mut all = Listing::new(&options.name, LabelSet::AffectNet);
    let mut texts = String::new();
    let mut without = 0;
    for (index, name) in lists {
        let text = tree.text(index)?;
        let mut rows = Rows::read(&source.join(&name), &text, &[])?;
        let count = rows.len();
        rows.retain_labels(|label| !NO_EXPRESSION.contains(&label));
        without += count - rows.len();
        let mut listing = rows.listing(&tree, options)?;
        // The names of the lists are the only word on splits.
        if rows.columns.split.is_none() {
            let split = split_of(&name).ok_or_else(|| {
                let problem = "has no column for splits, and its name does not say which of train, valid and test it is";
                DataError::entry(source, &name, problem)
            })?;
            listing.listed.iter_mut().for_each(|listed| listed.split = split);
        }
        all.listed.append(&mut listing.listed);
        all.broken.append(&mut listing.broken);
        texts += &text;
    }
    if without > 0 {
        let rows = counted(without, "row");
        all.notes.push(format!("left out {rows} without an expression (8 none, 9 uncertain, 10 no face)"));
    }
    all.pack(&mut tree, texts.as_bytes(), options, out, progress)
}

/// The split that a list's name says, such as `Manually_Annotated_file_lists/validation.csv`.
fn split_of(name: &str) -> Option<Split> {
    let file = name.rsplit('/').next()?.to_lowercase();
    let words = file.split(|character: char| !character.is_alphanumeric());
    words.into_iter().find_map(Split::from_word)
}
