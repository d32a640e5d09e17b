//! *Packed weights*: the weights of a convolution in the order in which its register tiles read them,
//! `[tiles of output channels, kernel offsets, input channels, channels of a tile]`.

use std::ops::Range;

use super::geometry::Geometry;
use super::tiles::{Kernels, WithKernels};
use crate::descent::{Update, write};
use crate::instructions::Instructions;
use crate::memory::LANES;
use crate::memory::blocked::blocks;
use crate::memory::parallel::{SharedBuffer, end_stream, for_each_task};
use crate::memory::prefetch::{Ahead, prefetch};
use crate::memory::transpose::EMPTY;
use crate::memory::unwritten::{Unwritten, fill, of_written, stored, written};

/// How far ahead of the block in work a row is prefetched, in floats.
const AHEAD: usize = 8 * LANES;

/// How far ahead of the row in work rows are prefetched that lie far apart, in rows.
const ROWS_AHEAD: usize = 8;

/// Kernel offsets of the most frequent convolution.
const NINE: usize = 9;

/// How a product reads a weight `[output_channels, input_channels, kernel_height, kernel_width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WeightView {
    /// Channels of the product's result.
    pub outputs: usize,
    /// Channels that the product sums over.
    pub inputs: usize,
    /// Kernel offsets.
    pub taps: usize,
    output_stride: usize,
    input_stride: usize,
    /// Whether kernel offsets are read from the last to the first.
    flipped: bool,
}

impl WeightView {
    /// The view of the convolution itself.
    pub(crate) fn forward(geometry: &Geometry) -> Self {
        let (outputs, inputs, taps) = (geometry.output_channels, geometry.input_channels, geometry.taps());
        Self { outputs, inputs, taps, output_stride: inputs * taps, input_stride: taps, flipped: false }
    }

    /// The view of the gradient with respect to the input: the channels change places.
    pub(crate) fn backward(geometry: &Geometry) -> Self {
        let forward = Self::forward(geometry);
        Self {
            outputs: forward.inputs,
            inputs: forward.outputs,
            output_stride: forward.input_stride,
            input_stride: forward.output_stride,
            ..forward
        }
    }

    /// This view with the kernel turned by 180 degrees.
    pub(crate) fn flipped(self) -> Self {
        Self { flipped: true, ..self }
    }

    /// Floats when packed.
    pub(crate) fn packed_len(&self) -> usize {
        blocks(self.outputs) * LANES * self.taps * self.inputs
    }

    /// How many groups of elements lie together for every output channel, and their length: all of a
    /// channel's weights in the view of the convolution itself, its kernel offsets for each channel summed
    /// over in the backward view.
    fn groups(&self) -> (usize, usize) {
        if self.input_stride == self.taps { (1, self.inputs * self.taps) } else { (self.inputs, self.taps) }
    }

    /// The weights of some channels of the result, to be prefetched within `steps` blocks of input channels.
    pub(crate) fn ahead<'a>(&self, values: &'a [f32], channels: Range<usize>, steps: usize) -> Ahead<'a> {
        let channels = channels.start..channels.end.min(self.outputs);
        if channels.is_empty() {
            return Ahead::NONE;
        }
        // In rows: channels that lie together, or all that is summed over for one of them.
        let rows = match self.groups() {
            (1, length) => [channels.len(), length, self.output_stride],
            (rows, length) => [rows, length * channels.len(), self.input_stride],
        };
        Ahead::new(values, channels.start * self.output_stride, rows, steps)
    }

    /// Floats of the weight itself.
    fn len(&self) -> usize {
        self.outputs * self.inputs * self.taps
    }
}

/// The channels of tile `index`, filled up to whole blocks, when a wide tile has `width` channels.
pub(crate) fn tile_channels(outputs: usize, width: usize, index: usize) -> Range<usize> {
    let end = (blocks(outputs) * LANES).min((index + 1) * width);
    index * width..end
}

/// Tiles of `width` channels.
pub(crate) fn tiles(outputs: usize, width: usize) -> usize {
    (blocks(outputs) * LANES).div_ceil(width)
}

