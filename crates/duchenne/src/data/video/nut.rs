//! *NUT*, the container in which frames leave `ffmpeg` and enter it: raw pixels, each frame with its exact time.
//!
//! Of the NUT Open Container Format (its document of 2013, versions 3 and 4) this is what one stream of raw frames in a
//! pipe needs: no seeking, no index. Checksums are written, since readers ask for them, and not compared: the pipe comes from
//! a program on the same machine.

use std::io::{self, Read, Write};

/// What every NUT file begins with.
const FILE_ID: &[u8; 25] = b"nut/multimedia container\0";
/// The byte with which every packet but a frame begins.
const PACKET: u8 = b'N';
const MAIN: u64 = startcode(b'M', 0x7A56_1F5F_04AD);
const STREAM: u64 = startcode(b'S', 0x1140_5BF2_F9DB);
const SYNC: u64 = startcode(b'K', 0xE4AD_EECA_4569);
/// Packets but frames are headers of some hundred bytes; tags may be longer.
const MOST_PACKET_BYTES: u64 = 16 << 20;
/// Packets longer than this have a checksum after their length; larger frames elide no header.
const SHORT: u64 = 4096;
/// Class of a video stream.
const VIDEO: u64 = 0;

/// The flags of a frame that are acted on.
mod flag {
    pub(super) const KEY: u64 = 1;
    pub(super) const CODED_PTS: u64 = 1 << 3;
    pub(super) const STREAM_ID: u64 = 1 << 4;
    pub(super) const SIZE_MSB: u64 = 1 << 5;
    pub(super) const CHECKSUM: u64 = 1 << 6;
    pub(super) const RESERVED: u64 = 1 << 7;
    pub(super) const SIDE_DATA: u64 = 1 << 8;
    pub(super) const HEADER_IDX: u64 = 1 << 10;
    pub(super) const MATCH_TIME: u64 = 1 << 11;
    pub(super) const CODED: u64 = 1 << 12;
    pub(super) const INVALID: u64 = 1 << 13;
}

const fn startcode(letter: u8, number: u64) -> u64 {
    number + ((((PACKET as u64) << 8) + letter as u64) << 48)
}

/// A stream that breaks the format's rules.
fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the frames from ffmpeg break off: {what}"))
}

/// What a frame's first byte says of it.
#[derive(Debug, Clone, Copy, Default)]
struct FrameCode {
    flags: u64,
    stream: u64,
    size_multiplier: u64,
    size_rest: u64,
    pts_delta: i64,
    reserved: u64,
    header: u64,
}

/// A stream of raw frames, as its header says.
#[derive(Debug, Clone, Copy)]
struct VideoStream {
    width: u32,
    height: u32,
    /// Seconds of a tick.
    tick: f64,
    time_base: u64,
    pts_shift: u64,
}

/// A frame as it came: its time in seconds and its bytes.
#[derive(Debug, PartialEq)]
pub(super) struct RawFrame {
    /// In seconds.
    pub(super) time: f64,
    /// Three bytes a pixel, row by row.
    pub(super) bytes: Vec<u8>,
}

/// Reads the frames of the one video stream in `input`.
#[derive(Debug)]
pub(super) struct NutReader<R> {
    input: R,
    codes: Vec<FrameCode>,
    elided: Vec<Vec<u8>>,
    time_bases: Vec<f64>,
    stream: VideoStream,
    last_pts: i64,
}

