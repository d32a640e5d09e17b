//! Winograd's minimal filtering F(2x2, 3x3) (Lavin & Gray 2016): a 3x3 convolution with stride and padding
//! one by 4x4 input tiles and 2x2 output tiles, with 16 multiplications in place of 36. The transforms
//! are additions of whole channel blocks; between them stand 16 matrix products.
//!
//! With B, G and A as in the paper, `y = A^T ((G w G^T) * (B^T x B)) A` and, for the gradient of the
//! weight, `dw = G^T ((A dy A^T) * (B^T x B)) G`.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::blocked::{LANES, apart, blocks};
use super::convolution::{Epilogue, finish};
use super::geometry::Geometry;
use super::parallel::{SharedBuffer, for_each_task, part, with_scratch};
use super::product::{MatrixProduct, Width};
use super::tiles::Kernels;
use super::weights::{WeightView, pack, tiles};
use crate::instructions::{Instructions, WithKernels};

/// Elements of a transformed tile.
pub(super) const POINTS: usize = 16;
/// Bytes of transformed input and output that one task works on at once.
const TASK_BYTES: usize = 640 << 10;
/// Bytes of them when all tasks work on the same tiles.
pub(super) const SHARED_BYTES: usize = 10 << 20;
/// From this many weights on, a task of its own for each group of tiles would read them too often.
const MANY_WEIGHTS: usize = 12 << 10;

/// Whether this is a 3x3 convolution on images that fill enough of their 2x2 tiles.
pub(crate) fn pays(geometry: &Geometry) -> bool {
    let channels = geometry.input_channels.min(geometry.output_channels);
    // Kernel offsets over the edge cost the direct convolution nothing.
    let direct = (3 * geometry.height - 2) * (3 * geometry.width - 2);
    let tiles = tile_positions(geometry);
    geometry.is_same_3x3()
        && channels >= LANES
        && POINTS * tiles * 14 < direct * 10
        && tiles * geometry.batch >= 32
}

fn tile_rows(geometry: &Geometry) -> usize {
    geometry.height.div_ceil(2)
}

fn tile_columns(geometry: &Geometry) -> usize {
    geometry.width.div_ceil(2)
}

pub(super) fn tile_positions(geometry: &Geometry) -> usize {
    tile_rows(geometry) * tile_columns(geometry)
}

/// Floats of transformed weights.
pub(crate) fn transformed_len(view: &WeightView) -> usize {
    apart(view.packed_len() / 9) * POINTS
}

/// `G w G^T` for every pair of channels: [`POINTS`] packed matrices.
pub(crate) fn transform_weight(weight: &[f32], view: &WeightView, width: usize, transformed: &mut [f32]) {
    with_scratch(view.packed_len(), |packed| {
        pack(weight, view, width, packed);
        let point_len = transformed.len() / POINTS;
        let shared = SharedBuffer::new(transformed);
        for_each_task(tiles(view.outputs, width), |tile| {
            let channels = super::weights::tile_channels(view.outputs, width, tile);
            let length = channels.len() * view.inputs;
            let taps = &packed[channels.start * 9 * view.inputs..][..9 * length];
            let points = (0..POINTS).map(|point| {
                let start = point * point_len + channels.start * view.inputs;
                // SAFETY: every (point, tile) belongs to one task.
                unsafe { shared.slice(start..start + length) }
            });
            let points: Vec<&mut [f32]> = points.collect();
            Instructions::current().run(WeightTransform { taps, points });
        });
    });
}

struct WeightTransform<'a> {
    /// `[9, length]`
    taps: &'a [f32],
    /// [`POINTS`] of `[length]`
    points: Vec<&'a mut [f32]>,
}

impl WithKernels for WeightTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(mut self, simd: K) {
        let length = self.points[0].len();
        for at in (0..length).step_by(K::F32_LANES) {
            let load = |tap: usize| K::as_simd_f32s(&self.taps[tap * length + at..][..K::F32_LANES]).0[0];
            let mut columns = [[simd.splat_f32s(0.0); 4]; 3];
            for (column, values) in columns.iter_mut().enumerate() {
                *values = g(simd, [load(column), load(3 + column), load(6 + column)]);
            }
            // An index, for it takes one value of each column.
            #[allow(clippy::needless_range_loop)]
            for row in 0..4 {
                let values = g(simd, [columns[0][row], columns[1][row], columns[2][row]]);
                for (column, value) in values.into_iter().enumerate() {
                    let out = &mut self.points[row * 4 + column][at..at + K::F32_LANES];
                    K::as_mut_simd_f32s(out).0[0] = value;
                }
            }
        }
    }
}

