//! A *listing* is what a reader understands of a data set before the first picture is decoded: which picture has which
//! label, split, person and place in the file. [`Listing::pack`] turns it into a packed data set, the same way for all
//! readers.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use crate::data::error::DataError;
use crate::data::import::folder::PictureOptions;
use crate::data::import::picture_tree::{PictureTree, Wanted};
use crate::data::import::subjects::SubjectPattern;
use crate::data::packed::builder::{Imported, PackedBuilder, Take};
use crate::data::packed::split::{Origin, Split};
use crate::data::packed::votes::VOTE_COLUMNS;
use crate::data::{Progress, counted};
use crate::expression::LabelSet;
use crate::files::checksum::SourceChecksum;

/// Names that a note lists of what was left out.
const NAMED: usize = 20;

/// A picture as a data set lists it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub wanted: Wanted,
    pub label: u8,
    pub split: Split,
    pub origin: Origin,
    /// The person, by the data set's name.
    pub subject: Option<String>,
    /// Film and frame of that person, numbers of CK+.
    pub take: Option<Take>,
    pub votes: Option<[u8; VOTE_COLUMNS]>,
}

impl Listed {
    /// A photograph of which nothing else is known.
    pub(crate) fn photograph(picture: usize, label: u8, split: Split) -> Self {
        Self {
            wanted: Wanted { picture, bounds: None },
            label,
            split,
            origin: Origin::Photograph,
            subject: None,
            take: None,
            votes: None,
        }
    }
}

/// What a reader understands of a data set.
#[derive(Debug)]
pub(crate) struct Listing {
    pub name: String,
    pub label_set: LabelSet,
    pub listed: Vec<Listed>,
    /// Remarks for the user, one sentence each.
    pub notes: Vec<String>,
    /// Why parts of the source were left out, where that was asked for.
    pub broken: Vec<String>,
    /// Whether files that are no pictures belong beside the pictures, and need not be told of.
    pub has_others: bool,
}

impl Listing {
    /// An empty one.
    pub(crate) fn new(name: impl Into<String>, label_set: LabelSet) -> Self {
        Self {
            name: name.into(),
            label_set,
            listed: Vec::new(),
            notes: Vec::new(),
            broken: Vec::new(),
            has_others: false,
        }
    }

