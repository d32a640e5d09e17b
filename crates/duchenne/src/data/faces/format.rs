//! *Formats* of picture files: told by their content, and by their names where a folder is searched.

use std::fmt::{self, Display, Formatter};
use std::path::Path;

use image::ImageFormat;

/// A format of picture files that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PictureFormat {
    /// JPEG (ITU-T T.81).
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    WebP,
    /// BMP.
    Bmp,
    /// TIFF.
    Tiff,
    /// GIF.
    Gif,
    /// HEIC (ISO/IEC 23008-12): HEVC pictures, as phones make them.
    Heic,
}

/// The formats that are read, in words.
pub const READ_FORMATS: &str = "JPEG, PNG, WebP, BMP, TIFF, GIF or HEIC";

/// The extensions of the files that are read, lower case, each with its format.
const FORMATS: [(&str, PictureFormat); 13] = [
    ("jpg", PictureFormat::Jpeg),
    ("jpeg", PictureFormat::Jpeg),
    ("jpe", PictureFormat::Jpeg),
    ("jfif", PictureFormat::Jpeg),
    ("png", PictureFormat::Png),
    ("webp", PictureFormat::WebP),
    ("bmp", PictureFormat::Bmp),
    ("tif", PictureFormat::Tiff),
    ("tiff", PictureFormat::Tiff),
    ("gif", PictureFormat::Gif),
    ("heic", PictureFormat::Heic),
    ("heif", PictureFormat::Heic),
    ("hif", PictureFormat::Heic),
];

/// Extensions of the formats that are read, lower case.
pub const EXTENSIONS: [&str; FORMATS.len()] = {
    let mut extensions = [""; FORMATS.len()];
    let mut index = 0;
    while index < FORMATS.len() {
        extensions[index] = FORMATS[index].0;
        index += 1;
    }
    extensions
};

impl PictureFormat {
    /// The format that the extension of `path` names, whatever its case; `None` where it names no format that is
    /// read. For the choice of files in folders and of names for copies: decoding goes by the content.
    pub fn by_name(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        FORMATS.iter().find(|(name, _)| *name == extension).map(|(_, format)| *format)
    }

    /// The decoder in the `image` crate; `None` for HEIC, which it does not read.
    pub(super) fn of_image(self) -> Option<ImageFormat> {
        match self {
            Self::Jpeg => Some(ImageFormat::Jpeg),
            Self::Png => Some(ImageFormat::Png),
            Self::WebP => Some(ImageFormat::WebP),
            Self::Bmp => Some(ImageFormat::Bmp),
            Self::Tiff => Some(ImageFormat::Tiff),
            Self::Gif => Some(ImageFormat::Gif),
            Self::Heic => None,
        }
    }
}

impl Display for PictureFormat {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
            Self::Gif => "GIF",
            Self::Heic => "HEIC",
        })
    }
}

/// What a file is by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// A picture of a format that is read.
    Picture(PictureFormat),
    /// An AVIF picture.
    Avif,
    /// A picture of another format.
    OtherPicture,
    /// A video.
    Video,
    /// Nothing at all.
    Empty,
    /// Something else.
    Other,
}

/// How many bytes of a file [`Content::of`] looks at.
pub const START_BYTES: usize = 64;

impl Content {
    /// Of a file that begins with `start`: its first [`START_BYTES`], or all it has.
    pub fn of(start: &[u8]) -> Self {
        if start.is_empty() {
            return Self::Empty;
        }
        if start.get(4..8) == Some(b"ftyp") {
            return Self::of_brands(start);
        }
        if is_video(start) {
            return Self::Video;
        }
        match image::guess_format(start) {
            Ok(format) => FORMATS
                .iter()
                .find(|(_, read)| read.of_image() == Some(format))
                .map_or(Self::OtherPicture, |(_, read)| Self::Picture(*read)),
            Err(_) => Self::Other,
        }
    }