/// `G w`.
#[inline(always)]
fn g<S: Simd>(simd: S, w: [S::f32s; 3]) -> [S::f32s; 4] {
    let half = simd.splat_f32s(0.5);
    let outer = simd.add_f32s(w[0], w[2]);
    let plus = simd.mul_f32s(half, simd.add_f32s(outer, w[1]));
    let minus = simd.mul_f32s(half, simd.sub_f32s(outer, w[1]));
    [w[0], plus, minus, w[2]]
}

/// `A y`.
#[inline(always)]
fn a<S: Simd>(simd: S, y: [S::f32s; 2]) -> [S::f32s; 4] {
    let zero = simd.splat_f32s(0.0);
    [y[0], simd.add_f32s(y[0], y[1]), simd.sub_f32s(y[0], y[1]), simd.sub_f32s(zero, y[1])]
}

/// One row of `A^T m`: (1, 1, 1, 0) or (0, 1, -1, -1).
#[inline(always)]
fn a_transposed<S: Simd>(simd: S, second: bool, m: [S::f32s; 4]) -> S::f32s {
    if second {
        simd.sub_f32s(simd.sub_f32s(m[1], m[2]), m[3])
    } else {
        simd.add_f32s(m[0], simd.add_f32s(m[1], m[2]))
    }
}

/// `y = epilogue(weight * x)`; `view` says how the product reads the weight.
pub(crate) fn product(
    geometry: &Geometry,
    view: &WeightView,
    weight: &[f32],
    input: &[f32],
    epilogue: Epilogue<'_>,
    output: &mut [f32],
) {
    let instructions = Instructions::current();
    with_scratch(transformed_len(view), |transformed| {
        transform_weight(weight, view, instructions.run(Width), transformed);
        let channels = [view.inputs, view.outputs];
        let filter = Filter { instructions, transformed, channels, geometry: *geometry };
        filter.apply(input, epilogue, output);
    });
}

/// A 3x3 convolution whose weights are transformed.
pub(crate) struct Filter<'a> {
    /// The instructions that the weights were packed for.
    pub instructions: Instructions,
    /// See [`transform_weight`].
    pub transformed: &'a [f32],
    /// Channels read and written.
    pub channels: [usize; 2],
    /// Only the size of the images is used.
    pub geometry: Geometry,
}

impl Filter<'_> {
    /// `y = epilogue(weight * x)`.
    pub(crate) fn apply(&self, input: &[f32], epilogue: Epilogue<'_>, output: &mut [f32]) {
        let [inputs, outputs] = self.channels;
        let batch = self.geometry.batch;
        let bytes = POINTS * (blocks(inputs) + blocks(outputs)) * LANES * 4 * batch;
        let positions = tile_positions(&self.geometry);
        let output = SharedBuffer::new(output);
        if inputs * outputs < MANY_WEIGHTS {
            let count = positions.div_ceil((TASK_BYTES / bytes).max(1));
            for_each_task(count, |task| {
                self.group(input, epilogue, part(positions, count, task, 1), output, false);
            });
        } else {
            let count = positions.div_ceil((SHARED_BYTES / bytes).max(1));
            for group in 0..count {
                self.group(input, epilogue, part(positions, count, group, 1), output, true);
            }
        }
    }

    /// All three stages for some tile positions, on this thread or with tasks for parts of each stage.
    fn group(
        &self,
        input: &[f32],
        epilogue: Epilogue<'_>,
        positions: Range<usize>,
        output: SharedBuffer<'_, f32>,
        with_tasks: bool,
    ) {
        let [inputs, outputs] = self.channels;
        let lines = positions.len() * self.geometry.batch;
        let (input_blocks, output_blocks) = (blocks(inputs), blocks(outputs));
        let instructions = self.instructions;
        let each = |count: usize, work: &(dyn Fn(usize) + Sync)| {
            if with_tasks { for_each_task(count, work) } else { (0..count).for_each(work) }
        };
        let [read_len, written_len] =
            [input_blocks, output_blocks].map(|blocks| apart(blocks * lines * LANES));
        with_scratch(POINTS * (read_len + written_len), |scratch| {
            let (read, written) = scratch.split_at_mut(POINTS * read_len);
            let shared_read = SharedBuffer::new(read);
            each(input_blocks, &|block| {
                let of = [block, input_blocks];
                let positions = positions.clone();
                let transform =
                    TileTransform::<true>::of_block(&self.geometry, input, of, positions, shared_read);
                instructions.run(transform);
            });
            let read = &*read;
            let shared_written = SharedBuffer::new(written);
            let channel_tiles = tiles(outputs, instructions.run(Width));
            let parts = if with_tasks { channel_tiles.min(2) } else { 1 };
            let weight_len = self.transformed.len() / POINTS;
            each(POINTS * parts, &|task| {
                let point = task / parts;
                let values = &self.transformed[point * weight_len..(point + 1) * weight_len];
                instructions.run(MatrixProduct {
                    weights: values,
                    outputs,
                    inputs,
                    input: &read[point * read_len..(point + 1) * read_len],
                    lines,
                    output: shared_written,
                    output_start: point * written_len,
                    channel_tiles: part(channel_tiles, parts, task % parts, 1),
                });
            });
            let written = &*written;
            each(output_blocks, &|block| {
                instructions.run(OutputTransform {
                    geometry: &self.geometry,
                    points: &written[block * lines * LANES..],
                    point_len: written_len,
                    positions: positions.clone(),
                    block,
                    epilogue,
                    output,
                });
            });
        });
    }
}

