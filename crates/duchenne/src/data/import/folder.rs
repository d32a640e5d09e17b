//! Imports folders of pictures, one folder a class: `<split>/<class>/` or `<class>/`, whatever folder is around them.

use std::path::Path;

use crate::data::error::DataError;
use crate::data::import::classes::ClassChoice;
use crate::data::import::listing::{Listed, Listing};
use crate::data::import::picture_tree::PictureTree;
use crate::data::import::sample::{FaceCropper, Shaping, Sizing};
use crate::data::import::subjects::SubjectPattern;
use crate::data::packed::builder::Imported;
use crate::data::packed::split::{Origin, SYNTHETIC_MARK, Split};
use crate::data::{FACE_SIDE, Progress, counted};
use crate::expression::LabelSet;

/// The choices of an import of pictures.
#[derive(Debug, Clone)]
pub struct PictureOptions<'a> {
    /// The data set's name.
    pub name: String,
    /// The classes.
    pub classes: ClassChoice,
    /// The way in which the pictures come to one size.
    pub sizing: Sizing,
    /// Whether the samples are in colour; else gray.
    pub color: bool,
    /// Where the face is cut out of each picture first.
    pub cropper: Option<&'a dyn FaceCropper>,
    /// How a picture's path names the person, where it does.
    pub subjects: Option<SubjectPattern>,
    /// Whether all pictures are generated; then they may only train.
    pub synthetic: bool,
    /// Whether pictures that cannot be read are left out, and listed in the notes, instead of refused.
    pub skip_broken: bool,
}

impl<'a> PictureOptions<'a> {
    /// Whole pictures, gray, scaled to 48 x 48 pixels, of the classes that they name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            classes: ClassChoice::default(),
            sizing: Sizing::Scale(FACE_SIDE as u32),
            color: false,
            cropper: None,
            subjects: None,
            synthetic: false,
            skip_broken: false,
        }
    }

    /// FER-2013's 48x48 pictures.
    pub fn fer2013() -> Self {
        Self {
            classes: ClassChoice::exactly(LabelSet::Fer2013),
            sizing: Sizing::Exactly(FACE_SIDE as u32),
            ..Self::new("fer2013")
        }
    }

    pub(crate) fn shaping(&self) -> Shaping<'a> {
        Shaping { sizing: self.sizing, color: self.color, cropper: self.cropper }
    }
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

/// Imports the pictures of the folder or zip archive `source`, in the order of their paths, to the packed file `out`,
/// whole or not at all.
///
/// # Errors
/// [`DataError`] naming the file and what was expected.
pub fn import(
    source: &Path,
    layout: Layout,
    options: &PictureOptions<'_>,
    out: &Path,
    progress: Progress<'_>,
) -> Result<Imported, DataError> {
    let mut tree = PictureTree::open(source)?;
    let listing = list(&tree, layout, options)?;
    listing.pack(&mut tree, &[], options, out, progress)
}

/// Reads all names, before the first picture is decoded.
fn list(tree: &PictureTree, layout: Layout, options: &PictureOptions<'_>) -> Result<Listing, DataError> {
    let around = if layout == Layout::Classes { folders_around(tree, options) } else { 0 };
    let (mut named, mut stray) = (Vec::new(), Vec::new());
    for (index, parts) in tree.paths().enumerate() {
        match Named::of(&parts[around.min(parts.len())..], layout) {
            Ok(one) => named.push((index, one)),
            Err(problem) => stray.push(tree.error(index, problem)),
        }
    }
    let has_split = |named: &Named<'_>| named.split.is_some();
    let first = named.first().map(|(_, named)| has_split(named));
    if let Some((index, _)) = named.iter().find(|(_, named)| Some(has_split(named)) != first) {
        let problem = "the folder mixes <split>/<class>/ with <class>/; expected one of the two";
        return Err(tree.error(*index, problem));
    }
    // Without a single picture in its place, the stray ones say what is wrong.
    if named.is_empty()
        && let Some(error) = stray.pop()
    {
        return Err(error);
    }
    let label_set = options.classes.label_set_of(named.iter().map(|(_, named)| named.class));
    let label_set = label_set.map_err(|problem| DataError::file(tree.path(), problem))?;
    let mut listing = Listing::new(&options.name, label_set);
    for error in stray {
        listing.add(Err(error), options.skip_broken)?;
    }
    let mut untold = 0;
    for (index, named) in named.iter().map(|(index, named)| (*index, named)) {
        let listed = named.listed(index, layout, label_set, options);
        untold += usize::from(layout == Layout::Fer2013 && is_untold(named));
        listing.add(listed.map_err(|problem| tree.error(index, problem)), options.skip_broken)?;
    }
    if untold > 0 {
        listing.notes.push(format!(
            "{} without PublicTest or PrivateTest in the file name: all of them are the test split, and `duchenne train \
             --validation 0.1` holds out a validation split of training",
            counted(untold, "test picture")
        ));
    }
    Ok(listing)
}