    /// By the brands of the first box of an ISO base media file (ISO/IEC 14496-12, 4.3): its own, and those that it
    /// is compatible with, which tell what a picture of the general brands `mif1` and `msf1` is coded in.
    fn of_brands(start: &[u8]) -> Self {
        let length = u32::from_be_bytes(start[..4].try_into().expect("four bytes")) as usize;
        let brands: Vec<&[u8]> = start[..length.min(start.len())]
            .chunks_exact(4)
            .enumerate()
            .filter(|(place, _)| *place == 2 || *place > 3)
            .map(|(_, brand)| brand)
            .collect();
        let any = |named: &[&[u8]]| brands.iter().any(|brand| named.contains(brand));
        if any(&[b"avif", b"avis"]) {
            Self::Avif
        } else if any(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"]) {
            Self::Picture(PictureFormat::Heic)
        } else if any(&[b"M4A ", b"M4B "]) {
            // Sound alone.
            Self::Other
        } else {
            Self::Video
        }
    }

    /// What it is, and what helps where it is not read: empty, or begins with "; ".
    pub fn description(self) -> (&'static str, &'static str) {
        match self {
            Self::Picture(_) => ("a picture", ""),
            Self::Avif => ("an AVIF picture", "; export it as PNG or JPEG"),
            Self::OtherPicture => ("in an unsupported picture format", "; export it as PNG or JPEG"),
            Self::Video => ("a video", "; `duchenne predict` reads videos"),
            Self::Empty => ("empty", ""),
            Self::Other => ("not a picture by its content", ""),
        }
    }
}

/// Whether a file that is no ISO base media file begins as videos do.
fn is_video(start: &[u8]) -> bool {
    // Matroska and WebM, MPEG program and elementary streams, FLV, ASF (WMV), RealMedia, YUV4MPEG2.
    let starts: [&[u8]; 7] = [
        &[0x1A, 0x45, 0xDF, 0xA3],
        &[0, 0, 1, 0xBA],
        &[0, 0, 1, 0xB3],
        b"FLV\x01",
        &[0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11],
        b".RMF",
        b"YUV4MPEG2 ",
    ];
    let is_avi = start.starts_with(b"RIFF") && start.get(8..12) == Some(b"AVI ");
    // QuickTime files of before `ftyp`.
    let is_movie = matches!(start.get(4..8), Some(b"moov" | b"mdat" | b"wide"));
    // Ogg holds sound more often than Theora video.
    let is_theora = start.starts_with(b"OggS") && start.windows(7).any(|part| part == b"\x80theora");
    // Packets of 188 bytes, which the start shows no second of: a first one of a table, as every recorder writes it.
    let is_transport = start.starts_with(&[0x47, 0x40]) && start.len() > 3 && start[3] & 0x10 != 0;
    is_avi || is_movie || is_theora || is_transport || starts.iter().any(|known| start.starts_with(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_formats_whatever_their_case() {
        let named = |name: &str| PictureFormat::by_name(Path::new(name));
        assert_eq!(named("a/b.JFIF"), Some(PictureFormat::Jpeg));
        assert_eq!(named("b.tar.Png"), Some(PictureFormat::Png));
        assert_eq!(named("IMG_0001.HEIC"), Some(PictureFormat::Heic));
        assert_eq!([named("png"), named(".png"), named("b.txt"), named("b.")], [None; 4]);
        assert!(EXTENSIONS.iter().all(|extension| named(&format!("x.{extension}")).is_some()));
    }

    #[test]
    fn brands_tell_what_a_file_is_coded_in() {
        let with = |brands: &[&str]| {
            let mut bytes = (16 + 4 * (brands.len() as u32 - 1)).to_be_bytes().to_vec();
            bytes.extend(b"ftyp");
            bytes.extend(brands[0].bytes());
            bytes.extend([0; 4]);
            brands[1..].iter().for_each(|brand| bytes.extend(brand.bytes()));
            // The box after it is not looked at.
            bytes.extend(b"\0\0\0\x10avifavif");
            Content::of(&bytes)
        };
        let heic = Content::Picture(PictureFormat::Heic);
        assert_eq!(with(&["heic", "mif1", "heic"]), heic);
        assert_eq!(with(&["mif1", "heic"]), heic);
        assert_eq!(with(&["msf1"]), heic);
        assert_eq!(with(&["mif1", "miaf", "avif"]), Content::Avif);
        assert_eq!(with(&["avif"]), Content::Avif);
        assert_eq!(with(&["isom", "iso2", "avc1", "mp41"]), Content::Video);
        // A box that says it is longer than the file, or shorter than its own head.
        assert_eq!(Content::of(b"\xFF\xFF\xFF\xFFftypheic"), heic);
        assert_eq!(Content::of(b"\0\0\0\x04ftypheic"), Content::Video);
    }
}