impl<R: Read> NutReader<R> {
    /// Reads the headers; `None` where `input` ends before them, which is what a program does that decoded no frame.
    ///
    /// # Errors
    /// When `input` fails or breaks the format's rules.
    pub(super) fn new(mut input: R) -> io::Result<Option<Self>> {
        let mut id = [0; FILE_ID.len()];
        match input.read_exact(&mut id) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        if id != *FILE_ID {
            return Err(broken("no NUT header"));
        }
        let mut main = None;
        loop {
            let Some(PACKET) = byte_or_end(&mut input)? else {
                return Err(broken("a frame before the headers"));
            };
            let (code, payload) = packet(&mut input)?;
            let mut fields = payload.as_slice();
            match (code, &mut main) {
                (MAIN, _) => main = Some(main_header(&mut fields)?),
                (STREAM, Some((codes, elided, time_bases))) => {
                    let stream = stream_header(&mut fields, time_bases)?;
                    let codes = std::mem::take(codes);
                    let elided = std::mem::take(elided);
                    let time_bases = std::mem::take(time_bases);
                    return Ok(Some(Self { input, codes, elided, time_bases, stream, last_pts: 0 }));
                }
                _ => {}
            }
        }
    }

    /// Width and height of every frame.
    pub(super) fn size(&self) -> [u32; 2] {
        [self.stream.width, self.stream.height]
    }

    /// The next frame; `None` at the end.
    ///
    /// # Errors
    /// When the input fails, breaks the format's rules or ends within a frame.
    pub(super) fn next_frame(&mut self) -> io::Result<Option<RawFrame>> {
        loop {
            match byte_or_end(&mut self.input)? {
                None => return Ok(None),
                Some(PACKET) => {
                    let (code, payload) = packet(&mut self.input)?;
                    if code == SYNC {
                        self.last_pts = self.key_time(&mut payload.as_slice())?;
                    }
                }
                Some(code) => return self.frame(code).map(Some),
            }
        }
    }

    /// The time that a syncpoint gives, in the stream's ticks.
    fn key_time(&self, fields: &mut &[u8]) -> io::Result<i64> {
        let coded = number(fields)?;
        let bases = self.time_bases.len() as u64;
        let base = (coded % bases) as usize;
        let ticks = (coded / bases) as i64;
        if base as u64 == self.stream.time_base {
            return Ok(ticks);
        }
        Ok((ticks as f64 * self.time_bases[base] / self.stream.tick) as i64)
    }

    fn frame(&mut self, code: u8) -> io::Result<RawFrame> {
        let input = &mut self.input;
        let FrameCode {
            mut flags,
            mut stream,
            size_multiplier,
            size_rest,
            pts_delta,
            mut reserved,
            mut header,
        } = self.codes[usize::from(code)];
        if flags & flag::INVALID != 0 {
            return Err(broken("a frame of no known kind"));
        }
        if flags & flag::CODED != 0 {
            flags ^= number(input)?;
        }
        if flags & flag::STREAM_ID != 0 {
            stream = number(input)?;
        }
        let mut pts = self.last_pts.wrapping_add(pts_delta);
        if flags & flag::CODED_PTS != 0 {
            let coded = number(input)?;
            let whole = 1_u64 << self.stream.pts_shift;
            pts = if coded < whole {
                let mask = whole as i64 - 1;
                let least = self.last_pts - mask / 2;
                ((coded as i64 - least) & mask) + least
            } else {
                (coded - whole) as i64
            };
        }
        let mut size = size_rest;
        if flags & flag::SIZE_MSB != 0 {
            size = number(input)?.saturating_mul(size_multiplier).saturating_add(size_rest);
        }
        if flags & flag::MATCH_TIME != 0 {
            number(input)?;
        }
        if flags & flag::HEADER_IDX != 0 {
            header = number(input)?;
        }
        if flags & flag::RESERVED != 0 {
            reserved = number(input)?;
        }
        for _ in 0..reserved {
            number(input)?;
        }
        if flags & flag::CHECKSUM != 0 {
            input.read_exact(&mut [0; 4])?;
        }
        if stream != 0 || flags & flag::SIDE_DATA != 0 {
            return Err(broken("a frame of another stream"));
        }
        let pixels = u64::from(self.stream.width) * u64::from(self.stream.height);
        if size != 3 * pixels {
            return Err(broken(&format!("a frame of {size} bytes, expected {}", 3 * pixels)));
        }
        let start = match self.elided.get(header as usize) {
            Some(start) if size <= SHORT => start.as_slice(),
            _ => &[],
        };
        let mut bytes = Vec::with_capacity(size as usize);
        bytes.extend_from_slice(start);
        let rest = size - start.len() as u64;
        if input.take(rest).read_to_end(&mut bytes)? as u64 != rest {
            return Err(broken("the last frame is not whole"));
        }
        self.last_pts = pts;
        Ok(RawFrame { time: pts as f64 * self.stream.tick, bytes })
    }
}

