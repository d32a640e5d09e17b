//! The gradient of a 3x3 convolution's weight by Winograd's algorithm, see `winograd`: transformed input and
//! output-gradient tiles meet in 16 sums of outer products.

use pulp::Simd;

use super::blocked::{LANES, apart, blocks};
use super::geometry::Geometry;
use super::parallel::{SharedBuffer, for_each_task, part, with_scratch};
use super::product::Width;
use super::tiles::Kernels;
use super::weight_gradient::{OuterSum, OuterTask, identity_passes};
use super::weights::{tile_channels, tiles};
use super::winograd::{POINTS, SHARED_BYTES, TileTransform, tile_positions};
use crate::instructions::{Instructions, WithKernels};

/// `G^T u`.
#[inline(always)]
fn g_transposed<S: Simd>(simd: S, u: [S::f32s; 4]) -> [S::f32s; 3] {
    let half = simd.splat_f32s(0.5);
    let plus = simd.mul_f32s(half, simd.add_f32s(u[1], u[2]));
    let minus = simd.mul_f32s(half, simd.sub_f32s(u[1], u[2]));
    [simd.add_f32s(u[0], plus), minus, simd.add_f32s(plus, u[3])]
}

/// The gradient of the weight, laid out as packed weights.
pub(crate) fn weight_gradient(
    geometry: &Geometry,
    input: &[f32],
    output_gradient: &[f32],
    packed: &mut [f32],
) {
    let instructions = Instructions::current();
    let [inputs, outputs] = [geometry.input_channels, geometry.output_channels];
    let (input_blocks, output_blocks) = (blocks(inputs), blocks(outputs));
    let width = instructions.run(Width);
    let point_len = apart(packed.len() / 9);
    let positions = tile_positions(geometry);
    let bytes = POINTS * (input_blocks + output_blocks) * LANES * 4 * geometry.batch;
    let count = positions.div_ceil((SHARED_BYTES / bytes).max(1));
    with_scratch(POINTS * point_len, |sums| {
        let sums = SharedBuffer::new(sums);
        for group in 0..count {
            let positions = part(positions, count, group, 1);
            let lines = positions.len() * geometry.batch;
            let [read_len, gradient_len] =
                [input_blocks, output_blocks].map(|blocks| apart(blocks * lines * LANES));
            with_scratch(POINTS * (read_len + gradient_len), |scratch| {
                let (inputs_read, gradients_read) = scratch.split_at_mut(POINTS * read_len);
                let (out, out_gradient) = (SharedBuffer::new(inputs_read), SharedBuffer::new(gradients_read));
                for_each_task(input_blocks + output_blocks, |block| {
                    let positions = positions.clone();
                    if let Some(block) = block.checked_sub(input_blocks) {
                        let of = [block, output_blocks];
                        instructions.run(TileTransform::<false>::of_block(
                            geometry,
                            output_gradient,
                            of,
                            positions,
                            out_gradient,
                        ));
                    } else {
                        let of = [block, input_blocks];
                        instructions
                            .run(TileTransform::<true>::of_block(geometry, input, of, positions, out));
                    }
                });
                let passes = identity_passes(lines);
                let (inputs_read, gradients_read) = (&*inputs_read, &*gradients_read);
                for_each_task(POINTS, |point| {
                    // SAFETY: every point belongs to one task.
                    let sums = unsafe { sums.slice(point * point_len..(point + 1) * point_len) };
                    let sum = OuterSum {
                        inputs,
                        outputs,
                        input: &inputs_read[point * read_len..],
                        input_plane: lines * LANES,
                        output_gradient: &gradients_read[point * gradient_len..],
                        output_plane: lines * LANES,
                        passes: &passes,
                        taps: 1,
                        packed: SharedBuffer::new(sums),
                        packed_start: 0,
                        gap: 0,
                        go_on: group > 0,
                    };
                    instructions.run(OuterTask {
                        sum: &sum,
                        channel_tiles: 0..tiles(outputs, width),
                        input_blocks: 0..input_blocks,
                        taps: 0..1,
                    });
                });
            });
        }
        let shared = SharedBuffer::new(packed);
        for_each_task(tiles(outputs, width), |tile| {
            let channels = tile_channels(outputs, width, tile);
            let length = channels.len() * inputs;
            // SAFETY: every tile belongs to one task.
            let taps = unsafe { shared.slice(channels.start * 9 * inputs..channels.end * 9 * inputs) };
            let points = std::array::from_fn(|point| {
                let start = point * point_len + channels.start * inputs;
                // SAFETY: read only, after all sums are written.
                unsafe { &*sums.slice(start..start + length) }
            });
            instructions.run(WeightGradientTransform { points, taps });
        });
    });
}

/// `G^T u G`: sixteen points to nine taps.
struct WeightGradientTransform<'a> {
    points: [&'a [f32]; POINTS],
    /// `[9, length]`
    taps: &'a mut [f32],
}

impl WithKernels for WeightGradientTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, simd: K) {
        let length = self.points[0].len();
        for at in (0..length).step_by(K::F32_LANES) {
            let load = |point: usize| K::as_simd_f32s(&self.points[point][at..at + K::F32_LANES]).0[0];
            let mut columns = [[simd.splat_f32s(0.0); 3]; 4];
            for (column, values) in columns.iter_mut().enumerate() {
                let u = [load(column), load(4 + column), load(8 + column), load(12 + column)];
                *values = g_transposed(simd, u);
            }
            // An index, for it takes one value of each column.
            #[allow(clippy::needless_range_loop)]
            for row in 0..3 {
                let u = [columns[0][row], columns[1][row], columns[2][row], columns[3][row]];
                let values = g_transposed(simd, u);
                for (column, value) in values.into_iter().enumerate() {
                    let out = &mut self.taps[(row * 3 + column) * length + at..][..K::F32_LANES];
                    K::as_mut_simd_f32s(out).0[0] = value;
                }
            }
        }
    }
}
