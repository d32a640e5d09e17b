//! The *product* of activations and packed weights under a stencil: convolution, its input gradient and
//! plain matrix products are all this, cut into register tiles and tasks.

use std::ops::Range;

use super::geometry::{NOWHERE, Stencil};
use super::tiles::{Finish, Kernels, MOST_ROWS, ProductTile, Sources, Start, Targets, WithKernels};
use super::weights::{PackTile, WeightView, tile_channels, tiles};
use crate::instructions::Instructions;
use crate::memory::LANES;
use crate::memory::blocked::{apart, blocks};
use crate::memory::buffers;
use crate::memory::parallel::{SharedBuffer, for_each_task, part};
use crate::memory::prefetch::Ahead;
use crate::memory::unwritten::{Unwritten, of_written};

/// Bytes of weights that one pass over the lines of a task reads: about half a second-level cache. More
/// weights are taken in several passes, the sums waiting in the output.
const WEIGHT_BYTES: usize = 320 << 10;
/// Bytes of input that the lines of a task read: the rest of that cache.
const INPUT_BYTES: usize = 320 << 10;
/// Tasks at the least, where there is work for them. A constant, so that bits do not depend on threads.
const TASKS: usize = 8;
/// Multiply-adds below which a task does not pay for its start.
const LEAST_WORK: usize = 200_000;
/// From this many images on, a register tile takes images at one position; below, it takes positions.
const MANY_IMAGES: usize = 6;

/// The values of weights.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Values<'a> {
    /// Values packed for some instructions; see the `weights` module.
    Packed(&'a [f32]),
    /// Values as they are; each tile of output channels is packed where it is used, so that large weights are
    /// read from memory once and written never.
    Plain(&'a [f32], &'a WeightView),
}

/// Weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weights<'a> {
    /// The values, packed or not.
    pub values: Values<'a>,
    /// Channels of the result.
    pub outputs: usize,
    /// Channels summed over.
    pub inputs: usize,
    /// Kernel offsets.
    pub taps: usize,
}

/// The product that is a convolution, or its input gradient.
#[derive(Clone, Copy)]
pub(crate) struct ConvolutionProduct<'a> {
    /// The instructions that the weights were packed for.
    pub instructions: Instructions,
    /// The weights to multiply by.
    pub weights: Weights<'a>,
    /// Blocks of input channels.
    pub input: &'a [f32],
    /// Positions of the input.
    pub input_positions: usize,
    /// Positions of the output.
    pub output_positions: usize,
    /// Images of the batch.
    pub batch: usize,
    /// One value for each output channel, filled up to whole blocks.
    pub bias: Option<&'a [f32]>,
    /// A map to add after the sum, laid out like the output.
    pub residual: Option<&'a [f32]>,
    /// Negative slope of the activation at the end.
    pub slope: f32,
}

impl ConvolutionProduct<'_> {
    /// Writes the stencil's targets in `output`, all output channels, whole blocks of them.
    pub(crate) fn run(&self, stencil: &Stencil, output: SharedBuffer<'_, Unwritten>) {
        let positions = self.output_positions;
        if positions > 1 && self.input_positions == positions && stencil.is_identity(positions) {
            // Positions and images are one long list.
            let flat =
                Self { batch: self.batch * positions, input_positions: 1, output_positions: 1, ..*self };
            return flat.run(&Stencil::identity(), output);
        }
        let width = self.instructions.run(Width);
        let tiling = LineTiling::new(stencil, self.batch, self.instructions.run(Rows));
        let channel_tiles = tiles(self.weights.outputs, width);
        let lines_at_once = (INPUT_BYTES / 4 / self.weights.inputs.max(1)).max(4 * MOST_ROWS);
        let lines = stencil.targets.len() * self.batch;
        let work = lines * stencil.taps.len() * self.weights.inputs * self.weights.outputs;
        let most = (work / LEAST_WORK).max(1);
        let ranges = match self.weights.values {
            Values::Packed(_) => lines.div_ceil(lines_at_once).max(1).min(tiling.tiles).min(most),
            Values::Plain(..) => 1,
        };
        let groups = TASKS.div_ceil(ranges).min(channel_tiles).min(most.div_ceil(ranges)).max(1);
        for_each_task(ranges * groups, |task| {
            let channel_tiles = part(channel_tiles, groups, task % groups, 1);
            let line_tiles = part(tiling.tiles, ranges, task / groups, 1);
            let task = ProductTask { product: self, stencil, tiling, channel_tiles, line_tiles, output };
            self.instructions.run(task);
        });
    }

    fn input_plane(&self) -> usize {
        self.input_positions * self.batch * LANES
    }

    fn output_plane(&self) -> usize {
        self.output_positions * self.batch * LANES
    }
}

/// Asks for [`Kernels::WIDTH`].
pub(crate) struct Width;