/// `B^T x B` (of 4x4 input pixels) or `A dy A^T` (of 2x2 pixels of the output's gradient) of one block of channels
/// at some tile positions.
pub(super) struct TileTransform<'a, const INPUT: bool> {
    geometry: &'a Geometry,
    /// `[height, width, batch, 16]`
    image: &'a [f32],
    positions: Range<usize>,
    out: SharedBuffer<'a, f32>,
    /// Where the block's first point starts.
    start: usize,
    point_len: usize,
}

impl<'a, const INPUT: bool> TileTransform<'a, INPUT> {
    /// Of one of so many blocks of `map`; `out` holds the points [`apart`], each `[blocks, positions, batch, 16]`.
    pub(super) fn of_block(
        geometry: &'a Geometry,
        map: &'a [f32],
        [block, blocks]: [usize; 2],
        positions: Range<usize>,
        out: SharedBuffer<'a, f32>,
    ) -> Self {
        let plane = geometry.input_positions() * geometry.batch * LANES;
        let length = positions.len() * geometry.batch * LANES;
        Self {
            geometry,
            image: &map[block * plane..(block + 1) * plane],
            positions,
            out,
            start: block * length,
            point_len: apart(blocks * length),
        }
    }
}

impl<const INPUT: bool> WithKernels for TileTransform<'_, INPUT> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, simd: K) {
        let (height, width) = (self.geometry.height as isize, self.geometry.width as isize);
        let row_len = self.geometry.batch * LANES;
        let columns = tile_columns(self.geometry);
        // Pixels of a tile's side, and how far it begins before the output tile.
        let (side, before) = if INPUT { (4, 1) } else { (2, 0) };
        for (index, tile) in self.positions.enumerate() {
            let (top, left) =
                ((tile / columns * 2) as isize - before, (tile % columns * 2) as isize - before);
            let sources: [Option<&[f32]>; POINTS] = std::array::from_fn(|pixel| {
                let (row, column) = (top + (pixel / side) as isize, left + (pixel % side) as isize);
                let inside = (0..height).contains(&row) && (0..width).contains(&column);
                let inside = inside && pixel < side * side;
                inside.then(|| &self.image[(row * width + column) as usize * row_len..][..row_len])
            });
            let start = self.start + index * row_len;
            let targets: [&mut [f32]; POINTS] = std::array::from_fn(|point| {
                let start = start + point * self.point_len;
                // SAFETY: every (point, block, position) is written by one task.
                unsafe { self.out.slice(start..start + row_len) }
            });
            simd.vectorize(TransformLines::<INPUT> { sources, targets });
        }
    }
}

