//! A *picture* is an image file decoded upright to 8-bit gray or colour, as a person would see it on
//! white paper.
//!
//! The format is detected from the content, never from the name. Sizes are checked in the header before any
//! pixel is decoded: a file of 100 bytes may claim a picture of gigabytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Seek};
use std::path::{Path, PathBuf};

use image::{DynamicImage, GrayImage, ImageDecoder, ImageReader, RgbImage};

use super::format::{Content, PictureFormat, READ_FORMATS, START_BYTES};
use super::heic;
use super::pixels::gray;
use super::stretching::fill_upper_bits;
use super::warnings::{PictureWarning, warning};

/// The largest picture and file that are read. They differ with the use; decoding does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of the file.
    pub file_bytes: u64,
    /// The longest side, in pixels.
    pub side: u32,
    /// The most pixels.
    pub pixels: u64,
    /// The most bytes of memory that decoding may take.
    pub decoder_bytes: u64,
}

impl Limits {
    /// For a picture in which faces are found: 134 megapixels, more than any common camera makes, on a side
    /// what JPEG can express, in memory as many pixels of 16-bit RGBA.
    pub const RECOGNITION: Self =
        Self { file_bytes: 1 << 30, side: u16::MAX as u32, pixels: 1 << 27, decoder_bytes: 1 << 30 };
    /// For a picture that is one sample of a data set: crops of some kilobytes, hundreds of which are held, and
    /// one a core decoded, at the same time.
    pub const IMPORT: Self =
        Self { file_bytes: 16 << 20, side: 8192, pixels: 1 << 26, decoder_bytes: 256 << 20 };

    /// Refuses a picture that claims more than is read.
    pub(super) fn check(&self, width: u32, height: u32) -> Result<(), PictureProblem> {
        if width.max(height) > self.side || u64::from(width) * u64::from(height) > self.pixels {
            return Err(PictureProblem::TooManyPixels { width, height, limits: *self });
        }
        Ok(())
    }
}

/// A picture that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The system refused the file.
    #[error("cannot read `{}`: {source}", path.display())]
    File {
        /// The picture.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The bytes could not be decoded.
    #[error("`{}` {problem}", path.display())]
    Content {
        /// The picture.
        path: PathBuf,
        /// The reason why its bytes cannot be decoded.
        problem: PictureProblem,
    },
}

/// The reason why the bytes of a picture file cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum PictureProblem {
    /// The content is not a picture, or of a kind that is not read.
    #[error("is {found}, expected a {READ_FORMATS} picture{remedy}")]
    Format {
        /// The kind of content, by its first bytes.
        found: &'static str,
        /// The remedy; empty, or begins with "; ".
        remedy: &'static str,
    },
    /// The file has more bytes than are read.
    #[error("has {bytes} bytes, at most {most} are read; scale it down first")]
    FileTooLarge {
        /// Bytes of the file.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// The header claims more pixels than are decoded.
    #[error(
        "claims {width} x {height} pixels, at most {} on a side and {} megapixels are read; scale it down first",
        limits.side,
        limits.pixels / 1_000_000
    )]
    TooManyPixels {
        /// The claimed width in pixels.
        width: u32,
        /// The claimed height in pixels.
        height: u32,
        /// The limits.
        limits: Limits,
    },
    /// Decoding takes more memory than it may.
    #[error("needs more than {} MiB to decode; scale it down first", most >> 20)]
    TooMuchMemory {
        /// The limit in bytes.
        most: u64,
    },
    /// The format is known, but the content breaks its rules.
    #[error("is damaged or incomplete: {0}")]
    Damaged(String),
}

/// An upright 8-bit picture without transparency, in gray where the file was gray.
#[derive(Debug, Clone)]
pub struct Picture {
    pub(super) pixels: Pixels,
    pub(super) format: PictureFormat,
    pub(super) warning: Option<PictureWarning>,
}

#[derive(Debug, Clone)]
pub(super) enum Pixels {
    Gray(GrayImage),
    Color(RgbImage),
}

