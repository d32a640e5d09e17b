//! Where the results of stages are kept: a folder for each, named by what it was made from, with a list of its
//! files and their checksums.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Context as _, refuse};
use serde::{Deserialize, Serialize};

use crate::files::atomic::write_text;
use crate::files::checksum::checksum_of_file;

/// The list in a finished stage's folder.
const DONE_FILE: &str = "done.json";

/// What a finished stage has made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Files, relative to the stage's folder, with their checksums.
    pub files: BTreeMap<String, String>,
    /// Of computation, over all sittings.
    pub seconds: f64,
    /// Of all files.
    pub bytes: u64,
    /// On which it was made, as the user names it.
    pub device: String,
}

/// The folder of one stage.
#[derive(Debug, Clone)]
pub struct StageFolder {
    path: PathBuf,
}

impl StageFolder {
    /// `name.key` below `root`, or what is there already under another name and that key; nothing is made yet.
    pub fn new(root: &Path, name: &str, key: &str) -> Self {
        let ending = format!(".{}", &key[..12]);
        let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
        let mut known = entries.map(|entry| entry.path()).filter(|path| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(&ending))
        });
        let fresh = || root.join(format!("{}{ending}", name.replace(['/', ' '], "-")));
        Self { path: known.next().unwrap_or_else(fresh) }
    }

    /// The path of one of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether work on it has begun.
    pub fn is_begun(&self) -> bool {
        self.path.is_dir()
    }

    /// Makes the folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn begin(&self) -> crate::Result<()> {
        std::fs::create_dir_all(&self.path).with_context(|| format!("cannot make `{}`", self.path.display()))
    }

    /// What the stage has made, if it is finished.
    ///
    /// # Errors
    /// Which of its files is missing or not as it was.
    pub fn done(&self) -> crate::Result<Option<Done>> {
        let Ok(text) = std::fs::read_to_string(self.file(DONE_FILE)) else {
            return Ok(None);
        };
        let done: Done = serde_json::from_str(&text).context("its list is damaged")?;
        for (name, checksum) in &done.files {
            match checksum_of_file(&self.file(name)) {
                Err(_) => refuse!("`{name}` is missing"),
                Ok(now) if now != *checksum => refuse!("`{name}` is not as it was"),
                Ok(_) => {}
            }
        }
        Ok(Some(done))
    }

    /// Deletes everything.
    ///
    /// # Errors
    /// When something cannot be deleted.
    pub fn discard(&self) -> crate::Result<()> {
        std::fs::remove_dir_all(&self.path)
            .with_context(|| format!("cannot delete `{}`", self.path.display()))
    }

    /// Marks the stage finished: every file in its folder that `counts` is listed.
    ///
    /// # Errors
    /// When a file cannot be read or the list cannot be written.
    pub fn finish(&self, seconds: f64, device: &str, counts: &dyn Fn(&Path) -> bool) -> crate::Result<Done> {
        let mut done = Done { files: BTreeMap::new(), seconds, bytes: 0, device: device.to_owned() };
        for path in files_below(&self.path)?.into_iter().filter(|path| counts(path)) {
            let name = path.strip_prefix(&self.path).expect("it lies below").to_string_lossy().into_owned();
            done.bytes += path.metadata().map_or(0, |metadata| metadata.len());
            done.files.insert(name, checksum_of_file(&path)?);
        }
        let path = self.file(DONE_FILE);
        let text = serde_json::to_string_pretty(&done)?;
        write_text(&path, &text)?;
        Ok(done)
    }
}

/// All files below a folder but the list itself.
pub fn files_below(folder: &Path) -> crate::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else if path.file_name().is_none_or(|name| name != DONE_FILE) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_known_until_it_is_changed() {
        let root = tempfile::tempdir().unwrap();
        let stage = StageFolder::new(root.path(), "train vgg16", "0123456789abcdef");
        assert!(!stage.is_begun() && stage.done().unwrap().is_none());
        stage.begin().unwrap();
        std::fs::create_dir(stage.file("run")).unwrap();
        std::fs::write(stage.file("run/model"), "weights").unwrap();
        assert_eq!(stage.done().unwrap(), None);
        std::fs::write(stage.file("run/state"), "passing").unwrap();
        let done = stage.finish(2.5, "cpu", &|path| !path.ends_with("state")).unwrap();
        // Under another name, but made from the same.
        let renamed = StageFolder::new(root.path(), "train vgg99", "0123456789abcdef");
        assert_eq!(renamed.path(), stage.path());
        assert_eq!((done.files.len(), done.bytes), (1, 7));
        assert_eq!(stage.done().unwrap(), Some(done));
        std::fs::write(stage.file("run/model"), "weighty").unwrap();
        assert!(stage.done().unwrap_err().to_string().contains("`run/model` is not as it was"));
        std::fs::remove_file(stage.file("run/model")).unwrap();
        assert!(stage.done().unwrap_err().to_string().contains("`run/model` is missing"));
        stage.discard().unwrap();
        assert!(!stage.is_begun());
    }
}