/// How many folders are around `<split>/<class>/` or `<class>/`: those that all pictures lie in and that are neither a split nor
/// known to be a class.
fn folders_around(tree: &PictureTree, options: &PictureOptions<'_>) -> usize {
    let Some(first) = tree.paths().next() else { return 0 };
    let shallowest = tree.paths().map(<[String]>::len).min().unwrap_or(0);
    let is_around = |depth: &usize| {
        let name = &first[*depth];
        let class = options.classes.meaning(name);
        let is_class = LabelSet::usual_name(class).is_some()
            || options.classes.label_set.is_some_and(|set| set.label_of(class).is_some());
        !is_class && Split::from_word(name).is_none() && tree.paths().all(|parts| parts[*depth] == *name)
    };
    // A class folder and the file remain.
    (0..shallowest.saturating_sub(2)).take_while(is_around).count()
}

/// What the parts of a picture's path are.
#[derive(Debug, Clone, Copy)]
struct Named<'a> {
    split: Option<Split>,
    class: &'a str,
    file: &'a str,
}

impl<'a> Named<'a> {
    fn of(parts: &'a [String], layout: Layout) -> Result<Self, String> {
        let (split, class, file) = match (layout, parts) {
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
        let split = split.map(|name| {
            Split::from_word(name).ok_or_else(|| {
                format!("folder `{name}` is not a split, expected train, validation, test or unassigned")
            })
        });
        Ok(Self { split: split.transpose()?, class, file })
    }

    fn listed(
        &self,
        index: usize,
        layout: Layout,
        label_set: LabelSet,
        options: &PictureOptions<'_>,
    ) -> Result<Listed, String> {
        let label =
            options.classes.label(self.class, label_set).map_err(|problem| format!("folder {problem}"))?;
        let mut split = self.split.unwrap_or(Split::Training);
        if layout == Layout::Fer2013 {
            split = refine(split, self.file)?;
        }
        let stem = self.file.rsplit_once('.').map_or(self.file, |(stem, _)| stem);
        let synthetic = options.synthetic || stem.ends_with(SYNTHETIC_MARK);
        if synthetic && split != Split::Training {
            return Err(format!("is synthetic and in the {split} split; generated faces may only train"));
        }
        let origin = if synthetic { Origin::Synthetic } else { Origin::Photograph };
        Ok(Listed { origin, ..Listed::photograph(index, label, split) })
    }
}

/// The split that a file name of FER-2013 says.
fn usage_in(file: &str) -> Option<Split> {
    file.split_once('_').and_then(|(usage, _)| Split::from_usage(usage.as_bytes()))
}

/// Whether a test picture of FER-2013 could be of PublicTest or of PrivateTest.
fn is_untold(named: &Named<'_>) -> bool {
    named.split == Some(Split::Test) && usage_in(named.file).is_none()
}

/// The split that folder and file name say together: names such as `PrivateTest_123.jpg` tell test
/// pictures apart, and must not contradict the folder.
fn refine(folder: Split, file: &str) -> Result<Split, String> {
    match (folder, usage_in(file)) {
        (_, None) => Ok(folder),
        (Split::Test, Some(named @ (Split::Validation | Split::Test))) => Ok(named),
        (folder, Some(named)) if folder == named => Ok(folder),
        (folder, Some(named)) => {
            Err(format!("its name says {named}, but it lies in a folder of the {folder} split"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(path: &str, layout: Layout, options: &PictureOptions<'_>) -> Result<Listed, String> {
        let parts: Vec<String> = path.split('/').map(str::to_owned).collect();
        let label_set = options.classes.label_set.unwrap();
        Named::of(&parts, layout)?.listed(0, layout, label_set, options)
    }

    #[test]
    fn fer2013_file_names_tell_test_pictures_apart() {
        let options = PictureOptions::fer2013();
        let split = |path| listed(path, Layout::Fer2013, &options).map(|listed| listed.split);
        assert_eq!(split("archive/train/angry/Training_3908.jpg"), Ok(Split::Training));
        assert_eq!(split("test/sad/PublicTest_1.jpg"), Ok(Split::Validation));
        assert_eq!(split("test/sad/PrivateTest_1.jpg"), Ok(Split::Test));
        assert_eq!(split("test/sad/im7.png"), Ok(Split::Test));
        assert_eq!(split("val/sad/im7.png"), Ok(Split::Validation));
        assert!(split("train/sad/PrivateTest_1.jpg").unwrap_err().contains("its name says test"));
        assert!(split("test/sad/Training_1.jpg").unwrap_err().contains("its name says training"));
        assert!(split("sad/im7.png").unwrap_err().contains("expected train/<class>/<picture>"));
        assert!(split("holdout/sad/im7.png").unwrap_err().contains("`holdout` is not a split"));
        let error = split("train/suprise/im7.png").unwrap_err();
        assert!(
            error.contains("folder `suprise` is not a class") && error.contains("did you mean"),
            "{error}"
        );
    }

    #[test]
    fn classes_alone_are_training() {
        let options =
            PictureOptions { classes: ClassChoice::exactly(LabelSet::CkPlus), ..PictureOptions::fer2013() };
        let place = |path| listed(path, Layout::Classes, &options);
        let found = place("contempt/a.png").unwrap();
        assert_eq!((found.label, found.split, found.origin), (1, Split::Training, Origin::Photograph));
        assert_eq!(place("training/contempt/7-synthetic.png").unwrap().origin, Origin::Synthetic);
        assert!(place("test/contempt/7-synthetic.png").unwrap_err().contains("only train"));
        assert!(place("x/training/contempt/a.png").is_err());
    }
}
