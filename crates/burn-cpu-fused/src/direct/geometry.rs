//! The sizes of one convolution, and its *stencils*: which input position each output position reads
//! under each kernel offset.

/// Stands for a position outside the image.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// Sizes of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Geometry {
    pub batch: usize,
    pub input_channels: usize,
    pub height: usize,
    pub width: usize,
    pub output_channels: usize,
    pub kernel_height: usize,
    pub kernel_width: usize,
    pub stride: usize,
    pub padding: usize,
    pub output_height: usize,
    pub output_width: usize,
}

impl Geometry {
    /// From the input's `[batch, channels, height, width]` and the weight's
    /// `[output_channels, input_channels, kernel_height, kernel_width]`.
    ///
    /// # Panics
    /// If the channel counts differ, the stride is zero or the kernel does not fit the padded input.
    pub(crate) fn new(input: [usize; 4], weight: [usize; 4], stride: usize, padding: usize) -> Self {
        let [batch, input_channels, height, width] = input;
        let [output_channels, weight_channels, kernel_height, kernel_width] = weight;
        assert_eq!(input_channels, weight_channels, "input channels differ from the weight's");
        assert!(stride > 0, "stride must be positive");
        assert!(
            height + 2 * padding >= kernel_height && width + 2 * padding >= kernel_width,
            "a {kernel_height}x{kernel_width} kernel does not fit {height}x{width} padded by {padding}"
        );
        Self {
            batch,
            input_channels,
            height,
            width,
            output_channels,
            kernel_height,
            kernel_width,
            stride,
            padding,
            output_height: (height + 2 * padding - kernel_height) / stride + 1,
            output_width: (width + 2 * padding - kernel_width) / stride + 1,
        }
    }

    /// Number of output positions.
    pub(crate) fn output_positions(&self) -> usize {
        self.output_height * self.output_width
    }

    /// Number of input positions.
    pub(crate) fn input_positions(&self) -> usize {
        self.height * self.width
    }

    /// Number of kernel offsets.
    pub(crate) fn taps(&self) -> usize {
        self.kernel_height * self.kernel_width
    }

    /// Whether this is a 3x3 convolution whose output is as large as its input.
    pub(crate) fn is_same_3x3(&self) -> bool {
        let kernel = [self.kernel_height, self.kernel_width];
        kernel == [3, 3] && self.stride == 1 && self.padding == 1
    }

    /// Whether this is a convolution of kernel 4 whose output has half the height and width.
    pub(crate) fn is_halving_4x4(&self) -> bool {
        let kernel = [self.kernel_height, self.kernel_width];
        let is_even = self.height.is_multiple_of(2) && self.width.is_multiple_of(2);
        kernel == [4, 4] && self.stride == 2 && self.padding == 1 && is_even
    }

    /// Rows and columns of the kernel for each offset.
    fn offsets(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (height, width) = (self.kernel_height, self.kernel_width);
        (0..height).flat_map(move |row| (0..width).map(move |column| (row, column)))
    }
}

/// What a convolution reads and writes, channels and images aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stencil {
    /// The kernel offsets in use, `row * kernel_width + column`.
    pub taps: Vec<usize>,
    /// The positions written.
    pub targets: Vec<u32>,
    /// The position read for each tap (outer) and target (inner), or [`NOWHERE`].
    pub sources: Vec<u32>,
}

impl Stencil {
    /// The stencil of the convolution itself: every output position, every kernel offset.
    pub(crate) fn forward(geometry: &Geometry) -> Self {
        // Row by row: images of one channel have many positions and little else to do.
        let mut sources = Vec::with_capacity(geometry.taps() * geometry.output_positions());
        for (kernel_row, kernel_column) in geometry.offsets() {
            for row in 0..geometry.output_height {
                let row = (row * geometry.stride + kernel_row).wrapping_sub(geometry.padding);
                sources.extend((0..geometry.output_width).map(|column| {
                    let column = (column * geometry.stride + kernel_column).wrapping_sub(geometry.padding);
                    let inside = row < geometry.height && column < geometry.width;
                    if inside { (row * geometry.width + column) as u32 } else { NOWHERE }
                }));
            }
        }
        Self {
            taps: (0..geometry.taps()).collect(),
            targets: (0..geometry.output_positions() as u32).collect(),
            sources,
        }
    }

