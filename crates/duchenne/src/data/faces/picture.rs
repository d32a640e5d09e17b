//! A *picture* is an image file decoded upright to 8-bit gray or colour, as a person would see it on
//! white paper.
//!
//! The format is told by the content, never by the name. Sizes are checked in the header before any
//! pixel is decoded: a file of 100 bytes may claim a picture of gigabytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Seek};
use std::path::{Path, PathBuf};

use image::{DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

/// The most pixels a picture may have: 134 megapixels, more than any common camera makes.
pub const MAX_PIXELS: u64 = 1 << 27;
/// The longest side of a picture in pixels: what JPEG can express.
pub const MAX_SIDE: u32 = u16::MAX as u32;
/// The most bytes of a picture file.
pub const MAX_FILE_BYTES: u64 = 1 << 30;
/// The most memory a decoder may ask for: [`MAX_PIXELS`] of 16-bit RGBA.
const MAX_DECODER_BYTES: u64 = MAX_PIXELS * 8;

/// Extensions of the formats that [`Picture`] reads, lower case: what a search through folders takes.
/// JPEG, PNG, WebP, BMP, TIFF and GIF (its first frame).
pub const EXTENSIONS: [&str; 10] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "tif", "tiff", "gif"];

/// A picture that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The system refused the file.
    #[error("cannot read `{}`: {source}", path.display())]
    File {
        /// The picture.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The content is no picture, or of a kind that is not read.
    #[error(
        "`{}` is {found}, expected a JPEG, PNG, WebP, BMP, TIFF or GIF picture{remedy}",
        path.display()
    )]
    Format {
        /// The picture.
        path: PathBuf,
        /// What the content looks like.
        found: &'static str,
        /// What to do about it; empty, or begins with "; ".
        remedy: &'static str,
    },
    /// The picture or its file is larger than this program decodes.
    #[error("`{}` {excess}; scale it down first", path.display())]
    TooLarge {
        /// The picture.
        path: PathBuf,
        /// What is too large, and the limit.
        excess: String,
    },
    /// The format is known, but the content breaks its rules.
    #[error("`{}` is damaged or incomplete: {source}", path.display())]
    Damaged {
        /// The picture.
        path: PathBuf,
        /// What the decoder said.
        source: image::ImageError,
    },
}

/// An upright 8-bit picture without transparency, in gray where the file was gray.
#[derive(Debug, Clone)]
pub struct Picture {
    pixels: Pixels,
    format: ImageFormat,
}

#[derive(Debug, Clone)]
enum Pixels {
    Gray(GrayImage),
    Colour(RgbImage),
}

impl Picture {
    /// Reads the picture file `path`.
    ///
    /// # Errors
    /// [`PictureError`] where the file cannot be read, is no picture, is too large or is damaged.
    pub fn open(path: &Path) -> Result<Self, PictureError> {
        Self::decode(open_file(path)?, path)
    }

    /// Decodes the bytes of a picture file; `name` stands for it in errors.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(bytes: &[u8], name: &Path) -> Result<Self, PictureError> {
        check_file_size(bytes.len() as u64, name)?;
        Self::decode(Cursor::new(bytes), name)
    }

    /// The width and height that the header of `path` claims, before any rotation, without decoding.
    ///
    /// # Errors
    /// As [`open`](Self::open), but a damaged body is not noticed.
    pub fn claimed_size(path: &Path) -> Result<(u32, u32), PictureError> {
        let (decoder, _) = decoder(open_file(path)?, path)?;
        Ok(decoder.dimensions())
    }

    fn decode(reader: impl BufRead + Seek, path: &Path) -> Result<Self, PictureError> {
        let (mut decoder, format) = decoder(reader, path)?;
        // A picture whose metadata is broken still has its pixels: it is shown as stored.
        let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
        let mut image = DynamicImage::from_decoder(decoder).map_err(|source| decoding_error(source, path))?;
        image.apply_orientation(orientation);
        Ok(Self { pixels: Pixels::from_decoded(image), format })
    }

    /// The width in pixels.
    pub fn width(&self) -> u32 {
        match &self.pixels {
            Pixels::Gray(image) => image.width(),
            Pixels::Colour(image) => image.width(),
        }
    }

    /// The height in pixels.
    pub fn height(&self) -> u32 {
        match &self.pixels {
            Pixels::Gray(image) => image.height(),
            Pixels::Colour(image) => image.height(),
        }
    }

    /// The format of the file.
    pub fn format(&self) -> ImageFormat {
        self.format
    }

    /// The luma of every pixel, `0..=255`, by ITU-R BT.601 with Pillow's rounding: FER-2013 was made
    /// gray so, and a gray picture keeps its values exactly.
    pub fn to_gray(&self) -> GrayImage {
        match &self.pixels {
            Pixels::Gray(image) => image.clone(),
            Pixels::Colour(image) => {
                let luma = image.pixels().map(|pixel| luma(pixel.0)).collect();
                GrayImage::from_vec(image.width(), image.height(), luma)
                    .expect("one luma value was made per pixel")
            }
        }
    }

    /// The picture in colour, to draw on.
    pub fn into_rgb(self) -> RgbImage {
        match self.pixels {
            Pixels::Gray(image) => DynamicImage::from(image).into_rgb8(),
            Pixels::Colour(image) => image,
        }
    }
}

