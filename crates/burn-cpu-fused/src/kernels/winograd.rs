//! Winograd's minimal filtering (Lavin & Gray 2016): a 3x3 convolution with stride and padding one by tiles, F(4x4, 3x3)
//! with 36 multiplications in place of 144 or F(3x3, 3x3) with 25 in place of 81, see `cook_toom`. The transforms are sums
//! of whole channel blocks; between them stand 36 or 25 matrix products.

use std::marker::PhantomData;
use std::ops::Range;

use super::bilinear::{Algorithm, TAPS, transform};
use super::blocked::{LANES, apart, blocks};
use super::convolution::Epilogue;
use super::cook_toom::{F3, F4};
use super::geometry::Geometry;
use super::parallel::{SharedBuffer, for_each_task, part};
use super::product::{MatrixProduct, Width};
use super::tiles::Kernels;
use super::weights::{PackTile, WeightView, tile_channels, tiles};
use super::whole_images::lines;
use super::winograd_tiles::{OutputTransform, TileTransform, Tiling};
use crate::buffers::scratch;
use crate::instructions::{Instructions, WithKernels};

/// Bytes of transformed input and output that one task works on at once: they stay in its second-level cache.
const TASK_BYTES: usize = 350 << 10;
/// Where these are fewer lines, each task would read all weights too often; all work on the same tiles then.
const LEAST_LINES: usize = 8;
/// The same where these are too few tasks for equal shares.
const LEAST_TASKS: usize = 4;
/// Bytes of them when all tasks work on the same tiles.
pub(super) const SHARED_BYTES: usize = 3 << 20;
/// From this many on, their transforms go through memory,
const MANY_WEIGHTS: usize = 200_000;
/// which pays from this many lines on.
const ENOUGH_LINES: usize = 12;
/// What it costs to transform weights, in lines that are multiplied by them.
const TRANSFORMING: usize = 4;
/// What it costs to read more of them.
const READING: usize = 1;

/// Which of the algorithms: pixels of the output along a tile's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Filtering {
    /// F(3x3, 3x3).
    Three,
    /// F(4x4, 3x3).
    Four,
}

impl Filtering {
    /// The one that pays most, if any: for a 3x3 convolution on images that fill enough of its tiles.
    pub(crate) fn of(geometry: &Geometry) -> Option<Self> {
        let filtering = Self::cheapest(geometry, TRANSFORMING)?;
        let many_weights = geometry.input_channels * geometry.output_channels >= MANY_WEIGHTS;
        let lines = filtering.tiles(geometry) * geometry.batch;
        (lines >= ENOUGH_LINES || !many_weights).then_some(filtering)
    }

    /// The same where the weights are transformed once for many images.
    pub(crate) fn of_packed(geometry: &Geometry) -> Option<Self> {
        Self::cheapest(geometry, READING)
    }

    /// `weight_lines`: what transformed weights cost, as multiplications with so many lines do.
    fn cheapest(geometry: &Geometry, weight_lines: usize) -> Option<Self> {
        let channels = geometry.input_channels.min(geometry.output_channels);
        if !geometry.is_same_3x3() || channels < LANES {
            return None;
        }
        let cost = |filtering: &Self| {
            filtering.points() * (filtering.tiles(geometry) * geometry.batch + weight_lines)
        };
        let filtering = [Self::Four, Self::Three].into_iter().min_by_key(cost)?;
        // Kernel offsets over the edge cost the direct convolution nothing.
        let direct = (3 * geometry.height - 2) * (3 * geometry.width - 2) * geometry.batch;
        (cost(&filtering) * 14 < direct * 10).then_some(filtering)
    }

    fn side(self) -> usize {
        match self {
            Self::Three => 3,
            Self::Four => 4,
        }
    }

    fn tiles(self, geometry: &Geometry) -> usize {
        Tiling::new(geometry, self.side()).tiles()
    }

    /// Points of a tile.
    fn points(self) -> usize {
        (self.side() + TAPS - 1).pow(2)
    }

    /// Floats of transformed weights.
    pub(crate) fn transformed_len(self, view: &WeightView) -> usize {
        apart(view.packed_len() / (TAPS * TAPS)) * self.points()
    }

    /// `G w G^T` for every pair of channels: for each point a matrix, packed for these instructions.
    pub(crate) fn transform_weight(
        self,
        instructions: Instructions,
        weight: &[f32],
        view: &WeightView,
        transformed: &mut [f32],
    ) {
        match self {
            Self::Three => transform_weight::<F3, 3, 5>(instructions, weight, view, transformed),
            Self::Four => transform_weight::<F4, 4, 6>(instructions, weight, view, transformed),
        }
    }
}

fn transform_weight<A: Algorithm<POINTS, SIDE, POINTS>, const SIDE: usize, const POINTS: usize>(
    instructions: Instructions,
    weight: &[f32],
    view: &WeightView,
    transformed: &mut [f32],
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
    out: SharedBuffer<'a, f32>,
}

