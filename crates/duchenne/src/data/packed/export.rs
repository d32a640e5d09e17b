//! Exports a packed data set as picture files, `<split>/<class>/<row>.png`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use image::{ExtendedColorType, ImageEncoder as _, codecs::png::PngEncoder};
use rayon::prelude::*;

use crate::data::Progress;
use crate::data::error::DataError;
use crate::data::packed::dataset::PackedDataset;
use crate::data::packed::split::{Origin, SYNTHETIC_MARK};
use crate::files::atomic::{AtomicError, folder_of, plain, sync_folder};

/// Writes every picture of `dataset` to `folder`, which must be missing or empty. Rows count from 0;
/// the name of a synthetic picture says so. The folder appears when all pictures are in it.
///
/// The single pictures are not flushed to the disk, for that would take minutes: after a power cut,
/// export again.
///
/// # Errors
/// [`DataError::Write`] when `folder` is not empty or the system refuses.
pub fn export(dataset: &PackedDataset, folder: &Path, progress: Progress<'_>) -> Result<(), DataError> {
    let failed = |error: io::Error| AtomicError::system(folder, plain(error));
    let exists = check_empty(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".export.").suffix(".partial");
    // tempfile's default keeps the folder to its owner; results get the permissions of ordinary ones.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let temporary = builder.tempdir_in(folder_of(folder)).map_err(failed)?;
    let place = |row: usize| {
        let class = dataset.label_set().names()[usize::from(dataset.label(row))];
        temporary.path().join(dataset.split(row).key()).join(class)
    };
    let places: BTreeSet<PathBuf> = (0..dataset.len()).map(place).collect();
    places.iter().try_for_each(fs::create_dir_all).map_err(failed)?;
    let done = AtomicU64::new(0);
    (0..dataset.len()).into_par_iter().try_for_each(|row| {
        let mark = if dataset.origin(row) == Origin::Synthetic { SYNTHETIC_MARK } else { "" };
        let bytes = png(dataset, row).map_err(failed)?;
        fs::write(place(row).join(format!("{row:06}{mark}.png")), bytes).map_err(failed)?;
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, dataset.len() as u64);
        Ok::<_, AtomicError>(())
    })?;
    if exists {
        // Not every system renames over a folder, not even an empty one.
        fs::remove_dir(folder).map_err(failed)?;
    }
    fs::rename(temporary.path(), folder).map_err(failed)?;
    // The temporary name is gone, so there is nothing to remove.
    let _ = temporary.keep();
    sync_folder(folder_of(folder)).map_err(failed)?;
    Ok(())
}

/// Whether `folder` exists; refuses it when it holds anything, or its own folder is missing.
///
/// # Errors
/// [`AtomicError`] saying which.
pub fn check_empty(folder: &Path) -> Result<bool, AtomicError> {
    let refuse = |problem: String| Err(AtomicError::Place { path: folder.to_owned(), problem });
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(true),
            Some(_) => refuse("the folder is not empty; name a new one".to_owned()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = folder_of(folder);
            if parent.is_dir() {
                Ok(false)
            } else {
                refuse(format!("folder `{}` does not exist; create it first", parent.display()))
            }
        }
        Err(error) => Err(AtomicError::system(folder, error)),
    }
}

fn png(dataset: &PackedDataset, row: usize) -> io::Result<Vec<u8>> {
    let [height, width, channels] = dataset.shape();
    let kind = if channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(dataset.image(row), width as u32, height as u32, kind)
        .map_err(io::Error::other)?;
    Ok(bytes)
}