impl Pixels {
    /// 8 bits, transparency laid over white.
    fn from_decoded(image: DynamicImage) -> Self {
        let color = image.color();
        match (color.has_color(), color.has_alpha()) {
            (false, false) => Self::Gray(image.into_luma8()),
            (true, false) => Self::Colour(image.into_rgb8()),
            (false, true) => {
                let image = image.into_luma_alpha8();
                let gray = image.pixels().map(|pixel| over_white(pixel.0[0], pixel.0[1])).collect();
                Self::Gray(
                    GrayImage::from_vec(image.width(), image.height(), gray)
                        .expect("one value was made per pixel"),
                )
            }
            (true, true) => {
                let image = image.into_rgba8();
                let rgb = image
                    .pixels()
                    .flat_map(|pixel| {
                        let [red, green, blue, alpha] = pixel.0;
                        [over_white(red, alpha), over_white(green, alpha), over_white(blue, alpha)]
                    })
                    .collect();
                Self::Colour(
                    RgbImage::from_vec(image.width(), image.height(), rgb)
                        .expect("three values were made per pixel"),
                )
            }
        }
    }
}

/// `value` at opacity `alpha` over white, rounded.
fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// `0.299 R + 0.587 G + 0.114 B` in 16-bit fixed point; the weights add to 1 exactly.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    ((19_595 * u32::from(red) + 38_470 * u32::from(green) + 7_471 * u32::from(blue) + 0x8000) >> 16) as u8
}

