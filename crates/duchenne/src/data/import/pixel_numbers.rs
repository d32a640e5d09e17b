//! Reads a picture's pixels from text: decimal numbers from 0 to 255, separated by spaces.
//!
//! FER-2013 is 287 MB of such digits, so this is written for speed. Text that is plainly right is read 64 bytes
//! at a time without a branch: for every byte the value of the number that would end before it is computed,
//! then the values before spaces are gathered. Whatever is not plainly right is read again number by
//! number, which finds what is wrong with it, if anything is.

use pulp::{Arch, Simd, WithSimd};

use crate::data::error::{RowProblem, excerpt};

/// Bytes of text in work at once.
const BLOCK: usize = 64;
/// Bytes before a block that it looks at: no number has more digits.
const BEFORE: usize = 3;

/// Appends `height * width` numbers from 0 to 255 to `pixels`, read from `text`, where spaces separate them.
///
/// # Errors
/// [`RowProblem::PixelValue`], [`RowProblem::PixelCount`]; `pixels` is then of any length.
pub(crate) fn append_pixels(
    text: &[u8],
    [height, width]: [usize; 2],
    pixels: &mut Vec<u8>,
) -> Result<(), RowProblem> {
    let count = height * width;
    let begin = pixels.len();
    pixels.resize(begin + count + BLOCK, 0);
    let plain = read_plain(text, &mut pixels[begin..]) == Some(count);
    pixels.truncate(begin + count);
    if plain { Ok(()) } else { read_carefully(text, [height, width], &mut pixels[begin..]) }
}

/// Reads all numbers of `text`. Returns how many there are, or `None` if something about them is unusual or they
/// do not leave a block's room in `values`.
fn read_plain(text: &[u8], values: &mut [u8]) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    if let Some(v4) = pulp::x86::V4::try_new() {
        return v4.vectorize(Avx512 { text, values, v4 });
    }
    Arch::new().dispatch(Portable { text, values })
}

struct Portable<'a> {
    text: &'a [u8],
    values: &'a mut [u8],
}

impl WithSimd for Portable<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Option<usize> {
        read_blocks(self.text, self.values, |values, ends, out| {
            let mut count = 0;
            for (value, end) in values.iter().zip(ends) {
                // `count` is below BLOCK; the remainder tells the compiler so.
                out[count % BLOCK] = *value;
                count += usize::from(*end & 1);
            }
            count
        })
    }
}

#[cfg(target_arch = "x86_64")]
struct Avx512<'a> {
    text: &'a [u8],
    values: &'a mut [u8],
    v4: pulp::x86::V4,
}

#[cfg(target_arch = "x86_64")]
impl pulp::NullaryFnOnce for Avx512<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn call(self) -> Option<usize> {
        let (f, bw) = (self.v4.avx512f, self.v4.avx512bw);
        read_blocks(self.text, self.values, |values, ends, out| {
            let mask = bw._mm512_movepi8_mask(pulp::cast(*ends));
            let mut count = 0;
            for (quarter, values) in values.as_chunks::<16>().0.iter().enumerate() {
                let mask = (mask >> (16 * quarter)) as u16;
                // What of AVX-512 `V4` promises gathers numbers of 32 bits, not bytes.
                let wide = f._mm512_cvtepu8_epi32(pulp::cast(*values));
                let gathered = f._mm512_cvtepi32_epi8(f._mm512_maskz_compress_epi32(mask, wide));
                // No more than every second byte is an end: `count` is below 32.
                out[count % 32..][..16].copy_from_slice(&pulp::cast::<_, [u8; 16]>(gathered));
                count += mask.count_ones() as usize;
            }
            count
        })
    }
}

