//! Imports pictures that a *table* lists: csv text with a header, separated by commas, semicolons or tabs.
//!
//! | what | column | value |
//! |---|---|---|
//! | the picture | `path` (also `file`, `filename`, `image`, `pth`, `subDirectory_filePath`) | relative to the root |
//! | its class | `label` (also `expression`, `emotion`, `class`) | a name, or a number of the chosen label set |
//! | the split | `split` (also `usage`, `set`, `subset`) | as [`Split::from_word`] reads it; none: Training |
//! | the person | `subject` (also `person`, `identity`) | any text |
//! | the face | `box`: `x y width height`; or columns `x`, `y`, `width`, `height`; or `left`, `top`, `right`, `bottom` | pixels |
//! | raters | `votes`: ten numbers; or FER+'s ten columns | votes of 10 |
//!
//! Other columns are ignored. Rows become samples in their order.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use csv::StringRecord;

use crate::data::error::{DataError, RowProblem, excerpt};
use crate::data::import::archive::MAX_TEXT_BYTES;
use crate::data::import::ferplus;
use crate::data::import::folder::PictureOptions;
use crate::data::import::listing::{Listed, Listing};
use crate::data::import::lookup::Lookup;
use crate::data::import::picture_tree::{PictureTree, Wanted};
use crate::data::import::sample::Bounds;
use crate::data::packed::builder::Imported;
use crate::data::packed::split::{Origin, Split};
use crate::data::packed::votes::VOTE_COLUMNS;
use crate::data::{Progress, counted};
use crate::files::bounded::read_text;

/// The names under which a column is found, lower case.
const PATH: [&str; 10] = [
    "path",
    "file",
    "filename",
    "file_name",
    "image",
    "image_name",
    "image name",
    "picture",
    "pth",
    "subdirectory_filepath",
];
const LABEL: [&str; 5] = ["label", "expression", "emotion", "class", "expression_label"];
const SPLIT: [&str; 5] = ["split", "usage", "set", "subset", "partition"];
const SUBJECT: [&str; 5] = ["subject", "person", "identity", "subject_id", "person_id"];
const BOX: [&str; 2] = ["box", "bbox"];
const SIZED_BOX: [[&str; 4]; 2] =
    [["x", "y", "width", "height"], ["face_x", "face_y", "face_width", "face_height"]];
const EDGES: [&str; 4] = ["left", "top", "right", "bottom"];
const VOTES: [&str; 1] = ["votes"];

/// What a table may name differently, and where its pictures lie.
#[derive(Debug, Clone, Default)]
pub struct TableOptions {
    /// The folder or zip archive that its paths begin in; without it the table's folder.
    pub root: Option<PathBuf>,
    /// Names of columns by what they are: `path`, `label`, `split`, `subject`, `box` or `votes`.
    pub columns: Vec<(String, String)>,
}

/// Imports the pictures that the table `source` lists to the packed file `out`, whole or not at all.
///
/// # Errors
/// [`DataError`] naming the table's row or the picture, and what was expected.
pub fn import(
    source: &Path,
    table: &TableOptions,
    options: &PictureOptions<'_>,
    out: &Path,
    progress: Progress<'_>,
) -> Result<Imported, DataError> {
    let text = read_text(source, MAX_TEXT_BYTES).map_err(DataError::from)?;
    let folder = source.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut tree = PictureTree::open(table.root.as_deref().unwrap_or(folder))?;
    let mut rows = Rows::read(source, &text, &table.columns)?;
    let mut listing = rows.listing(&tree, options)?;
    // The table itself, and whatever else a root holds.
    listing.has_others = true;
    let named: HashSet<usize> = listing.listed.iter().map(|listed| listed.wanted.picture).collect();
    let unnamed = tree.paths().count() - named.len();
    if unnamed > 0 {
        let pictures = counted(unnamed, "picture");
        listing.notes.push(format!("not in the table: {pictures} under the root"));
    }
    if rows.columns.split.is_none() {
        listing.notes.push(
            "the table has no column for splits: all pictures are training; `duchenne data split` draws splits"
                .to_owned(),
        );
    }
    listing.pack(&mut tree, text.as_bytes(), options, out, progress)
}

