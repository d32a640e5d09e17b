//! The *first convolution* of a network that sees pictures of bytes: 3x3, stride 2, one line of zeros around. It reads
//! the bytes as they lie, `[height, width, channels]`; blocked, three channels would take the room of sixteen.

use pulp::{Simd, WithSimd};

use crate::instructions::{Instructions, with_token};
use crate::memory::LANES;
use crate::memory::blocked::blocks;
use crate::memory::parallel::{SharedBuffer, for_each_task, part};
use crate::memory::unwritten::Unwritten;

/// Channels of a picture in colour.
pub(crate) const COLORS: usize = 3;
/// Values under the window: rows, columns, colours.
const WINDOW: usize = 9 * COLORS;
/// Values of one row of it.
const WINDOW_ROW: usize = 3 * COLORS;
/// Results that are summed side by side, in as many registers.
const SIDE_BY_SIDE: usize = 8;
/// Rows of results of one task.
const TASK_ROWS: usize = 16;

/// A picture of bytes, and the size up to which zeros fill it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pixels<'a> {
    /// `[height, width, channels]`
    pub values: &'a [u8],
    pub height: usize,
    pub width: usize,
    /// 3, or 1 where all colours are equal.
    pub channels: usize,
    /// Even, at least the picture's.
    pub filled_height: usize,
    /// Even, at least the picture's.
    pub filled_width: usize,
}

/// Weights `[blocks, 27, 16]` of `[channels, 3, 3, 3]`; zeros where a block holds no channel.
pub(crate) fn pack(weight: &[f32]) -> Vec<f32> {
    let channels = weight.len() / WINDOW;
    let mut packed = vec![0.0; blocks(channels) * WINDOW * LANES];
    for (channel, values) in weight.chunks_exact(WINDOW).enumerate() {
        let start = channel / LANES * WINDOW * LANES + channel % LANES;
        for (index, value) in values.iter().enumerate() {
            // From colour, row, column to row, column, colour.
            let (color, place) = (index / 9, index % 9);
            packed[start + (place * COLORS + color) * LANES] = *value;
        }
    }
    packed
}

/// `leaky(bias + sum over the window)` for every second row and column, blocked, of one picture.
pub(crate) fn forward_into(
    pixels: &Pixels<'_>,
    weights: &[f32],
    bias: &[f32],
    slope: f32,
    output: &mut [Unwritten],
) {
    let (height, width) = (pixels.filled_height / 2, pixels.filled_width / 2);
    let count = bias.len() / LANES;
    assert_eq!(
        pixels.values.len(),
        pixels.height * pixels.width * pixels.channels,
        "a picture of another size"
    );
    assert!(
        pixels.height <= 2 * height && pixels.width <= 2 * width,
        "a picture larger than what is filled up"
    );
    assert!([1, COLORS].contains(&pixels.channels), "gray or three colours");
    assert_eq!(output.len(), count * height * width * LANES, "an output of another size");
    assert_eq!(weights.len(), count * WINDOW * LANES, "weights of other channels");
    let shared = SharedBuffer::new(output);
    let tasks = height.div_ceil(TASK_ROWS);
    for_each_task(tasks, |task| {
        let rows = part(height, tasks, task, 1);
        let work = Band { pixels, weights, bias, slope, rows, size: [height, width], output: shared };
        with_token!(Instructions::current(), |token| Simd::vectorize(token, work));
    });
}

/// Some rows of results, of all channels.
struct Band<'a> {
    pixels: &'a Pixels<'a>,
    weights: &'a [f32],
    bias: &'a [f32],
    slope: f32,
    rows: std::ops::Range<usize>,
    /// Height and width of the output.
    size: [usize; 2],
    output: SharedBuffer<'a, Unwritten>,
}