fn open_file(path: &Path) -> Result<BufReader<File>, PictureError> {
    let file_error = |source| PictureError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(file_error)?;
    let metadata = file.metadata().map_err(file_error)?;
    if metadata.is_dir() {
        return Err(file_error(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    check_file_size(metadata.len(), path)?;
    Ok(BufReader::new(file))
}

fn check_file_size(bytes: u64, path: &Path) -> Result<(), PictureError> {
    if bytes > MAX_FILE_BYTES {
        let excess = format!("has {bytes} bytes, at most {MAX_FILE_BYTES} are read");
        return Err(PictureError::TooLarge { path: path.to_owned(), excess });
    }
    Ok(())
}

/// The decoder for what `reader` holds, with its claimed size checked and its memory bounded.
fn decoder<'a>(
    mut reader: impl BufRead + Seek + 'a,
    path: &Path,
) -> Result<(impl ImageDecoder + 'a, ImageFormat), PictureError> {
    let start = reader.fill_buf().map_err(|source| PictureError::File { path: path.to_owned(), source })?;
    let format = sniff(start, path)?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    let mut reader = ImageReader::with_format(reader, format);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(|source| decoding_error(source, path))?;

    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if width > MAX_SIDE || height > MAX_SIDE || pixels > MAX_PIXELS {
        let excess = format!(
            "claims {width} x {height} pixels, at most {MAX_SIDE} on a side and {} megapixels are read",
            MAX_PIXELS / 1_000_000
        );
        return Err(PictureError::TooLarge { path: path.to_owned(), excess });
    }
    // What the output takes is no longer free for the decoder's own buffers.
    limits
        .reserve(decoder.total_bytes())
        .and_then(|()| decoder.set_limits(limits))
        .map_err(|source| decoding_error(source, path))?;
    Ok((decoder, format))
}

/// The format of a file that begins with `start`.
fn sniff(start: &[u8], path: &Path) -> Result<ImageFormat, PictureError> {
    let refuse = |found, remedy| PictureError::Format { path: path.to_owned(), found, remedy };
    if start.is_empty() {
        return Err(refuse("empty", ""));
    }
    if start.get(4..8) == Some(b"ftyp") {
        return Err(match start.get(8..12) {
            Some(b"heic" | b"heix" | b"mif1" | b"msf1" | b"hevc") => {
                refuse("a HEIC picture", "; export it as JPEG")
            }
            Some(b"avif" | b"avis") => refuse("an AVIF picture", "; export it as PNG or JPEG"),
            _ => refuse("a video", "; extract its frames as pictures"),
        });
    }
    match image::guess_format(start) {
        Ok(
            format @ (ImageFormat::Jpeg
            | ImageFormat::Png
            | ImageFormat::WebP
            | ImageFormat::Bmp
            | ImageFormat::Tiff
            | ImageFormat::Gif),
        ) => Ok(format),
        Ok(_) => Err(refuse("of a picture format that is not read", "; export it as PNG or JPEG")),
        Err(_) => Err(refuse("not a picture by its content", "")),
    }
}

/// Sorts a decoder's complaint: too large, unsupported or damaged.
fn decoding_error(source: image::ImageError, path: &Path) -> PictureError {
    let path = path.to_owned();
    match source {
        image::ImageError::Limits(_) => PictureError::TooLarge {
            path,
            excess: format!("needs more than {} MiB to decode", MAX_DECODER_BYTES >> 20),
        },
        image::ImageError::Unsupported(_) => PictureError::Format {
            path,
            found: "of a rare kind that is not read",
            remedy: "; export it as PNG or JPEG",
        },
        source => PictureError::Damaged { path, source },
    }
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, ImageEncoder as _, Luma, LumaA, Rgb, Rgba};

    use super::*;

    const NAME: &str = "x.png";

    fn decode(bytes: &[u8]) -> Result<Picture, PictureError> {
        Picture::from_bytes(bytes, Path::new(NAME))
    }

    fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        image.into().write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        bytes
    }

    /// Wide, dark at the left, bright at the right.
    fn ramp() -> RgbImage {
        RgbImage::from_fn(32, 16, |x, _| Rgb([(x * 8) as u8, (x * 4) as u8, 20]))
    }

    #[test]
    fn every_format_is_read_by_content() {
        for format in [
            ImageFormat::Jpeg,
            ImageFormat::Png,
            ImageFormat::WebP,
            ImageFormat::Bmp,
            ImageFormat::Tiff,
            ImageFormat::Gif,
        ] {
            let picture = decode(&encoded(ramp(), format)).unwrap();
            assert_eq!((picture.width(), picture.height(), picture.format()), (32, 16, format));
            let rgb = picture.into_rgb();
            for x in [0, 10, 31] {
                for channel in 0..3 {
                    let (got, want) = (rgb.get_pixel(x, 8)[channel], ramp().get_pixel(x, 8)[channel]);
                    assert!(got.abs_diff(want) <= 12, "{format:?} at {x}: {got} instead of {want}");
                }
            }
        }
    }

    #[test]
    fn sixteen_bits_become_eight() {
        let colour = image::ImageBuffer::from_fn(3, 2, |x, _| Rgb([257 * x as u16, 65_535, 128 * 257]));
        let picture = decode(&encoded(colour, ImageFormat::Png)).unwrap();
        assert_eq!(picture.into_rgb().get_pixel(2, 0).0, [2, 255, 128]);
        let gray = image::ImageBuffer::from_fn(3, 2, |x, _| Luma([257 * 50 * x as u16]));
        for format in [ImageFormat::Png, ImageFormat::Tiff] {
            let picture = decode(&encoded(gray.clone(), format)).unwrap();
            assert_eq!(picture.to_gray().get_pixel(2, 1).0, [100], "{format:?}");
        }
    }

    #[test]
    fn transparency_lies_on_white() {
        let colour = image::RgbaImage::from_fn(3, 1, |x, _| Rgba([10, 20, 30, [0, 255, 51][x as usize]]));
        let rgb = decode(&encoded(colour, ImageFormat::Png)).unwrap().into_rgb();
        assert_eq!(rgb.get_pixel(0, 0).0, [255; 3]);
        assert_eq!(rgb.get_pixel(1, 0).0, [10, 20, 30]);
        assert_eq!(rgb.get_pixel(2, 0).0, [206, 208, 210]);
        let gray = image::GrayAlphaImage::from_fn(2, 1, |x, _| LumaA([10, if x == 0 { 0 } else { 255 }]));
        let gray = decode(&encoded(gray, ImageFormat::Png)).unwrap().to_gray();
        assert_eq!(gray.as_raw(), &[255, 10]);
    }

    #[test]
    fn gray_keeps_its_values_and_colour_gets_pillows_luma() {
        let gray = GrayImage::from_fn(256, 1, |x, _| Luma([x as u8]));
        assert_eq!(decode(&encoded(gray.clone(), ImageFormat::Png)).unwrap().to_gray(), gray);
        for value in 0..=255 {
            assert_eq!(luma([value; 3]), value);
        }
        // Pillow: Image.new("RGB", (1, 1), colour).convert("L")
        for (colour, expected) in
            [([255, 0, 0], 76), ([0, 255, 0], 150), ([0, 0, 255], 29), ([12, 200, 77], 130)]
        {
            assert_eq!(luma(colour), expected);
        }
    }

    /// An EXIF block that holds the orientation alone, little endian.
    fn exif(orientation: u8) -> Vec<u8> {
        let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
        exif
    }

    #[test]
    fn pictures_are_turned_upright_by_exif() {
        // Where the stored left edge (dark) is seen: EXIF 2.3, tag 0x0112.
        for (orientation, upright, dark) in [
            (1, (32, 16), "left"),
            (2, (32, 16), "right"),
            (3, (32, 16), "right"),
            (4, (32, 16), "left"),
            (5, (16, 32), "top"),
            (6, (16, 32), "top"),
            (7, (16, 32), "bottom"),
            (8, (16, 32), "bottom"),
        ] {
            let mut bytes = Vec::new();
            let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95);
            encoder.set_exif_metadata(exif(orientation)).unwrap();
            encoder.write_image(ramp().as_raw(), 32, 16, ExtendedColorType::Rgb8).unwrap();
            let picture = decode(&bytes).unwrap();
            assert_eq!((picture.width(), picture.height()), upright, "orientation {orientation}");
            let gray = picture.to_gray();
            let (right, bottom) = (gray.width() - 1, gray.height() - 1);
            let (dark, bright) = match dark {
                "left" => ((0, 5), (right, 5)),
                "right" => ((right, 5), (0, 5)),
                "top" => ((5, 0), (5, bottom)),
                _ => ((5, bottom), (5, 0)),
            };
            let (dark, bright) = (gray.get_pixel(dark.0, dark.1)[0], gray.get_pixel(bright.0, bright.1)[0]);
            assert!(dark < 40 && bright > 100, "orientation {orientation}: {dark} and {bright}");
        }
    }

    /// A PNG header claiming the size, followed by almost nothing.
    fn png_claiming(width: u32, height: u32) -> Vec<u8> {
        let mut ihdr = b"IHDR".to_vec();
        ihdr.extend(width.to_be_bytes());
        ihdr.extend(height.to_be_bytes());
        ihdr.extend([8, 6, 0, 0, 0]);
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        for chunk in [ihdr, b"IDAT\x78\x9c".to_vec()] {
            bytes.extend(((chunk.len() - 4) as u32).to_be_bytes());
            bytes.extend(&chunk);
            let mut crc = flate2::Crc::new();
            crc.update(&chunk);
            bytes.extend(crc.sum().to_be_bytes());
        }
        bytes
    }

    #[test]
    fn a_small_file_claiming_a_huge_picture_is_refused() {
        let error = decode(&png_claiming(50_000, 50_000)).unwrap_err();
        assert!(matches!(error, PictureError::TooLarge { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains("claims 50000 x 50000 pixels") && message.contains("scale it down"));
        // Long and thin is refused as well: the detector would pad it to a monster.
        assert!(matches!(decode(&png_claiming(1_000_000, 2)), Err(PictureError::TooLarge { .. })));
        // A size within the limits passes this check and fails later, for its missing body.
        assert!(matches!(decode(&png_claiming(40, 30)), Err(PictureError::Damaged { .. })));
    }

    #[test]
    fn what_is_no_picture_is_said_to_be_none() {
        for (bytes, part) in [
            (&b"this is text\n"[..], "x.png` is not a picture by its content, expected a JPEG"),
            (b"", "is empty"),
            (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC picture"),
            (b"\0\0\0\x18ftypisom\0\0\0\0", "a video"),
            (b"P5 1 1 255 x", "of a picture format that is not read"),
            (b"BMX", "is damaged or incomplete"),
        ] {
            let message = decode(bytes).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn truncated_files_are_damaged_and_never_panic() {
        for format in
            [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::Gif]
        {
            let bytes = encoded(ramp(), format);
            assert!(decode(&bytes[..bytes.len() / 2]).is_err(), "{format:?}");
        }
        let jpeg = encoded(ramp(), ImageFormat::Jpeg);
        for length in 0..jpeg.len() {
            let _ = decode(&jpeg[..length]);
        }
    }

    #[test]
    fn missing_files_and_folders_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("missing.jpg"), folder.path().to_owned()] {
            let message = Picture::open(&path).unwrap_err().to_string();
            assert!(message.starts_with("cannot read `") && message.contains(&*path.to_string_lossy()));
        }
    }

    #[test]
    fn the_header_alone_gives_the_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claim.png");
        std::fs::write(&path, png_claiming(40, 30)).unwrap();
        assert_eq!(Picture::claimed_size(&path).unwrap(), (40, 30));
    }
}
