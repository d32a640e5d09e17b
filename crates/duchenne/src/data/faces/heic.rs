//! *HEIC* pictures, as phones make them: decoded by `heic-decoder`, which is pure Rust.
//!
//! The turns, mirrorings and crops that the file asks for are made by the decoder; an orientation in the file's EXIF
//! only repeats them (ISO/IEC 23008-12, A.2.1) and is not applied. Colours are taken as sRGB, as everywhere.

use std::io::{Read, Seek, SeekFrom};

use heic_decoder::{HeifError, ImageInfo};
use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};

use super::picture::{Limits, PictureProblem};

/// Bytes of memory that decoding takes for each pixel: samples of 32 bits in three planes, twice while they are turned.
/// (Measured with pictures of 12 megapixels: 22 at full chroma resolution, 13 at a quarter of it.)
const BYTES_PER_PIXEL: u64 = 24;

/// Reads all of `reader`, whose length was checked.
pub(super) fn bytes(reader: &mut (impl Read + Seek)) -> Result<Vec<u8>, PictureProblem> {
    let mut bytes = Vec::new();
    reader
        .seek(SeekFrom::Start(0))
        .and_then(|_| reader.read_to_end(&mut bytes))
        .map_err(|error| PictureProblem::Damaged(error.to_string()))?;
    Ok(bytes)
}

/// The width and height that the file claims, after its turns, checked against `limits`.
pub(super) fn size(bytes: &[u8], limits: &Limits) -> Result<(u32, u32), PictureProblem> {
    let ImageInfo { width, height, coded_width, coded_height, .. } =
        heic_decoder::probe(bytes).map_err(problem)?;
    for (width, height) in [(width, height), (coded_width, coded_height)] {
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        limits.check(side(width), side(height))?;
        if (width as u64 * height as u64).saturating_mul(BYTES_PER_PIXEL) > limits.decoder_bytes {
            return Err(PictureProblem::TooMuchMemory { most: limits.decoder_bytes });
        }
    }
    Ok((width as u32, height as u32))
}

/// Decodes the primary picture, upright, gray where the file is gray.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<DynamicImage, PictureProblem> {
    size(bytes, limits)?;
    let decoded = heic_decoder::decode(bytes).map_err(problem)?;
    let (width, height) = (decoded.width as u32, decoded.height as u32);
    let image = if decoded.alpha.is_some() {
        let mut rgba = decoded.to_rgba8().map_err(problem)?;
        if rgba.premultiplied {
            divide_by_opacity(&mut rgba.data);
        }
        RgbaImage::from_vec(width, height, rgba.data).map(DynamicImage::from)
    } else {
        let rgb = decoded.to_rgb8().map_err(problem)?.data;
        if decoded.chroma_format_idc == 0 {
            let gray = rgb.chunks_exact(3).map(|pixel| pixel[0]).collect();
            GrayImage::from_vec(width, height, gray).map(DynamicImage::from)
        } else {
            RgbImage::from_vec(width, height, rgb).map(DynamicImage::from)
        }
    };
    image.ok_or_else(|| PictureProblem::Damaged("its pixels are fewer than it claims".to_owned()))
}

/// Takes the opacity out of colours that were stored multiplied by it.
fn divide_by_opacity(rgba: &mut [u8]) {
    for pixel in rgba.chunks_exact_mut(4) {
        let alpha = u32::from(pixel[3]).max(1);
        for value in &mut pixel[..3] {
            *value = ((u32::from(*value) * 255 + alpha / 2) / alpha).min(255) as u8;
        }
    }
}

fn problem(error: HeifError) -> PictureProblem {
    match error {
        HeifError::Unsupported(_) => PictureProblem::Format {
            found: "of an unsupported variant",
            remedy: "; export it as PNG or JPEG",
        },
        HeifError::LimitExceeded(_) => {
            PictureProblem::TooMuchMemory { most: Limits::RECOGNITION.decoder_bytes }
        }
        error => PictureProblem::Damaged(error.to_string()),
    }
}
