//! Minimal filtering with one matrix product for each point: weights are transformed first, then some tiles
//! of some images are transformed, multiplied at every point, and the products transformed back. See
//! `filtering`.

use std::marker::PhantomData;
use std::ops::Range;

use super::bilinear::{Algorithm, lines, transform};
use super::tilings::{Lattice, OutputTransform, Tiling, Transformed, Written};
use crate::direct::geometry::Geometry;
use crate::direct::product::{MatrixProduct, Width};
use crate::direct::tiles::{Kernels, WithKernels};
use crate::direct::weights::{PackTile, WeightView, tile_channels, tiles};
use crate::epilogue::Epilogue;
use crate::instructions::Instructions;
use crate::memory::LANES;
use crate::memory::blocked::{apart, blocks};
use crate::memory::buffers::scratch;
use crate::memory::parallel::{SharedBuffer, for_each_task, part};
use crate::memory::unwritten::Unwritten;

/// Taps of the kernel along an axis.
pub(super) const TAPS: usize = 3;
/// Bytes of transformed input and output that one task works on at once: they stay in its second-level cache.
const TASK_BYTES: usize = 350 << 10;
/// Where these are fewer lines, each task would read all weights too often; all work on the same tiles then.
const LEAST_LINES: usize = 8;
/// Where there would be fewer tasks, their shares are unequal; all work on the same tiles then.
const LEAST_TASKS: usize = 4;
/// Bytes of transformed input and output when all tasks work on the same tiles.
pub(super) const SHARED_BYTES: usize = 3 << 20;

/// Floats of the weights transformed to `points` points.
pub(super) fn transformed_len(view: &WeightView, points: usize) -> usize {
    apart(view.packed_len() / (TAPS * TAPS)) * points
}

/// `G w G^T` for every pair of channels: for each point a matrix, packed for these instructions; what lies
/// between the matrices is not written.
pub(super) fn transform_weight<
    A: Algorithm<TAPS, POINTS, SIDE, POINTS>,
    const SIDE: usize,
    const POINTS: usize,
>(
    instructions: Instructions,
    weight: &[f32],
    view: &WeightView,
    transformed: &mut [Unwritten],
) {
    let width = instructions.run(Width);
    let point_len = transformed.len() / (POINTS * POINTS);
    let out = SharedBuffer::new(transformed);
    for_each_task(tiles(view.outputs, width), |tile| {
        let channels = tile_channels(view.outputs, width, tile);
        instructions.run(FilterTransform {
            algorithm: PhantomData::<A>,
            weight,
            view,
            start: channels.start * view.inputs,
            channels,
            point_len,
            out,
        });
    });
}

/// `G w G^T` for one tile of output channels.
struct FilterTransform<'a, A, const SIDE: usize, const POINTS: usize> {
    algorithm: PhantomData<A>,
    weight: &'a [f32],
    view: &'a WeightView,
    channels: Range<usize>,
    /// Where their weights of the first point start.
    start: usize,
    point_len: usize,
    out: SharedBuffer<'a, Unwritten>,
}

impl<A: Algorithm<TAPS, POINTS, SIDE, POINTS>, const SIDE: usize, const POINTS: usize> WithKernels
    for FilterTransform<'_, A, SIDE, POINTS>
{
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let Self { weight, view, channels, .. } = self;
        let length = channels.len() * view.inputs;
        let plane = apart(length);
        let mut packed = scratch(TAPS * TAPS * plane);
        let packed = &mut *packed;
        PackTile { weight, view, channels, out: &mut *packed, plane }.run(kernels);
        // SAFETY: `PackTile` wrote all kernel offsets.
        let taps = unsafe { lines(packed, plane, length) };
        let points = std::array::from_fn(|row| {
            std::array::from_fn(|column| {
                let start = self.start + (row * POINTS + column) * self.point_len;
                // SAFETY: every (point, tile) belongs to one task.
                unsafe { self.out.slice(start..start + length) }
            })
        });
        transform::<K, A::Filter, TAPS, POINTS>(kernels, taps, points);
    }
}

/// A 3x3 convolution whose weights are transformed.
pub(crate) struct Filter<'a> {
    /// The instructions that they were packed for.
    instructions: Instructions,
    transformed: &'a [Unwritten],
    /// Channels read and written.
    channels: [usize; 2],
    /// Only the number of the images and their size are used.
    geometry: &'a Geometry,
}

impl<'a> Filter<'a> {
    /// A convolution by weights that [`transform_weight`] wrote for `instructions`, `channels` read and
    /// written, and images as `geometry` has them.
    ///
    /// # Safety
    /// All weights must be written; what lies between the matrices of the points need not be.
    pub(crate) unsafe fn new(
        instructions: Instructions,
        transformed: &'a [Unwritten],
        channels: [usize; 2],
        geometry: &'a Geometry,
    ) -> Self {
        Self { instructions, transformed, channels, geometry }
    }
}

