//! *Patches*: a convolution of few input channels as a product of matrices (im2col, Chellapilla et al. 2006).
//!
//! In blocked memory an image of one channel fills one lane in sixteen, and the sum under each kernel offset is one
//! term long. The values under the kernel at an output position, put together as channels, make a 1x1 convolution of
//! the same weights.

use std::ops::Range;

use super::blocked::{LANES, blocks};
use super::geometry::{Geometry, NOWHERE, Stencil};
use super::parallel::{SharedBuffer, for_each_task, part, with_scratch};
use super::tiles::{Kernels, Square};
use crate::instructions::{Instructions, WithKernels};

/// Up to so many input channels; of three the patches take as long as they save.
const FEW_CHANNELS: usize = 1;
/// From so many images on: patches of sixteen images are put together at once.
const MANY_IMAGES: usize = 8;
/// Tasks, where there is work for them.
const TASKS: usize = 16;

/// Whether the convolution is faster over patches.
pub(crate) fn pay(geometry: &Geometry) -> bool {
    geometry.input_channels <= FEW_CHANNELS && geometry.taps() > 1 && geometry.batch >= MANY_IMAGES
}

/// Calls `work` with the 1x1 convolution and its blocked input. Its weight, `[output_channels, input_channels *
/// kernel_height * kernel_width, 1, 1]`, lies in memory as the weight of the convolution itself.
pub(crate) fn with_patches<R>(
    geometry: &Geometry,
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
        write(geometry, input, patches);
        work(&pointwise, patches)
    })
}

fn write(geometry: &Geometry, input: &[f32], patches: &mut [f32]) {
    let positions = geometry.output_positions();
    let images = geometry.batch.next_multiple_of(LANES);
    let length = geometry.input_channels * geometry.input_positions() * images;
    with_scratch(length, |lanes| {
        take_lanes(geometry, input, images, lanes);
        let stencil = Stencil::forward(geometry);
        let patches = SharedBuffer::new(patches);
        for_each_task(TASKS.min(positions), |task| {
            let positions = part(positions, TASKS.min(positions), task, 1);
            let lanes = &*lanes;
            Instructions::current().run(Task {
                geometry,
                stencil: &stencil,
                lanes,
                images,
                positions,
                patches,
            });
        });
    });
}

/// The channels of `input` without the lanes that hold none: `[channels, positions, images]`.
fn take_lanes(geometry: &Geometry, input: &[f32], images: usize, lanes: &mut [f32]) {
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
                row.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
                row[geometry.batch..].fill(0.0);
            }
        }
    });
}

/// The patches at some positions.
struct Task<'a> {
    geometry: &'a Geometry,
    stencil: &'a Stencil,
    lanes: &'a [f32],
    images: usize,
    positions: Range<usize>,
    patches: SharedBuffer<'a, f32>,
}

impl WithKernels for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let Self { geometry, stencil, lanes, images, positions, patches } = self;
        let (taps, batch, all) = (geometry.taps(), geometry.batch, geometry.output_positions());
        let channels = geometry.input_channels * taps;
        for position in positions {
            for block in 0..blocks(channels) {
                // Where each channel of the block is read.
                let mut rows = [None; LANES];
                for (row, channel) in rows.iter_mut().zip(block * LANES..channels) {
                    let source = stencil.sources[channel % taps * all + position];
                    if source != NOWHERE {
                        let plane = channel / taps * geometry.input_positions();
                        *row = Some((plane + source as usize) * images);
                    }
                }
                let start = (block * all + position) * batch * LANES;
                // SAFETY: every position belongs to one task.
                let out = unsafe { patches.slice(start..start + batch * LANES) };
                for (group, lines) in out.chunks_mut(LANES * LANES).enumerate() {
                    let mut square: Square = [[0.0; LANES]; LANES];
                    for (values, row) in square.iter_mut().zip(rows) {
                        if let Some(row) = row {
                            let row = &lanes[row + group * LANES..];
                            *values = *row.first_chunk().expect("images come in whole groups");
                        }
                    }
                    let square = kernels.transpose(&square);
                    let lines = lines.as_chunks_mut::<LANES>().0;
                    lines.iter_mut().zip(square).for_each(|(line, values)| *line = values);
                }
            }
        }
    }
}
