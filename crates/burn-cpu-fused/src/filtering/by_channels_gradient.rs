//! The gradient of a convolution's weight, one tile of output channels after the other: the transformed input
//! and output gradient meet in a sum of outer products for every point, and the sums become the gradient
//! while they are near. See `filtering`.

use std::marker::PhantomData;

use super::bilinear::{Algorithm, lines, transform};
use super::schemes::Scheme;
use super::tilings::{Tiling, Transformed};
use crate::descent::Update;
use crate::direct::geometry::Geometry;
use crate::direct::outer_sum::{OuterSum, OuterTask, identity_passes};
use crate::direct::product::Width;
use crate::direct::tiles::{Kernels, Run, WithKernels};
use crate::direct::weights::{UnpackTile, WeightView, tile_channels, tiles};
use crate::instructions::Instructions;
use crate::memory::LANES;
use crate::memory::blocked::{apart, blocks};
use crate::memory::buffers::scratch;
use crate::memory::parallel::{SharedBuffer, for_each_task};
use crate::memory::unwritten::Unwritten;

/// The gradient of the weight, or the weight after `update` by it, of a convolution of such a scheme.
pub(super) fn sum_by_channels<
    A: Algorithm<TAPS, READ, SIDE, POINTS>,
    const TAPS: usize,
    const READ: usize,
    const SIDE: usize,
    const POINTS: usize,
>(
    geometry: &Geometry,
    scheme: &Scheme<TAPS>,
    [input, output_gradient]: [&[f32]; 2],
    update: Option<Update<'_>>,
    gradient: &mut [Unwritten],
) {
    let instructions = Instructions::current();
    let tiling = Tiling::new(geometry, SIDE);
    let (tiling, zeros) = (&tiling, &*tiling.zeros());
    let block_len = tiling.tiles() * tiling.line_len();
    let [input_blocks, output_blocks] = [geometry.input_channels, geometry.output_channels].map(blocks);
    let readings = &scheme.readings;
    let read_blocks = readings.len() * input_blocks;
    let written = &scheme.writings[0].lattice;
    let [input_len, gradient_len] = [read_blocks, output_blocks].map(|blocks| apart(blocks * block_len));
    let mut points = scratch(POINTS * POINTS * (input_len + gradient_len));
    let (input_points, gradient_points) = points.split_at_mut(POINTS * POINTS * input_len);
    let of_input = Transformed {
        tiling,
        tiles: [0, tiling.tiles()],
        readings,
        map: input,
        zeros,
        out: SharedBuffer::new(input_points),
    };
    let (readings, out) = (std::slice::from_ref(written), SharedBuffer::new(gradient_points));
    let of_gradient = Transformed { readings, map: output_gradient, out, ..of_input };
    for_each_task(read_blocks + output_blocks, |index| match index.checked_sub(read_blocks) {
        None => instructions.run(of_input.block::<A::Input, READ, POINTS>(index)),
        Some(block) => instructions.run(of_gradient.block::<A::OutputTransposed, SIDE, POINTS>(block)),
    });
    let passes = identity_passes(block_len / LANES);
    let out = SharedBuffer::new(gradient);
    for_each_task(tiles(geometry.output_channels, instructions.run(Width)), |tile| {
        instructions.run(GradientTile {
            algorithm: PhantomData::<A>,
            tile,
            geometry,
            taps: &scheme.writings[0].taps,
            block_len,
            points: [input_points, gradient_points],
            point_lens: [input_len, gradient_len],
            passes: &passes,
            update,
            out,
        });
    });
}

/// The weights of one tile of output channels.
struct GradientTile<'a, A, const TAPS: usize, const READ: usize, const SIDE: usize, const POINTS: usize> {
    algorithm: PhantomData<A>,
    tile: usize,
    geometry: &'a Geometry,
    /// The kernel offsets that each reading meets.
    taps: &'a [[[usize; TAPS]; TAPS]],
    /// Floats of one point of a block of channels.
    block_len: usize,
    /// The transformed input and output gradient: all lines are written, what lies between points need not
    /// be.
    points: [&'a [Unwritten]; 2],
    point_lens: [usize; 2],
    passes: &'a [Vec<Vec<Run>>],
    update: Option<Update<'a>>,
    out: SharedBuffer<'a, Unwritten>,
}

impl<A, const TAPS: usize, const READ: usize, const SIDE: usize, const POINTS: usize> WithKernels
    for GradientTile<'_, A, TAPS, READ, SIDE, POINTS>
where
    A: Algorithm<TAPS, READ, SIDE, POINTS>,
{
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let view = WeightView::forward(self.geometry);
        let channels = tile_channels(view.outputs, K::WIDTH, self.tile);
        let block_len = self.block_len;
        let inputs = self.taps.len() * view.inputs;
        let sums_len = apart(inputs * channels.len());
        let mut sums = scratch(POINTS * POINTS * sums_len);
        let [input, gradient] = self.points;
        for point in 0..POINTS * POINTS {
            let input = &input[point * self.point_lens[0]..][..blocks(inputs) * block_len];
            let gradient = &gradient[point * self.point_lens[1] + channels.start / LANES * block_len..];
            let gradient = &gradient[..channels.len() / LANES * block_len];
            // SAFETY: all blocks of both are transformed before any tile of channels.
            let (input, output_gradient) = unsafe { (input.assume_init_ref(), gradient.assume_init_ref()) };
            let sum = OuterSum {
                inputs,
                outputs: channels.len(),
                input,
                input_plane: block_len,
                output_gradient,
                output_plane: block_len,
                passes: self.passes,
                taps: 1,
                packed: SharedBuffer::new(&mut sums[point * sums_len..][..inputs * channels.len()]),
                packed_start: 0,
                gap: 0,
                go_on: false,
            };
            OuterTask { sum: &sum, channel_tiles: 0..1, input_blocks: 0..blocks(inputs), taps: 0..1 }
                .run(kernels);
        }
        let length = view.inputs * channels.len();
        let plane = apart(length);
        let mut packed = scratch(view.taps * plane);
        let offsets = SharedBuffer::new(&mut packed);
        for (reading, taps) in self.taps.iter().enumerate() {
            let taps = std::array::from_fn(|row| {
                std::array::from_fn(|column| {
                    let start = taps[row][column] * plane;
                    // SAFETY: a kernel offset is a tap of one reading.
                    unsafe { offsets.slice(start..start + length) }
                })
            });
            // SAFETY: the loop above wrote the sums of all channels at all points.
            let sums = unsafe { lines(&sums[reading * length..], sums_len, length) };
            transform::<K, A::FilterTransposed, POINTS, TAPS>(kernels, sums, taps);
        }
        let depth = view.taps * view.inputs;
        let place = channels.start * depth..view.outputs.min(channels.end) * depth;
        let update = self.update.map(|update| update.part(place.clone()));
        // SAFETY: every tile belongs to one task.
        let out = unsafe { self.out.slice(place) };
        // SAFETY: every kernel offset is a tap of a reading, and so was written by its transform.
        unsafe { UnpackTile::new(&packed, plane, &view, channels.len(), update, out) }.run(kernels);
    }
}
