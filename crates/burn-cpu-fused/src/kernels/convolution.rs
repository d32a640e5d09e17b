//! Convolution and its two gradients as im2col + matrix product, tile by tile so that a tile of the
//! im2col matrix stays in cache (Chellapilla et al. 2006; the tiling follows Goto's GEMM).
//!
//! All tensors are channel-major: activations `[channels, batch, height, width]`, weights
//! `[output_channels, input_channels, kernel_height, kernel_width]`.

use std::ops::Range;

use super::columns::{Source, Target, add_columns, fill_columns, fill_masks, merge_planes, with_source};
use super::elementwise::activate;
use super::geometry::Geometry;
use super::matmul::{Matrix, multiply};
use super::parallel::{SharedBuffer, for_each_task, for_overwrite, part, with_scratch};

/// Bytes of one im2col tile: it shares the second-level cache with the packed operands.
const TILE_BYTES: usize = 768 << 10;
/// At most this many tasks where work is not cut by tiles: enough to balance several threads, few
/// enough that each product stays efficient. A constant, so that bits do not depend on threads.
const PARTS: usize = 8;
/// From this many output positions on, work is cut along them.
const MANY_COLUMNS: usize = 1024;
/// Padding between rows of scratch matrices: row strides near a multiple of 4096 bytes collide in
/// the first-level cache and halve the speed of packing.
const ROW_PADDING: usize = 16;

/// What follows the convolution in the same pass over memory: bias, then leaky ReLU of negative
/// slope `slope` (0 is ReLU, 1 the identity).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epilogue<'a> {
    pub bias: Option<&'a [f32]>,
    pub slope: f32,
}

impl Epilogue<'_> {
    /// Nothing follows.
    pub(crate) const NONE: Epilogue<'static> = Epilogue { bias: None, slope: 1.0 };

    fn apply(&self, channel: usize, row: &mut [f32]) {
        if self.bias.is_some() || self.slope != 1.0 {
            activate(row, self.bias.map_or(0.0, |bias| bias[channel]), self.slope);
        }
    }
}

/// Columns per tile for a matrix of `depth` rows: fits the cache, and a multiple of the vector width.
fn tile_columns(depth: usize, columns: usize) -> usize {
    let fitting = (TILE_BYTES / 4 / depth).clamp(192, 2048);
    let tiles = columns.div_ceil(fitting).max(1);
    columns.div_ceil(tiles).next_multiple_of(16)
}

fn tile_range(tile: usize, size: usize, columns: usize) -> Range<usize> {
    tile * size..((tile + 1) * size).min(columns)
}

/// `y = epilogue(weight * x)`.
pub(crate) fn forward(
    geometry: &Geometry,
    input: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    let (columns, depth, channels) = (geometry.columns(), geometry.depth(), geometry.output_channels);
    let mut output = for_overwrite(channels * columns);
    let shared = SharedBuffer::new(&mut output);
    with_source(geometry, input, |source| {
        if columns >= MANY_COLUMNS || channels < 32 {
            let size = tile_columns(depth, columns);
            for_each_task(columns.div_ceil(size), |tile| {
                let tile = tile_range(tile, size, columns);
                with_tile(geometry, source, tile.clone(), |matrix| {
                    let weight = Matrix::rows(weight, depth);
                    // SAFETY: tiles of columns do not overlap.
                    unsafe {
                        multiply(
                            [channels, tile.len(), depth],
                            shared,
                            tile.start,
                            columns,
                            false,
                            weight,
                            matrix,
                        );
                    }
                });
                for channel in 0..channels {
                    let row = channel * columns + tile.start..channel * columns + tile.end;
                    // SAFETY: as above.
                    epilogue.apply(channel, unsafe { shared.slice(row) });
                }
            });
        } else {
            with_all_columns(geometry, source, |matrix| {
                for_each_task((channels / 16).clamp(1, PARTS), |task| {
                    let rows = part(channels, (channels / 16).clamp(1, PARTS), task, 16);
                    if rows.is_empty() {
                        return;
                    }
                    let weight = Matrix::rows(&weight[rows.start * depth..], depth);
                    let size = [rows.len(), columns, depth];
                    // SAFETY: tasks write distinct output channels.
                    unsafe {
                        multiply(size, shared, rows.start * columns, columns, false, weight, matrix);
                    }
                    for channel in rows {
                        let row = channel * columns..(channel + 1) * columns;
                        // SAFETY: as above.
                        epilogue.apply(channel, unsafe { shared.slice(row) });
                    }
                });
            });
        }
    });
    output
}

