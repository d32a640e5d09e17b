//! A *picture tree* is a folder or zip archive of picture files, in the order of their paths, whatever order the file
//! system or archive keeps.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use zip::ZipArchive;

use crate::data::Progress;
use crate::data::error::DataError;
use crate::data::faces::picture::{EXTENSIONS, Limits, Picture, PictureProblem, format_by_name};
use crate::data::faces::pixels::FacePixels as _;
use crate::data::faces::warnings::PictureWarning;
use crate::data::import::archive::{
    Form, MAX_ENTRIES, MAX_TEXT_BYTES, form_of_file, open_zip, safe_components, too_large, too_many_entries,
    zip_entry_name, zip_error,
};
use crate::files::checksum::SourceChecksum;

/// The most bytes that all pictures of an archive may have when unpacked.
pub const MAX_TREE_BYTES: u64 = 8 << 30;
/// Pictures read before they are decoded together on all cores.
const BATCH: usize = 256;

/// The way in which a picture comes to the data set's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizing {
    /// It must have this height and width, in pixels.
    Exactly(u32),
    /// It is scaled to this height and width (triangle filter); pictures that are not square are stretched.
    Scale(u32),
}

impl Sizing {
    /// The height and width of what comes out, in pixels.
    pub fn side(self) -> usize {
        match self {
            Sizing::Exactly(side) | Sizing::Scale(side) => side as usize,
        }
    }
}

/// Finds the face of a picture that shows more than one, for an import.
pub trait FaceCropper: Sync + std::fmt::Debug {
    /// The largest face, upright, of any size; `None` where no face is found.
    fn face(&self, picture: Picture) -> Option<Picture>;
}

/// How pictures become samples.
#[derive(Debug, Clone, Copy)]
pub struct Shaping<'a> {
    /// The way in which they come to one size.
    pub sizing: Sizing,
    /// Whether samples have three bytes a pixel, red, green and blue; else one, gray.
    pub color: bool,
    /// Where the face is cut out first; pictures without one are left out.
    pub cropper: Option<&'a dyn FaceCropper>,
}

impl Shaping<'_> {
    /// Whole pictures.
    pub fn whole(sizing: Sizing) -> Self {
        Self { sizing, color: false, cropper: None }
    }
}

/// A rectangle in a picture, in pixels from its left and upper edge; right and bottom are outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub left: i64,
    pub top: i64,
    pub right: i64,
    pub bottom: i64,
}

/// A picture of a tree, or a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its place in the order of paths.
    pub picture: usize,
    pub bounds: Option<Bounds>,
}

/// A folder or zip archive of picture files.
#[derive(Debug)]
pub(crate) struct PictureTree {
    path: PathBuf,
    zip: Option<ZipArchive<BufReader<File>>>,
    entries: Vec<Entry>,
    /// Files without a picture's extension, hidden ones left out.
    others: Vec<Entry>,
    /// How many of these were read.
    others_read: usize,
}

/// One picture file of a tree.
#[derive(Debug)]
struct Entry {
    /// The parts of its path inside the tree; the last is its name.
    parts: Vec<String>,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    File(PathBuf),
    Zip(usize),
}

