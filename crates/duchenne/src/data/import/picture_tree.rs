//! A *picture tree* is a folder or zip archive of picture files, read one after another in the order
//! of their paths, whatever order the file system or archive keeps.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use zip::ZipArchive;

use crate::data::Progress;
use crate::data::error::DataError;
use crate::data::faces::picture::{EXTENSIONS, Limits, Picture, PictureProblem, format_by_name};
use crate::data::faces::preprocessing::squared;
use crate::data::faces::warnings::PictureWarning;
use crate::data::import::archive::{
    Form, MAX_ENTRIES, form_of_file, open_zip, safe_components, too_large, too_many_entries, zip_entry_name,
    zip_error,
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

/// A folder or zip archive of picture files.
#[derive(Debug)]
pub(crate) struct PictureTree {
    path: PathBuf,
    zip: Option<ZipArchive<BufReader<File>>>,
    entries: Vec<Entry>,
    skipped: usize,
    skip_broken: bool,
    broken: Vec<DataError>,
}

/// One picture file of a tree.
#[derive(Debug)]
struct Entry {
    /// The parts of its path inside the tree; the last is its name.
    parts: Vec<String>,
    place: Place,
}

#[derive(Debug)]
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
            skipped: 0,
            skip_broken: false,
            broken: Vec::new(),
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
        tree.entries.sort_by(|one, other| one.parts.cmp(&other.parts));
        Ok(tree)
    }

    /// The parts of every picture's path inside the tree, in the order in which they are read.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &[String]> {
        self.entries.iter().map(|entry| entry.parts.as_slice())
    }

    /// The number of files without a picture's extension, hidden ones not counted.
    pub(crate) fn skipped(&self) -> usize {
        self.skipped
    }

    /// Leaves out pictures that cannot be decoded, or have another size than they must, instead of refusing the tree.
    #[must_use]
    pub(crate) fn skip_broken(self, skip: bool) -> Self {
        Self { skip_broken: skip, ..self }
    }

    /// Why pictures were left out, in the order of their paths.
    pub(crate) fn broken(&self) -> &[DataError] {
        &self.broken
    }

    /// An error about the picture at `index`.
    pub(crate) fn error(&self, index: usize, problem: impl Into<String>) -> DataError {
        DataError::entry(&self.path, self.entries[index].parts.join("/"), problem)
    }

    fn unfit(&self, index: usize, unfit: Unfit) -> DataError {
        match unfit {
            Unfit::OtherSize(problem) => self.error(index, problem),
            Unfit::Unfinished => self.error(index, "is cut off: the rest of the picture is missing"),
            Unfit::Unreadable(problem) => DataError::Picture {
                path: self.path.clone(),
                entry: self.entries[index].parts.join("/"),
                problem,
            },
        }
    }

    /// Decodes every picture to gray and hands it to `take` with its index. Returns the checksum of the
    /// archive, or of a folder's paths and contents.
    pub(crate) fn read_all(
        &mut self,
        sizing: Sizing,
        progress: Progress<'_>,
        mut take: impl FnMut(usize, &[u8]) -> Result<(), DataError>,
    ) -> Result<String, DataError> {
        let total = self.entries.len();
        let (mut checksum, mut unpacked) = (SourceChecksum::new(), 0);
        for begin in (0..total).step_by(BATCH) {
            let end = (begin + BATCH).min(total);
            let mut files = Vec::with_capacity(end - begin);
            for index in begin..end {
                let bytes = self.read(index)?;
                unpacked += bytes.len() as u64;
                if unpacked > MAX_TREE_BYTES {
                    return Err(too_large(&self.path, MAX_TREE_BYTES));
                }
                let path = self.entries[index].parts.join("/");
                checksum.update(format!("{path}\0{}\0", bytes.len()).as_bytes());
                checksum.update(&bytes);
                files.push(bytes);
            }
            let decoded: Vec<_> = files.par_iter().map(|bytes| decode_gray(bytes, sizing)).collect();
            for (index, picture) in (begin..end).zip(decoded) {
                match picture.map_err(|problem| self.unfit(index, problem)) {
                    Ok(picture) => take(index, &picture)?,
                    Err(error) if self.skip_broken => self.broken.push(error),
                    Err(error) => return Err(error),
                }
            }
            progress(end as u64, total as u64);
        }
        if self.broken.len() == total {
            let problem =
                "holds no picture that can be read; without skipping broken ones, the first is named";
            return Err(DataError::file(&self.path, problem));
        }
        if self.zip.is_some() { Ok(SourceChecksum::of_file(&self.path)?) } else { Ok(checksum.text()) }
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
            self.skipped += 1;
            return Ok(());
        }
        if self.entries.len() >= MAX_ENTRIES {
            return Err(too_many_entries(&self.path));
        }
        self.entries.push(Entry { parts, place });
        Ok(())
    }

    /// The bytes of the picture file at `index`.
    fn read(&mut self, index: usize) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        match (&self.entries[index].place, &mut self.zip) {
            (Place::File(path), _) => {
                let file = File::open(path).map_err(|error| DataError::read(path, error))?;
                let read = file.take(Limits::IMPORT.file_bytes + 1).read_to_end(&mut bytes);
                read.map_err(|error| DataError::read(path, error))?;
            }
            (Place::Zip(place), Some(archive)) => {
                let entry = archive.by_index(*place).map_err(|error| zip_error(&self.path, &error))?;
                // What the entry says of its size is not believed.
                let read = entry.take(Limits::IMPORT.file_bytes + 1).read_to_end(&mut bytes);
                read.map_err(|error| self.error(index, format!("is broken in the archive: {error}")))?;
            }
            (Place::Zip(_), None) => unreachable!("entries of an archive come with the archive"),
        }
        if bytes.len() as u64 > Limits::IMPORT.file_bytes {
            return Err(self.error(index, format!("has more than {} bytes", Limits::IMPORT.file_bytes)));
        }
        Ok(bytes)
    }
}

