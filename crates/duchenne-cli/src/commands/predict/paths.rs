//! From the paths on the command line to the pictures behind them, one at a time.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use duchenne::data::faces::picture::{self, Limits, Picture, PictureError};

/// The name of standard input on the command line and in results.
const STANDARD_INPUT: &str = "-";

/// A picture that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// The file, or `-`.
    pub path: PathBuf,
    /// Its place below the folder that was asked for, or just its name: where its annotated copy goes.
    pub relative: PathBuf,
}

impl Source {
    /// A path named on the command line, whatever its extension.
    fn named(path: &Path) -> Self {
        let relative = if path == Path::new(STANDARD_INPUT) {
            PathBuf::from("standard-input")
        } else {
            path.file_name().map_or_else(|| PathBuf::from("picture"), PathBuf::from)
        };
        Self { path: path.to_owned(), relative }
    }

    /// Whether the picture comes from standard input.
    pub(super) fn is_standard_input(&self) -> bool {
        self.path == Path::new(STANDARD_INPUT)
    }

    /// How many pixels decoding will make, as far as the header tells; the most where nobody knows.
    pub(super) fn claimed_pixels(&self) -> u64 {
        if self.is_standard_input() {
            return Limits::RECOGNITION.pixels;
        }
        // What cannot be read is reported later, when it is decoded.
        Picture::claimed_size(&self.path).map_or(0, |(width, height)| u64::from(width) * u64::from(height))
    }

    /// Decodes the picture.
    ///
    /// # Errors
    /// [`PictureError`] where it cannot be read or is no picture.
    pub(super) fn read(&self) -> Result<Picture, PictureError> {
        if !self.is_standard_input() {
            return Picture::open(&self.path);
        }
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .take(Limits::RECOGNITION.file_bytes + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| PictureError::File { path: self.path.clone(), source })?;
        Picture::from_bytes(&bytes, Path::new("standard input"), &Limits::RECOGNITION)
    }
}

/// A path that leads to no picture, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// The path as it was asked for or found.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// The pictures behind `paths`, in order: files as they are named, folders searched recursively by name
/// order for files with a picture's extension. The folder `skipped` (where results go) is not entered.
/// Nothing is collected: a folder of any number of pictures takes no memory to speak of.
pub(super) fn pictures(
    paths: Vec<PathBuf>,
    skipped: Option<PathBuf>,
) -> impl Iterator<Item = Result<Source, Refused>> {
    paths.into_iter().flat_map(move |path| -> Box<dyn Iterator<Item = Result<Source, Refused>>> {
        if path.is_dir() {
            Box::new(FolderPictures::new(path, skipped.clone()))
        } else {
            Box::new(std::iter::once(Ok(Source::named(&path))))
        }
    })
}

/// The pictures of one folder; an error at the end if there was none.
struct FolderPictures {
    root: PathBuf,
    entries: Box<dyn Iterator<Item = walkdir::Result<walkdir::DirEntry>>>,
    yielded: bool,
    ended: bool,
}

impl FolderPictures {
    fn new(root: PathBuf, skipped: Option<PathBuf>) -> Self {
        let entries = WalkDir::new(&root).follow_links(true).sort_by_file_name().into_iter();
        let entries = entries.filter_entry(move |entry| {
            skipped.as_ref().is_none_or(|skipped| {
                !entry.file_type().is_dir() || entry.path().canonicalize().ok().as_ref() != Some(skipped)
            })
        });
        Self { root, entries: Box::new(entries), yielded: false, ended: false }
    }
}

impl Iterator for FolderPictures {
    type Item = Result<Source, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        for entry in self.entries.by_ref() {
            match entry {
                Ok(entry) if entry.file_type().is_file() && has_picture_extension(entry.path()) => {
                    self.yielded = true;
                    let relative = entry.path().strip_prefix(&self.root).unwrap_or(entry.path()).to_owned();
                    return Some(Ok(Source { path: entry.into_path(), relative }));
                }
                Ok(_) => {}
                Err(error) => {
                    self.yielded = true;
                    let path = error.path().unwrap_or(&self.root).to_owned();
                    let reason = match (error.loop_ancestor(), error.io_error()) {
                        (Some(ancestor), _) => format!(
                            "`{}` links back to its own folder `{}`: not searched again",
                            path.display(),
                            ancestor.display()
                        ),
                        (_, Some(source)) => format!("cannot read `{}`: {source}", path.display()),
                        _ => error.to_string(),
                    };
                    return Some(Err(Refused { path, reason }));
                }
            }
        }
        if self.yielded || std::mem::replace(&mut self.ended, true) {
            return None;
        }
        let reason = format!(
            "folder `{}` holds no pictures, expected files ending in .{}",
            self.root.display(),
            picture::EXTENSIONS.join(", .")
        );
        Some(Err(Refused { path: self.root.clone(), reason }))
    }
}

fn has_picture_extension(path: &Path) -> bool {
    picture::format_by_name(path).is_some()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn found(paths: Vec<PathBuf>, skipped: Option<PathBuf>) -> Vec<Result<String, String>> {
        pictures(paths, skipped)
            .map(|item| match item {
                Ok(source) => Ok(source.relative.to_string_lossy().replace('\\', "/")),
                Err(refused) => Err(refused.reason),
            })
            .collect()
    }

    fn folder_with(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        folder
    }

    #[test]
    fn folders_are_searched_in_name_order_for_picture_extensions() {
        let folder = folder_with(&["b.PNG", "a.jpg", "notes.txt", "sub/deep/c.webp", "sub/d.tiff", "noext"]);
        let expected = ["a.jpg", "b.PNG", "sub/d.tiff", "sub/deep/c.webp"].map(|name| Ok(name.to_owned()));
        let mut got = found(vec![folder.path().to_owned()], None);
        got.sort();
        let mut sorted = expected.to_vec();
        sorted.sort();
        assert_eq!(got, sorted);
        assert_eq!(got, found(vec![folder.path().to_owned()], None));
    }

    #[test]
    fn named_files_are_tried_whatever_their_extension() {
        let folder = folder_with(&["picture.dat"]);
        assert_eq!(
            found(vec![folder.path().join("picture.dat"), "missing.jpg".into(), "-".into()], None),
            [Ok("picture.dat".to_owned()), Ok("missing.jpg".to_owned()), Ok("standard-input".to_owned())]
        );
    }

    #[test]
    fn a_folder_without_pictures_is_an_error() {
        let folder = folder_with(&["notes.txt"]);
        let found = found(vec![folder.path().to_owned()], None);
        assert_eq!(found.len(), 1);
        assert!(found[0].as_ref().unwrap_err().contains("holds no pictures, expected files ending in .jpg"));
    }

    #[test]
    fn the_folder_of_results_is_not_entered() {
        let folder = folder_with(&["a.png", "out/a.png", "out/b.png"]);
        let out = folder.path().join("out").canonicalize().unwrap();
        assert_eq!(found(vec![folder.path().to_owned()], Some(out)), [Ok("a.png".to_owned())]);
    }

    #[cfg(unix)]
    #[test]
    fn a_loop_of_links_ends() {
        let folder = folder_with(&["a.png"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
        let found = found(vec![folder.path().to_owned()], None);
        assert_eq!(found.iter().filter(|item| item.is_ok()).count(), 1);
        assert!(found.iter().any(|item| item.as_ref().is_err_and(|reason| reason.contains("links back"))));
    }
}
