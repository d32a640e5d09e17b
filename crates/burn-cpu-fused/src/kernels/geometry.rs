//! The sizes of one convolution in channel-major layout.

/// Sizes of a convolution from `[input_channels, batch, height, width]` to
/// `[output_channels, batch, output_height, output_width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub input_channels: usize,
    pub batch: usize,
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
    /// From the input's `[channels, batch, height, width]` and the weight's
    /// `[output_channels, input_channels, kernel_height, kernel_width]`.
    ///
    /// # Panics
    /// If the channel counts differ, the stride is zero or the kernel does not fit the padded input.
    pub(crate) fn new(input: [usize; 4], weight: [usize; 4], stride: usize, padding: usize) -> Self {
        let [input_channels, batch, height, width] = input;
        let [output_channels, weight_channels, kernel_height, kernel_width] = weight;
        assert_eq!(input_channels, weight_channels, "input channels differ from the weight's");
        assert!(stride > 0, "stride must be positive");
        assert!(
            height + 2 * padding >= kernel_height && width + 2 * padding >= kernel_width,
            "a {kernel_height}x{kernel_width} kernel does not fit {height}x{width} padded by {padding}"
        );
        Self {
            input_channels,
            batch,
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

    /// Shape of the result: `[output_channels, batch, output_height, output_width]`.
    pub(crate) fn output_shape(&self) -> [usize; 4] {
        [self.output_channels, self.batch, self.output_height, self.output_width]
    }

    /// Output positions: the columns of the im2col matrix.
    pub(crate) fn columns(&self) -> usize {
        self.batch * self.output_height * self.output_width
    }

    /// Elements of one kernel window in one channel.
    pub(crate) fn window(&self) -> usize {
        self.kernel_height * self.kernel_width
    }

    /// Rows of the im2col matrix.
    pub(crate) fn depth(&self) -> usize {
        self.input_channels * self.window()
    }

    /// Elements of one input channel over the whole batch.
    pub(crate) fn input_plane(&self) -> usize {
        self.batch * self.height * self.width
    }

    /// A 1x1 convolution without padding: its im2col matrix is the (strided) input itself.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.window() == 1 && self.padding == 0
    }

    /// Whether output position (i, j) and input position (i * stride, j * stride) correspond one to
    /// one, so that im2col is a shifted, masked copy of whole planes.
    pub(crate) fn is_same_size(&self) -> bool {
        self.height.div_ceil(self.stride) == self.output_height
            && self.width.div_ceil(self.stride) == self.output_width
    }
}
