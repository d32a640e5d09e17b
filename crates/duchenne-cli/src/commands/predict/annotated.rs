//! The folder of annotated copies: it mirrors the folders that were searched, and never touches an input.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;

use crate::commands::predict::paths::Source;
use duchenne::data::faces::format::PictureFormat;
use duchenne::files::atomic::write_atomically;

/// The quality of JPEG copies: text stays clean.
const JPEG_QUALITY: u8 = 92;

/// A folder that takes annotated copies.
pub(super) struct AnnotatedFolder {
    root: PathBuf,
    taken: HashSet<PathBuf>,
}

impl AnnotatedFolder {
    /// Makes the folder `root` where it is missing, and checks that none of the `inputs` lies in it:
    /// then no copy can ever replace an input.
    ///
    /// # Errors
    /// When the folder cannot be made, or holds an input.
    pub(super) fn create(root: &Path, inputs: &[PathBuf]) -> anyhow::Result<Self> {
        std::fs::create_dir_all(root)
            .with_context(|| format!("cannot make the folder `{}` for annotated copies", root.display()))?;
        let root =
            root.canonicalize().with_context(|| format!("cannot open the folder `{}`", root.display()))?;
        let folder = Self { root, taken: HashSet::new() };
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
                "`{}` lies in the folder for annotated copies `{}`, which could overwrite it; \
                 choose another folder",
                input.display(),
                self.root.display()
            );
        }
        Ok(())
    }

    /// Writes the annotated copy of `source`, as JPEG where that was JPEG or HEIC and as PNG otherwise. Its name
    /// is the source's; where another source of this run has taken it, a number is added.
    ///
    /// # Errors
    /// When the file cannot be written or would lie on the source itself.
    pub(super) fn write(
        &mut self,
        source: &Source,
        format: PictureFormat,
        picture: &RgbImage,
    ) -> anyhow::Result<()> {
        if !source.is_standard_input() {
            self.check_apart(&source.path)?;
        }
        let path = self.free_path(&source.relative, format);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
        }
        write_atomically(&path, |writer| -> anyhow::Result<()> {
            if matches!(format, PictureFormat::Jpeg | PictureFormat::Heic) {
                picture.write_with_encoder(JpegEncoder::new_with_quality(&mut *writer, JPEG_QUALITY))
            } else {
                picture.write_with_encoder(PngEncoder::new(&mut *writer))
            }
            .with_context(|| format!("cannot write `{}`", path.display()))?;
            writer.flush().with_context(|| format!("cannot write `{}`", path.display()))
        })
    }

    /// A path that no other source of this run has got.
    fn free_path(&mut self, relative: &Path, format: PictureFormat) -> PathBuf {
        let stem = relative.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let extension = match (format, relative.extension().and_then(|extension| extension.to_str())) {
            (PictureFormat::Jpeg, Some(extension)) if PictureFormat::by_name(relative) == Some(format) => {
                extension.to_owned()
            }
            (PictureFormat::Jpeg | PictureFormat::Heic, _) => "jpg".to_owned(),
            _ => "png".to_owned(),
        };
        let folder = self.root.join(relative.parent().unwrap_or(Path::new("")));
        let mut path = folder.join(format!("{stem}.{extension}"));
        let mut number = 2;
        // Compared without case: some file systems do not tell `A.png` from `a.png`.
        while !self.taken.insert(PathBuf::from(path.to_string_lossy().to_lowercase())) {
            path = folder.join(format!("{stem}-{number}.{extension}"));
            number += 1;
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(folder: &mut AnnotatedFolder, relative: &str, format: PictureFormat) -> String {
        let path = folder.free_path(Path::new(relative), format);
        path.strip_prefix(folder.root()).unwrap().to_string_lossy().replace('\\', "/")
    }

    #[test]
    fn names_are_kept_and_never_taken_twice() {
        let root = tempfile::tempdir().unwrap();
        let mut folder = AnnotatedFolder::create(&root.path().join("new/out"), &[]).unwrap();
        assert_eq!(name(&mut folder, "a.png", PictureFormat::Png), "a.png");
        assert_eq!(name(&mut folder, "a.png", PictureFormat::Png), "a-2.png");
        assert_eq!(name(&mut folder, "a.webp", PictureFormat::WebP), "a-3.png");
        assert_eq!(name(&mut folder, "A.PNG", PictureFormat::Png), "A-4.png");
        assert_eq!(name(&mut folder, "sub/a.JPEG", PictureFormat::Jpeg), "sub/a.JPEG");
        assert_eq!(name(&mut folder, "sub/b.png", PictureFormat::Jpeg), "sub/b.jpg");
        assert_eq!(name(&mut folder, "standard-input", PictureFormat::Gif), "standard-input.png");
        assert_eq!(name(&mut folder, "IMG_1.HEIC", PictureFormat::Heic), "IMG_1.jpg");
    }

    #[test]
    fn inputs_in_the_folder_are_refused() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("sub")).unwrap();
        let input = root.path().join("sub/a.png");
        std::fs::write(&input, b"").unwrap();
        let error = AnnotatedFolder::create(root.path(), &[input]).err().unwrap().to_string();
        assert!(error.contains("could overwrite it"), "{error}");
    }
}
