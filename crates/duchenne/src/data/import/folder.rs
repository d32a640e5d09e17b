//! Imports folders of pictures, one folder a class: `<split>/<class>/` or `<class>/`.

use std::path::Path;

use crate::data::error::DataError;
use crate::data::import::picture_tree::{PictureTree, Sizing};
use crate::data::packed::builder::{Imported, PackedBuilder};
use crate::data::packed::split::{Origin, SYNTHETIC_MARK, Split};
use crate::data::{FACE_SIDE, Progress, counted};
use crate::expression::LabelSet;

/// The choices of an import from folders.
#[derive(Debug, Clone)]
pub struct FolderOptions {
    /// The data set's name.
    pub name: String,
    /// The label set whose classes the folders are named after.
    pub label_set: LabelSet,
    /// The way in which the pictures come to one size.
    pub sizing: Sizing,
    /// Whether all pictures are generated; then they may only train.
    pub synthetic: bool,
    /// The folders around the pictures.
    pub layout: Layout,
    /// Whether pictures that cannot be read are left out, and listed in the notes, instead of refused.
    pub skip_broken: bool,
}

/// The folders around the pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `<split>/<class>/`, or `<class>/` where everything is Training.
    Classes,
    /// FER-2013 as passed around: `train/<class>/` and `test/<class>/`, where file names such as
    /// `PrivateTest_123.jpg` may tell the test pictures apart.
    Fer2013,
}

impl FolderOptions {
    /// FER-2013 as folders of 48x48 pictures.
    pub fn fer2013() -> Self {
        Self {
            name: "fer2013".to_owned(),
            label_set: LabelSet::Fer2013,
            sizing: Sizing::Exactly(FACE_SIDE as u32),
            synthetic: false,
            layout: Layout::Fer2013,
            skip_broken: false,
        }
    }
}

/// Imports the pictures of the folder or zip archive `source`, in the order of their paths, to the packed file `out`,
/// whole or not at all.
///
/// # Errors
/// [`DataError`] naming the file and what was expected.
pub fn import(
    source: &Path,
    options: &FolderOptions,
    out: &Path,
    progress: Progress<'_>,
) -> Result<Imported, DataError> {
    let mut tree = PictureTree::open(source)?.skip_broken(options.skip_broken);
    // All names are checked before the first picture is decoded.
    let mut places = Vec::new();
    for (index, parts) in tree.paths().enumerate() {
        places.push(place_of(parts, options).map_err(|problem| tree.error(index, problem))?);
    }
    let depth = |parts: &[String]| parts.len() > 2;
    if options.layout == Layout::Classes {
        let first = tree.paths().next().map(depth);
        if let Some(index) = tree.paths().position(|parts| Some(depth(parts)) != first) {
            let problem = "the folder mixes <split>/<class>/ with <class>/; expected one of the two";
            return Err(tree.error(index, problem));
        }
    }
    let side = options.sizing.side();
    let mut builder = PackedBuilder::new(&options.name, options.label_set, side, side);
    let source_checksum = tree.read_all(options.sizing, progress, |index, pixels| {
        let Place { label, split, origin } = places[index];
        builder.push(pixels, label, split, origin)
    })?;
    let mut notes: Vec<String> = tree.broken().iter().map(|error| format!("left out: {error}")).collect();
    if tree.skipped() > 0 {
        notes.push(format!("skipped {} without a picture extension", counted(tree.skipped(), "file")));
    }
    let unknown = places.iter().filter(|place| place.split == Split::Test).count();
    if unknown > 0 {
        notes.push(format!(
            "{} without PublicTest or PrivateTest in the file name: kept as `test`, and what needs the \
             difference will refuse this data set",
            counted(unknown, "test picture")
        ));
    }
    let samples = builder.len();
    builder.write(out, &source_checksum)?;
    Ok(Imported { samples, notes })
}

/// The label, split and origin that a picture's path gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    label: u8,
    split: Split,
    origin: Origin,
}

