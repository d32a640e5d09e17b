//! A folder of results: it mirrors the folders that were searched, and never touches an input.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::paths::Source;

/// A folder in which every input gets results of its own.
#[derive(Debug)]
pub(super) struct ResultFolder {
    root: PathBuf,
    what: &'static str,
    taken: HashSet<PathBuf>,
}

impl ResultFolder {
    /// Makes the folder `root` for `what` where it is missing, and checks that none of the `inputs` lies in it:
    /// then no result can ever replace an input.
    ///
    /// # Errors
    /// When the folder cannot be made, or holds an input.
    pub(super) fn create(root: &Path, what: &'static str, inputs: &[PathBuf]) -> anyhow::Result<Self> {
        std::fs::create_dir_all(root)
            .with_context(|| format!("cannot make the folder `{}` for {what}", root.display()))?;
        let root =
            root.canonicalize().with_context(|| format!("cannot open the folder `{}`", root.display()))?;
        let folder = Self { root, what, taken: HashSet::new() };
        for input in inputs {
            folder.check_apart(input)?;
        }
        Ok(folder)
    }

    /// The folder, as an absolute path without links.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Refuses an input inside this folder.
    fn check_apart(&self, input: &Path) -> anyhow::Result<()> {
        // An input that does not resolve cannot be overwritten; reading it reports what is wrong.
        if input.canonicalize().is_ok_and(|input| input.starts_with(&self.root)) {
            anyhow::bail!(
                "`{}` lies in the folder for {} `{}`, which could overwrite it; choose another folder",
                input.display(),
                self.what,
                self.root.display()
            );
        }
        Ok(())
    }

    /// The path of the result of `source` whose name ends in `ending`, its folder made. It is named as the source; where
    /// another source of this run has that name, a number is added.
    ///
    /// # Errors
    /// When the source lies in this folder, or a folder cannot be made.
    pub(super) fn path(&mut self, source: &Source, ending: &str) -> anyhow::Result<PathBuf> {
        if !source.is_standard_input() {
            self.check_apart(&source.path)?;
        }
        let path = self.free_path(&source.relative, ending);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
        }
        Ok(path)
    }

    /// A path that no other source of this run has got.
    pub(super) fn free_path(&mut self, relative: &Path, ending: &str) -> PathBuf {
        let stem = relative.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let folder = self.root.join(relative.parent().unwrap_or(Path::new("")));
        let mut path = folder.join(format!("{stem}.{ending}"));
        let mut number = 2;
        // Compared without case: some file systems do not tell `A.png` from `a.png`.
        while !self.taken.insert(PathBuf::from(path.to_string_lossy().to_lowercase())) {
            path = folder.join(format!("{stem}-{number}.{ending}"));
            number += 1;
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_and_never_taken_twice() {
        let root = tempfile::tempdir().unwrap();
        let mut folder = ResultFolder::create(&root.path().join("new/out"), "results", &[]).unwrap();
        let mut name = |relative: &str, ending: &str| {
            let path = folder.free_path(Path::new(relative), ending);
            path.strip_prefix(folder.root()).unwrap().to_string_lossy().replace('\\', "/")
        };
        assert_eq!(name("a.png", "png"), "a.png");
        assert_eq!(name("a.png", "png"), "a-2.png");
        assert_eq!(name("a.webp", "png"), "a-3.png");
        assert_eq!(name("A.PNG", "png"), "A-4.png");
        assert_eq!(name("sub/clip.mp4", "csv"), "sub/clip.csv");
        assert_eq!(name("standard-input", "png"), "standard-input.png");
    }

    #[test]
    fn inputs_in_the_folder_are_refused() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("sub")).unwrap();
        let input = root.path().join("sub/a.png");
        std::fs::write(&input, b"").unwrap();
        let error = ResultFolder::create(root.path(), "results", &[input]).err().unwrap().to_string();
        assert!(error.contains("could overwrite it"), "{error}");
    }
}