/// Calls `work` with the im2col matrix `[depth, tile]`.
fn with_tile<R>(
    geometry: &Geometry,
    source: &Source<'_>,
    tile: Range<usize>,
    work: impl FnOnce(Matrix<'_>) -> R,
) -> R {
    if let (true, Source::Planes(planes)) = (geometry.is_pointwise(), source) {
        return work(Matrix::rows(&planes[tile.start..], geometry.columns()));
    }
    let row_stride = tile.len() + ROW_PADDING;
    with_scratch(geometry.depth() * row_stride, |scratch| {
        let mut masks = Vec::new();
        if matches!(source, Source::Planes(_)) {
            fill_masks(geometry, &tile, &mut masks);
        }
        let channels = 0..geometry.input_channels;
        fill_columns(geometry, source, channels, tile, &masks, scratch, row_stride);
        work(Matrix::rows(scratch, row_stride))
    })
}

/// Calls `work` with the im2col matrix `[depth, columns]`, filled by several tasks.
fn with_all_columns<R>(geometry: &Geometry, source: &Source<'_>, work: impl FnOnce(Matrix<'_>) -> R) -> R {
    let columns = geometry.columns();
    if let (true, Source::Planes(planes)) = (geometry.is_pointwise(), source) {
        return work(Matrix::rows(planes, columns));
    }
    let row_stride = columns + ROW_PADDING;
    let mut masks = Vec::new();
    if matches!(source, Source::Planes(_)) {
        fill_masks(geometry, &(0..columns), &mut masks);
    }
    with_scratch(geometry.depth() * row_stride, |scratch| {
        let shared = SharedBuffer::new(scratch);
        for_each_task(PARTS.min(geometry.input_channels), |task| {
            let channels = part(geometry.input_channels, PARTS.min(geometry.input_channels), task, 1);
            let rows = channels.start * geometry.window()..channels.end * geometry.window();
            // SAFETY: tasks write the rows of distinct channels.
            let out = unsafe { shared.slice(rows.start * row_stride..rows.end * row_stride) };
            fill_columns(geometry, source, channels, 0..columns, &masks, out, row_stride);
        });
        work(Matrix::rows(scratch, row_stride))
    })
}

/// The gradient with respect to the weight: `dy im2col(x)^T`.
pub(crate) fn weight_gradient(geometry: &Geometry, input: &[f32], output_gradient: &[f32]) -> Vec<f32> {
    let (columns, depth, channels) = (geometry.columns(), geometry.depth(), geometry.output_channels);
    let size = tile_columns(depth, columns);
    let tiles = columns.div_ceil(size);
    // A small weight: each task sums over its own columns; a large one: each takes its own part of
    // the weight and goes over all columns, so that no partial sums of it are kept.
    let parts = if channels * depth <= 256 << 10 { tiles.min(PARTS) } else { 1 };
    if parts == 1 {
        return weight_gradient_by_channels(geometry, input, output_gradient);
    }
    let weights = channels * depth;
    let mut gradient = for_overwrite(weights);
    with_source(geometry, input, |source| {
        with_scratch(parts * weights, |partial| {
            let shared = SharedBuffer::new(partial);
            for_each_task(parts, |task| {
                for (index, tile) in part(tiles, parts, task, 1).enumerate() {
                    let tile = tile_range(tile, size, columns);
                    with_tile(geometry, source, tile.clone(), |matrix| {
                        with_rows(output_gradient, columns, 0..channels, &tile, |gradient| {
                            let size = [channels, depth, tile.len()];
                            // SAFETY: every task has a block of partial sums of its own.
                            unsafe {
                                multiply(
                                    size,
                                    shared,
                                    task * weights,
                                    depth,
                                    index > 0,
                                    gradient,
                                    matrix.transposed(),
                                );
                            }
                        });
                    });
                }
            });
            let arch = pulp::Arch::new();
            gradient.copy_from_slice(&partial[..weights]);
            for other in partial[weights..parts * weights].chunks_exact(weights) {
                arch.dispatch(|| gradient.iter_mut().zip(other).for_each(|(sum, value)| *sum += value));
            }
        });
    });
    gradient
}