    /// Keeps a listed picture, or, where broken ones are skipped, why there is none.
    pub(crate) fn add(
        &mut self,
        listed: Result<Listed, DataError>,
        skip_broken: bool,
    ) -> Result<(), DataError> {
        match listed {
            Ok(listed) => self.listed.push(listed),
            Err(error) if skip_broken => self.broken.push(error.to_string()),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Decodes the pictures of `tree` and writes the packed file `out`, whole or not at all. `text` is what else the
    /// source consists of, such as its table, for the checksum.
    ///
    /// # Errors
    /// [`DataError`] naming the picture and what was expected; a picture that is broken only where these are not skipped.
    pub(crate) fn pack(
        mut self,
        tree: &mut PictureTree,
        text: &[u8],
        options: &PictureOptions<'_>,
        out: &Path,
        progress: Progress<'_>,
    ) -> Result<Imported, DataError> {
        let (shaping, skip_broken) = (&options.shaping(), options.skip_broken);
        for error in tree.take_broken() {
            self.add(Err(error), skip_broken)?;
        }
        if let Some(pattern) = &options.subjects {
            self.name_subjects(pattern, tree, skip_broken)?;
        }
        let numbers = self.numbered_subjects(tree)?;
        if self.listed.is_empty() {
            let first = self.broken.first().map_or(String::new(), |problem| format!("; first: {problem}"));
            return Err(DataError::file(tree.path(), format!("holds no picture that can be read{first}")));
        }
        let side = shaping.sizing.side();
        let mut builder = PackedBuilder::new(&self.name, self.label_set, side, side);
        if shaping.color {
            builder = builder.in_color();
        }
        builder.begin_file(out, &SourceChecksum::new().text())?;
        let wanted: Vec<Wanted> = self.listed.iter().map(|listed| listed.wanted).collect();
        // Which of the listed pictures became samples.
        let mut kept: Vec<usize> = Vec::with_capacity(wanted.len());
        let mut faceless = Vec::new();
        let checksum = tree.read(&wanted, text, shaping, progress, |index, pixels| {
            let Listed { label, split, origin, .. } = self.listed[index];
            match pixels {
                Ok(Some(pixels)) => {
                    builder.push(&pixels, label, split, origin)?;
                    kept.push(index);
                }
                Ok(None) => faceless.push(index),
                Err(error) if skip_broken => self.broken.push(error.to_string()),
                Err(error) => return Err(error),
            }
            Ok(())
        })?;
        if kept.is_empty() {
            let problem = match self.broken.first() {
                Some(first) => format!("holds no picture that can be read; first: {first}"),
                None => {
                    "holds no picture in which a face is found; without --detect, whole pictures are taken"
                        .to_owned()
                }
            };
            return Err(DataError::file(tree.path(), problem));
        }
        self.keep_what_is_known(&kept, &numbers, &mut builder)?;
        let mut notes = std::mem::take(&mut self.notes);
        notes.extend(left_out(&self.broken));
        if !faceless.is_empty() {
            let names =
                faceless.iter().take(NAMED).map(|index| tree.name(self.listed[*index].wanted.picture));
            let names = names.collect::<Vec<_>>().join(", ");
            let more = if faceless.len() > NAMED { ", ..." } else { "" };
            notes.push(format!(
                "left out {} in which no face was found: {names}{more}",
                counted(faceless.len(), "picture")
            ));
        }
        if tree.skipped() > 0 && !self.has_others {
            notes.push(format!("skipped {} without a picture extension", counted(tree.skipped(), "file")));
        }
        let samples = builder.len();
        builder.write(out, &checksum)?;
        Ok(Imported { samples, notes })
    }

    /// Takes the persons from the pictures' paths, where the set does not name them itself.
    fn name_subjects(
        &mut self,
        pattern: &SubjectPattern,
        tree: &PictureTree,
        skip_broken: bool,
    ) -> Result<(), DataError> {
        if self.listed.iter().any(|listed| listed.subject.is_some() || listed.take.is_some()) {
            self.notes.push("the set names its persons itself: the subject pattern is not used".to_owned());
            return Ok(());
        }
        for mut listed in std::mem::take(&mut self.listed) {
            let picture = listed.wanted.picture;
            let named = pattern.subject(&tree.name(picture)).map(|subject| {
                listed.subject = Some(subject);
                listed
            });
            self.add(named.map_err(|problem| tree.error(picture, problem)), skip_broken)?;
        }
        Ok(())
    }

    /// A number for each person, in the order of their names.
    fn numbered_subjects(&self, tree: &PictureTree) -> Result<HashMap<String, u16>, DataError> {
        let all: BTreeSet<&String> =
            self.listed.iter().filter_map(|listed| listed.subject.as_ref()).collect();
        if all.len() > usize::from(u16::MAX) + 1 {
            let problem = format!(
                "{} are named, at most 65,536 are kept apart; leave the subject column or pattern out",
                counted(all.len(), "person")
            );
            return Err(DataError::file(tree.path(), problem));
        }
        Ok(all.into_iter().cloned().zip(0..=u16::MAX).collect())
    }

    /// Persons, films and votes of the samples, where all of them have these.
    fn keep_what_is_known(
        &self,
        kept: &[usize],
        numbers: &HashMap<String, u16>,
        builder: &mut PackedBuilder,
    ) -> Result<(), DataError> {
        let rows = || kept.iter().map(|index| &self.listed[*index]);
        if let Some(takes) = rows().map(|listed| listed.take).collect::<Option<Vec<_>>>() {
            builder.set_takes(takes)?;
        } else if let Some(names) = rows().map(|listed| listed.subject.as_ref()).collect::<Option<Vec<_>>>() {
            builder.set_subjects(names.into_iter().map(|name| numbers[name]).collect())?;
        }
        if let Some(votes) = rows().map(|listed| listed.votes).collect::<Option<Vec<_>>>() {
            builder.set_votes(votes)?;
        }
        Ok(())
    }
}

/// A line for each of the first that were left out, and one for the others.
fn left_out(broken: &[String]) -> Vec<String> {
    let mut lines: Vec<String> =
        broken.iter().take(NAMED).map(|problem| format!("left out: {problem}")).collect();
    if broken.len() > NAMED {
        lines.push(format!("left out {} more for such reasons", broken.len() - NAMED));
    }
    lines
}
