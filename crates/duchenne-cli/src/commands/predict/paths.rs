//! From the paths on the command line to the pictures and clips behind them, one at a time.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use duchenne::data::faces::format::{Content, PictureFormat, READ_FORMATS, START_BYTES};
use duchenne::data::faces::picture::{Limits, Picture, PictureError};
use duchenne::data::video::ClipKind;

use super::left_out::LeftOut;

/// The name of standard input on the command line and in results.
const STANDARD_INPUT: &str = "-";

/// A picture or clip that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// The file, or `-`.
    pub path: PathBuf,
    /// Its place below the folder that was asked for, or just its name: where its annotated copy goes.
    pub relative: PathBuf,
    /// Whether it holds several frames.
    pub is_clip: bool,
}

impl Source {
    /// A path named on the command line, whatever its extension.
    fn named(path: &Path) -> Self {
        let relative = if path == Path::new(STANDARD_INPUT) {
            PathBuf::from("standard-input")
        } else {
            path.file_name().map_or_else(|| PathBuf::from("picture"), PathBuf::from)
        };
        let is_clip = ClipKind::of(path).is_some();
        Self { path: path.to_owned(), relative, is_clip }
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
        if self.is_clip {
            return 0;
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

/// A path that leads to no picture or clip, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// The path as it was asked for or found.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// The pictures and clips behind `paths`, in order: files as they are named, folders searched recursively by name
/// order for files with a picture's extension or content, or a clip's; what else they hold is counted in `left_out`. The folders `skipped` (where results go) are not entered.
/// Nothing is collected: a folder of any number of pictures takes no memory to speak of.
pub(super) fn pictures(
    paths: Vec<PathBuf>,
    skipped: Vec<PathBuf>,
    left_out: LeftOut,
) -> impl Iterator<Item = Result<Source, Refused>> {
    paths.into_iter().flat_map(move |path| -> Box<dyn Iterator<Item = Result<Source, Refused>>> {
        if let Some(address) = path.to_str().filter(|path| is_address(path)) {
            let reason =
                format!("`{address}` is an address; fetch it first: curl -s {address} | duchenne predict -");
            Box::new(std::iter::once(Err(Refused { path, reason })))
        } else if path.is_dir() {
            Box::new(FolderPictures::new(path, skipped.clone(), left_out.clone()))
        } else {
            Box::new(std::iter::once(Ok(Source::named(&path))))
        }
    })
}

/// Whether an argument is an address on the web.
fn is_address(path: &str) -> bool {
    path.starts_with("http://") || path.starts_with("https://")
}

/// The pictures of one folder; an error at the end if there was none.
struct FolderPictures {
    root: PathBuf,
    entries: Box<dyn Iterator<Item = walkdir::Result<walkdir::DirEntry>>>,
    left_out: LeftOut,
    yielded: bool,
    ended: bool,
}

impl FolderPictures {
    fn new(root: PathBuf, skipped: Vec<PathBuf>, left_out: LeftOut) -> Self {
        let entries = WalkDir::new(&root).follow_links(true).sort_by_file_name().into_iter();
        let entries = entries.filter_entry(move |entry| {
            let is_skipped = |path: PathBuf| skipped.contains(&path);
            !entry.file_type().is_dir() || !entry.path().canonicalize().is_ok_and(is_skipped)
        });
        Self { root, entries: Box::new(entries), left_out, yielded: false, ended: false }
    }
}

impl Iterator for FolderPictures {
    type Item = Result<Source, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        for entry in self.entries.by_ref() {
            match entry {
                Ok(entry) if entry.file_type().is_file() => {
                    let is_clip = ClipKind::of(entry.path()).is_some();
                    if !is_clip && let Some(content) = left_out_as(entry.path()) {
                        self.left_out.add(content, entry.path());
                        continue;
                    }
                    self.yielded = true;
                    let relative = entry.path().strip_prefix(&self.root).unwrap_or(entry.path()).to_owned();
                    return Some(Ok(Source { path: entry.into_path(), relative, is_clip }));
                }
                Ok(_) => {}
                Err(error) => {
                    let path = error.path().unwrap_or(&self.root).to_owned();
                    if let Some(ancestor) = error.loop_ancestor() {
                        let (link, folder) = (path.display(), ancestor.display());
                        self.left_out.link(format!(
                            "note: `{link}` links back to its own folder `{folder}`: not searched again"
                        ));
                        continue;
                    }
                    if path.is_symlink() {
                        self.left_out.link(format!("note: the link `{}` leads nowhere", path.display()));
                        continue;
                    }
                    let reason = match error.io_error() {
                        Some(source) => format!("cannot read `{}`: {source}", path.display()),
                        None => error.to_string(),
                    };
                    self.yielded = true;
                    return Some(Err(Refused { path, reason }));
                }
            }
        }
        if self.yielded || std::mem::replace(&mut self.ended, true) {
            return None;
        }
        let reason = format!(
            "folder `{}` holds no pictures or videos, expected {READ_FORMATS} files, or videos",
            self.root.display()
        );
        Some(Err(Refused { path: self.root.clone(), reason }))
    }
}

/// What a file is that is no picture by its name and none by its content, for which it is left out.
fn left_out_as(path: &Path) -> Option<Content> {
    if PictureFormat::by_name(path).is_some() {
        return None;
    }
    let mut start = Vec::new();
    // A file that cannot be opened is told like any picture that cannot.
    std::fs::File::open(path).and_then(|file| file.take(START_BYTES as u64).read_to_end(&mut start)).ok()?;
    let content = Content::of(&start);
    (!matches!(content, Content::Picture(_))).then_some(content)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn found(paths: Vec<PathBuf>, skipped: Vec<PathBuf>) -> Vec<Result<String, String>> {
        pictures(paths, skipped, LeftOut::default())
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
        let mut got = found(vec![folder.path().to_owned()], Vec::new());
        got.sort();
        let mut sorted = expected.to_vec();
        sorted.sort();
        assert_eq!(got, sorted);
        assert_eq!(got, found(vec![folder.path().to_owned()], Vec::new()));
    }

    #[test]
    fn pictures_are_known_by_content_and_the_rest_is_counted() {
        let folder = folder_with(&["empty.txt", "notes.txt", "film.mkv", "web.bin", "renamed.dat", "bare"]);
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        write("notes.txt", b"hello");
        write("film.mkv", &[0x1A, 0x45, 0xDF, 0xA3, 0]);
        write("web.bin", b"\0\0\0\x18ftypavif");
        write("renamed.dat", b"\x89PNG\r\n\x1a\n");
        write("bare", b"GIF89a");
        let left_out = LeftOut::default();
        let found = pictures(vec![folder.path().to_owned()], Vec::new(), left_out.clone());
        let names: Vec<String> =
            found.map(|item| item.unwrap().relative.to_string_lossy().into_owned()).collect();
        assert_eq!(names, ["bare", "film.mkv", "renamed.dat"]);
        let expected = "not read: 1 AVIF picture (.bin; export as JPEG to read), 1 empty file (.txt), 1 other file (.txt)";
        assert_eq!(left_out.lines(), [expected]);
        assert!(LeftOut::default().lines().is_empty());
    }

    #[test]
    fn named_files_are_tried_whatever_their_extension() {
        let folder = folder_with(&["picture.dat"]);
        assert_eq!(
            found(vec![folder.path().join("picture.dat"), "missing.jpg".into(), "-".into()], Vec::new()),
            [Ok("picture.dat".to_owned()), Ok("missing.jpg".to_owned()), Ok("standard-input".to_owned())]
        );
    }

    #[test]
    fn a_folder_without_pictures_is_an_error() {
        let folder = folder_with(&["notes.txt"]);
        let found = found(vec![folder.path().to_owned()], Vec::new());
        assert_eq!(found.len(), 1);
        assert!(found[0].as_ref().unwrap_err().contains("holds no pictures or videos, expected JPEG"));
    }

    #[test]
    fn the_folder_of_results_is_not_entered() {
        let folder = folder_with(&["a.png", "out/a.png", "out/b.png"]);
        let out = folder.path().join("out").canonicalize().unwrap();
        assert_eq!(found(vec![folder.path().to_owned()], vec![out]), [Ok("a.png".to_owned())]);
    }

    #[cfg(unix)]
    #[test]
    fn a_loop_of_links_ends() {
        let folder = folder_with(&["a.png"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
        let found = found(vec![folder.path().to_owned()], Vec::new());
        assert_eq!(found.iter().filter(|item| item.is_ok()).count(), 1);
        // The link is noted, and is no picture that failed.
        assert_eq!(found.len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_nowhere_is_no_failed_picture() {
        let folder = folder_with(&["a.png"]);
        std::os::unix::fs::symlink("missing", folder.path().join("b.png")).unwrap();
        let left_out = LeftOut::default();
        let found = pictures(vec![folder.path().to_owned()], Vec::new(), left_out.clone());
        assert_eq!(found.filter(Result::is_ok).count(), 1);
        assert!(left_out.lines()[0].contains("b.png` leads nowhere"), "{left_out:?}");
    }

    #[test]
    fn an_address_is_told_from_a_file() {
        let found = found(vec!["https://example.org/a.jpg".into()], Vec::new());
        assert!(
            found[0].as_ref().unwrap_err().contains("curl -s https://example.org/a.jpg | duchenne predict -")
        );
    }
}