/// The columns of a table by what they are.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    path: usize,
    label: usize,
    pub(super) split: Option<usize>,
    subject: Option<usize>,
    bounds: Option<BoundsIn>,
    votes: Option<VotesIn>,
}

/// Where a row says where the face is.
#[derive(Debug, Clone, Copy)]
enum BoundsIn {
    One(usize),
    Sized([usize; 4]),
    Edges([usize; 4]),
}

/// Where a row has its votes.
#[derive(Debug, Clone, Copy)]
enum VotesIn {
    One(usize),
    Ten([usize; VOTE_COLUMNS]),
}

impl Columns {
    /// Finds the columns in a header; `named` are the user's names for them.
    fn of(header: &StringRecord, named: &[(String, String)]) -> Result<Self, String> {
        let names: Vec<String> = header.iter().map(|name| name.trim().to_lowercase()).collect();
        let all = || header.iter().take(16).map(str::trim).collect::<Vec<_>>().join(", ");
        let place = |wanted: &str| names.iter().position(|name| name == wanted);
        let find = |what: &str, usual: &[&str]| -> Result<Option<usize>, String> {
            let Some((_, name)) = named.iter().find(|(known, _)| known == what) else {
                return Ok(usual.iter().find_map(|name| place(name)));
            };
            match place(&name.trim().to_lowercase()) {
                Some(index) => Ok(Some(index)),
                None => Err(format!("has no column `{name}`, its columns are {}", all())),
            }
        };
        let needed = |what: &str, usual: &[&str]| {
            find(what, usual)?.ok_or_else(|| {
                let usual = usual.join(", ");
                format!(
                    "has no column for the {what} (one of {usual}), its columns are {}; --column {what}=NAME names it",
                    all()
                )
            })
        };
        let four = |names: [&str; 4]| -> Option<[usize; 4]> {
            let places: Vec<usize> = names.into_iter().map_while(place).collect();
            places.try_into().ok()
        };
        let sized = || SIZED_BOX.into_iter().find_map(four).map(BoundsIn::Sized);
        let bounds = find("box", &BOX)?.map(BoundsIn::One);
        let ten: Vec<usize> = ferplus::COLUMNS.iter().map_while(|name| place(&name.to_lowercase())).collect();
        let votes = find("votes", &VOTES)?.map(VotesIn::One);
        Ok(Self {
            path: needed("path", &PATH)?,
            label: needed("label", &LABEL)?,
            split: find("split", &SPLIT)?,
            subject: find("subject", &SUBJECT)?,
            bounds: bounds.or_else(sized).or_else(|| four(EDGES).map(BoundsIn::Edges)),
            votes: votes.or_else(|| ten.try_into().ok().map(VotesIn::Ten)),
        })
    }
}

/// The rows of a table.
#[derive(Debug)]
pub(super) struct Rows {
    path: PathBuf,
    pub(super) columns: Columns,
    records: Vec<StringRecord>,
    /// Rows that are none, in their order.
    broken: Vec<DataError>,
}

impl Rows {
    /// Splits the text of the table at `path`.
    pub(super) fn read(path: &Path, text: &str, named: &[(String, String)]) -> Result<Self, DataError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let header = text.lines().next().unwrap_or_default();
        let separator = [';', '\t'].into_iter().find(|separator| header.contains(*separator)).unwrap_or(',');
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .flexible(true)
            .delimiter(separator as u8)
            .from_reader(text.as_bytes());
        let bad = |row, error: csv::Error| {
            let problem = RowProblem::Csv(error.to_string());
            DataError::Row { path: path.to_owned(), row, problem }
        };
        let header = reader.headers().map_err(|error| bad(0, error))?.clone();
        let columns = Columns::of(&header, named).map_err(|problem| DataError::file(path, problem))?;
        let (mut records, mut broken) = (Vec::new(), Vec::new());
        for (record, row) in reader.records().zip(1..) {
            let record = record.map_err(|error| bad(row, error))?;
            if record.len() != header.len() {
                let problem = RowProblem::FieldCount { got: record.len(), expected: header.len() };
                broken.push(DataError::Row { path: path.to_owned(), row, problem });
            } else {
                records.push(record);
            }
        }
        if records.is_empty() && broken.is_empty() {
            return Err(DataError::file(path, "has no data rows; expected one row a picture"));
        }
        Ok(Self { path: path.to_owned(), columns, records, broken })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Keeps the rows whose label, its text, passes.
    pub(super) fn retain_labels(&mut self, keep: impl Fn(&str) -> bool) {
        let label = self.columns.label;
        self.records.retain(|record| keep(&record[label]));
    }