type MainHeader = (Vec<FrameCode>, Vec<Vec<u8>>, Vec<f64>);

/// The kinds of frames, the headers that frames may elide, and the seconds of each time base's tick.
fn main_header(fields: &mut &[u8]) -> io::Result<MainHeader> {
    let version = number(fields)?;
    if !(2..=4).contains(&version) {
        return Err(broken(&format!("NUT version {version}, expected 2 to 4")));
    }
    if version > 3 {
        number(fields)?;
    }
    let _streams = number(fields)?;
    let _distance = number(fields)?;
    let mut time_bases = Vec::new();
    for _ in 0..number(fields)?.min(64) {
        let (above, below) = (number(fields)?, number(fields)?);
        time_bases.push(above as f64 / below.max(1) as f64);
    }
    let mut codes = Vec::with_capacity(256);
    let (mut pts_delta, mut size_multiplier, mut stream, mut header) = (0, 1, 0, 0);
    while codes.len() < 256 {
        let flags = number(fields)?;
        let given = number(fields)?;
        if given > 0 {
            pts_delta = signed(fields)?;
        }
        if given > 1 {
            size_multiplier = number(fields)?;
        }
        if given > 2 {
            stream = number(fields)?;
        }
        let size_rest = if given > 3 { number(fields)? } else { 0 };
        let reserved = if given > 4 { number(fields)? } else { 0 };
        let count = if given > 5 { number(fields)? } else { size_multiplier.saturating_sub(size_rest) };
        if given > 6 {
            signed(fields)?;
        }
        if given > 7 {
            header = number(fields)?;
        }
        for _ in 8..given {
            number(fields)?;
        }
        let mut made = 0;
        while made < count && codes.len() < 256 {
            if codes.len() == usize::from(PACKET) {
                codes.push(FrameCode { flags: flag::INVALID, ..FrameCode::default() });
                continue;
            }
            let size_rest = size_rest + made;
            codes.push(FrameCode { flags, stream, size_multiplier, size_rest, pts_delta, reserved, header });
            made += 1;
        }
        if codes.len() == usize::from(PACKET) {
            codes.push(FrameCode { flags: flag::INVALID, ..FrameCode::default() });
        }
    }
    let mut elided = vec![Vec::new()];
    for _ in 0..number(fields)? {
        elided.push(text(fields)?.to_vec());
    }
    Ok((codes, elided, time_bases))
}

fn stream_header(fields: &mut &[u8], time_bases: &[f64]) -> io::Result<VideoStream> {
    let (id, class) = (number(fields)?, number(fields)?);
    if (id, class) != (0, VIDEO) {
        return Err(broken("the first stream is no video"));
    }
    text(fields)?;
    let time_base = number(fields)?;
    let tick = usize::try_from(time_base).ok().and_then(|at| time_bases.get(at));
    let tick = *tick.ok_or_else(|| broken("a time base that is not there"))?;
    let pts_shift = number(fields)?;
    if pts_shift > 16 {
        return Err(broken("a shift of times beyond 16"));
    }
    for _ in 0..3 {
        number(fields)?;
    }
    text(fields)?;
    let mut side = || u32::try_from(number(fields)?).map_err(|_| broken("a side beyond 32 bits"));
    Ok(VideoStream { width: side()?, height: side()?, tick, time_base, pts_shift })
}