impl PictureTree {
    /// Lists the pictures of the folder or zip archive at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let metadata = std::fs::metadata(path).map_err(|error| DataError::read(path, error))?;
        let mut tree = Self {
            path: path.to_owned(),
            zip: None,
            entries: Vec::new(),
            others: Vec::new(),
            others_read: 0,
        };
        if metadata.is_dir() {
            tree.list_folder()?;
        } else if metadata.is_file() && form_of_file(path)? == Form::Zip {
            tree.list_zip()?;
        } else {
            return Err(DataError::file(path, "is neither a folder nor a zip archive of pictures"));
        }
        if tree.entries.is_empty() {
            let problem = format!("holds no pictures, expected files ending in .{}", EXTENSIONS.join(", ."));
            return Err(DataError::file(path, problem));
        }
        for entries in [&mut tree.entries, &mut tree.others] {
            entries.sort_by(|one, other| one.parts.cmp(&other.parts));
        }
        Ok(tree)
    }

    /// The parts of every picture's path inside the tree, in the order in which they are read.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &[String]> {
        self.entries.iter().map(|entry| entry.parts.as_slice())
    }

    /// The number of files without a picture's extension that nobody read, hidden ones not counted.
    pub(crate) fn skipped(&self) -> usize {
        self.others.len() - self.others_read
    }

    /// The names of the files without a picture's extension, with their paths inside the tree.
    pub(crate) fn others(&self) -> impl Iterator<Item = &[String]> {
        self.others.iter().map(|entry| entry.parts.as_slice())
    }

    /// The text of the file at `index` among [`others`](Self::others).
    pub(crate) fn text(&mut self, index: usize) -> Result<String, DataError> {
        let Entry { parts, place } = &self.others[index];
        let (name, place) = (parts.join("/"), place.clone());
        let bytes = self.bytes_at(&place, &name, MAX_TEXT_BYTES)?;
        self.others_read += 1;
        String::from_utf8(bytes).map_err(|_| DataError::entry(&self.path, name, "is not text"))
    }

    /// The folder or archive.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path, inside the tree, of the picture at `index`.
    pub(crate) fn name(&self, index: usize) -> String {
        self.entries[index].parts.join("/")
    }

    /// All pictures by their paths inside the tree.
    pub(crate) fn by_name(&self) -> HashMap<String, usize> {
        (0..self.entries.len()).map(|index| (self.name(index), index)).collect()
    }

    /// An error about the picture at `index`.
    pub(crate) fn error(&self, index: usize, problem: impl Into<String>) -> DataError {
        DataError::entry(&self.path, self.entries[index].parts.join("/"), problem)
    }

    fn unfit(&self, index: usize, unfit: Unfit) -> DataError {
        match unfit {
            Unfit::Shape(problem) => self.error(index, problem),
            Unfit::Unfinished => self.error(index, "is cut off: the rest of the picture is missing"),
            Unfit::Unreadable(problem) => DataError::Picture {
                path: self.path.clone(),
                entry: self.entries[index].parts.join("/"),
                problem,
            },
        }
    }

    /// Decodes the wanted pictures and hands them to `take`, each with its index in `wanted`: pixels, nothing
    /// where no face is found, or why it cannot be a sample. Returns the checksum of `text` and the archive, or of `text`
    /// and the paths and contents of the wanted files.
    pub(crate) fn read(
        &mut self,
        wanted: &[Wanted],
        text: &[u8],
        shaping: &Shaping<'_>,
        progress: Progress<'_>,
        mut take: impl FnMut(usize, Result<Option<Vec<u8>>, DataError>) -> Result<(), DataError>,
    ) -> Result<String, DataError> {
        let total = wanted.len();
        let mut checksum = SourceChecksum::new();
        checksum.update(text);
        let mut unpacked = 0;
        for begin in (0..total).step_by(BATCH) {
            let end = (begin + BATCH).min(total);
            let mut files = Vec::with_capacity(end - begin);
            for one in &wanted[begin..end] {
                let bytes = self.bytes(one.picture)?;
                unpacked += bytes.len() as u64;
                if self.zip.is_some() && unpacked > MAX_TREE_BYTES {
                    return Err(too_large(&self.path, MAX_TREE_BYTES));
                }
                checksum.update(format!("{}\0{}\0", self.name(one.picture), bytes.len()).as_bytes());
                checksum.update(&bytes);
                files.push((one.bounds, bytes));
            }
            let decoded: Vec<_> =
                files.par_iter().map(|(bounds, bytes)| sample(bytes, *bounds, shaping)).collect();
            for (index, picture) in (begin..end).zip(decoded) {
                take(index, picture.map_err(|problem| self.unfit(wanted[index].picture, problem)))?;
            }
            progress(end as u64, total as u64);
        }
        if self.zip.is_some() && text.is_empty() {
            return Ok(SourceChecksum::of_file(&self.path)?);
        }
        Ok(checksum.text())
    }

    fn list_folder(&mut self) -> Result<(), DataError> {
        for found in walkdir::WalkDir::new(&self.path).follow_links(true).min_depth(1) {
            let found = found.map_err(|error| {
                let path = error.path().unwrap_or(&self.path).to_owned();
                match error.into_io_error() {
                    Some(error) => DataError::read(&path, crate::files::atomic::plain(error)),
                    None => DataError::file(&path, "is a link to a folder that holds it"),
                }
            })?;
            if found.file_type().is_dir() {
                continue;
            }
            let inside = found.path().strip_prefix(&self.path).expect("walking stays inside the folder");
            let parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            self.add(parts, Place::File(found.path().to_owned()))?;
        }
        Ok(())
    }

    fn list_zip(&mut self) -> Result<(), DataError> {
        let archive = open_zip(&self.path)?;
        for index in 0..archive.len() {
            let name = zip_entry_name(&self.path, &archive, index)?;
            if !name.ends_with('/') {
                self.add(safe_components(&self.path, &name)?, Place::Zip(index))?;
            }
        }
        self.zip = Some(archive);
        Ok(())
    }

    fn add(&mut self, parts: Vec<String>, place: Place) -> Result<(), DataError> {
        let hidden = parts.iter().any(|part| part.starts_with('.') || part == "__MACOSX");
        if hidden {
            return Ok(());
        }
        if parts.last().is_none_or(|name| format_by_name(Path::new(name)).is_none()) {
            return push(&mut self.others, Entry { parts, place }, &self.path);
        }
        push(&mut self.entries, Entry { parts, place }, &self.path)
    }

    /// The bytes of the picture file at `index`.
    fn bytes(&mut self, index: usize) -> Result<Vec<u8>, DataError> {
        let (name, place) = (self.name(index), self.entries[index].place.clone());
        self.bytes_at(&place, &name, Limits::IMPORT.file_bytes)
    }

    /// The bytes of a file of the tree, at most `most`.
    fn bytes_at(&mut self, place: &Place, name: &str, most: u64) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        match (place, &mut self.zip) {
            (Place::File(path), _) => {
                let file = File::open(path).map_err(|error| DataError::read(path, error))?;
                let read = file.take(most + 1).read_to_end(&mut bytes);
                read.map_err(|error| DataError::read(path, error))?;
            }
            (Place::Zip(place), Some(archive)) => {
                let entry = archive.by_index(*place).map_err(|error| zip_error(&self.path, &error))?;
                // What the entry says of its size is not believed.
                let read = entry.take(most + 1).read_to_end(&mut bytes);
                read.map_err(|error| {
                    DataError::entry(&self.path, name, format!("is broken in the archive: {error}"))
                })?;
            }
            (Place::Zip(_), None) => unreachable!("entries of an archive come with the archive"),
        }
        if bytes.len() as u64 > most {
            return Err(DataError::entry(&self.path, name, format!("has more than {most} bytes")));
        }
        Ok(bytes)
    }
}