/// Packs `weight` for tiles of `width` channels: all of `packed` is written.
pub(crate) fn pack(weight: &[f32], view: &WeightView, width: usize, packed: &mut [Unwritten]) {
    assert_eq!(weight.len(), view.len(), "weight of the wrong size");
    assert_eq!(packed.len(), view.packed_len(), "packed weights of the wrong size");
    let shared = SharedBuffer::new(packed);
    for_each_task(tiles(view.outputs, width), |tile| {
        let channels = tile_channels(view.outputs, width, tile);
        let depth = view.taps * view.inputs;
        // SAFETY: every tile belongs to one task.
        let out = unsafe { shared.slice(channels.start * depth..channels.end * depth) };
        let plane = view.inputs * channels.len();
        Instructions::current().run(PackTile { weight, view, channels, out, plane });
    });
}

/// Packs the weights of one tile: for every group of elements that lie together in memory, a matrix with
/// a row for each channel of the tile is transposed.
pub(crate) struct PackTile<'a> {
    /// The weight itself.
    pub weight: &'a [f32],
    /// How to read it.
    pub view: &'a WeightView,
    /// See [`tile_channels`].
    pub channels: Range<usize>,
    /// `[kernel offsets, input channels, channels of the tile]`, all of which is written, but not what lies
    /// between the kernel offsets.
    pub out: &'a mut [Unwritten],
    /// Distance between kernel offsets in it.
    pub plane: usize,
}