impl Picture {
    /// Reads the picture file `path`, within [`Limits::RECOGNITION`].
    ///
    /// ```
    /// use duchenne::Picture;
    ///
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap();
    /// let picture = Picture::open("examples/faces.png")?;
    /// let gray = picture.to_gray();
    /// assert_eq!((gray.width(), gray.height()), (picture.width(), picture.height()));
    /// # Ok::<(), duchenne::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`PictureError`] where the file cannot be read, is not a picture, is too large or is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PictureError> {
        let path = path.as_ref();
        let limits = &Limits::RECOGNITION;
        Self::decode(open_file(path, limits)?, limits).map_err(|problem| content(path, problem))
    }

    /// Decodes the bytes of a picture file; `name` stands for it in errors.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(bytes: &[u8], name: &Path, limits: &Limits) -> Result<Self, PictureError> {
        Self::decoded(bytes, limits).map_err(|problem| content(name, problem))
    }

    /// Decodes the bytes of a picture file that has no name of its own.
    ///
    /// # Errors
    /// [`PictureProblem`], as [`open`](Self::open).
    pub(crate) fn decoded(bytes: &[u8], limits: &Limits) -> Result<Self, PictureProblem> {
        check_file_size(bytes.len() as u64, limits)?;
        Self::decode(Cursor::new(bytes), limits)
    }

    /// The width and height that the header of `path` claims, before any rotation, without decoding.
    ///
    /// # Errors
    /// As [`open`](Self::open), but a damaged body is not noticed.
    pub fn claimed_size(path: &Path) -> Result<(u32, u32), PictureError> {
        let limits = &Limits::RECOGNITION;
        let size = |mut reader: BufReader<File>| -> Result<(u32, u32), PictureProblem> {
            match sniffed(&mut reader)? {
                PictureFormat::Heic => heic::size(&heic::bytes(&mut reader)?, limits),
                format => Ok(decoder(reader, format, limits)?.dimensions()),
            }
        };
        size(open_file(path, limits)?).map_err(|problem| content(path, problem))
    }

    fn decode(mut reader: impl BufRead + Seek, limits: &Limits) -> Result<Self, PictureProblem> {
        let format = sniffed(&mut reader)?;
        let warning =
            warning(&mut reader, format).map_err(|error| PictureProblem::Damaged(error.to_string()))?;
        if format == PictureFormat::Heic {
            let image = heic::decode(&heic::bytes(&mut reader)?, limits)?;
            return Ok(Self { pixels: Pixels::from_decoded(image), format, warning });
        }
        let mut decoder = decoder(reader, format, limits)?;
        // A picture whose metadata is broken still has its pixels: it is shown as stored.
        let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
        let mut image =
            DynamicImage::from_decoder(decoder).map_err(|error| decoding_problem(error, limits))?;
        image.apply_orientation(orientation);
        Ok(Self { pixels: Pixels::from_decoded(image), format, warning })
    }

    /// The width in pixels.
    pub fn width(&self) -> u32 {
        match &self.pixels {
            Pixels::Gray(image) => image.width(),
            Pixels::Color(image) => image.width(),
        }
    }

    /// The height in pixels.
    pub fn height(&self) -> u32 {
        match &self.pixels {
            Pixels::Gray(image) => image.height(),
            Pixels::Color(image) => image.height(),
        }
    }

    /// What a user should know of the file: that it is cut off, or an animation.
    pub fn warning(&self) -> Option<PictureWarning> {
        self.warning
    }

    /// The format of the file.
    pub fn format(&self) -> PictureFormat {
        self.format
    }

    /// The luma of every pixel, `0..=255`, by ITU-R BT.601 with Pillow's rounding: FER-2013 was made
    /// gray so, and a gray picture keeps its values exactly.
    pub fn to_gray(&self) -> GrayImage {
        match &self.pixels {
            Pixels::Gray(image) => image.clone(),
            Pixels::Color(image) => gray(image),
        }
    }

    /// As [`to_gray`](Self::to_gray), without a copy where the picture is gray.
    pub fn into_gray(self) -> GrayImage {
        match self.pixels {
            Pixels::Gray(image) => image,
            Pixels::Color(_) => self.to_gray(),
        }
    }

    /// The picture in colour, to draw on.
    pub fn into_rgb(self) -> RgbImage {
        match self.pixels {
            Pixels::Gray(image) => DynamicImage::from(image).into_rgb8(),
            Pixels::Color(image) => image,
        }
    }
}

/// Pixels decoded elsewhere; [`Picture::format`] is then PNG, which keeps them.
impl From<GrayImage> for Picture {
    fn from(image: GrayImage) -> Self {
        Self { pixels: Pixels::Gray(image), format: PictureFormat::Png, warning: None }
    }
}