fn push(entries: &mut Vec<Entry>, entry: Entry, path: &Path) -> Result<(), DataError> {
    if entries.len() >= MAX_ENTRIES {
        return Err(too_many_entries(path));
    }
    entries.push(entry);
    Ok(())
}

/// Why a picture cannot be a sample.
#[derive(Debug)]
enum Unfit {
    Unreadable(PictureProblem),
    /// It has another size than it must, or no such part.
    Shape(String),
    Unfinished,
}

/// Decodes a picture file to the pixels of a sample, or tells why it cannot be one; nothing where a face is looked
/// for and none is found.
fn sample(bytes: &[u8], bounds: Option<Bounds>, shaping: &Shaping<'_>) -> Result<Option<Vec<u8>>, Unfit> {
    let mut picture = Picture::decoded(bytes, &Limits::IMPORT).map_err(Unfit::Unreadable)?;
    if picture.warning() == Some(PictureWarning::CutOff) {
        return Err(Unfit::Unfinished);
    }
    if let Some(bounds) = bounds {
        picture = picture.part(inside(bounds, picture.width(), picture.height())?);
    }
    if let Some(cropper) = shaping.cropper {
        let face = cropper.face(picture);
        return Ok(face.map(|face| face.squared(shaping.sizing.side() as u32, shaping.color)));
    }
    let (width, height) = (picture.width(), picture.height());
    match shaping.sizing {
        Sizing::Exactly(side) if (width, height) != (side, side) => Err(Unfit::Shape(format!(
            "is {width}x{height} pixels, expected {side}x{side}; \
             `duchenne data import folder --size {side}` scales pictures"
        ))),
        Sizing::Exactly(side) | Sizing::Scale(side) => Ok(Some(picture.squared(side, shaping.color))),
    }
}