impl WithKernels for PackTile<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let Self { weight, view, channels, out, plane } = self;
        let width = channels.len();
        let present = view.outputs.min(channels.end) - channels.start;
        if present < width {
            fill(out, 0.0);
        }
        let (groups, length) = view.groups();
        if view.output_stride == 1 {
            // The channels of a tile lie together already.
            for (input, row) in out.chunks_exact_mut(width).enumerate() {
                let start = input * view.input_stride + channels.start;
                prefetch::<false>(weight, start + ROWS_AHEAD * view.input_stride);
                // Whole blocks by fixed size: a call of memcpy would cost more than the copy.
                let (blocks, end) = weight[start..start + present].as_chunks::<LANES>();
                let (rows, rest) = row[..present].as_chunks_mut::<LANES>();
                rows.iter_mut().zip(blocks).for_each(|(to, from)| *to = stored(from));
                rest.iter_mut().zip(end).for_each(|(to, from)| _ = to.write(*from));
            }
            return;
        }
        let packed_rows = PackedRows::new(view, width, plane);
        let mut starts = [0; LANES];
        for group in 0..groups {
            let start = channels.start * view.output_stride + group * view.input_stride;
            // One block of channels after the other: sixteen streams are as many as are prefetched well.
            for lane in (0..present).step_by(LANES) {
                let mut rows = packed_rows.from(group * width + lane);
                let lanes = (present - lane).min(LANES);
                for first in (0..length).step_by(LANES) {
                    let columns = (length - first).min(LANES);
                    let at = start + lane * view.output_stride + first;
                    rows.next(&mut starts);
                    let last = at + (LANES - 1) * view.output_stride + LANES;
                    if lanes == LANES && last <= weight.len() {
                        let mut square = [&EMPTY; LANES];
                        for (row, values) in square.iter_mut().enumerate() {
                            let start = at + row * view.output_stride;
                            prefetch::<false>(weight, start + AHEAD);
                            *values = weight[start..].first_chunk().expect("within the weight");
                        }
                        match columns {
                            LANES => kernels.transpose::<LANES>(square, out, &starts),
                            NINE => kernels.transpose::<NINE>(square, out, &starts),
                            _ => {
                                let block = kernels.transposed(square);
                                for (values, start) in block.iter().zip(starts).take(columns) {
                                    *out[start..].first_chunk_mut().expect("packed rows hold whole blocks") =
                                        stored(values);
                                }
                            }
                        }
                    } else {
                        for column in 0..columns {
                            let row = starts[column];
                            for lane in 0..lanes {
                                out[row + lane].write(weight[at + lane * view.output_stride + column]);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Where the packed rows of elements that lie together start, sixteen at a time.
struct PackedRows {
    /// Starts of the rows of the first elements, as many times sixteen as there are kernel offsets; after
    /// these all repeats, sixteen input channels further.
    offsets: Vec<[usize; LANES]>,
    /// How much further the repetition lies, in floats.
    period: usize,
}

impl PackedRows {
    /// The starts of rows `width` floats long, with `plane` floats for each kernel offset.
    fn new(view: &WeightView, width: usize, plane: usize) -> Self {
        let mut offsets = vec![[0; LANES]; view.taps];
        for (element, offset) in offsets.as_flattened_mut().iter_mut().enumerate() {
            let (input, tap) = (element / view.taps, element % view.taps);
            let tap = if view.flipped { view.taps - 1 - tap } else { tap };
            *offset = tap * plane + input * width;
        }
        Self { offsets, period: LANES * width }
    }

    /// The starts of rows the first of which is at `start`.
    #[inline(always)]
    fn from(&self, start: usize) -> RowStarts<'_> {
        RowStarts { rows: self, start, index: 0 }
    }
}

/// Goes through the starts that [`PackedRows`] knows.
struct RowStarts<'a> {
    rows: &'a PackedRows,
    start: usize,
    index: usize,
}

impl RowStarts<'_> {
    /// The starts of the rows of the next sixteen elements.
    ///
    /// They come in memory of the caller's: returned, they would be copied by wider loads than they were
    /// stored by, which wait until all stores are done.
    #[inline(always)]
    fn next(&mut self, starts: &mut [usize; LANES]) {
        let offsets = &self.rows.offsets[self.index];
        for lane in 0..LANES {
            starts[lane] = self.start + offsets[lane];
        }
        self.index += 1;
        if self.index == self.rows.offsets.len() {
            self.index = 0;
            self.start += self.rows.period;
        }
    }
}

/// The reverse of [`pack`] for the view of the convolution itself: all of `weight` is written.
pub(crate) fn unpack(
    packed: &[f32],
    view: &WeightView,
    width: usize,
    update: Option<Update<'_>>,
    weight: &mut [Unwritten],
) {
    assert_eq!(weight.len(), view.len(), "weight of the wrong size");
    assert!(view.groups().0 == 1, "rows of one output channel must lie together");
    let shared = SharedBuffer::new(weight);
    for_each_task(tiles(view.outputs, width), |tile| {
        let channels = tile_channels(view.outputs, width, tile);
        let present = channels.start..view.outputs.min(channels.end);
        let depth = view.taps * view.inputs;
        let packed = of_written(&packed[channels.start * depth..channels.end * depth]);
        // SAFETY: every tile belongs to one task.
        let out = unsafe { shared.slice(present.start * depth..present.end * depth) };
        let update = update.map(|update| update.part(present.start * depth..present.end * depth));
        let (width, plane) = (channels.len(), view.inputs * channels.len());
        // SAFETY: all of `packed` is written.
        Instructions::current().run(unsafe { UnpackTile::new(packed, plane, view, width, update, out) });
    });
}

/// The reverse of [`PackTile`].
pub(crate) struct UnpackTile<'a> {
    packed: &'a [Unwritten],
    plane: usize,
    view: &'a WeightView,
    width: usize,
    update: Option<Update<'a>>,
    out: &'a mut [Unwritten],
}

impl<'a> UnpackTile<'a> {
    /// Unpacks `packed`, `[kernel offsets, input channels, width]` with `plane` floats for each kernel
    /// offset, to the rows of the channels present, `out`: the gradients, or the weights after `update` by
    /// them. The tile is `width` channels wide, whole blocks; all of `out` is written.
    ///
    /// # Safety
    /// All of `packed` must be written, but for what lies between the kernel offsets.
    pub(crate) unsafe fn new(
        packed: &'a [Unwritten],
        plane: usize,
        view: &'a WeightView,
        width: usize,
        update: Option<Update<'a>>,
        out: &'a mut [Unwritten],
    ) -> Self {
        Self { packed, plane, view, width, update, out }
    }
}

impl WithKernels for UnpackTile<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let Self { packed, plane, view, width, update, out } = self;
        let depth = view.taps * view.inputs;
        let present = out.len() / depth;
        let packed_rows = PackedRows::new(view, width, plane);
        let mut starts = [0; LANES];
        for lane in (0..present).step_by(LANES) {
            let mut rows = packed_rows.from(lane);
            for first in (0..depth).step_by(LANES) {
                let columns = (depth - first).min(LANES);
                rows.next(&mut starts);
                let mut square = [&EMPTY; LANES];
                for (values, start) in square.iter_mut().zip(starts).take(columns) {
                    let row = packed[start..].first_chunk().expect("packed rows hold whole blocks");
                    // SAFETY: rows lie within their kernel offsets, which `new`'s caller says are written.
                    *values = unsafe { written(row) };
                }
                let block = kernels.transposed(square);
                for (row, values) in block.iter().enumerate().take(present - lane) {
                    let start = (lane + row) * depth + first;
                    match out[start..].first_chunk_mut::<LANES>() {
                        Some(row) if columns == LANES => {
                            if let Some(update) = update {
                                prefetch::<false>(update.weight, start + AHEAD);
                            }
                            write(kernels, update, start, values, row);
                        }
                        _ => write(
                            kernels,
                            update,
                            start,
                            &values[..columns],
                            &mut out[start..start + columns],
                        ),
                    }
                }
            }
        }
        end_stream();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::unwritten::to_write_again;

    /// [`super::pack`] to memory that is written.
    fn pack(weight: &[f32], view: &WeightView, width: usize, packed: &mut [f32]) {
        // SAFETY: packing stores values only.
        super::pack(weight, view, width, unsafe { to_write_again(packed) });
    }

    #[test]
    fn unpacking_reverses_packing() {
        let geometry = Geometry::new([1, 5, 4, 4], [50, 5, 3, 3], 1, 1);
        let view = WeightView::forward(&geometry);
        let weight: Vec<f32> = (0..view.len()).map(|value| value as f32).collect();
        for width in [16, 32] {
            let mut packed = vec![-1.0; view.packed_len()];
            pack(&weight, &view, width, &mut packed);
            let mut back = vec![-1.0; weight.len()];
            // SAFETY: unpacking stores values only.
            unpack(&packed, &view, width, None, unsafe { to_write_again(&mut back) });
            assert_eq!(back, weight);
            // The last tile: channels 48 and 49, then zeros.
            let depth = view.taps * view.inputs;
            assert_eq!(packed[48 * depth..][..16].iter().filter(|value| **value == 0.0).count(), 14);
        }
    }

    #[test]
    fn packed_weights_lie_where_tiles_read_them() {
        for shape in [[40, 33, 3, 3], [33, 40, 3, 3], [48, 35, 1, 1], [35, 64, 1, 1], [40, 20, 2, 2]] {
            let [outputs, inputs, height, kernel_width] = shape;
            let geometry = Geometry::new([1, inputs, 8, 8], shape, 1, 0);
            let weight: Vec<f32> = (0..shape.iter().product()).map(|value| 1.0 + value as f32).collect();
            let taps = height * kernel_width;
            let backward = WeightView::backward(&geometry);
            for view in [WeightView::forward(&geometry), backward, backward.flipped()] {
                for width in [16, 32] {
                    let mut packed = vec![-1.0; view.packed_len()];
                    pack(&weight, &view, width, &mut packed);
                    let mut at = 0;
                    for tile in 0..tiles(view.outputs, width) {
                        for (tap, input) in (0..taps).flat_map(|tap| (0..view.inputs).map(move |i| (tap, i)))
                        {
                            for output in tile_channels(view.outputs, width, tile) {
                                let tap = if view.flipped { taps - 1 - tap } else { tap };
                                let [row, column] =
                                    if view.inputs == inputs { [output, input] } else { [input, output] };
                                let expected = (row < outputs && column < inputs)
                                    .then(|| weight[(row * inputs + column) * taps + tap]);
                                assert_eq!(packed[at], expected.unwrap_or(0.0), "{shape:?} {view:?}");
                                at += 1;
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_backward_view_exchanges_channels_and_flips() {
        let geometry = Geometry::new([1, 2, 4, 4], [3, 2, 1, 2], 1, 0);
        let weight: Vec<f32> = (0..12).map(|value| value as f32).collect();
        let mut packed = vec![0.0; WeightView::backward(&geometry).packed_len()];
        pack(&weight, &WeightView::backward(&geometry).flipped(), 16, &mut packed);
        // Kernel offset 0 (the last of the weight), output channel 1 (now summed over), input channel 1.
        assert_eq!(packed[LANES + 1], weight[4 + 2 + 1]);
    }
}