impl WithKernels for Width {
    type Output = usize;

    fn run<K: Kernels>(self, _: K) -> usize {
        K::WIDTH
    }
}

/// Asks for [`Kernels::ROWS`].
struct Rows;

impl WithKernels for Rows {
    type Output = usize;

    fn run<K: Kernels>(self, _: K) -> usize {
        K::ROWS
    }
}

/// How lines (positions times images) are cut into register tiles.
#[derive(Debug, Clone, Copy)]
struct LineTiling {
    positions: usize,
    batch: usize,
    /// Tiles at each position, or 0 if tiles go over several positions.
    per_position: usize,
    tiles: usize,
}

impl LineTiling {
    fn new(stencil: &Stencil, batch: usize, rows: usize) -> Self {
        let positions = stencil.targets.len();
        if batch >= MANY_IMAGES || positions == 1 {
            let per_position = batch.div_ceil(rows);
            return Self { positions, batch, per_position, tiles: per_position * positions };
        }
        Self { positions, batch, per_position: 0, tiles: (positions * batch).div_ceil(rows) }
    }

    /// The lines of a tile, `position * batch + image`.
    #[inline(always)]
    fn lines(&self, tile: usize) -> Range<usize> {
        if self.per_position == 0 {
            return part(self.positions * self.batch, self.tiles, tile, 1);
        }
        let position = tile / self.per_position;
        let images = part(self.batch, self.per_position, tile % self.per_position, 1);
        position * self.batch + images.start..position * self.batch + images.end
    }
}

/// Some tiles of channels and of lines of a [`ConvolutionProduct`].
struct ProductTask<'a> {
    product: &'a ConvolutionProduct<'a>,
    stencil: &'a Stencil,
    tiling: LineTiling,
    channel_tiles: Range<usize>,
    line_tiles: Range<usize>,
    output: SharedBuffer<'a, Unwritten>,
}

impl WithKernels for ProductTask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let ConvolutionProduct { weights, residual, slope, bias, .. } = *self.product;
        let (taps, depth) = (self.stencil.taps.len(), weights.taps * weights.inputs);
        let taps_at_once = (WEIGHT_BYTES / (4 * K::WIDTH * weights.inputs).max(1)).clamp(1, taps.max(1));
        let passes = taps.div_ceil(taps_at_once).max(1);
        let mut scratch = SourceScratch::default();
        let packed_len = match weights.values {
            Values::Packed(_) => 0,
            Values::Plain(..) => weights.taps * apart(K::WIDTH * weights.inputs),
        };
        let mut packed = buffers::scratch(packed_len);
        for channel_tile in self.channel_tiles {
            let channels = tile_channels(weights.outputs, K::WIDTH, channel_tile);
            let wide = channels.len() > LANES || K::WIDTH == LANES;
            let length = weights.inputs * channels.len();
            let (values, plane) = match weights.values {
                Values::Packed(values) => {
                    (of_written(&values[channels.start * depth..channels.end * depth]), length)
                }
                // A stencil without kernel offsets, which writes zeros, reads no weights.
                Values::Plain(..) if taps == 0 => (&[][..], 0),
                Values::Plain(weight, view) => {
                    let plane = if weights.taps > 1 { apart(length) } else { length };
                    let out = &mut packed[..weights.taps * plane];
                    PackTile { weight, view, channels: channels.clone(), out: &mut *out, plane }.run(kernels);
                    (&*out, plane)
                }
            };
            let mut ahead = match weights.values {
                Values::Packed(_) => Ahead::NONE,
                Values::Plain(weight, view) => {
                    let steps = taps * (weights.inputs / LANES).max(1) * self.line_tiles.len();
                    view.ahead(weight, tile_channels(weights.outputs, K::WIDTH, channel_tile + 1), steps)
                }
            };
            for pass in 0..passes {
                let taps = part(taps, passes, pass, 1);
                let start = match (pass, bias) {
                    (0, None) => Start::Zero,
                    (0, Some(bias)) => Start::Bias(&bias[channels.clone()]),
                    _ => Start::Output,
                };
                let finish = (pass + 1 == passes).then_some(Finish { residual, slope });
                for tile in self.line_tiles.clone() {
                    let lines = self.tiling.lines(tile);
                    let rows = lines.len();
                    let (sources, targets) = if self.tiling.per_position == 0 {
                        scratch.scattered(self.stencil, &taps, lines, self.product.batch)
                    } else {
                        scratch.adjacent(self.stencil, &taps, lines, self.product.batch)
                    };
                    let tile = ProductTile {
                        rows,
                        wide,
                        input: self.product.input,
                        input_plane: self.product.input_plane(),
                        inputs: weights.inputs,
                        weights: values,
                        weights_plane: plane,
                        sources,
                        output: self.output,
                        output_block: channels.start / LANES * self.product.output_plane(),
                        output_plane: self.product.output_plane(),
                        targets,
                        start,
                        finish,
                        ahead,
                    };
                    // SAFETY: weights are packed: by `PackTile` above, all kernel offsets, or by who made
                    // this product. The tiles of a task do not overlap, nor do tasks, and a pass after the
                    // first finds what the first wrote.
                    unsafe { kernels.product(tile) };
                    ahead = ahead.after(taps.len(), weights.inputs);
                }
            }
        }
    }
}