impl WithSimd for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pixels, weights, bias, slope, rows, size: [height, width], output } = self;
        // A row of the picture with a pixel of zeros before it and zeros behind.
        let length = (2 * width + 2) * COLORS;
        let mut lines = vec![0.0_f32; 3 * length];
        let (weights, bias) = (weights.as_chunks::<LANES>().0, bias.as_chunks::<LANES>().0);
        // The line of a row of the picture, counted from the one above it.
        let place = |row: usize| row % 3 * length;
        for row in 2 * rows.start..2 * rows.start + 1 {
            read(pixels, row, &mut lines[place(row)..][..length]);
        }
        for row in rows {
            for below in 2 * row + 1..2 * row + 3 {
                read(pixels, below, &mut lines[place(below)..][..length]);
            }
            let window = [0, 1, 2].map(|down| &lines[place(2 * row + down)..][..length]);
            for (block, bias) in bias.iter().enumerate() {
                let start = (block * height + row) * width * LANES;
                // SAFETY: every row of every block belongs to one task.
                let out = unsafe { output.slice(start..start + width * LANES) };
                let (out, _) = out.as_chunks_mut::<LANES>();
                let weights = &weights[block * WINDOW..(block + 1) * WINDOW];
                let sum = Sum { simd, window, weights, bias, slope };
                let mut at = 0;
                while at + SIDE_BY_SIDE <= width {
                    sum.write::<SIDE_BY_SIDE>(at, &mut out[at..at + SIDE_BY_SIDE]);
                    at += SIDE_BY_SIDE;
                }
                for at in at..width {
                    sum.write::<1>(at, &mut out[at..=at]);
                }
            }
        }
    }
}

/// Reads a row of the picture, counted from the zeros above it, behind one pixel of zeros.
#[inline(always)]
fn read(pixels: &Pixels<'_>, row: usize, line: &mut [f32]) {
    let inside = &mut line[COLORS..][..pixels.width * COLORS];
    match row.checked_sub(1).filter(|row| *row < pixels.height) {
        None => inside.fill(0.0),
        Some(row) => {
            let values =
                &pixels.values[row * pixels.width * pixels.channels..][..pixels.width * pixels.channels];
            if pixels.channels == COLORS {
                inside.iter_mut().zip(values).for_each(|(to, from)| *to = f32::from(*from));
            } else {
                let pixels = inside.chunks_exact_mut(COLORS).zip(values);
                pixels.for_each(|(pixel, value)| pixel.fill(f32::from(*value)));
            }
        }
    }
}

/// What a row's results of one block are made of.
struct Sum<'a, S> {
    simd: S,
    window: [&'a [f32]; 3],
    weights: &'a [[f32; LANES]],
    bias: &'a [f32; LANES],
    slope: f32,
}

impl<S: Simd> Sum<'_, S> {
    /// `COUNT` results from the `at`-th of the row on.
    #[inline(always)]
    fn write<const COUNT: usize>(&self, at: usize, out: &mut [[Unwritten; LANES]]) {
        let simd = self.simd;
        let slope = simd.splat_f32s(self.slope);
        let out: &mut [[Unwritten; LANES]; COUNT] = out.try_into().expect("as many results as are written");
        for lane in 0..LANES / S::F32_LANES {
            let mut sums = [S::as_simd_f32s(self.bias).0[lane]; COUNT];
            for (down, line) in self.window.iter().enumerate() {
                let source = &line[2 * at * COLORS..][..2 * (COUNT - 1) * COLORS + WINDOW_ROW];
                for across in 0..WINDOW_ROW {
                    let weight = S::as_simd_f32s(&self.weights[down * WINDOW_ROW + across]).0[lane];
                    for (index, sum) in sums.iter_mut().enumerate() {
                        let value = simd.splat_f32s(source[2 * index * COLORS + across]);
                        *sum = simd.mul_add_f32s(value, weight, *sum);
                    }
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                let value = simd.max_f32s(sum, simd.mul_f32s(sum, slope));
                S::as_uninit_mut_simd_f32s(out).0[lane].write(value);
            }
        }
    }
}