/// Calls `work` with the rows `rows` of a `[_, columns]` matrix restricted to `tile`, copied to a
/// scratch matrix with padded rows.
fn with_rows<R>(
    matrix: &[f32],
    columns: usize,
    rows: Range<usize>,
    tile: &Range<usize>,
    work: impl FnOnce(Matrix<'_>) -> R,
) -> R {
    let row_stride = tile.len() + ROW_PADDING;
    with_scratch(rows.len() * row_stride, |scratch| {
        for (row, target) in rows.zip(scratch.chunks_exact_mut(row_stride)) {
            target[..tile.len()].copy_from_slice(&matrix[row * columns..][tile.clone()]);
        }
        work(Matrix::rows(scratch, row_stride))
    })
}

/// [`weight_gradient`] with tasks that own input channels.
fn weight_gradient_by_channels(geometry: &Geometry, input: &[f32], output_gradient: &[f32]) -> Vec<f32> {
    let (columns, depth, channels) = (geometry.columns(), geometry.depth(), geometry.output_channels);
    let mut gradient = for_overwrite(channels * depth);
    let shared = SharedBuffer::new(&mut gradient);
    let parts = PARTS.min(geometry.input_channels);
    with_source(geometry, input, |source| {
        for_each_task(parts, |task| {
            let owned = part(geometry.input_channels, parts, task, 1);
            let rows = owned.start * geometry.window()..owned.end * geometry.window();
            let size = tile_columns(rows.len().max(1), columns);
            for index in 0..columns.div_ceil(size) {
                let tile = tile_range(index, size, columns);
                with_channel_tile(geometry, source, owned.clone(), &tile, |matrix| {
                    with_rows(output_gradient, columns, 0..channels, &tile, |dy| {
                        let size = [channels, rows.len(), tile.len()];
                        // SAFETY: tasks write distinct columns of the weight.
                        unsafe {
                            multiply(size, shared, rows.start, depth, index > 0, dy, matrix.transposed());
                        }
                    });
                });
            }
        });
    });
    gradient
}

/// Calls `work` with the im2col rows of some channels for a tile.
fn with_channel_tile<R>(
    geometry: &Geometry,
    source: &Source<'_>,
    channels: Range<usize>,
    tile: &Range<usize>,
    work: impl FnOnce(Matrix<'_>) -> R,
) -> R {
    if let (true, Source::Planes(planes)) = (geometry.is_pointwise(), source) {
        return with_rows(planes, geometry.columns(), channels, tile, work);
    }
    let row_stride = tile.len() + ROW_PADDING;
    with_scratch(channels.len() * geometry.window() * row_stride, |scratch| {
        let mut masks = Vec::new();
        if matches!(source, Source::Planes(_)) {
            fill_masks(geometry, tile, &mut masks);
        }
        fill_columns(geometry, source, channels, tile.clone(), &masks, scratch, row_stride);
        work(Matrix::rows(scratch, row_stride))
    })
}

/// The gradient with respect to the input: `col2im(weight^T dy)`.
pub(crate) fn input_gradient(geometry: &Geometry, output_gradient: &[f32], weight: &[f32]) -> Vec<f32> {
    let unit_stride = geometry.stride == 1;
    if unit_stride && geometry.padding < geometry.kernel_height.min(geometry.kernel_width) {
        return input_gradient_by_convolution(geometry, output_gradient, weight);
    }
    let (columns, window) = (geometry.columns(), geometry.window());
    let inputs = geometry.input_channels;
    let mut gradient = vec![0.0; inputs * geometry.input_plane()];
    let planes = if geometry.is_pointwise() { 1 } else { geometry.stride * geometry.stride };
    let as_planes = geometry.is_same_size();
    let plane_length = if as_planes { planes * inputs * columns } else { 0 };
    let parts = PARTS.min(inputs);
    with_scratch(plane_length, |buffer| {
        buffer.fill(0.0);
        let shared_planes = SharedBuffer::new(buffer);
        let shared_gradient = SharedBuffer::new(&mut gradient);
        for_each_task(parts, |task| {
            let owned = part(inputs, parts, task, 1);
            let rows = owned.len() * window;
            let size = tile_columns(rows.max(1), columns);
            let mut masks = Vec::new();
            for index in 0..columns.div_ceil(size) {
                let tile = tile_range(index, size, columns);
                let row_stride = tile.len() + ROW_PADDING;
                if as_planes {
                    fill_masks(geometry, &tile, &mut masks);
                }
                with_scratch(rows * row_stride, |scratch| {
                    let weight = Matrix::rows(&weight[owned.start * window..], geometry.depth());
                    let dy = Matrix::rows(&output_gradient[tile.start..], columns);
                    let size = [rows, tile.len(), geometry.output_channels];
                    let out = SharedBuffer::new(scratch);
                    // SAFETY: the scratch belongs to this task.
                    unsafe { multiply(size, out, 0, row_stride, false, weight.transposed(), dy) };
                    for (channel, rows) in owned.clone().zip(scratch.chunks_exact(window * row_stride)) {
                        let mut target = if as_planes {
                            let start = |plane: usize| (plane * inputs + channel) * columns;
                            // SAFETY: every channel's planes belong to one task.
                            let plane = |p| unsafe { shared_planes.slice(start(p)..start(p) + columns) };
                            Target::Planes((0..planes).map(plane).collect())
                        } else {
                            let start = channel * geometry.input_plane();
                            let range = start..start + geometry.input_plane();
                            // SAFETY: as above.
                            Target::Scattered(unsafe { shared_gradient.slice(range) })
                        };
                        add_columns(geometry, &mut target, tile.clone(), &masks, rows, row_stride);
                    }
                });
            }
        });
        if as_planes {
            let planes = &*buffer;
            for_each_task(inputs, |channel| {
                let start = channel * geometry.input_plane();
                // SAFETY: every channel belongs to one task.
                let out = unsafe { shared_gradient.slice(start..start + geometry.input_plane()) };
                merge_planes(geometry, planes, channel, out);
            });
        }
    });
    gradient
}

/// At stride one the input gradient is a convolution of dy with the flipped weight, channels swapped.
fn input_gradient_by_convolution(geometry: &Geometry, output_gradient: &[f32], weight: &[f32]) -> Vec<f32> {
    assert_eq!(geometry.kernel_height, geometry.kernel_width, "kernels are square");
    let (inputs, outputs, window) = (geometry.input_channels, geometry.output_channels, geometry.window());
    let flipped_geometry = Geometry::new(
        geometry.output_shape(),
        [inputs, outputs, geometry.kernel_height, geometry.kernel_width],
        1,
        geometry.kernel_height - 1 - geometry.padding,
    );
    with_scratch(weight.len(), |flipped| {
        for (input, target) in flipped.chunks_exact_mut(outputs * window).enumerate() {
            for (output, target) in target.chunks_exact_mut(window).enumerate() {
                let source = &weight[(output * inputs + input) * window..][..window];
                target.iter_mut().zip(source.iter().rev()).for_each(|(to, from)| *to = *from);
            }
        }
        forward(&flipped_geometry, output_gradient, flipped, Epilogue::NONE)
    })
}