/// The part of `bounds` that lies in a picture, as left, top, width and height. Detectors' boxes reach a little over the
/// edge; one of which less than half lies in the picture belongs to another.
fn inside(bounds: Bounds, width: u32, height: u32) -> Result<[u32; 4], Unfit> {
    let Bounds { left, top, right, bottom } = bounds;
    let wrong = |problem: &str| {
        Err(Unfit::Shape(format!(
            "has a box from ({left}, {top}) to ({right}, {bottom}), {problem} ({width}x{height} pixels)"
        )))
    };
    if left >= right || top >= bottom {
        return wrong("which is empty");
    }
    let (from_x, to_x) = (left.max(0), right.min(i64::from(width)));
    let (from_y, to_y) = (top.max(0), bottom.min(i64::from(height)));
    let is_half_inside = to_x > from_x
        && to_y > from_y
        && 2 * i128::from(to_x - from_x) * i128::from(to_y - from_y)
            >= (i128::from(right) - i128::from(left)) * (i128::from(bottom) - i128::from(top));
    if !is_half_inside {
        return wrong("outside of the picture");
    }
    // All four lie between 0 and the picture's size.
    Ok([from_x, from_y, to_x - from_x, to_y - from_y].map(|value| value as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(side: u32, value: u8) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let picture = image::GrayImage::from_pixel(side, side, image::Luma([value]));
        picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn sizes_are_exact_or_scaled() {
        let of = |side, sizing| sample(&png(side, 9), None, &Shaping::whole(sizing));
        assert_eq!(of(48, Sizing::Exactly(48)).unwrap().unwrap(), vec![9; 48 * 48]);
        assert_eq!(of(64, Sizing::Scale(48)).unwrap().unwrap(), vec![9; 48 * 48]);
        let unfit = of(64, Sizing::Exactly(48)).unwrap_err();
        assert!(
            matches!(&unfit, Unfit::Shape(problem) if problem.contains("is 64x64 pixels, expected 48x48"))
        );
    }

    #[test]
    fn boxes_lie_in_the_picture_for_the_greater_part() {
        let of = |left, top, right, bottom| inside(Bounds { left, top, right, bottom }, 100, 50);
        assert_eq!(of(10, 20, 40, 50).unwrap(), [10, 20, 30, 30]);
        assert_eq!(of(-5, -5, 15, 15).unwrap(), [0, 0, 15, 15]);
        assert_eq!(of(90, 10, 110, 30).unwrap(), [90, 10, 10, 20]);
        for (left, top, right, bottom) in
            [(-10, 0, 5, 10), (100, 0, 120, 10), (0, 40, 20, 80), (i64::MIN, 0, i64::MAX, 10)]
        {
            let problem = of(left, top, right, bottom).unwrap_err();
            assert!(
                matches!(&problem, Unfit::Shape(text) if text.contains("outside of the picture (100x50"))
            );
        }
        for empty in [of(5, 5, 5, 9), of(9, 9, 8, 20)] {
            assert!(matches!(&empty.unwrap_err(), Unfit::Shape(text) if text.contains("which is empty")));
        }
    }

    #[test]
    fn what_is_not_a_picture_is_told() {
        let problem =
            |bytes: &[u8]| match sample(bytes, None, &Shaping::whole(Sizing::Scale(48))).unwrap_err() {
                Unfit::Unreadable(problem) => problem,
                other => panic!("{other:?}"),
            };
        assert!(matches!(problem(b"hello"), PictureProblem::Format { .. }));
        assert!(matches!(problem(&png(48, 9)[..40]), PictureProblem::Damaged(_)));
    }

    #[test]
    fn files_come_in_the_order_of_their_paths() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/2.png", "a/10.png", "a/9.PNG", "a/.hidden.png", "a/notes.txt", "a/8.jfif"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, png(2, 1)).unwrap();
        }
        let tree = PictureTree::open(folder.path()).unwrap();
        let names: Vec<String> = tree.paths().map(|parts| parts.join("/")).collect();
        assert_eq!(names, ["a/10.png", "a/8.jfif", "a/9.PNG", "b/2.png"]);
        assert_eq!(tree.skipped(), 1);
    }
}