/// The startcode and payload of a packet whose first byte was read.
fn packet(input: &mut impl Read) -> io::Result<(u64, Vec<u8>)> {
    let mut code = [0; 8];
    code[0] = PACKET;
    input.read_exact(&mut code[1..])?;
    let length = number(input)?;
    if length > SHORT {
        input.read_exact(&mut [0; 4])?;
    }
    if !(4..=MOST_PACKET_BYTES).contains(&length) {
        return Err(broken(&format!("a header of {length} bytes")));
    }
    let mut payload = Vec::new();
    if input.take(length).read_to_end(&mut payload)? as u64 != length {
        return Err(broken("a header that is not whole"));
    }
    payload.truncate(payload.len() - 4);
    Ok((u64::from_be_bytes(code), payload))
}

fn byte_or_end(input: &mut impl Read) -> io::Result<Option<u8>> {
    let mut byte = [0];
    loop {
        match input.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte[0])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// An unsigned number: seven bits a byte, the highest first, the eighth bit where more follow.
fn number(input: &mut impl Read) -> io::Result<u64> {
    let mut value = 0_u64;
    for _ in 0..10 {
        let mut byte = [0];
        input.read_exact(&mut byte)?;
        value = value << 7 | u64::from(byte[0] & 0x7F);
        if byte[0] & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(broken("a number beyond 64 bits"))
}

/// A signed number: 0, 1, -1, 2, -2, ... as 0, 1, 2, 3, 4, ...
fn signed(input: &mut impl Read) -> io::Result<i64> {
    let coded = number(input)?.wrapping_add(1);
    let half = (coded >> 1) as i64;
    Ok(if coded & 1 == 1 { -half } else { half })
}

/// Bytes with their number before them.
fn text<'a>(fields: &mut &'a [u8]) -> io::Result<&'a [u8]> {
    let length = usize::try_from(number(fields)?).unwrap_or(usize::MAX);
    let (text, rest) = fields.split_at_checked(length).ok_or_else(|| broken("a text that is not whole"))?;
    *fields = rest;
    Ok(text)
}

/// Ticks of a second in what is written.
const TICKS: f64 = 1e6;
/// How many bytes may lie between two syncpoints: there is one before every frame.
const DISTANCE: u64 = 1 << 16;
const PTS_SHIFT: u64 = 7;

/// Writes frames of one size as a NUT stream of raw red, green and blue.
#[derive(Debug)]
pub(super) struct NutWriter<W> {
    output: W,
}

impl<W: Write> NutWriter<W> {
    /// Writes the headers.
    ///
    /// # Errors
    /// When `output` fails, as all methods here.
    pub(super) fn new(mut output: W, [width, height]: [u32; 2]) -> io::Result<Self> {
        output.write_all(FILE_ID)?;
        let mut main = Vec::new();
        for value in [3, 1, DISTANCE, 1, 1, TICKS as u64] {
            put(&mut main, value);
        }
        // All 255 kinds of frames are alike: a whole time, a whole size and a checksum. Six fields: no time of its own,
        // sizes in bytes, stream 0, and so on.
        let flags = flag::KEY | flag::CODED_PTS | flag::SIZE_MSB | flag::CHECKSUM;
        for value in [flags, 6, 0, 1, 0, 0, 0, 255] {
            put(&mut main, value);
        }
        // No headers to elide, no flags.
        put(&mut main, 0);
        put(&mut main, 0);
        put_packet(&mut output, MAIN, &main)?;
        let mut stream = Vec::new();
        put(&mut stream, 0);
        put(&mut stream, VIDEO);
        put(&mut stream, 4);
        stream.extend(b"RGB\x18");
        // Time base, shift, the largest step between frames, no decoding delay, no flags, no data of a codec.
        for value in [0, PTS_SHIFT, 1 << 30, 0, 0, 0, u64::from(width), u64::from(height), 1, 1, 0] {
            put(&mut stream, value);
        }
        put_packet(&mut output, STREAM, &stream)?;
        Ok(Self { output })
    }

