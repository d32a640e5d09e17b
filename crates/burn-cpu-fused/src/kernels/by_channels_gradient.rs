//! The gradient of a 3x3 convolution's weight, one tile of output channels after the other: the transformed input and output
//! gradient meet in a sum of outer products for every point, and the sums become the gradient while they are near. See
//! `filtering`.

use std::marker::PhantomData;

use super::bilinear::{Algorithm, TAPS, lines, lines_mut, transform};
use super::blocked::{LANES, apart, blocks};
use super::descent::Update;
use super::geometry::Geometry;
use super::parallel::{SharedBuffer, for_each_task};
use super::product::Width;
use super::tiles::{Kernels, Run};
use super::tilings::{TileTransform, Tiling};
use super::weight_gradient::{OuterSum, OuterTask, identity_passes};
use super::weights::{UnpackTile, WeightView, tile_channels, tiles};
use crate::buffers::scratch;
use crate::instructions::{Instructions, WithKernels};

/// The gradient of the weight, or the weight after `update` by it.
pub(super) fn weight_gradient<
    A: Algorithm<READ, SIDE, POINTS>,
    const READ: usize,
    const SIDE: usize,
    const POINTS: usize,
>(
    geometry: &Geometry,
    [input, output_gradient]: [&[f32]; 2],
    update: Option<Update<'_>>,
    gradient: &mut [f32],
) {
    let instructions = Instructions::current();
    let tiling = Tiling::new(geometry, SIDE);
    let (tiling, zeros) = (&tiling, &*tiling.zeros());
    let block_len = tiling.tiles() * tiling.line_len();
    let plane = tiling.plane();
    let [input_blocks, output_blocks] = [geometry.input_channels, geometry.output_channels].map(blocks);
    let [input_len, gradient_len] = [input_blocks, output_blocks].map(|blocks| apart(blocks * block_len));
    let mut points = scratch(POINTS * POINTS * (input_len + gradient_len));
    let (input_points, gradient_points) = points.split_at_mut(POINTS * POINTS * input_len);
    let [out, gradient_out] = [SharedBuffer::new(input_points), SharedBuffer::new(gradient_points)];
    for_each_task(input_blocks + output_blocks, |index| {
        let tiles = 0..tiling.tiles();
        match index.checked_sub(input_blocks) {
            None => instructions.run(TileTransform {
                by: PhantomData::<A::Input>,
                tiling,
                before: (READ - SIDE) / 2,
                image: &input[index * plane..(index + 1) * plane],
                zeros,
                tiles,
                out,
                start: index * block_len,
                point_len: input_len,
            }),
            Some(block) => instructions.run(TileTransform {
                by: PhantomData::<A::OutputTransposed>,
                tiling,
                before: 0,
                image: &output_gradient[block * plane..(block + 1) * plane],
                zeros,
                tiles,
                out: gradient_out,
                start: block * block_len,
                point_len: gradient_len,
            }),
        }
    });
    let passes = identity_passes(block_len / LANES);
    let out = SharedBuffer::new(gradient);
    for_each_task(tiles(geometry.output_channels, instructions.run(Width)), |tile| {
        instructions.run(Tile {
            algorithm: PhantomData::<A>,
            tile,
            geometry,
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
struct Tile<'a, A, const READ: usize, const SIDE: usize, const POINTS: usize> {
    algorithm: PhantomData<A>,
    tile: usize,
    geometry: &'a Geometry,
    /// Floats of one point of a block of channels.
    block_len: usize,
    /// The transformed input and output gradient.
    points: [&'a [f32]; 2],
    point_lens: [usize; 2],
    passes: &'a [Vec<Vec<Run>>],
    update: Option<Update<'a>>,
    out: SharedBuffer<'a, f32>,
}

impl<A: Algorithm<READ, SIDE, POINTS>, const READ: usize, const SIDE: usize, const POINTS: usize> WithKernels
    for Tile<'_, A, READ, SIDE, POINTS>
{
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let view = WeightView::forward(self.geometry);
        let channels = tile_channels(view.outputs, K::WIDTH, self.tile);
        let block_len = self.block_len;
        let length = channels.len() * view.inputs;
        let plane = apart(length);
        let mut sums = scratch(POINTS * POINTS * plane);
        let sums = &mut *sums;
        let [input, gradient] = self.points;
        for point in 0..POINTS * POINTS {
            let gradient = &gradient[point * self.point_lens[1]..];
            let sum = OuterSum {
                inputs: view.inputs,
                outputs: channels.len(),
                input: &input[point * self.point_lens[0]..],
                input_plane: block_len,
                output_gradient: &gradient[channels.start / LANES * block_len..],
                output_plane: block_len,
                passes: self.passes,
                taps: 1,
                packed: SharedBuffer::new(&mut sums[point * plane..][..length]),
                packed_start: 0,
                gap: 0,
                go_on: false,
            };
            OuterTask { sum: &sum, channel_tiles: 0..1, input_blocks: 0..blocks(view.inputs), taps: 0..1 }
                .run(kernels);
        }
        let mut packed = scratch(TAPS * TAPS * plane);
        let packed = &mut *packed;
        transform::<K, A::FilterTransposed, POINTS, TAPS>(
            kernels,
            lines(sums, plane, length),
            lines_mut(packed, plane, length),
        );
        let depth = view.taps * view.inputs;
        let place = channels.start * depth..view.outputs.min(channels.end) * depth;
        let update = self.update.map(|update| update.part(place.clone()));
        // SAFETY: every tile belongs to one task.
        let out = unsafe { self.out.slice(place) };
        UnpackTile { packed, plane, view: &view, width: channels.len(), update, out }.run(kernels);
    }
}
