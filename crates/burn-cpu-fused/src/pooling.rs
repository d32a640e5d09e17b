//! *Pooling*: max pooling and global average pooling over blocked activations.

use crate::instructions::vectorized;
use crate::memory::LANES;
use crate::memory::buffers::{Pooled, for_overwrite};
use crate::memory::parallel::{SharedBuffer, for_each_task};
use crate::memory::unwritten::{Unwritten, fill};

/// Sizes of a max pooling, its *window*; padding counts as minus infinity.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub blocks: usize,
    pub height: usize,
    pub width: usize,
    pub batch: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Window {
    /// Output (height, width).
    ///
    /// # Panics
    /// If the kernel does not fit or windows would lie wholly in the padding.
    pub(crate) fn output(&self) -> (usize, usize) {
        assert!(self.padding * 2 <= self.kernel, "padding must be at most half the kernel");
        let size = |length: usize| (length + 2 * self.padding - self.kernel) / self.stride + 1;
        (size(self.height), size(self.width))
    }

    /// Floats of all images at one position.
    fn line(&self) -> usize {
        self.batch * LANES
    }

    /// Positions of the input under the window of output (row, column), row by row.
    fn positions(&self, row: usize, column: usize) -> impl Iterator<Item = usize> + use<'_> {
        let span = |at: usize, length: usize| {
            let start = at * self.stride;
            start.saturating_sub(self.padding)..(start + self.kernel - self.padding).min(length)
        };
        let columns = span(column, self.width);
        span(row, self.height)
            .flat_map(move |row| columns.clone().map(move |column| row * self.width + column))
    }
}

/// The largest value of each window.
pub(crate) fn forward(window: &Window, input: &[f32]) -> Pooled {
    let (height, width) = window.output();
    let mut output = for_overwrite(window.blocks * height * width * window.line());
    forward_into(window, input, &mut output);
    // SAFETY: `forward_into` wrote every output position.
    unsafe { output.assume_written() }
}

/// [`forward`] into a buffer of the right size.
pub(crate) fn forward_into(window: &Window, input: &[f32], output: &mut [Unwritten]) {
    let (height, width) = window.output();
    let line = window.line();
    let plane = window.height * window.width * line;
    let shared = SharedBuffer::new(output);
    for_each_task(window.blocks * height, |task| {
        let (block, row) = (task / height, task % height);
        let image = &input[block * plane..(block + 1) * plane];
        // SAFETY: every row of every block belongs to one task.
        let out = unsafe { shared.slice(task * width * line..(task + 1) * width * line) };
        vectorized((window, image, row, out), forward_row);
    });
}

#[inline(always)]
fn forward_row((window, image, row, out): (&Window, &[f32], usize, &mut [Unwritten])) {
    let line = window.line();
    for (column, out) in out.chunks_exact_mut(line).enumerate() {
        let mut values =
            window.positions(row, column).map(|position| &image[position * line..(position + 1) * line]);
        let first = values.next().expect("no window lies wholly in the padding");
        let out = out.write_copy_of_slice(first);
        for values in values {
            for (out, value) in out.iter_mut().zip(values) {
                // NaN wins, as in PyTorch, so that it is not hidden.
                *out = if *value > *out || value.is_nan() { *value } else { *out };
            }
        }
    }
}

/// Each output gradient goes to the first element that its window took.
pub(crate) fn backward(window: &Window, input: &[f32], output: &[f32], output_gradient: &[f32]) -> Pooled {
    let (height, width) = window.output();
    let line = window.line();
    let plane = window.height * window.width * line;
    let mut gradient = for_overwrite(window.blocks * plane);
    let shared = SharedBuffer::new(&mut gradient);
    for_each_task(window.blocks, |block| {
        let image = &input[block * plane..(block + 1) * plane];
        let results = block * height * width * line..(block + 1) * height * width * line;
        let (results, gradients) = (&output[results.clone()], &output_gradient[results]);
        // SAFETY: every block belongs to one task.
        let out = unsafe { shared.slice(block * plane..(block + 1) * plane) };
        vectorized((window, image, results, gradients, out), backward_block);
    });
    // SAFETY: the task of each block wrote all of it, zeros first.
    unsafe { gradient.assume_written() }
}

#[inline(always)]
fn backward_block(
    (window, image, results, gradients, out): (&Window, &[f32], &[f32], &[f32], &mut [Unwritten]),
) {
    let ((_, width), line) = (window.output(), window.line());
    let out = fill(out, 0.0);
    // What of a window's gradient has not found its element yet.
    let mut left = vec![0.0_f32; line];
    let windows = results.chunks_exact(line).zip(gradients.chunks_exact(line));
    for (index, (result, gradient)) in windows.enumerate() {
        left.copy_from_slice(gradient);
        for position in window.positions(index / width, index % width) {
            let values = &image[position * line..(position + 1) * line];
            let out = &mut out[position * line..(position + 1) * line];
            let taken = values.iter().zip(result);
            for (((value, result), left), out) in taken.zip(&mut left).zip(out) {
                let given = if *value == *result { *left } else { 0.0 };
                *out += given;
                *left -= given;
            }
        }
    }
}

/// The mean over all positions of each channel of each image: `[batch, channels]` from blocked
/// `[channels, positions, batch]`.
pub(crate) fn average(values: &[f32], [batch, channels, positions]: [usize; 3]) -> Pooled {
    let mut means = for_overwrite(batch * channels);
    let line = batch * LANES;
    let share = 1.0 / positions as f32;
    for (block, plane) in values.chunks_exact(positions * line).enumerate() {
        let mut sums = vec![0.0_f32; line];
        vectorized((plane, &mut sums[..]), add_lines);
        let present = (channels - block * LANES).min(LANES);
        for (image, sums) in sums.chunks_exact(LANES).enumerate() {
            let start = image * channels + block * LANES;
            let out = &mut means[start..start + present];
            out.iter_mut().zip(sums).for_each(|(mean, sum)| _ = mean.write(sum * share));
        }
    }
    // SAFETY: the loops wrote every channel of every block, image by image.
    unsafe { means.assume_written() }
}

#[inline(always)]
fn add_lines((plane, sums): (&[f32], &mut [f32])) {
    for values in plane.chunks_exact(sums.len()) {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value;
        }
    }
}

/// Backward of [`average`].
pub(crate) fn average_backward(
    gradient: &[f32],
    [batch, channels, positions]: [usize; 3],
    blocks: usize,
) -> Pooled {
    let line = batch * LANES;
    let mut result = for_overwrite(blocks * positions * line);
    let share = 1.0 / positions as f32;
    let shared = SharedBuffer::new(&mut result);
    for_each_task(blocks, |block| {
        // SAFETY: every block belongs to one task.
        let plane = unsafe { shared.slice(block * positions * line..(block + 1) * positions * line) };
        let (first, rest) = plane.split_at_mut(line);
        let present = (channels - block * LANES).min(LANES);
        for (image, out) in first.chunks_exact_mut(LANES).enumerate() {
            let out = fill(out, 0.0);
            let start = image * channels + block * LANES;
            let gradient = &gradient[start..start + present];
            out.iter_mut().zip(gradient).for_each(|(to, from)| *to = from * share);
        }
        // SAFETY: the loop wrote the line of every image.
        let first = unsafe { first.assume_init_ref() };
        rest.chunks_exact_mut(line).for_each(|line| _ = line.write_copy_of_slice(first));
    });
    // SAFETY: the task of each block wrote the first position, and copied it to all others.
    unsafe { result.assume_written() }
}