    /// The stencils of the gradient with respect to the input, which is also the transposed convolution:
    /// input positions of equal remainder modulo the stride use the same kernel offsets, so there is one
    /// stencil for each remainder.
    pub(crate) fn backward(geometry: &Geometry) -> Vec<Self> {
        let stride = geometry.stride;
        let remainders = (0..stride.min(geometry.height))
            .flat_map(|row| (0..stride.min(geometry.width)).map(move |column| (row, column)));
        remainders.map(|remainder| Self::backward_part(geometry, remainder)).collect()
    }

    fn backward_part(geometry: &Geometry, (first_row, first_column): (usize, usize)) -> Self {
        let (stride, padding) = (geometry.stride, geometry.padding);
        let rows = (first_row..geometry.height).step_by(stride);
        let positions: Vec<(usize, usize)> = rows
            .flat_map(|row| (first_column..geometry.width).step_by(stride).map(move |column| (row, column)))
            .collect();
        // The output position whose kernel offset covers an input position, along one axis.
        let cover = |at: usize, offset: usize, length: usize| {
            let distance = (at + padding).checked_sub(offset)?;
            (distance.is_multiple_of(stride) && distance / stride < length).then_some(distance / stride)
        };
        let mut stencil = Self {
            taps: Vec::new(),
            targets: positions.iter().map(|(row, column)| (row * geometry.width + column) as u32).collect(),
            sources: Vec::new(),
        };
        for (tap, (kernel_row, kernel_column)) in geometry.offsets().enumerate() {
            let meets = |first: usize, offset: usize| {
                (first + padding + (stride - 1) * offset).is_multiple_of(stride)
            };
            if !meets(first_row, kernel_row) || !meets(first_column, kernel_column) {
                continue;
            }
            stencil.taps.push(tap);
            stencil.sources.extend(positions.iter().map(|&(row, column)| {
                let row = cover(row, kernel_row, geometry.output_height);
                let column = cover(column, kernel_column, geometry.output_width);
                row.zip(column).map_or(NOWHERE, |(row, column)| (row * geometry.output_width + column) as u32)
            }));
        }
        stencil
    }

    /// Whether every one of `positions` positions reads itself alone: positions and images are one long list.
    pub(crate) fn is_identity(&self, positions: usize) -> bool {
        let counts = |positions: &[u32]| positions.iter().enumerate().all(|(at, value)| at as u32 == *value);
        let all = self.targets.len() == positions && self.taps.len() == 1;
        all && counts(&self.targets) && counts(&self.sources)
    }

    /// The stencil of a product of matrices: one position that reads itself.
    pub(crate) fn identity() -> Self {
        Self { taps: vec![0], targets: vec![0], sources: vec![0] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backward_stencils_reverse_forward_ones() {
        for (height, width, kernel, stride, padding) in [
            (5, 4, 3, 1, 1),
            (6, 6, 4, 2, 1),
            (7, 5, 3, 2, 1),
            (4, 4, 1, 2, 0),
            (5, 6, 2, 3, 2),
            (1, 1, 4, 1, 3),
        ] {
            let geometry = Geometry::new([1, 1, height, width], [1, 1, kernel, kernel], stride, padding);
            let forward = Stencil::forward(&geometry);
            let mut pairs: Vec<(usize, u32, u32)> = links(&forward);
            let backward = Stencil::backward(&geometry);
            let mut reversed: Vec<_> = backward
                .iter()
                .flat_map(|stencil| links(stencil).into_iter().map(|(tap, to, from)| (tap, from, to)))
                .collect();
            pairs.sort_unstable();
            reversed.sort_unstable();
            assert_eq!(pairs, reversed);
            let mut written: Vec<u32> = backward.iter().flat_map(|stencil| stencil.targets.clone()).collect();
            written.sort_unstable();
            assert_eq!(written, (0..(height * width) as u32).collect::<Vec<_>>());
        }
    }

    /// (kernel offset, target, source) of everything that is read.
    fn links(stencil: &Stencil) -> Vec<(usize, u32, u32)> {
        let rows = stencil.sources.chunks(stencil.targets.len());
        rows.zip(&stencil.taps)
            .flat_map(|(row, tap)| row.iter().zip(&stencil.targets).map(|(from, to)| (*tap, *to, *from)))
            .filter(|(_, _, from)| *from != NOWHERE)
            .collect()
    }
}
