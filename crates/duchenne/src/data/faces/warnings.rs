//! *Warnings* about files that can be read as pictures, but hold less or more than one: a JPEG that is cut off, an
//! animation. Decoders pass over both in silence.

use std::fmt::{self, Display, Formatter};
use std::io::{self, BufRead, Read, Seek, SeekFrom};

use super::format::PictureFormat;

/// What a user should know of a picture that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PictureWarning {
    /// The file ends before the picture does.
    CutOff,
    /// The file holds several frames, of which this is the first.
    FirstFrame,
}

impl Display for PictureWarning {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::CutOff => "is cut off: what is missing of the picture is gray, faces in it are not found",
            Self::FirstFrame => "is an animation: only its first frame is used",
        })
    }
}

/// Looks through a file from its start, and goes back there.
///
/// # Errors
/// When it cannot be read or sought in.
pub(crate) fn warning(
    reader: &mut (impl BufRead + Seek),
    format: PictureFormat,
) -> io::Result<Option<PictureWarning>> {
    let start = reader.stream_position()?;
    let found = match format {
        PictureFormat::Jpeg => jpeg_is_whole(reader).map(|whole| (!whole).then_some(PictureWarning::CutOff)),
        PictureFormat::Gif => has_second_frame_of_gif(reader).map(first_frame),
        PictureFormat::Png => is_animated_png(reader).map(first_frame),
        PictureFormat::WebP => is_animated_webp(reader).map(first_frame),
        PictureFormat::Heic => is_heif_sequence(reader).map(first_frame),
        _ => Ok(None),
    };
    reader.seek(SeekFrom::Start(start))?;
    match found {
        // What else may be wrong with a file that ends too early is the decoder's to say.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Ok((format == PictureFormat::Jpeg).then_some(PictureWarning::CutOff))
        }
        found => found,
    }
}

/// Whether the file's own brand is one of a sequence of pictures (ISO/IEC 23008-12, annex B).
fn is_heif_sequence(reader: &mut impl Read) -> io::Result<bool> {
    pass(reader, 8)?;
    Ok(matches!(&bytes::<4>(reader)?, b"hevc" | b"hevx" | b"msf1"))
}

fn first_frame(animated: bool) -> Option<PictureWarning> {
    animated.then_some(PictureWarning::FirstFrame)
}

fn byte(reader: &mut impl Read) -> io::Result<u8> {
    bytes::<1>(reader).map(|[byte]| byte)
}

fn bytes<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).map(|()| bytes)
}

