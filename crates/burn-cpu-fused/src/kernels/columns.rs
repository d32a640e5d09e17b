//! im2col in channel-major layout: the matrix whose rows are (channel, kernel row, kernel column) and
//! whose columns are output positions, a tile of columns at a time; and its transpose operation,
//! col2im, for the input gradient.
//!
//! For "same" convolutions a row of the matrix is the input plane shifted by a constant, with the
//! positions that fall over an image's edge masked to zero. A stride of s first splits the input
//! into s x s *parity planes* (every s-th row and column), which reduces it to that case.

use std::ops::Range;

use super::geometry::Geometry;
use super::parallel::{SharedBuffer, for_each_task, with_scratch};

/// The input of a convolution in the form that [`fill_columns`] reads.
pub(crate) enum Source<'a> {
    /// Shifted copies work: planes `[stride * stride, channels, columns]` (the input itself when
    /// the stride is one).
    Planes(&'a [f32]),
    /// Anything else: the input, gathered element by element.
    Gathered(&'a [f32]),
}

/// Which parity plane a kernel offset reads, and by how much it is shifted there.
fn shift(kernel_offset: usize, geometry: &Geometry) -> (usize, isize) {
    let offset = kernel_offset as isize - geometry.padding as isize;
    let stride = geometry.stride as isize;
    (offset.rem_euclid(stride) as usize, offset.div_euclid(stride))
}

/// Calls `work` with `input` in the form im2col reads, splitting parity planes where needed.
pub(crate) fn with_source<R>(geometry: &Geometry, input: &[f32], work: impl FnOnce(&Source<'_>) -> R) -> R {
    if !geometry.is_same_size() {
        return work(&Source::Gathered(input));
    }
    if geometry.stride == 1 {
        return work(&Source::Planes(input));
    }
    let planes = if geometry.is_pointwise() { 1 } else { geometry.stride * geometry.stride };
    with_scratch(planes * geometry.input_channels * geometry.columns(), |buffer| {
        let shared = SharedBuffer::new(buffer);
        for_each_task(geometry.input_channels, |channel| {
            for plane in 0..planes {
                let start = (plane * geometry.input_channels + channel) * geometry.columns();
                // SAFETY: every (plane, channel) pair is written by exactly one task.
                let out = unsafe { shared.slice(start..start + geometry.columns()) };
                let image = &input[channel * geometry.input_plane()..][..geometry.input_plane()];
                split_plane(geometry, image, plane, out);
            }
        });
        work(&Source::Planes(buffer))
    })
}

/// Copies every stride-th row and column, from (plane / stride, plane % stride), of each image.
fn split_plane(geometry: &Geometry, input: &[f32], plane: usize, out: &mut [f32]) {
    let stride = geometry.stride;
    let (first_row, first_column) = (plane / stride, plane % stride);
    let rows = out.chunks_exact_mut(geometry.output_width).enumerate();
    for (index, target) in rows {
        let (image, row) = (index / geometry.output_height, index % geometry.output_height);
        let row = row * stride + first_row;
        if row >= geometry.height {
            target.fill(0.0);
            continue;
        }
        let source = &input[(image * geometry.height + row) * geometry.width..][..geometry.width];
        for (column, value) in target.iter_mut().enumerate() {
            *value = source.get(column * stride + first_column).copied().unwrap_or(0.0);
        }
    }
}

/// The inverse of [`split_plane`] for all planes of a channel: `planes[plane]` back into `output`.
pub(crate) fn merge_planes(geometry: &Geometry, planes: &[f32], channel: usize, output: &mut [f32]) {
    let stride = geometry.stride;
    let columns = geometry.columns();
    for (index, target) in output.chunks_exact_mut(geometry.width).enumerate() {
        let (image, row) = (index / geometry.height, index % geometry.height);
        let line = (image * geometry.output_height + row / stride) * geometry.output_width;
        for (column, value) in target.iter_mut().enumerate() {
            let plane = (row % stride) * stride + column % stride;
            let at = (plane * geometry.input_channels + channel) * columns + line + column / stride;
            // A pointwise convolution has the first plane only: it never reads the other positions.
            *value = if plane > 0 && geometry.is_pointwise() { 0.0 } else { planes[at] };
        }
    }
}

/// For each kernel offset, all ones where the tile's output positions read inside their image.
pub(crate) fn fill_masks(geometry: &Geometry, tile: &Range<usize>, masks: &mut Vec<u32>) {
    masks.clear();
    let (height, width) = (geometry.output_height as isize, geometry.output_width as isize);
    for kernel_row in 0..geometry.kernel_height {
        for kernel_column in 0..geometry.kernel_width {
            let (row_shift, column_shift) = (shift(kernel_row, geometry).1, shift(kernel_column, geometry).1);
            let within = tile.start as isize % (height * width);
            let (mut row, mut column) = (within / width, within % width);
            masks.extend(tile.clone().map(|_| {
                let (source_row, source_column) = (row + row_shift, column + column_shift);
                column += 1;
                if column == width {
                    column = 0;
                    row += 1;
                    if row == height {
                        row = 0;
                    }
                }
                let inside = (0..height).contains(&source_row) && (0..width).contains(&source_column);
                if inside { u32::MAX } else { 0 }
            }));
        }
    }
}

/// Where, in a plane, the tile shifted by `delta` lies: (positions before the plane, valid range).
fn overlap(tile: &Range<usize>, columns: usize, delta: isize) -> (usize, usize) {
    let length = tile.len() as isize;
    let low = (-(delta + tile.start as isize)).clamp(0, length);
    let high = (columns as isize - delta - tile.start as isize).clamp(low, length);
    (low as usize, high as usize)
}

/// Writes the im2col rows of `channels` for the output positions `tile` to `out`, `row_stride` apart.
/// `masks` are those of [`fill_masks`] (unused for gathered sources).
pub(crate) fn fill_columns(
    geometry: &Geometry,
    source: &Source<'_>,
    channels: Range<usize>,
    tile: Range<usize>,
    masks: &[u32],
    out: &mut [f32],
    row_stride: usize,
) {
    let arch = pulp::Arch::new();
    let mut rows = out.chunks_mut(row_stride);
    for channel in channels {
        for kernel_row in 0..geometry.kernel_height {
            for kernel_column in 0..geometry.kernel_width {
                let row = rows.next().expect("the caller sized the tile for all its rows");
                let row = &mut row[..tile.len()];
                match source {
                    Source::Planes(planes) => {
                        let (base, delta) = plane_of(geometry, channel, kernel_row, kernel_column);
                        let plane = &planes[base..base + geometry.columns()];
                        let (low, high) = overlap(&tile, geometry.columns(), delta);
                        let offset = kernel_row * geometry.kernel_width + kernel_column;
                        let mask = &masks[offset * tile.len()..][..tile.len()];
                        row[..low].fill(0.0);
                        row[high..].fill(0.0);
                        if low < high {
                            let first = ((tile.start + low) as isize + delta) as usize;
                            let source = &plane[first..first + high - low];
                            let (row, mask) = (&mut row[low..high], &mask[low..high]);
                            arch.dispatch(|| masked_copy(row, source, mask));
                        }
                    }
                    Source::Gathered(input) => {
                        let plane = &input[channel * geometry.input_plane()..][..geometry.input_plane()];
                        for (value, position) in row.iter_mut().zip(tile.clone()) {
                            *value = input_position(geometry, position, kernel_row, kernel_column)
                                .map_or(0.0, |at| plane[at]);
                        }
                    }
                }
            }
        }
    }
}

/// Start of the plane that a kernel offset of a channel reads, and its shift there.
fn plane_of(geometry: &Geometry, channel: usize, kernel_row: usize, kernel_column: usize) -> (usize, isize) {
    let (row_parity, row_shift) = shift(kernel_row, geometry);
    let (column_parity, column_shift) = shift(kernel_column, geometry);
    let plane = row_parity * geometry.stride + column_parity;
    let base = (plane * geometry.input_channels + channel) * geometry.columns();
    (base, row_shift * geometry.output_width as isize + column_shift)
}

/// The input element (within a channel) under a kernel offset at an output position, if inside.
fn input_position(
    geometry: &Geometry,
    position: usize,
    kernel_row: usize,
    kernel_column: usize,
) -> Option<usize> {
    let area = geometry.output_height * geometry.output_width;
    let (image, within) = (position / area, position % area);
    let row =
        (within / geometry.output_width * geometry.stride + kernel_row).checked_sub(geometry.padding)?;
    let column =
        (within % geometry.output_width * geometry.stride + kernel_column).checked_sub(geometry.padding)?;
    (row < geometry.height && column < geometry.width)
        .then(|| (image * geometry.height + row) * geometry.width + column)
}

/// The target of col2im: planes where shifted copies work, otherwise the input gradient itself.
pub(crate) enum Target<'a> {
    /// One slice `[columns]` per parity plane of one channel.
    Planes(Vec<&'a mut [f32]>),
    /// One channel of the input gradient.
    Scattered(&'a mut [f32]),
}

/// Adds the im2col rows of one channel (`columns`, `row_stride` apart) for the output positions
/// `tile` back to where they came from.
pub(crate) fn add_columns(
    geometry: &Geometry,
    target: &mut Target<'_>,
    tile: Range<usize>,
    masks: &[u32],
    columns: &[f32],
    row_stride: usize,
) {
    let arch = pulp::Arch::new();
    for kernel_row in 0..geometry.kernel_height {
        for kernel_column in 0..geometry.kernel_width {
            let offset = kernel_row * geometry.kernel_width + kernel_column;
            let row = &columns[offset * row_stride..][..tile.len()];
            match target {
                Target::Planes(planes) => {
                    let (row_parity, row_shift) = shift(kernel_row, geometry);
                    let (column_parity, column_shift) = shift(kernel_column, geometry);
                    let delta = row_shift * geometry.output_width as isize + column_shift;
                    let plane = &mut planes[row_parity * geometry.stride + column_parity];
                    let (low, high) = overlap(&tile, geometry.columns(), delta);
                    if low < high {
                        let first = ((tile.start + low) as isize + delta) as usize;
                        let target = &mut plane[first..first + high - low];
                        let mask = &masks[offset * tile.len() + low..offset * tile.len() + high];
                        arch.dispatch(|| masked_add(target, &row[low..high], mask));
                    }
                }
                Target::Scattered(plane) => {
                    for (value, position) in row.iter().zip(tile.clone()) {
                        if let Some(at) = input_position(geometry, position, kernel_row, kernel_column) {
                            plane[at] += value;
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn masked_copy(target: &mut [f32], source: &[f32], mask: &[u32]) {
    for ((target, source), mask) in target.iter_mut().zip(source).zip(mask) {
        *target = f32::from_bits(source.to_bits() & mask);
    }
}

#[inline(always)]
fn masked_add(target: &mut [f32], source: &[f32], mask: &[u32]) {
    for ((target, source), mask) in target.iter_mut().zip(source).zip(mask) {
        *target += f32::from_bits(source.to_bits() & mask);
    }
}