impl Filter<'_> {
    /// `y = epilogue(weight * x)`.
    pub(super) fn apply<A: Algorithm<TAPS, POINTS, SIDE, POINTS>, const SIDE: usize, const POINTS: usize>(
        &self,
        input: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [Unwritten],
    ) {
        let [inputs, outputs] = self.channels;
        let tiling = Tiling::new(self.geometry, SIDE);
        let batch = self.geometry.batch;
        let line_bytes = POINTS * POINTS * (blocks(inputs) + blocks(outputs)) * LANES * 4;
        let tasks = (tiling.tiles() * batch).div_ceil((TASK_BYTES / line_bytes).max(1));
        let with_tasks = TASK_BYTES / line_bytes < LEAST_LINES || tasks < LEAST_TASKS;
        let lines_at_once = if with_tasks { SHARED_BYTES } else { TASK_BYTES } / line_bytes;
        let image_parts = batch.div_ceil(lines_at_once.max(1));
        let tile_parts = tiling.tiles().div_ceil((lines_at_once / batch).max(1));
        let zeros = tiling.zeros();
        let output = SharedBuffer::new(output);
        let group = |index: usize| {
            let tiling = tiling.of_images(part(batch, image_parts, index % image_parts, 1));
            let group = Group {
                filter: self,
                algorithm: PhantomData::<A>,
                zeros: &zeros[..tiling.line_len()],
                tiles: part(tiling.tiles(), tile_parts, index / image_parts, 1),
                tiling: &tiling,
                epilogue,
                with_tasks,
            };
            group.run(input, output);
        };
        let count = tile_parts * image_parts;
        if with_tasks { (0..count).for_each(group) } else { for_each_task(count, group) }
    }
}

/// Some tiles of some images.
struct Group<'a, A, const SIDE: usize, const POINTS: usize> {
    filter: &'a Filter<'a>,
    algorithm: PhantomData<A>,
    tiling: &'a Tiling,
    zeros: &'a [f32],
    tiles: Range<usize>,
    epilogue: Epilogue<'a>,
    /// Whether parts of each stage are tasks, or all runs on this thread.
    with_tasks: bool,
}

impl<A: Algorithm<TAPS, POINTS, SIDE, POINTS>, const SIDE: usize, const POINTS: usize>
    Group<'_, A, SIDE, POINTS>
{
    fn each(&self, count: usize, work: impl Fn(usize) + Sync + Send) {
        if self.with_tasks { for_each_task(count, work) } else { (0..count).for_each(work) }
    }

    /// All three stages.
    fn run(&self, input: &[f32], output: SharedBuffer<'_, Unwritten>) {
        let Filter { instructions, channels: [inputs, outputs], transformed, .. } = *self.filter;
        let tiling = self.tiling;
        let lines = self.tiles.len() * tiling.line_len() / LANES;
        let block_len = lines * LANES;
        let [read_len, written_len] = [inputs, outputs].map(|channels| apart(blocks(channels) * block_len));
        let mut points = scratch(POINTS * POINTS * (read_len + written_len));
        let (read, written) = points.split_at_mut(POINTS * POINTS * read_len);
        let size = [self.filter.geometry.height, self.filter.geometry.width];
        let (reading, writing) = (Lattice { first: [-1; 2], ..Lattice::all(size) }, Lattice::all(size));
        let transformed_input = Transformed {
            tiling,
            tiles: [self.tiles.start, self.tiles.end],
            readings: &[reading],
            map: input,
            zeros: self.zeros,
            out: SharedBuffer::new(read),
        };
        self.each(transformed_input.blocks(), |block| {
            instructions.run(transformed_input.block::<A::Input, POINTS, POINTS>(block));
        });
        let read = &*read;
        let shared_written = SharedBuffer::new(written);
        let channel_tiles = tiles(outputs, instructions.run(Width));
        let parts = if self.with_tasks { channel_tiles.min(2) } else { 1 };
        let weight_len = transformed.len() / (POINTS * POINTS);
        let weights_len = blocks(outputs) * LANES * inputs;
        self.each(POINTS * POINTS * parts, |task| {
            let point = task / parts;
            let weights = &transformed[point * weight_len..][..weights_len];
            let input = &read[point * read_len..][..blocks(inputs) * block_len];
            // SAFETY: `new`'s caller says that the weights are written, and the stage before wrote all blocks
            // of the input.
            let (weights, input) = unsafe { (weights.assume_init_ref(), input.assume_init_ref()) };
            instructions.run(MatrixProduct {
                weights,
                outputs,
                inputs,
                input,
                lines,
                output: shared_written,
                output_start: point * written_len,
                channel_tiles: part(channel_tiles, parts, task % parts, 1),
            });
        });
        let written = &*written;
        self.each(blocks(outputs), |block| {
            let (tiles, epilogue) = (self.tiles.clone(), self.epilogue);
            let place = Written { tiling, lattice: &writing, tiles, block, epilogue, output };
            // SAFETY: the stage before wrote all blocks at all points.
            let transform =
                unsafe { OutputTransform::new(place, &written[block * block_len..], written_len) };
            let transform: OutputTransform<'_, A::Output, SIDE, POINTS> = transform;
            instructions.run(transform);
        });
    }
}
