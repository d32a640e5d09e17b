//! Max pooling over `[planes, height, width]`, a plane being one channel of one image.

use super::parallel::{SharedBuffer, for_each_task, for_overwrite, part};

/// Sizes of a pooling window; padding counts as minus infinity.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub height: usize,
    pub width: usize,
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

    /// Position, within the plane, of the largest element under output (row, column): the first one.
    fn argmax(&self, plane: &[f32], row: usize, column: usize) -> usize {
        let span = |at: usize, length: usize| {
            let start = at * self.stride;
            start.saturating_sub(self.padding)..(start + self.kernel - self.padding).min(length)
        };
        let (rows, columns) = (span(row, self.height), span(column, self.width));
        let mut best = rows.start * self.width + columns.start;
        let mut largest = f32::NEG_INFINITY;
        for r in rows {
            for c in columns.clone() {
                let value = plane[r * self.width + c];
                // NaN wins, as in PyTorch, so that it is not hidden.
                if value > largest || value.is_nan() {
                    largest = value;
                    best = r * self.width + c;
                }
            }
        }
        best
    }
}

/// Planes are shared out in this many parts at most.
const PARTS: usize = 64;

/// The largest value of each window.
pub(crate) fn forward(window: &Window, planes: usize, input: &[f32]) -> Vec<f32> {
    let (height, width) = window.output();
    let mut output = for_overwrite(planes * height * width);
    let shared = SharedBuffer::new(&mut output);
    for_each_task(PARTS.min(planes), |task| {
        for index in part(planes, PARTS.min(planes), task, 1) {
            let plane = &input[index * window.height * window.width..][..window.height * window.width];
            // SAFETY: every plane belongs to one task.
            let out = unsafe { shared.slice(index * height * width..(index + 1) * height * width) };
            for (position, value) in out.iter_mut().enumerate() {
                *value = plane[window.argmax(plane, position / width, position % width)];
            }
        }
    });
    output
}

/// Each output gradient goes to the element that its window took.
pub(crate) fn backward(window: &Window, planes: usize, input: &[f32], output_gradient: &[f32]) -> Vec<f32> {
    let (height, width) = window.output();
    let area = window.height * window.width;
    let mut gradient = for_overwrite(planes * area);
    let shared = SharedBuffer::new(&mut gradient);
    for_each_task(PARTS.min(planes), |task| {
        for index in part(planes, PARTS.min(planes), task, 1) {
            let plane = &input[index * area..][..area];
            // SAFETY: every plane belongs to one task.
            let out = unsafe { shared.slice(index * area..(index + 1) * area) };
            out.fill(0.0);
            let dy = &output_gradient[index * height * width..][..height * width];
            for (position, value) in dy.iter().enumerate() {
                out[window.argmax(plane, position / width, position % width)] += value;
            }
        }
    });
    gradient
}