/// Passes over so many bytes, which must be there.
fn pass(reader: &mut impl Read, count: u64) -> io::Result<()> {
    let passed = io::copy(&mut reader.by_ref().take(count), &mut io::sink())?;
    if passed < count { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

/// Whether the end of the image comes before the end of the file. (ITU-T T.81, annex B: within coded data a byte 255
/// is followed by 0 or by a restart marker; other markers but for the first and last have a length.)
fn jpeg_is_whole(reader: &mut impl BufRead) -> io::Result<bool> {
    loop {
        if reader.skip_until(0xFF)? == 0 {
            return Ok(false);
        }
        let mut marker = byte(reader)?;
        while marker == 0xFF {
            marker = byte(reader)?;
        }
        match marker {
            0xD9 => return Ok(true),
            0x00 | 0x01 | 0xD0..=0xD8 => {}
            _ => {
                let length = u64::from(u16::from_be_bytes(bytes(reader)?));
                pass(reader, length.saturating_sub(2))?;
            }
        }
    }
}

/// GIF89a, sections 17 to 27.
fn has_second_frame_of_gif(reader: &mut impl Read) -> io::Result<bool> {
    let header = bytes::<13>(reader)?;
    let colors = |flags: u8| if flags & 0x80 != 0 { 3 << ((flags & 7) + 1) } else { 0 };
    pass(reader, colors(header[10]))?;
    let mut frames = 0;
    loop {
        match byte(reader)? {
            0x2C => {
                frames += 1;
                if frames == 2 {
                    return Ok(true);
                }
                let descriptor = bytes::<9>(reader)?;
                pass(reader, colors(descriptor[8]) + 1)?;
            }
            0x21 => pass(reader, 1)?,
            _ => return Ok(false),
        }
        // Blocks, each with its length before it, up to one of none.
        loop {
            match byte(reader)? {
                0 => break,
                length => pass(reader, u64::from(length))?,
            }
        }
    }
}

/// Whether the chunk `acTL` comes before the pixels.
fn is_animated_png(reader: &mut impl Read) -> io::Result<bool> {
    pass(reader, 8)?;
    loop {
        let length = u32::from_be_bytes(bytes(reader)?);
        match &bytes::<4>(reader)? {
            b"acTL" => return Ok(true),
            b"IDAT" | b"IEND" => return Ok(false),
            _ => pass(reader, u64::from(length) + 4)?,
        }
    }
}

/// The flag of the extended header.
fn is_animated_webp(reader: &mut impl Read) -> io::Result<bool> {
    let header = bytes::<21>(reader)?;
    Ok(&header[12..16] == b"VP8X" && header[20] & 2 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::gif::GifEncoder;
    use image::{DynamicImage, Frame, RgbImage, RgbaImage};
    use std::io::Cursor;

    fn of(bytes: &[u8], format: PictureFormat) -> Option<PictureWarning> {
        let mut reader = Cursor::new(bytes);
        let found = warning(&mut reader, format).unwrap();
        assert_eq!(reader.position(), 0);
        found
    }

    #[test]
    fn a_jpeg_is_cut_off_wherever_it_is_cut() {
        let image =
            RgbImage::from_fn(64, 64, |x, y| image::Rgb([(x * 4) as u8, (x * y) as u8, (y * 7) as u8]));
        let mut file = Cursor::new(Vec::new());
        DynamicImage::from(image).write_to(&mut file, image::ImageFormat::Jpeg).unwrap();
        let file = file.into_inner();
        assert_eq!(of(&file, PictureFormat::Jpeg), None);
        // What follows the end, as phones put films there, does not matter.
        assert_eq!(of(&[&file[..], b"more"].concat(), PictureFormat::Jpeg), None);
        for length in (3..file.len() - 1).step_by(7) {
            assert_eq!(of(&file[..length], PictureFormat::Jpeg), Some(PictureWarning::CutOff), "{length}");
        }
    }

    #[test]
    fn animations_are_told_from_pictures() {
        let gif = |frames: usize| {
            let mut file = Vec::new();
            let mut encoder = GifEncoder::new(&mut file);
            encoder.encode_frames((0..frames).map(|_| Frame::new(RgbaImage::new(9, 7)))).unwrap();
            drop(encoder);
            file
        };
        assert_eq!(of(&gif(1), PictureFormat::Gif), None);
        assert_eq!(of(&gif(3), PictureFormat::Gif), Some(PictureWarning::FirstFrame));
        let mut png = Cursor::new(Vec::new());
        DynamicImage::new_luma8(4, 4).write_to(&mut png, image::ImageFormat::Png).unwrap();
        let png = png.into_inner();
        assert_eq!(of(&png, PictureFormat::Png), None);
        // Behind the header's chunk, of 8 + 25 bytes.
        let control = [&[0, 0, 0, 8][..], b"acTL", &[0; 12]].concat();
        let animated = [&png[..33], &control, &png[33..]].concat();
        assert_eq!(of(&animated, PictureFormat::Png), Some(PictureWarning::FirstFrame));
        let webp = |flags: u8| [b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0".as_slice(), &[flags, 0, 0, 0]].concat();
        assert_eq!(of(&webp(2), PictureFormat::WebP), Some(PictureWarning::FirstFrame));
        assert_eq!(of(&webp(16), PictureFormat::WebP), None);
    }
}
