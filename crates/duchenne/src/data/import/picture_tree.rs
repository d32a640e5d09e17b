//! A *picture tree* is a folder or zip archive of picture files, in the order of their paths, whatever order the file
//! system or archive keeps.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use zip::ZipArchive;

use crate::data::Progress;
use crate::data::error::DataError;
use crate::data::faces::format::{EXTENSIONS, PictureFormat};
use crate::data::faces::picture::Limits;
use crate::data::import::archive::{
    Form, MAX_ENTRIES, MAX_TEXT_BYTES, form_of_file, open_zip, safe_components, too_large, too_many_entries,
    zip_entry_name, zip_error,
};
use crate::data::import::sample::{Bounds, Shaping, Unfit, sample};
use crate::files::checksum::SourceChecksum;

/// The most bytes that all pictures of an archive may have when unpacked.
pub const MAX_TREE_BYTES: u64 = 8 << 30;
/// Pictures read before they are decoded together on all cores.
const BATCH: usize = 256;

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
    /// What could not be listed: links to nothing.
    broken: Vec<DataError>,
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

    /// The files without a picture's extension whose names pass, each with its number and its path inside the tree.
    pub(crate) fn others_named(&self, wanted: impl Fn(&str) -> bool) -> Vec<(usize, String)> {
        let passes = |entry: &Entry| entry.parts.last().is_some_and(|name| wanted(name));
        let others = self.others.iter().enumerate().filter(|(_, entry)| passes(entry));
        others.map(|(index, entry)| (index, entry.parts.join("/"))).collect()
    }

    /// The text of the file with this number, which [`others_named`](Self::others_named) gave.
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

    /// What could not be listed, once.
    pub(crate) fn take_broken(&mut self) -> Vec<DataError> {
        std::mem::take(&mut self.broken)
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
                let bytes = self.bytes(one.picture);
                let Ok(read) = &bytes else {
                    files.push((one.bounds, bytes));
                    continue;
                };
                unpacked += read.len() as u64;
                if self.zip.is_some() && unpacked > MAX_TREE_BYTES {
                    return Err(too_large(&self.path, MAX_TREE_BYTES));
                }
                checksum.update(format!("{}\0{}\0", self.name(one.picture), read.len()).as_bytes());
                checksum.update(read);
                files.push((one.bounds, bytes));
            }
            let decoded: Vec<_> =
                files.into_par_iter().map(|(bounds, bytes)| Ok(sample(&bytes?, bounds, shaping))).collect();
            for (index, picture) in (begin..end).zip(decoded) {
                let picture = picture.and_then(|picture| {
                    picture.map_err(|problem| self.unfit(wanted[index].picture, problem))
                });
                take(index, picture)?;
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
            let found = match found {
                Ok(found) => found,
                Err(error) => {
                    let path = error.path().unwrap_or(&self.path).to_owned();
                    self.broken.push(match error.into_io_error() {
                        Some(error) => DataError::read(&path, crate::files::atomic::plain(error)),
                        None => DataError::file(&path, "is a link to a folder that holds it"),
                    });
                    continue;
                }
            };
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
        if parts.last().is_none_or(|name| PictureFormat::by_name(Path::new(name)).is_none()) {
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
                // Opening a pipe would wait for a writer.
                if !path.is_file() {
                    return Err(DataError::entry(&self.path, name, "is not a plain file"));
                }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_their_paths() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/2.png", "a/10.png", "a/9.PNG", "a/.hidden.png", "a/notes.txt", "a/8.jfif"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "not looked at").unwrap();
        }
        let tree = PictureTree::open(folder.path()).unwrap();
        let names: Vec<String> = tree.paths().map(|parts| parts.join("/")).collect();
        assert_eq!(names, ["a/10.png", "a/8.jfif", "a/9.PNG", "b/2.png"]);
        assert_eq!(tree.skipped(), 1);
    }
}
