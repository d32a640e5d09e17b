//! Imports CK+ (Lucey et al. 2010), as its university hands it out or as it is passed around: 327 films of 118 subjects,
//! from the neutral face to the height of an expression.
//!
//! - the zip archive or folder of 981 pictures of 48x48, the last three frames of each film, in folders of classes;
//! - `cohn-kanade-images/S010/004/S010_004_00000017.png` beside `Emotion/S010/004/S010_004_00000019_emotion.txt`, whose
//!   number is 0 neutral, 1 anger, 2 contempt, 3 disgust, 4 fear, 5 happy, 6 sadness or 7 surprise.
//!
//! No split is assigned: neighbouring frames are near copies, so folds must be drawn by subject.

use std::collections::BTreeMap;
use std::path::Path;

use crate::data::error::{DataError, excerpt};
use crate::data::import::folder::PictureOptions;
use crate::data::import::listing::{Listed, Listing};
use crate::data::import::picture_tree::PictureTree;
use crate::data::import::sample::Sizing;
use crate::data::packed::builder::{Imported, Take};
use crate::data::packed::split::Split;
use crate::data::{FACE_SIDE, Progress, counted};
use crate::expression::LabelSet;

/// The end of the names of files that hold a film's expression.
const EMOTION: &str = "_emotion.txt";
/// The frames of each film that show its expression.
const LAST_FRAMES: usize = 3;
/// The classes of the numbers in these files.
const NUMBERED: [&str; 8] = ["neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise"];

/// The choices of an import of CK+.
#[derive(Debug, Clone)]
pub struct CkPlusOptions<'a> {
    /// How pictures of 640x490 become samples; those of 48x48 stay as they are.
    pub pictures: PictureOptions<'a>,
    /// Whether the first frame of each film becomes a neutral sample: then the classes are eight.
    pub neutral: bool,
}

impl CkPlusOptions<'_> {
    /// Pictures of 48x48 as they are, or frames scaled to that, without neutral ones.
    pub fn new() -> Self {
        Self { pictures: PictureOptions::new("ckplus"), neutral: false }
    }
}

impl Default for CkPlusOptions<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// Imports CK+ from the folder or zip archive `source` to the packed file `out`, whole or not at all.
///
/// # Errors
/// [`DataError`] naming the file and what was expected.
pub fn import(
    source: &Path,
    options: &CkPlusOptions<'_>,
    out: &Path,
    progress: Progress<'_>,
) -> Result<Imported, DataError> {
    let mut tree = PictureTree::open(source)?;
    let emotions = tree.others_named(|name| name.ends_with(EMOTION));
    if !emotions.is_empty() {
        return import_films(&mut tree, emotions, options, out, progress);
    }
    if options.neutral {
        let problem =
            "holds no films, whose first frames would be neutral (cohn-kanade-images/ and Emotion/)";
        return Err(DataError::file(source, problem));
    }
    let mut listing = Listing::new(&options.pictures.name, LabelSet::CkPlus);
    for (index, parts) in tree.paths().enumerate() {
        let listed = place_of(parts).map(|(label, take)| Listed {
            take: Some(take),
            ..Listed::photograph(index, label, Split::Unassigned)
        });
        listing.add(listed.map_err(|problem| tree.error(index, problem)), options.pictures.skip_broken)?;
    }
    let mut pictures = options.pictures.clone();
    if pictures.sizing == Sizing::Scale(FACE_SIDE as u32) && pictures.cropper.is_none() {
        // Another size is a sign of other pictures.
        pictures.sizing = Sizing::Exactly(FACE_SIDE as u32);
    }
    listing.pack(&mut tree, &[], &pictures, out, progress)
}