/// The transform of 16 lines to 16: `B^T x B`, or, of four lines, `A x A^T`.
struct TransformLines<'a, const INPUT: bool> {
    sources: [Option<&'a [f32]>; POINTS],
    targets: [&'a mut [f32]; POINTS],
}

impl<const INPUT: bool> WithSimd for TransformLines<'_, INPUT> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let zero = simd.splat_f32s(0.0);
        let mut targets = self.targets;
        for at in (0..targets[0].len()).step_by(S::F32_LANES) {
            let load = |point: usize| match self.sources[point] {
                Some(source) => S::as_simd_f32s(&source[at..at + S::F32_LANES]).0[0],
                None => zero,
            };
            let points: [[S::f32s; 4]; 4] = if INPUT {
                let mut columns = [[zero; 4]; 4];
                for (column, values) in columns.iter_mut().enumerate() {
                    let d = [load(column), load(4 + column), load(8 + column), load(12 + column)];
                    *values = b_transposed(simd, d);
                }
                let mut points = [[zero; 4]; 4];
                for (row, values) in points.iter_mut().enumerate() {
                    let d = [columns[0][row], columns[1][row], columns[2][row], columns[3][row]];
                    *values = b_transposed(simd, d);
                }
                points
            } else {
                let columns = [a(simd, [load(0), load(2)]), a(simd, [load(1), load(3)])];
                let mut points = [[zero; 4]; 4];
                for (row, values) in points.iter_mut().enumerate() {
                    *values = a(simd, [columns[0][row], columns[1][row]]);
                }
                points
            };
            for (target, value) in targets.iter_mut().zip(points.as_flattened()) {
                S::as_mut_simd_f32s(&mut target[at..at + S::F32_LANES]).0[0] = *value;
            }
        }
    }
}

#[inline(always)]
fn b_transposed<S: Simd>(simd: S, d: [S::f32s; 4]) -> [S::f32s; 4] {
    [
        simd.sub_f32s(d[0], d[2]),
        simd.add_f32s(d[1], d[2]),
        simd.sub_f32s(d[2], d[1]),
        simd.sub_f32s(d[1], d[3]),
    ]
}

/// `A^T m A` of one block of channels at some tile positions, then the epilogue.
struct OutputTransform<'a> {
    geometry: &'a Geometry,
    /// The block's lines of the first point, and the others `point_len` apart.
    points: &'a [f32],
    point_len: usize,
    positions: Range<usize>,
    block: usize,
    epilogue: Epilogue<'a>,
    output: SharedBuffer<'a, f32>,
}

impl WithKernels for OutputTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, simd: K) {
        let (height, width) = (self.geometry.height, self.geometry.width);
        let row_len = self.geometry.batch * LANES;
        let columns = tile_columns(self.geometry);
        let bias = self.epilogue.bias.map(|bias| &bias[self.block * LANES..][..LANES]);
        for (index, tile) in self.positions.enumerate() {
            let points = std::array::from_fn(|point| {
                &self.points[point * self.point_len + index * row_len..][..row_len]
            });
            for pixel in 0..4 {
                let (row, column) = (tile / columns * 2 + pixel / 2, tile % columns * 2 + pixel % 2);
                if row >= height || column >= width {
                    continue;
                }
                let start = ((self.block * height + row) * width + column) * row_len;
                let residual = self.epilogue.residual.map(|residual| &residual[start..start + row_len]);
                // SAFETY: every pixel of a block is written by one task.
                let target = unsafe { self.output.slice(start..start + row_len) };
                let slope = self.epilogue.slope;
                simd.vectorize(OutputLine { points, pixel, bias, residual, slope, target });
            }
        }
    }
}

/// One pixel of the 2x2 output tile for all images.
struct OutputLine<'a> {
    points: [&'a [f32]; POINTS],
    pixel: usize,
    bias: Option<&'a [f32]>,
    residual: Option<&'a [f32]>,
    slope: f32,
    target: &'a mut [f32],
}

impl WithSimd for OutputLine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let slope = simd.splat_f32s(self.slope);
        let (second_row, second_column) = (self.pixel / 2 == 1, self.pixel % 2 == 1);
        for at in (0..self.target.len()).step_by(S::F32_LANES) {
            let load = |values: &[f32]| S::as_simd_f32s(&values[at..at + S::F32_LANES]).0[0];
            let mut columns = [slope; 4];
            for (column, value) in columns.iter_mut().enumerate() {
                let m = [
                    load(self.points[column]),
                    load(self.points[4 + column]),
                    load(self.points[8 + column]),
                    load(self.points[12 + column]),
                ];
                *value = a_transposed(simd, second_row, m);
            }
            let value = a_transposed(simd, second_column, columns);
            let residual = self.residual.map(|residual| &residual[at..at + S::F32_LANES]);
            let value = finish(simd, value, self.bias, at % LANES, residual, slope);
            S::as_mut_simd_f32s(&mut self.target[at..at + S::F32_LANES]).0[0] = value;
        }
    }
}