    /// Finds the pictures of the rows in `tree` and reads the other fields.
    pub(super) fn listing(
        &mut self,
        tree: &PictureTree,
        options: &PictureOptions<'_>,
    ) -> Result<Listing, DataError> {
        let labels = self.records.iter().map(|record| &record[self.columns.label]);
        let label_set = options.classes.label_set_of(labels);
        let label_set = label_set.map_err(|problem| DataError::file(&self.path, problem))?;
        let mut listing = Listing::new(&options.name, label_set);
        for error in self.broken.drain(..) {
            listing.add(Err(error), options.skip_broken)?;
        }
        let pictures = Lookup::new(tree);
        for record in &self.records {
            // The header is the record before the first.
            let row = record.position().map_or(0, csv::Position::record);
            let listed = self.listed(record, label_set, &pictures, options).map_err(|problem| {
                DataError::Row { path: self.path.clone(), row, problem: RowProblem::Field(problem) }
            });
            listing.add(listed, options.skip_broken)?;
        }
        Ok(listing)
    }

    fn listed(
        &self,
        record: &StringRecord,
        label_set: crate::LabelSet,
        pictures: &Lookup,
        options: &PictureOptions<'_>,
    ) -> Result<Listed, String> {
        let columns = &self.columns;
        let picture = pictures.find(&record[columns.path])?;
        let label = options.classes.label(&record[columns.label], label_set)?;
        let split = match columns.split.map(|column| &record[column]) {
            None => Split::Training,
            Some(word) => Split::from_word(word).ok_or_else(|| {
                format!("split `{}`, expected training, validation, test or unassigned", excerpt_of(word))
            })?,
        };
        let subject = columns.subject.map(|column| record[column].to_owned());
        if subject.as_deref() == Some("") {
            return Err("names no subject, while the table has a column for it".to_owned());
        }
        if options.synthetic && split != Split::Training {
            return Err(format!("is synthetic and in the {split} split; generated faces may only train"));
        }
        let listed = Listed::photograph(picture, label, split);
        Ok(Listed {
            wanted: Wanted {
                picture,
                bounds: columns.bounds.map(|place| bounds(record, place)).transpose()?,
            },
            origin: if options.synthetic { Origin::Synthetic } else { Origin::Photograph },
            subject,
            votes: columns.votes.map(|place| votes(record, place)).transpose()?,
            ..listed
        })
    }
}

fn excerpt_of(text: &str) -> String {
    excerpt(text.as_bytes())
}

/// The rectangle of a face, from the fields of a row.
fn bounds(record: &StringRecord, place: BoundsIn) -> Result<Bounds, String> {
    let number = |text: &str| -> Result<i64, String> {
        let value = text.parse::<f64>().ok().filter(|value| value.abs() < 1e9);
        let value =
            value.ok_or_else(|| format!("box value `{}`, expected a number of pixels", excerpt_of(text)))?;
        Ok(value.round() as i64)
    };
    let four = |texts: [&str; 4]| -> Result<[i64; 4], String> {
        Ok([number(texts[0])?, number(texts[1])?, number(texts[2])?, number(texts[3])?])
    };
    let sized = |[left, top, width, height]: [i64; 4]| Bounds {
        left,
        top,
        right: left + width,
        bottom: top + height,
    };
    match place {
        BoundsIn::Sized(columns) => Ok(sized(four(columns.map(|column| &record[column]))?)),
        BoundsIn::Edges(columns) => {
            let [left, top, right, bottom] = four(columns.map(|column| &record[column]))?;
            Ok(Bounds { left, top, right, bottom })
        }
        BoundsIn::One(column) => {
            let text = &record[column];
            let fields: Vec<&str> = numbers_in(text).collect();
            let fields = fields.try_into().map_err(|_| {
                format!("box `{}`, expected four numbers: x y width height", excerpt_of(text))
            })?;
            Ok(sized(four(fields)?))
        }
    }
}