impl<A: Algorithm<POINTS, SIDE, POINTS>, const SIDE: usize, const POINTS: usize> WithKernels
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
        let taps = lines(packed, plane, length);
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

/// `y = epilogue(weight * x)`; `view` says how the product reads the weight.
pub(crate) fn product(
    geometry: &Geometry,
    filtering: Filtering,
    view: &WeightView,
    weight: &[f32],
    input: &[f32],
    epilogue: Epilogue<'_>,
    output: &mut [f32],
) {
    let instructions = Instructions::current();
    let mut transformed = scratch(filtering.transformed_len(view));
    filtering.transform_weight(instructions, weight, view, &mut transformed);
    let channels = [view.inputs, view.outputs];
    let filter = Filter { filtering, instructions, transformed: &transformed, channels, geometry: *geometry };
    filter.apply(input, epilogue, output);
}

/// A 3x3 convolution whose weights are transformed.
pub(crate) struct Filter<'a> {
    /// Which they are transformed for.
    pub filtering: Filtering,
    /// The instructions that they were packed for.
    pub instructions: Instructions,
    /// See [`Filtering::transform_weight`].
    pub transformed: &'a [f32],
    /// Channels read and written.
    pub channels: [usize; 2],
    /// Only the size of the images is used.
    pub geometry: Geometry,
}

impl Filter<'_> {
    /// `y = epilogue(weight * x)`.
    pub(crate) fn apply(&self, input: &[f32], epilogue: Epilogue<'_>, output: &mut [f32]) {
        match self.filtering {
            Filtering::Three => self.by_tiles::<F3, 3, 5>(input, epilogue, output),
            Filtering::Four => self.by_tiles::<F4, 4, 6>(input, epilogue, output),
        }
    }

    fn by_tiles<A: Algorithm<POINTS, SIDE, POINTS>, const SIDE: usize, const POINTS: usize>(
        &self,
        input: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [f32],
    ) {
        let [inputs, outputs] = self.channels;
        let tiling = Tiling::new(&self.geometry, SIDE);
        let batch = self.geometry.batch;
        let line_bytes = POINTS * POINTS * (blocks(inputs) + blocks(outputs)) * LANES * 4;
        let tasks = (tiling.tiles() * batch).div_ceil((TASK_BYTES / line_bytes).max(1));
        let with_tasks = TASK_BYTES / line_bytes < LEAST_LINES || tasks < LEAST_TASKS;
        let lines_at_once = if with_tasks { SHARED_BYTES } else { TASK_BYTES } / line_bytes;
        let image_parts = batch.div_ceil(lines_at_once.max(1));
        let tile_parts = tiling.tiles().div_ceil((lines_at_once / batch).max(1));
        let mut zeros = scratch(tiling.line_len());
        zeros.fill(0.0);
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

impl<A: Algorithm<POINTS, SIDE, POINTS>, const SIDE: usize, const POINTS: usize> Group<'_, A, SIDE, POINTS> {
    fn each(&self, count: usize, work: impl Fn(usize) + Sync + Send) {
        if self.with_tasks { for_each_task(count, work) } else { (0..count).for_each(work) }
    }

    /// All three stages.
    fn run(&self, input: &[f32], output: SharedBuffer<'_, f32>) {
        let Filter { instructions, channels: [inputs, outputs], transformed, .. } = *self.filter;
        let tiling = self.tiling;
        let lines = self.tiles.len() * tiling.line_len() / LANES;
        let block_len = lines * LANES;
        let [read_len, written_len] = [inputs, outputs].map(|channels| apart(blocks(channels) * block_len));
        let mut points = scratch(POINTS * POINTS * (read_len + written_len));
        let (read, written) = points.split_at_mut(POINTS * POINTS * read_len);
        let out = SharedBuffer::new(read);
        let plane = tiling.plane();
        self.each(blocks(inputs), |block| {
            instructions.run(TileTransform {
                by: PhantomData::<A::Input>,
                tiling,
                before: 1,
                image: &input[block * plane..(block + 1) * plane],
                zeros: self.zeros,
                tiles: self.tiles.clone(),
                out,
                start: block * block_len,
                point_len: read_len,
            });
        });
        let read = &*read;
        let shared_written = SharedBuffer::new(written);
        let channel_tiles = tiles(outputs, instructions.run(Width));
        let parts = if self.with_tasks { channel_tiles.min(2) } else { 1 };
        let weight_len = transformed.len() / (POINTS * POINTS);
        self.each(POINTS * POINTS * parts, |task| {
            let point = task / parts;
            instructions.run(MatrixProduct {
                weights: &transformed[point * weight_len..(point + 1) * weight_len],
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
        self.each(blocks(outputs), |block| {
            instructions.run(OutputTransform {
                algorithm: PhantomData::<A>,
                tiling,
                points: &written[block * block_len..],
                point_len: written_len,
                tiles: self.tiles.clone(),
                block,
                epilogue: self.epilogue,
                output,
            });
        });
    }
}
