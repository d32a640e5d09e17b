//! The gradient of a 3x3 convolution's weight by Winograd's algorithm, see `winograd`: transformed input and
//! output-gradient tiles meet in 25 or 36 sums of outer products.

use std::marker::PhantomData;

use super::bilinear::{Algorithm, TAPS, transform};
use super::blocked::{LANES, apart, blocks};
use super::cook_toom::{F3, F4};
use super::geometry::Geometry;
use super::parallel::{SharedBuffer, for_each_task, part};
use super::product::Width;
use super::tiles::Kernels;
use super::weight_gradient::{OuterSum, OuterTask, identity_passes};
use super::weights::{tile_channels, tiles};
use super::whole_images::lines_mut;
use super::winograd::{Filtering, SHARED_BYTES};
use super::winograd_tiles::{TileTransform, Tiling};
use crate::buffers::scratch;
use crate::instructions::{Instructions, WithKernels};

/// The gradient of the weight, laid out as packed weights.
pub(crate) fn weight_gradient(
    geometry: &Geometry,
    filtering: Filtering,
    input: &[f32],
    output_gradient: &[f32],
    packed: &mut [f32],
) {
    match filtering {
        Filtering::Three => run::<F3, 3, 5>(geometry, input, output_gradient, packed),
        Filtering::Four => run::<F4, 4, 6>(geometry, input, output_gradient, packed),
    }
}

fn run<A: Algorithm<POINTS, SIDE, POINTS>, const SIDE: usize, const POINTS: usize>(
    geometry: &Geometry,
    input: &[f32],
    output_gradient: &[f32],
    packed: &mut [f32],
) {
    let instructions = Instructions::current();
    let [inputs, outputs] = [geometry.input_channels, geometry.output_channels];
    let (input_blocks, output_blocks) = (blocks(inputs), blocks(outputs));
    let width = instructions.run(Width);
    let tiling = Tiling::new(geometry, SIDE);
    let point_len = apart(packed.len() / (TAPS * TAPS));
    let bytes = POINTS * POINTS * (input_blocks + output_blocks) * tiling.line_len() * 4;
    // Every group of tiles reads and writes all sums.
    let at_once = SHARED_BYTES.max(POINTS * POINTS * point_len * 4 / 2);
    let count = tiling.tiles().div_ceil((at_once / bytes).max(1));
    let plane = tiling.plane();
    let mut zeros = scratch(tiling.line_len());
    zeros.fill(0.0);
    let mut sums = scratch(POINTS * POINTS * point_len);
    let sums = SharedBuffer::new(&mut sums);
    for group in 0..count {
        let tiles_here = part(tiling.tiles(), count, group, 1);
        let block_len = tiles_here.len() * tiling.line_len();
        let [read_len, gradient_len] = [input_blocks, output_blocks].map(|blocks| apart(blocks * block_len));
        let mut points = scratch(POINTS * POINTS * (read_len + gradient_len));
        let (inputs_read, gradients_read) = points.split_at_mut(POINTS * POINTS * read_len);
        let [out, out_gradient] = [SharedBuffer::new(inputs_read), SharedBuffer::new(gradients_read)];
        for_each_task(input_blocks + output_blocks, |index| {
            let (tiles, zeros) = (tiles_here.clone(), &*zeros);
            match index.checked_sub(input_blocks) {
                None => instructions.run(TileTransform {
                    by: PhantomData::<A::Input>,
                    tiling: &tiling,
                    before: 1,
                    image: &input[index * plane..(index + 1) * plane],
                    zeros,
                    tiles,
                    out,
                    start: index * block_len,
                    point_len: read_len,
                }),
                Some(block) => instructions.run(TileTransform {
                    by: PhantomData::<A::OutputTransposed>,
                    tiling: &tiling,
                    before: 0,
                    image: &output_gradient[block * plane..(block + 1) * plane],
                    zeros,
                    tiles,
                    out: out_gradient,
                    start: block * block_len,
                    point_len: gradient_len,
                }),
            }
        });
        let passes = identity_passes(block_len / LANES);
        let (inputs_read, gradients_read) = (&*inputs_read, &*gradients_read);
        for_each_task(POINTS * POINTS, |point| {
            // SAFETY: every point belongs to one task.
            let sums = unsafe { sums.slice(point * point_len..(point + 1) * point_len) };
            let sum = OuterSum {
                inputs,
                outputs,
                input: &inputs_read[point * read_len..],
                input_plane: block_len,
                output_gradient: &gradients_read[point * gradient_len..],
                output_plane: block_len,
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
    }
    let shared = SharedBuffer::new(packed);
    for_each_task(tiles(outputs, width), |tile| {
        let channels = tile_channels(outputs, width, tile);
        let depth = TAPS * TAPS * inputs;
        // SAFETY: every tile belongs to one task.
        let taps = unsafe { shared.slice(channels.start * depth..channels.end * depth) };
        instructions.run(SumTransform {
            algorithm: PhantomData::<A>,
            sums,
            start: channels.start * inputs,
            point_len,
            taps,
        });
    });
}

/// `G^T u G` for one tile of output channels: points to nine taps.
struct SumTransform<'a, A, const SIDE: usize, const POINTS: usize> {
    algorithm: PhantomData<A>,
    sums: SharedBuffer<'a, f32>,
    /// Where the tile's sums of the first point start.
    start: usize,
    point_len: usize,
    /// `[9, length]`
    taps: &'a mut [f32],
}

impl<A: Algorithm<POINTS, SIDE, POINTS>, const SIDE: usize, const POINTS: usize> WithKernels
    for SumTransform<'_, A, SIDE, POINTS>
{
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let length = self.taps.len() / (TAPS * TAPS);
        let sources = std::array::from_fn(|row| {
            std::array::from_fn(|column| {
                let start = self.start + (row * POINTS + column) * self.point_len;
                // SAFETY: read only, after all sums are written.
                unsafe { &*self.sums.slice(start..start + length) }
            })
        });
        let taps = lines_mut(self.taps, length, length);
        transform::<K, A::FilterTransposed, POINTS, TAPS>(kernels, sources, taps);
    }
}