/// The votes of a row.
fn votes(record: &StringRecord, place: VotesIn) -> Result<[u8; VOTE_COLUMNS], String> {
    let fields: Vec<&str> = match place {
        VotesIn::Ten(columns) => columns.iter().map(|column| &record[*column]).collect(),
        VotesIn::One(column) => numbers_in(&record[column]).collect(),
    };
    let numbers: Option<Vec<u8>> = fields.iter().map(|text| text.parse().ok()).collect();
    let votes: Option<[u8; VOTE_COLUMNS]> = numbers.and_then(|numbers| numbers.try_into().ok());
    votes.filter(|votes| votes.iter().map(|vote| u32::from(*vote)).sum::<u32>() <= 10).ok_or_else(|| {
        let columns = ferplus::COLUMNS.join(", ");
        format!("votes `{}`, expected ten numbers of together at most 10: {columns}", fields.join(" "))
    })
}

/// The parts of a list in one field, whatever is between and around them.
fn numbers_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| character.is_whitespace() || "()[],;".contains(character))
        .filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(header: &str, named: &[(&str, &str)]) -> Result<Columns, String> {
        let named: Vec<_> =
            named.iter().map(|(what, name)| ((*what).to_owned(), (*name).to_owned())).collect();
        Columns::of(&header.split(',').collect::<Vec<_>>().into(), &named)
    }

    #[test]
    fn columns_are_found_by_their_usual_names_or_by_the_users() {
        let found = columns(",pth,label,relFCs", &[]).unwrap();
        assert_eq!((found.path, found.label, found.split), (1, 2, None));
        let found = columns("Usage,Image name,Expression,Person,LEFT,top,right,bottom", &[]).unwrap();
        assert_eq!((found.path, found.label, found.split, found.subject), (1, 2, Some(0), Some(3)));
        assert!(matches!(found.bounds, Some(BoundsIn::Edges([4, 5, 6, 7]))));
        let found = columns("a,b,c", &[("path", "C"), ("label", "a")]).unwrap();
        assert_eq!((found.path, found.label), (2, 0));
        let error = columns("a,b,label", &[]).unwrap_err();
        assert!(error.contains("its columns are a, b, label; --column path=NAME"), "{error}");
        assert!(columns("path,label", &[("split", "fold")]).unwrap_err().contains("no column `fold`"));
    }

    #[test]
    fn boxes_and_votes_are_read_in_every_form() {
        let record =
            StringRecord::from(vec!["(10, 20, 30, 40)", "10.4", "19.6", "40", "60", "1 2 0 0 0 0 0 0 0 7"]);
        let expected = Bounds { left: 10, top: 20, right: 40, bottom: 60 };
        assert_eq!(bounds(&record, BoundsIn::One(0)), Ok(expected));
        assert_eq!(bounds(&record, BoundsIn::Edges([1, 2, 3, 4])), Ok(expected));
        let sized = Bounds { left: 10, top: 20, right: 50, bottom: 80 };
        assert_eq!(bounds(&record, BoundsIn::Sized([1, 2, 3, 4])), Ok(sized));
        assert!(bounds(&record, BoundsIn::One(1)).unwrap_err().contains("expected four numbers"));
        assert_eq!(votes(&record, VotesIn::One(5)), Ok([1, 2, 0, 0, 0, 0, 0, 0, 0, 7]));
        assert!(votes(&record, VotesIn::One(0)).unwrap_err().contains("expected ten numbers"));
        for bad in ["nan 1 2 3", "1e300 0 1 1", "a b c d"] {
            assert!(bounds(&StringRecord::from(vec![bad]), BoundsIn::One(0)).is_err(), "{bad}");
        }
    }
}