/// The frames of films as the university hands them out; `emotions` are the files that name their expressions.
fn import_films(
    tree: &mut PictureTree,
    emotions: Vec<(usize, String)>,
    options: &CkPlusOptions<'_>,
    out: &Path,
    progress: Progress<'_>,
) -> Result<Imported, DataError> {
    let (pictures, skip_broken) = (&options.pictures, options.pictures.skip_broken);
    // Frames of each film, in the order of their numbers.
    let mut films: BTreeMap<[u16; 2], Vec<(Take, usize)>> = BTreeMap::new();
    let mut stray = Vec::new();
    for (index, parts) in tree.paths().enumerate() {
        let take = parts.last().and_then(|name| take_of(name));
        let problem = "expected a name like S010_004_00000017.png (subject, sequence, frame)";
        let Some(take) = take else {
            stray.push(tree.error(index, problem));
            continue;
        };
        films.entry([take.subject, take.sequence]).or_default().push((take, index));
    }
    films.values_mut().for_each(|frames| frames.sort_unstable());
    let label_set = if options.neutral { LabelSet::FerPlus } else { LabelSet::CkPlus };
    let mut listing = Listing::new(&pictures.name, label_set);
    for error in stray {
        listing.add(Err(error), skip_broken)?;
    }
    let (mut texts, mut told) = (String::new(), 0);
    for (index, name) in emotions {
        let text = tree.text(index)?;
        let refused = |problem: String| DataError::entry(tree.path(), &name, problem);
        let file = name.rsplit('/').next().unwrap_or_default();
        let found = take_of(&format!("{}.txt", file.trim_end_matches(EMOTION)))
            .ok_or_else(|| "expected a name like S010_004_00000019_emotion.txt".to_owned())
            .and_then(|take| Ok((take, class_of(&text, label_set)?)));
        let frames = found.and_then(|(take, label)| match films.get(&[take.subject, take.sequence]) {
            Some(frames) => Ok((frames, label)),
            None => Err(format!(
                "there are no frames of film S{:03}_{:03} under cohn-kanade-images/",
                take.subject, take.sequence
            )),
        });
        match frames.map_err(refused) {
            Ok((frames, label)) => {
                let sample = |(take, picture): &(Take, usize), label| Listed {
                    take: Some(*take),
                    ..Listed::photograph(*picture, label, Split::Unassigned)
                };
                if options.neutral && frames.len() > LAST_FRAMES {
                    let neutral = label_set.label_of("neutral").expect("FER+ has neutral");
                    listing.listed.push(sample(&frames[0], neutral));
                }
                let last = &frames[frames.len().saturating_sub(LAST_FRAMES)..];
                listing.listed.extend(last.iter().map(|frame| sample(frame, label)));
                told += 1;
            }
            Err(error) => listing.add(Err(error), skip_broken)?,
        }
        texts += &text;
    }
    let untold = films.len().saturating_sub(told);
    if untold > 0 {
        listing.notes.push(format!("left out {} without a label", counted(untold, "film")));
    }
    if pictures.cropper.is_none() {
        listing.notes.push(
            "the frames show head and shoulders: --detect cuts the faces out as the built-in models know them"
                .to_owned(),
        );
    }
    listing.pack(tree, texts.as_bytes(), pictures, out, progress)
}

/// The label in a file such as `   3.0000000e+00`.
fn class_of(text: &str, label_set: LabelSet) -> Result<u8, String> {
    let number =
        text.trim().parse::<f64>().ok().filter(|number| (0.0..8.0).contains(number) && number.fract() == 0.0);
    let name = number.and_then(|number| NUMBERED.get(number as usize));
    name.and_then(|name| label_set.label_of(name)).ok_or_else(|| {
        format!("`{}`, expected the number of an expression, 1 to 7", excerpt(text.trim().as_bytes()))
    })
}

/// Label and take of a picture from its path, or the problem of the path.
fn place_of(parts: &[String]) -> Result<(u8, Take), String> {
    let [.., class, file] = parts else {
        return Err("expected <class>/S<subject>_<sequence>_<frame>.png".to_owned());
    };
    let label = LabelSet::CkPlus.label_or_question(class).map_err(|problem| format!("folder {problem}"))?;
    let take = take_of(file)
        .ok_or_else(|| "expected a name like S010_004_00000017.png (subject, sequence, frame)".to_owned())?;
    Ok((label, take))
}

/// The take that a file name such as `S010_004_00000017.png` names.
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
    fn numbers_are_classes() {
        assert_eq!(class_of("   3.0000000e+00\n", LabelSet::CkPlus), Ok(2));
        assert_eq!(class_of("0", LabelSet::FerPlus), Ok(0));
        for wrong in ["0", "8", "2.5", "", "nan", "-1"] {
            assert!(class_of(wrong, LabelSet::CkPlus).unwrap_err().contains("1 to 7"), "{wrong}");
        }
    }

    #[test]
    fn classes_are_found_whatever_folder_is_around_them() {
        let parts = ["CK+48", "contempt", "S138_008_00000007.png"].map(str::to_owned);
        assert_eq!(place_of(&parts).unwrap().0, 1);
        assert!(place_of(&parts[1..]).is_ok());
        assert!(place_of(&parts[2..]).is_err());
        let neutral = ["neutral", "S138_008_00000007.png"].map(str::to_owned);
        assert!(place_of(&neutral).unwrap_err().contains("folder `neutral` is not a class"));
    }
}