/// Why a picture cannot be a sample.
#[derive(Debug)]
enum Unfit {
    Unreadable(PictureProblem),
    OtherSize(String),
    Unfinished,
}

/// Decodes a picture file to gray pixels of the wanted size, or tells why it cannot be one.
fn decode_gray(bytes: &[u8], sizing: Sizing) -> Result<Vec<u8>, Unfit> {
    let picture = Picture::decoded(bytes, &Limits::IMPORT).map_err(Unfit::Unreadable)?;
    if picture.warning() == Some(PictureWarning::CutOff) {
        return Err(Unfit::Unfinished);
    }
    let gray = picture.into_gray();
    let (width, height) = gray.dimensions();
    match sizing {
        Sizing::Exactly(side) if (width, height) != (side, side) => Err(Unfit::OtherSize(format!(
            "is {width}x{height} pixels, expected {side}x{side}; \
             `duchenne data import folder --size {side}` scales pictures"
        ))),
        Sizing::Exactly(_) => Ok(gray.into_raw()),
        Sizing::Scale(side) => Ok(squared(&gray, side)),
    }
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
        assert_eq!(decode_gray(&png(48, 9), Sizing::Exactly(48)).unwrap(), vec![9; 48 * 48]);
        assert_eq!(decode_gray(&png(64, 9), Sizing::Scale(48)).unwrap(), vec![9; 48 * 48]);
        let unfit = decode_gray(&png(64, 9), Sizing::Exactly(48)).unwrap_err();
        assert!(
            matches!(&unfit, Unfit::OtherSize(problem) if problem.contains("is 64x64 pixels, expected 48x48"))
        );
    }

    #[test]
    fn what_is_not_a_picture_is_told() {
        let problem = |bytes: &[u8]| match decode_gray(bytes, Sizing::Scale(48)).unwrap_err() {
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