/// Memory for what a tile reads and writes.
#[derive(Default)]
struct SourceScratch {
    adjacent: Vec<(usize, usize)>,
    offsets: Vec<u32>,
    targets: Vec<usize>,
}

impl SourceScratch {
    /// Sources and targets of adjacent images at one position.
    #[inline(always)]
    fn adjacent<'a>(
        &'a mut self,
        stencil: &'a Stencil,
        taps: &Range<usize>,
        lines: Range<usize>,
        batch: usize,
    ) -> (Sources<'a>, Targets<'a>) {
        let (position, image) = (lines.start / batch, lines.start % batch);
        self.adjacent.clear();
        for tap in taps.clone() {
            let source = stencil.sources[tap * stencil.targets.len() + position];
            if source != NOWHERE {
                self.adjacent.push((stencil.taps[tap], (source as usize * batch + image) * LANES));
            }
        }
        let target = (stencil.targets[position] as usize * batch + image) * LANES;
        (Sources::Adjacent(&self.adjacent), Targets::Adjacent(target))
    }

    /// Sources and targets of any lines.
    #[inline(always)]
    fn scattered<'a>(
        &'a mut self,
        stencil: &'a Stencil,
        taps: &Range<usize>,
        lines: Range<usize>,
        batch: usize,
    ) -> (Sources<'a>, Targets<'a>) {
        self.offsets.clear();
        self.targets.clear();
        for line in lines.clone() {
            let target = stencil.targets[line / batch] as usize;
            self.targets.push((target * batch + line % batch) * LANES);
        }
        for tap in taps.clone() {
            let sources = &stencil.sources[tap * stencil.targets.len()..][..stencil.targets.len()];
            self.offsets.extend(lines.clone().map(|line| match sources[line / batch] {
                NOWHERE => NOWHERE,
                source => ((source as usize * batch + line % batch) * LANES) as u32,
            }));
        }
        let taps = &stencil.taps[taps.clone()];
        (Sources::Scattered { taps, offsets: &self.offsets }, Targets::Scattered(&self.targets))
    }
}

/// `output = input * weights` for `lines` lines, on the calling thread: a matrix product in blocked
/// memory.
pub(crate) struct MatrixProduct<'a> {
    /// `[tiles, inputs, channels of a tile]`, packed.
    pub weights: &'a [f32],
    /// Channels of the result.
    pub outputs: usize,
    /// Channels summed over.
    pub inputs: usize,
    /// `[blocks, lines, 16]`
    pub input: &'a [f32],
    /// Lines of input and output.
    pub lines: usize,
    /// Holds the result, `[blocks, lines, 16]`.
    pub output: SharedBuffer<'a, Unwritten>,
    /// Where in it the result starts.
    pub output_start: usize,
    /// Tiles of output channels to compute.
    pub channel_tiles: Range<usize>,
}

impl WithKernels for MatrixProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let (weights, inputs) = (self.weights, self.inputs);
        let plane = self.lines * LANES;
        let line_tiles = self.lines.div_ceil(K::ROWS);
        for channel_tile in self.channel_tiles {
            let channels = tile_channels(self.outputs, K::WIDTH, channel_tile);
            let values = of_written(&weights[channels.start * inputs..channels.end * inputs]);
            for tile in 0..line_tiles {
                let lines = part(self.lines, line_tiles, tile, 1);
                let tile = ProductTile {
                    rows: lines.len(),
                    wide: channels.len() > LANES || K::WIDTH == LANES,
                    input: self.input,
                    input_plane: plane,
                    inputs,
                    weights: values,
                    weights_plane: values.len(),
                    sources: Sources::Adjacent(&[(0, lines.start * LANES)]),
                    output: self.output,
                    output_block: self.output_start + channels.start / LANES * plane,
                    output_plane: plane,
                    targets: Targets::Adjacent(lines.start * LANES),
                    start: Start::Zero,
                    finish: None,
                    ahead: Ahead::NONE,
                };
                // SAFETY: the weights are written, tiles of channels belong to one task, and sums start from
                // zero.
                unsafe { kernels.product(tile) };
            }
        }
    }
}

/// Floats of a result of `outputs` channels.
pub(crate) fn blocked_len(outputs: usize, positions: usize, batch: usize) -> usize {
    blocks(outputs) * positions * batch * LANES
}