/// Pixels decoded elsewhere; [`Picture::format`] is then PNG, which keeps them.
impl From<RgbImage> for Picture {
    fn from(image: RgbImage) -> Self {
        Self { pixels: Pixels::Color(image), format: PictureFormat::Png, warning: None }
    }
}

/// Pixels decoded elsewhere, of any depth, transparency laid over white.
impl From<DynamicImage> for Picture {
    fn from(image: DynamicImage) -> Self {
        Self { pixels: Pixels::from_decoded(image), format: PictureFormat::Png, warning: None }
    }
}

impl Pixels {
    /// 8 bits, transparency laid over white.
    fn from_decoded(mut image: DynamicImage) -> Self {
        fill_upper_bits(&mut image);
        let color = image.color();
        match (color.has_color(), color.has_alpha()) {
            (false, false) => Self::Gray(image.into_luma8()),
            (true, false) => Self::Color(image.into_rgb8()),
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
                Self::Color(
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
pub(super) fn luma([red, green, blue]: [u8; 3]) -> u8 {
    ((19_595 * u32::from(red) + 38_470 * u32::from(green) + 7_471 * u32::from(blue) + 0x8000) >> 16) as u8
}

fn content(path: &Path, problem: PictureProblem) -> PictureError {
    PictureError::Content { path: path.to_owned(), problem }
}

fn open_file(path: &Path, limits: &Limits) -> Result<BufReader<File>, PictureError> {
    let file_error = |source| PictureError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(file_error)?;
    let metadata = file.metadata().map_err(file_error)?;
    if metadata.is_dir() {
        return Err(file_error(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    check_file_size(metadata.len(), limits).map_err(|problem| content(path, problem))?;
    let mut reader = BufReader::new(file);
    // A disk that fails at once is not the picture's damage.
    reader.fill_buf().map_err(file_error)?;
    Ok(reader)
}

fn check_file_size(bytes: u64, limits: &Limits) -> Result<(), PictureProblem> {
    let most = limits.file_bytes;
    if bytes > most { Err(PictureProblem::FileTooLarge { bytes, most }) } else { Ok(()) }
}

/// The format of what `reader` holds, by its start.
fn sniffed(reader: &mut impl BufRead) -> Result<PictureFormat, PictureProblem> {
    let start = reader.fill_buf().map_err(|error| PictureProblem::Damaged(error.to_string()))?;
    match Content::of(&start[..start.len().min(START_BYTES)]) {
        Content::Picture(format) => Ok(format),
        other => {
            let (found, remedy) = other.description();
            Err(PictureProblem::Format { found, remedy })
        }
    }
}

/// The decoder for what `reader` holds, with its claimed size checked and its memory bounded.
fn decoder<'a>(
    reader: impl BufRead + Seek + 'a,
    format: PictureFormat,
    limits: &Limits,
) -> Result<impl ImageDecoder + 'a, PictureProblem> {
    let mut memory = image::Limits::no_limits();
    memory.max_alloc = Some(limits.decoder_bytes);
    let format = format.of_image().expect("HEIC has its own decoder, all others are the crate's");
    let mut reader = ImageReader::with_format(reader, format);
    reader.limits(memory.clone());
    let mut decoder = reader.into_decoder().map_err(|error| decoding_problem(error, limits))?;

    let (width, height) = decoder.dimensions();
    limits.check(width, height)?;
    // What the output takes is no longer free for the decoder's own buffers.
    memory
        .reserve(decoder.total_bytes())
        .and_then(|()| decoder.set_limits(memory))
        .map_err(|error| decoding_problem(error, limits))?;
    Ok(decoder)
}

/// Sorts a decoder's complaint: too large, unsupported or damaged.
fn decoding_problem(error: image::ImageError, limits: &Limits) -> PictureProblem {
    match error {
        image::ImageError::Limits(_) => PictureProblem::TooMuchMemory { most: limits.decoder_bytes },
        image::ImageError::Unsupported(_) => PictureProblem::Format {
            found: "of an unsupported variant",
            remedy: "; export it as PNG or JPEG",
        },
        error => PictureProblem::Damaged(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, ImageEncoder as _, ImageFormat, Luma, LumaA, Rgb, Rgba};

    use super::*;

    const NAME: &str = "x.png";

    fn decode(bytes: &[u8]) -> Result<Picture, PictureError> {
        Picture::from_bytes(bytes, Path::new(NAME), &Limits::RECOGNITION)
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
            PictureFormat::Jpeg,
            PictureFormat::Png,
            PictureFormat::WebP,
            PictureFormat::Bmp,
            PictureFormat::Tiff,
            PictureFormat::Gif,
        ] {
            let picture = decode(&encoded(ramp(), format.of_image().unwrap())).unwrap();
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
        let color = image::ImageBuffer::from_fn(3, 2, |x, _| Rgb([257 * x as u16, 65_535, 128 * 257]));
        let picture = decode(&encoded(color, ImageFormat::Png)).unwrap();
        assert_eq!(picture.into_rgb().get_pixel(2, 0).0, [2, 255, 128]);
        let gray = image::ImageBuffer::from_fn(3, 2, |x, _| Luma([257 * 50 * x as u16]));
        for format in [ImageFormat::Png, ImageFormat::Tiff] {
            let picture = decode(&encoded(gray.clone(), format)).unwrap();
            assert_eq!(picture.to_gray().get_pixel(2, 1).0, [100], "{format:?}");
        }
    }

    #[test]
    fn transparency_lies_on_white() {
        let color = image::RgbaImage::from_fn(3, 1, |x, _| Rgba([10, 20, 30, [0, 255, 51][x as usize]]));
        let rgb = decode(&encoded(color, ImageFormat::Png)).unwrap().into_rgb();
        assert_eq!(rgb.get_pixel(0, 0).0, [255; 3]);
        assert_eq!(rgb.get_pixel(1, 0).0, [10, 20, 30]);
        assert_eq!(rgb.get_pixel(2, 0).0, [206, 208, 210]);
        let gray = image::GrayAlphaImage::from_fn(2, 1, |x, _| LumaA([10, if x == 0 { 0 } else { 255 }]));
        let gray = decode(&encoded(gray, ImageFormat::Png)).unwrap().to_gray();
        assert_eq!(gray.as_raw(), &[255, 10]);
    }

    #[test]
    fn gray_keeps_its_values_and_color_gets_pillows_luma() {
        let gray = GrayImage::from_fn(256, 1, |x, _| Luma([x as u8]));
        assert_eq!(decode(&encoded(gray.clone(), ImageFormat::Png)).unwrap().to_gray(), gray);
        for value in 0..=255 {
            assert_eq!(luma([value; 3]), value);
        }
        // Pillow: Image.new("RGB", (1, 1), colour).convert("L")
        for (color, expected) in
            [([255, 0, 0], 76), ([0, 255, 0], 150), ([0, 0, 255], 29), ([12, 200, 77], 130)]
        {
            assert_eq!(luma(color), expected);
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
        assert!(
            matches!(error, PictureError::Content { problem: PictureProblem::TooManyPixels { .. }, .. }),
            "{error}"
        );
        let message = error.to_string();
        assert!(message.contains("claims 50000 x 50000 pixels") && message.contains("scale it down"));
        // Long and thin is refused as well: the detector would pad it to a monster.
        let long = Picture::decoded(&png_claiming(1_000_000, 2), &Limits::RECOGNITION);
        assert!(matches!(long, Err(PictureProblem::TooManyPixels { width: 1_000_000, .. })));
        // A size within the limits passes this check and fails later, for its missing body.
        let claimed = |limits| Picture::decoded(&png_claiming(9000, 30), limits).unwrap_err();
        assert!(matches!(claimed(&Limits::RECOGNITION), PictureProblem::Damaged(_)));
        // Samples of a data set have smaller ones.
        assert!(matches!(claimed(&Limits::IMPORT), PictureProblem::TooManyPixels { width: 9000, .. }));
        let bytes = vec![0; Limits::IMPORT.file_bytes as usize + 1];
        let error = Picture::decoded(&bytes, &Limits::IMPORT).unwrap_err();
        assert!(matches!(error, PictureProblem::FileTooLarge { .. }), "{error}");
    }

    #[test]
    fn what_is_no_picture_is_said_to_be_none() {
        for (bytes, part) in [
            (&b"this is text\n"[..], "x.png` is not a picture by its content, expected a JPEG"),
            (b"", "is empty"),
            (b"\0\0\0\x10ftypheic\0\0\0\0", "is damaged or incomplete"),
            (b"\0\0\0\x10ftypavif\0\0\0\0", "an AVIF picture"),
            (b"\0\0\0\x18ftypisom\0\0\0\0", "a video"),
            (b"P5 1 1 255 x", "in an unsupported picture format"),
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
