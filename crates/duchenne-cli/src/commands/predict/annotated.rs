//! Annotated copies of pictures.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;

use super::paths::Source;
use super::result_folder::ResultFolder;
use duchenne::data::faces::format::PictureFormat;
use duchenne::files::atomic::write_atomically;

/// The quality of JPEG copies: text stays clean.
const JPEG_QUALITY: u8 = 92;

/// Writes the annotated copy of `source` into `folder`, as JPEG where that was JPEG or HEIC and as PNG otherwise.
///
/// # Errors
/// When the file cannot be written or would lie on the source itself.
pub(super) fn write(
    folder: &mut ResultFolder,
    source: &Source,
    format: PictureFormat,
    picture: &RgbImage,
) -> anyhow::Result<()> {
    let path = folder.path(source, &ending(&source.relative, format))?;
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

/// The ending of the copy's name.
fn ending(relative: &Path, format: PictureFormat) -> String {
    match (format, relative.extension().and_then(|extension| extension.to_str())) {
        (PictureFormat::Jpeg, Some(extension)) if PictureFormat::by_name(relative) == Some(format) => {
            extension.to_owned()
        }
        (PictureFormat::Jpeg | PictureFormat::Heic, _) => "jpg".to_owned(),
        _ => "png".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_keep_the_ending_where_they_keep_the_format() {
        let ending = |name: &str, format: PictureFormat| ending(Path::new(name), format);
        assert_eq!(ending("sub/a.JPEG", PictureFormat::Jpeg), "JPEG");
        assert_eq!(ending("sub/b.png", PictureFormat::Jpeg), "jpg");
        assert_eq!(ending("a.webp", PictureFormat::WebP), "png");
        assert_eq!(ending("standard-input", PictureFormat::Gif), "png");
        assert_eq!(ending("IMG_1.HEIC", PictureFormat::Heic), "jpg");
    }
}