/// Reads the parts of a picture's path, or gives their problem.
fn place_of(parts: &[String], options: &FolderOptions) -> Result<Place, String> {
    let (split, class, file) = match (options.layout, parts) {
        (Layout::Classes, [class, file]) => (None, class, file),
        (Layout::Classes, [split, class, file]) => (Some(split), class, file),
        (Layout::Fer2013, [.., split, class, file]) => (Some(split), class, file),
        (Layout::Classes, _) => {
            return Err("expected <class>/<picture> or <split>/<class>/<picture>".to_owned());
        }
        (Layout::Fer2013, _) => {
            return Err("expected train/<class>/<picture> or test/<class>/<picture>".to_owned());
        }
    };
    let label = options.label_set.label_of(class).ok_or_else(|| {
        let names = options.label_set.names().join(", ");
        format!("folder `{class}` is not a class of {}, expected one of {names}", options.label_set)
    })?;
    let mut split = match split {
        None => Split::Training,
        Some(name) => Split::from_folder_name(name).ok_or_else(|| {
            let names: Vec<&str> = Split::ALL.into_iter().map(Split::key).collect();
            format!("folder `{name}` is not a split, expected train or one of {}", names.join(", "))
        })?,
    };
    if options.layout == Layout::Fer2013 {
        split = refine(split, file)?;
    }
    let stem = file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem);
    let synthetic = options.synthetic || stem.ends_with(SYNTHETIC_MARK);
    if synthetic && split != Split::Training {
        return Err(format!("is synthetic and in the {split} split; generated faces may only train"));
    }
    Ok(Place { label, split, origin: if synthetic { Origin::Synthetic } else { Origin::Photograph } })
}

/// The split that folder and file name say together: names such as `PrivateTest_123.jpg` tell test
/// pictures apart, and must not contradict the folder.
fn refine(folder: Split, file: &str) -> Result<Split, String> {
    let named = file.split_once('_').and_then(|(usage, _)| Split::from_usage(usage.as_bytes()));
    match (folder, named) {
        (_, None) => Ok(folder),
        (Split::Test, Some(named @ (Split::PublicTest | Split::PrivateTest))) => Ok(named),
        (folder, Some(named)) if folder == named => Ok(folder),
        (folder, Some(named)) => {
            Err(format!("its name says {named}, but it lies in a folder of the {folder} split"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str, options: &FolderOptions) -> Result<Place, String> {
        let parts: Vec<String> = path.split('/').map(str::to_owned).collect();
        place_of(&parts, options)
    }

    #[test]
    fn fer2013_file_names_tell_test_pictures_apart() {
        let options = FolderOptions::fer2013();
        let split = |path| place(path, &options).map(|place| place.split);
        assert_eq!(split("archive/train/angry/Training_3908.jpg"), Ok(Split::Training));
        assert_eq!(split("test/sad/PublicTest_1.jpg"), Ok(Split::PublicTest));
        assert_eq!(split("test/sad/PrivateTest_1.jpg"), Ok(Split::PrivateTest));
        assert_eq!(split("test/sad/im7.png"), Ok(Split::Test));
        assert!(split("train/sad/PrivateTest_1.jpg").unwrap_err().contains("its name says private-test"));
        assert!(split("test/sad/Training_1.jpg").unwrap_err().contains("its name says training"));
        assert!(split("sad/im7.png").unwrap_err().contains("expected train/<class>/<picture>"));
        assert!(split("val/sad/im7.png").unwrap_err().contains("`val` is not a split"));
        assert!(
            split("train/contempt/im7.png").unwrap_err().contains("`contempt` is not a class of fer2013")
        );
    }

    #[test]
    fn classes_alone_are_training() {
        let options = FolderOptions {
            layout: Layout::Classes,
            label_set: LabelSet::CkPlus,
            ..FolderOptions::fer2013()
        };
        let expected = Place { label: 1, split: Split::Training, origin: Origin::Photograph };
        assert_eq!(place("contempt/a.png", &options), Ok(expected));
        assert_eq!(place("training/contempt/7-synthetic.png", &options).unwrap().origin, Origin::Synthetic);
        assert!(place("private-test/contempt/7-synthetic.png", &options).unwrap_err().contains("only train"));
        assert!(place("x/training/contempt/a.png", &options).is_err());
    }
}