    /// Writes a frame; `time` in seconds, not negative.
    pub(super) fn frame(&mut self, time: f64, bytes: &[u8]) -> io::Result<()> {
        let ticks = (time.max(0.0) * TICKS).round() as u64;
        let mut sync = Vec::new();
        put(&mut sync, ticks);
        put(&mut sync, 0);
        put_packet(&mut self.output, SYNC, &sync)?;
        let mut head = vec![0];
        put(&mut head, ticks + (1 << PTS_SHIFT));
        put(&mut head, bytes.len() as u64);
        let sum = checksum(&head);
        self.output.write_all(&head)?;
        self.output.write_all(&sum.to_be_bytes())?;
        self.output.write_all(bytes)
    }

    /// Ends the stream.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.output.flush()
    }
}

fn put(out: &mut Vec<u8>, value: u64) {
    let groups = (64 - value.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let more = if group > 0 { 0x80 } else { 0 };
        out.push((value >> (7 * group)) as u8 & 0x7F | more);
    }
}

fn put_packet(output: &mut impl Write, code: u64, payload: &[u8]) -> io::Result<()> {
    let mut head = code.to_be_bytes().to_vec();
    put(&mut head, payload.len() as u64 + 4);
    output.write_all(&head)?;
    output.write_all(payload)?;
    output.write_all(&checksum(payload).to_be_bytes())
}

/// The CRC-32 of the format: polynomial 0x04C11DB7, the highest bit first, begun with 0.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 24, |sum, _| {
            if sum & 1 << 31 == 0 { sum << 1 } else { sum << 1 ^ 0x04C1_1DB7 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(frames: &[(f64, Vec<u8>)], size: [u32; 2]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = NutWriter::new(&mut bytes, size).unwrap();
        frames.iter().for_each(|(time, pixels)| writer.frame(*time, pixels).unwrap());
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        let frames: Vec<(f64, Vec<u8>)> =
            (0..5).map(|at| (f64::from(at) * 1001.0 / 30000.0, vec![at as u8 * 50; 3 * 40 * 50])).collect();
        let bytes = written(&frames, [40, 50]);
        let mut reader = NutReader::new(bytes.as_slice()).unwrap().unwrap();
        assert_eq!(reader.size(), [40, 50]);
        for (time, pixels) in frames {
            let frame = reader.next_frame().unwrap().unwrap();
            assert!((frame.time - time).abs() < 1e-6);
            assert_eq!(frame.bytes, pixels);
        }
        assert_eq!(reader.next_frame().unwrap(), None);
    }

    #[test]
    fn a_stream_that_breaks_off_is_an_error_and_no_panic() {
        let bytes = written(&[(0.5, vec![7; 3 * 4 * 4]), (1.0, vec![9; 3 * 4 * 4])], [4, 4]);
        let read = |bytes: &[u8]| -> io::Result<usize> {
            let Some(mut reader) = NutReader::new(bytes)? else { return Ok(0) };
            let mut frames = 0;
            while reader.next_frame()?.is_some() {
                frames += 1;
            }
            Ok(frames)
        };
        assert_eq!(read(&bytes).unwrap(), 2);
        assert_eq!(read(&[]).unwrap(), 0);
        // Only where a frame ends may the stream end.
        let whole =
            (0..bytes.len()).filter(|end| read(&bytes[..*end]).is_ok_and(|frames| frames == 1)).count();
        assert!((1..100).contains(&whole), "{whole}");
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x55;
            let _ = read(&damaged);
        }
    }

    #[test]
    fn the_checksum_is_that_of_the_specification() {
        // CRC-32/POSIX without its length and inversion, of "123456789" begun with 0.
        assert_eq!(checksum(b"123456789"), 0x89A1_897F);
    }
}
