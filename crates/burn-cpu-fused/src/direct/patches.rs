//! *Patches*: a convolution of few input channels as a product of matrices (im2col, Chellapilla et al. 2006).
//!
//! In blocked memory an image of one channel fills one lane in sixteen, and the sum under each kernel offset
//! is one term long. The values under the kernel at an output position, put together as channels, make a 1x1
//! convolution of the same weights.

use std::ops::Range;

use super::geometry::{Geometry, NOWHERE, Stencil};
use super::tiles::{Kernels, WithKernels};
use crate::instructions::Instructions;
use crate::memory::LANES;
use crate::memory::blocked::blocks;
use crate::memory::buffers::with_scratch;
use crate::memory::parallel::{SharedBuffer, for_each_task, part};
use crate::memory::transpose::{EMPTY, ROWS};
use crate::memory::unwritten::{Unwritten, fill, stored};

/// The most input channels of a convolution over patches; with three, patches take as long as they save.
const FEW_CHANNELS: usize = 1;
/// Kernel offsets times images from which on a product that needs no preparation is slower.
const MANY_VALUES: usize = 32;
/// Images from which on the patches of sixteen images are put together at once.
const MANY_IMAGES: usize = 6;
/// Tasks, where there is work for them.
const TASKS: usize = 16;

/// Whether the convolution is faster over patches.
pub(crate) fn pay(geometry: &Geometry) -> bool {
    geometry.input_channels <= FEW_CHANNELS && geometry.taps() > 1
}

/// Whether the convolution is faster over patches where weights are packed and the stencil is known.
pub(crate) fn pay_packed(geometry: &Geometry) -> bool {
    pay(geometry) && geometry.taps() * geometry.batch >= MANY_VALUES
}

/// Calls `work` with the 1x1 convolution and its blocked input; `stencil` is that of the convolution itself.
/// Its weight, `[output_channels, input_channels * kernel_height * kernel_width, 1, 1]`, lies in memory as
/// the weight of the convolution itself.
pub(crate) fn with_patches<R>(
    geometry: &Geometry,
    stencil: &Stencil,
    input: &[f32],
    work: impl FnOnce(&Geometry, &[f32]) -> R,
) -> R {
    let channels = geometry.input_channels * geometry.taps();
    let (height, width) = (geometry.output_height, geometry.output_width);
    let [input_shape, weight_shape] =
        [[geometry.batch, channels, height, width], [geometry.output_channels, channels, 1, 1]];
    let pointwise = Geometry::new(input_shape, weight_shape, 1, 0);
    let plane = geometry.output_positions() * geometry.batch * LANES;
    with_scratch(blocks(channels) * plane, |patches| {
        write(geometry, stencil, input, patches);
        // SAFETY: `write` wrote every lane of every block at every position.
        work(&pointwise, unsafe { patches.assume_init_ref() })
    })
}

fn write(geometry: &Geometry, stencil: &Stencil, input: &[f32], patches: &mut [Unwritten]) {
    let all = geometry.output_positions();
    let patches = SharedBuffer::new(patches);
    let each = |work: &(dyn Fn(Range<usize>) + Sync)| {
        let tasks = TASKS.min(all);
        for_each_task(tasks, |task| work(part(all, tasks, task, 1)));
    };
    if geometry.batch < MANY_IMAGES {
        each(&|positions| gather(geometry, stencil, input, positions, patches));
        return;
    }
    let images = geometry.batch.next_multiple_of(LANES);
    let length = geometry.input_channels * geometry.input_positions() * images;
    with_scratch(length, |lanes| {
        take_lanes(geometry, input, images, lanes);
        // SAFETY: `take_lanes` wrote every position of every channel.
        let lanes = unsafe { lanes.assume_init_ref() };
        each(&|positions| {
            Instructions::current().run(PatchTask { geometry, stencil, lanes, images, positions, patches });
        });
    });
}

