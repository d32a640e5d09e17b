//! The gradient of a 3x3 convolution's weight with one sum of outer products for each point, in which the
//! transformed input and output gradient meet. See `filtering`.

use std::marker::PhantomData;

use super::bilinear::{Algorithm, lines, lines_mut, transform};
use super::by_points::{SHARED_BYTES, TAPS};
use super::tilings::{Lattice, Tiling, Transformed};
use crate::descent::Update;
use crate::direct::geometry::Geometry;
use crate::direct::outer_sum::{OuterSum, OuterTask, identity_passes};
use crate::direct::product::Width;
use crate::direct::tiles::{Kernels, WithKernels};
use crate::direct::weights::{UnpackTile, WeightView, tile_channels, tiles};
use crate::instructions::Instructions;
use crate::memory::LANES;
use crate::memory::blocked::{apart, blocks};
use crate::memory::buffers::scratch;
use crate::memory::parallel::{SharedBuffer, for_each_task, part};
use crate::memory::unwritten::Unwritten;

/// The gradient of the weight, or the weight after `update` by it.
pub(super) fn sum_by_points<
    A: Algorithm<TAPS, POINTS, SIDE, POINTS>,
    const SIDE: usize,
    const POINTS: usize,
>(
    geometry: &Geometry,
    [input, output_gradient]: [&[f32]; 2],
    update: Option<Update<'_>>,
    gradient: &mut [Unwritten],
) {
    let instructions = Instructions::current();
    let [inputs, outputs] = [geometry.input_channels, geometry.output_channels];
    let (input_blocks, output_blocks) = (blocks(inputs), blocks(outputs));
    let width = instructions.run(Width);
    let tiling = Tiling::new(geometry, SIDE);
    let view = WeightView::forward(geometry);
    let point_len = apart(view.packed_len() / (TAPS * TAPS));
    let bytes = POINTS * POINTS * (input_blocks + output_blocks) * tiling.line_len() * 4;
    let count = tiling.tiles().div_ceil((SHARED_BYTES / bytes).max(1));
    let written = Lattice::all([geometry.height, geometry.width]);
    let read = Lattice { first: [-1; 2], ..written };
    let zeros = tiling.zeros();
    let mut sums = scratch(POINTS * POINTS * point_len);
    for group in 0..count {
        let tiles_here = part(tiling.tiles(), count, group, 1);
        let block_len = tiles_here.len() * tiling.line_len();
        let [read_len, gradient_len] = [input_blocks, output_blocks].map(|blocks| apart(blocks * block_len));
        let mut points = scratch(POINTS * POINTS * (read_len + gradient_len));
        let (inputs_read, gradients_read) = points.split_at_mut(POINTS * POINTS * read_len);
        let of_input = Transformed {
            tiling: &tiling,
            tiles: [tiles_here.start, tiles_here.end],
            readings: &[read],
            map: input,
            zeros: &zeros,
            out: SharedBuffer::new(inputs_read),
        };
        let (readings, out) = (&[written], SharedBuffer::new(gradients_read));
        let of_gradient = Transformed { readings, map: output_gradient, out, ..of_input };
        for_each_task(input_blocks + output_blocks, |index| match index.checked_sub(input_blocks) {
            None => instructions.run(of_input.block::<A::Input, POINTS, POINTS>(index)),
            Some(block) => {
                instructions.run(of_gradient.block::<A::OutputTransposed, SIDE, POINTS>(block));
            }
        });
        let passes = identity_passes(block_len / LANES);
        let (inputs_read, gradients_read) = (&*inputs_read, &*gradients_read);
        let sums = SharedBuffer::new(&mut sums);
        for_each_task(POINTS * POINTS, |point| {
            // SAFETY: every point belongs to one task.
            let sums = unsafe { sums.slice(point * point_len..(point + 1) * point_len) };
            let input = &inputs_read[point * read_len..][..input_blocks * block_len];
            let output_gradient = &gradients_read[point * gradient_len..][..output_blocks * block_len];
            // SAFETY: the tasks above transformed all blocks of both.
            let (input, output_gradient) =
                unsafe { (input.assume_init_ref(), output_gradient.assume_init_ref()) };
            let sum = OuterSum {
                inputs,
                outputs,
                input,
                input_plane: block_len,
                output_gradient,
                output_plane: block_len,
                passes: &passes,
                taps: 1,
                packed: SharedBuffer::new(sums),
                packed_start: 0,
                gap: 0,
                // From the second group on, the first has written the sums of all channels.
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
    // Only read from here on.
    let (sums, out) = (&*sums, SharedBuffer::new(gradient));
    for_each_task(tiles(outputs, width), |tile| {
        let channels = tile_channels(outputs, width, tile);
        let depth = TAPS * TAPS * inputs;
        let place = channels.start * depth..outputs.min(channels.end) * depth;
        instructions.run(SumTransform {
            algorithm: PhantomData::<A>,
            sums,
            start: channels.start * inputs,
            point_len,
            view: &view,
            width: channels.len(),
            update: update.map(|update| update.part(place.clone())),
            // SAFETY: every tile belongs to one task.
            out: unsafe { out.slice(place) },
        });
    });
}

/// `G^T u G` for one tile of output channels.
struct SumTransform<'a, A, const SIDE: usize, const POINTS: usize> {
    algorithm: PhantomData<A>,
    /// All sums, which all tasks share, written.
    sums: &'a [Unwritten],
    /// Where the tile's sums of the first point start.
    start: usize,
    point_len: usize,
    view: &'a WeightView,
    /// Channels of the tile.
    width: usize,
    /// The step of the weights in the rows of `out`, if they take one.
    update: Option<Update<'a>>,
    out: &'a mut [Unwritten],
}

impl<A: Algorithm<TAPS, POINTS, SIDE, POINTS>, const SIDE: usize, const POINTS: usize> WithKernels
    for SumTransform<'_, A, SIDE, POINTS>
{
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let length = self.width * self.view.inputs;
        // SAFETY: every group of tiles wrote the sums of all channels at all points.
        let sources = unsafe { lines(&self.sums[self.start..], self.point_len, length) };
        let plane = apart(length);
        let mut packed = scratch(TAPS * TAPS * plane);
        let taps = lines_mut(&mut packed, plane, length);
        transform::<K, A::FilterTransposed, POINTS, TAPS>(kernels, sources, taps);
        let Self { view, width, update, out, .. } = self;
        // SAFETY: the transform wrote all kernel offsets.
        unsafe { UnpackTile::new(&packed, plane, view, width, update, out) }.run(kernels);
    }
}