/// [`read_plain`]; `gather` writes those of 64 values that are marked 0xff, not 0, to the beginning of its last
/// argument and returns their number.
#[inline(always)]
fn read_blocks(
    text: &[u8],
    values: &mut [u8],
    gather: impl Fn(&[u8; BLOCK], &[u8; BLOCK], &mut [u8; BLOCK]) -> usize,
) -> Option<usize> {
    let mut count = 0;
    // Nothing but 0 as long as all is plain, byte by byte.
    let mut unusual = [0; BLOCK];
    // To the byte after the text, which shows that the last number is over.
    for start in (0..=text.len()).step_by(BLOCK) {
        let mut at_the_edge = [b' '; BEFORE + BLOCK];
        let whole = start.checked_sub(BEFORE).and_then(|start| text[start..].first_chunk());
        let window: &[u8; BEFORE + BLOCK] = whole.unwrap_or_else(|| {
            let rest = &text[start.saturating_sub(BEFORE)..];
            let missing = BEFORE.saturating_sub(start);
            let rest = &rest[..rest.len().min(BEFORE + BLOCK - missing)];
            at_the_edge[missing..][..rest.len()].copy_from_slice(rest);
            &at_the_edge
        });
        let (mut block, mut ends) = ([0; BLOCK], [0; BLOCK]);
        for byte in 0..BLOCK {
            let [a, b, c, here] = std::array::from_fn(|before| window[byte + before] ^ b'0');
            let space = mask(here == b' ' ^ b'0');
            let [a_digit, b_digit, c_digit, digit] = [a, b, c, here].map(|byte| mask(byte < 10));
            let (tens, hundreds) = (b & b_digit, a & a_digit & b_digit);
            let below_hundred = c.wrapping_add(tens.wrapping_mul(10));
            let by_hundred = (mask(hundreds == 1) & 100) | (mask(hundreds == 2) & 200);
            block[byte] = below_hundred.wrapping_add(by_hundred);
            ends[byte] = space & c_digit;
            let too_large = mask(hundreds > 2) | (mask(hundreds == 2) & mask(below_hundred > 55));
            let four_digits = a_digit & b_digit & c_digit & digit;
            unusual[byte] |= (ends[byte] & too_large) | four_digits | !(space | digit);
        }
        count += gather(&block, &ends, values.get_mut(count..)?.first_chunk_mut()?);
    }
    (unusual == [0; BLOCK]).then_some(count)
}

/// `truth` in every bit of a byte.
#[inline(always)]
fn mask(truth: bool) -> u8 {
    if truth { 0xff } else { 0 }
}

/// Reads number by number and finds what is wrong, if anything is.
fn read_carefully(text: &[u8], expected: [usize; 2], pixels: &mut [u8]) -> Result<(), RowProblem> {
    let mut position = 0;
    for token in text.split(u8::is_ascii_whitespace).filter(|token| !token.is_empty()) {
        let wrong = || RowProblem::PixelValue { position: position + 1, got: excerpt(token) };
        if token.len() > 3 {
            return Err(wrong());
        }
        let mut value = 0_u16;
        for &byte in token {
            if !byte.is_ascii_digit() {
                return Err(wrong());
            }
            value = 10 * value + u16::from(byte - b'0');
        }
        let value = u8::try_from(value).map_err(|_| wrong())?;
        if let Some(pixel) = pixels.get_mut(position) {
            *pixel = value;
        }
        position += 1;
    }
    if position == pixels.len() { Ok(()) } else { Err(RowProblem::PixelCount { got: position, expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What this processor's instructions and the portable ones make of `text`.
    fn plainly(text: &[u8], room: usize) -> Option<Vec<u8>> {
        let (mut values, mut portable) = (vec![0; room + BLOCK], vec![0; room + BLOCK]);
        let count = read_plain(text, &mut values);
        let same = Arch::Scalar.dispatch(Portable { text, values: &mut portable });
        assert_eq!(count, same);
        let count = count.filter(|count| *count <= room)?;
        assert_eq!(values[..count], portable[..count]);
        values.truncate(count);
        Some(values)
    }

    #[test]
    fn every_number_is_read_plainly_or_refused() {
        for value in 0..=9999_u32 {
            for digits in 1..=4 {
                let text = format!("7 {value:0digits$} 8");
                let expected = u8::try_from(value).ok().filter(|_| text.len() < 8);
                assert_eq!(plainly(text.as_bytes(), 3), expected.map(|value| vec![7, value, 8]), "{text}");
            }
        }
    }

    #[test]
    fn anything_else_is_not_plain() {
        for byte in 0..=u8::MAX {
            if byte != b' ' && !byte.is_ascii_digit() {
                assert_eq!(plainly(&[b'1', b' ', byte, b' ', b'2'], 9), None, "{byte}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn plain_and_careful_reading_agree(bytes in proptest::collection::vec(
            prop_oneof![16 => b'0'..=b'3', 8 => Just(b' '), 1 => prop_oneof![
                b'4'..=b'9', Just(b'\t'), any::<u8>()]], 0..400),
            count in 0..90_usize,
        ) {
            let (mut fast, mut careful) = (vec![], vec![0; count]);
            let results =
                (append_pixels(&bytes, [1, count], &mut fast), read_carefully(&bytes, [1, count], &mut careful));
            prop_assert_eq!(&results.0, &results.1);
            if results.0.is_ok() {
                prop_assert_eq!(&fast, &careful);
            }
            if let Some(plain) = plainly(&bytes, count).filter(|plain| plain.len() == count) {
                prop_assert!(results.1.is_ok());
                prop_assert_eq!(plain, careful);
            }
        }

        #[test]
        fn any_pixels_survive_and_are_plain(pixels in proptest::collection::vec(0..=u8::MAX, 0..2400)) {
            let text: Vec<String> = pixels.iter().map(u8::to_string).collect();
            prop_assert_eq!(plainly(text.join(" ").as_bytes(), pixels.len()), Some(pixels));
        }
    }
}