/// Where each channel of a block of patches is read: input channel and position, if any.
fn reads(
    geometry: &Geometry,
    stencil: &Stencil,
    position: usize,
    block: usize,
) -> [Option<[usize; 2]>; LANES] {
    let taps = geometry.taps();
    let mut reads = [None; LANES];
    for (read, channel) in reads.iter_mut().zip(block * LANES..geometry.input_channels * taps) {
        let source = stencil.sources[channel % taps * geometry.output_positions() + position];
        *read = (source != NOWHERE).then_some([channel / taps, source as usize]);
    }
    reads
}

/// The patches of few images at some positions, value by value.
fn gather(
    geometry: &Geometry,
    stencil: &Stencil,
    input: &[f32],
    positions: Range<usize>,
    patches: SharedBuffer<'_, Unwritten>,
) {
    let (batch, all) = (geometry.batch, geometry.output_positions());
    for position in positions {
        for block in 0..blocks(geometry.input_channels * geometry.taps()) {
            let starts = reads(geometry, stencil, position, block)
                .map(|read| read.map(|[channel, source]| source * batch * LANES + channel));
            let start = (block * all + position) * batch * LANES;
            // SAFETY: every position belongs to one task.
            let out = unsafe { patches.slice(start..start + batch * LANES) };
            for (image, line) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                *line = stored(&starts.map(|start| start.map_or(0.0, |start| input[start + image * LANES])));
            }
        }
    }
}

/// The channels of `input` without the lanes that hold none: `[channels, positions, images]`.
fn take_lanes(geometry: &Geometry, input: &[f32], images: usize, lanes: &mut [Unwritten]) {
    let positions = geometry.input_positions();
    let shared = SharedBuffer::new(lanes);
    for_each_task(TASKS, |task| {
        for position in part(positions, TASKS, task, 1) {
            let lines = &input[position * geometry.batch * LANES..][..geometry.batch * LANES];
            for channel in 0..geometry.input_channels {
                let start = (channel * positions + position) * images;
                // SAFETY: every position belongs to one task.
                let row = unsafe { shared.slice(start..start + images) };
                let values = lines[channel..].iter().step_by(LANES);
                row.iter_mut().zip(values).for_each(|(to, from)| _ = to.write(*from));
                fill(&mut row[geometry.batch..], 0.0);
            }
        }
    });
}

/// The patches at some positions.
struct PatchTask<'a> {
    geometry: &'a Geometry,
    stencil: &'a Stencil,
    lanes: &'a [f32],
    images: usize,
    positions: Range<usize>,
    patches: SharedBuffer<'a, Unwritten>,
}

impl WithKernels for PatchTask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let Self { geometry, stencil, lanes, images, positions, patches } = self;
        let (batch, all) = (geometry.batch, geometry.output_positions());
        for position in positions {
            for block in 0..blocks(geometry.input_channels * geometry.taps()) {
                let rows = reads(geometry, stencil, position, block).map(|read| {
                    read.map(|[channel, source]| (channel * geometry.input_positions() + source) * images)
                });
                let start = (block * all + position) * batch * LANES;
                // SAFETY: every position belongs to one task.
                let out = unsafe { patches.slice(start..start + batch * LANES) };
                for (group, lines) in out.chunks_mut(LANES * LANES).enumerate() {
                    let mut square = [&EMPTY; LANES];
                    for (values, row) in square.iter_mut().zip(rows) {
                        if let Some(row) = row {
                            let row = &lanes[row + group * LANES..];
                            *values = row.first_chunk().expect("images come in whole groups");
                        }
                    }
                    if lines.len() == LANES * LANES {
                        kernels.transpose::<LANES>(square, lines, &ROWS);
                    } else {
                        let all = kernels.transposed(square);
                        lines.write_copy_of_slice(&all.as_flattened()[..lines.len()]);
                    }
                }
            }
        }
    }
}
