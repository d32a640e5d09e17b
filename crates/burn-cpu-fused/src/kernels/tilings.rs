//! Images cut into tiles, and the transforms of these: of the input and of the output's gradient to points, and from points
//! to the output.

use std::marker::PhantomData;
use std::ops::Range;

use super::bilinear::{Algorithm, Map, transform, write_pixels};
use super::blocked::LANES;
use super::convolution::Epilogue;
use super::geometry::Geometry;
use super::parallel::SharedBuffer;
use super::tiles::Kernels;
use crate::buffers::{Pooled, scratch};
use crate::instructions::WithKernels;

/// How images are cut into tiles.
#[derive(Debug, Clone)]
pub(super) struct Tiling {
    /// Pixels of the output along a tile's side.
    side: usize,
    height: usize,
    width: usize,
    batch: usize,
    /// Those of the batch that are worked on at once.
    images: Range<usize>,
}

impl Tiling {
    /// Of the images of a convolution whose output is as large as its input.
    pub(super) fn new(geometry: &Geometry, side: usize) -> Self {
        let Geometry { height, width, batch, .. } = *geometry;
        Self { side, height, width, batch, images: 0..batch }
    }

    /// Of some of the images.
    pub(super) fn of_images(&self, images: Range<usize>) -> Self {
        Self { images, ..*self }
    }

    fn columns(&self) -> usize {
        self.width.div_ceil(self.side)
    }

    /// Tiles of an image.
    pub(super) fn tiles(&self) -> usize {
        self.height.div_ceil(self.side) * self.columns()
    }

    /// Floats of one pixel or point of a block of channels.
    pub(super) fn line_len(&self) -> usize {
        self.images.len() * LANES
    }

    /// A line of zeros, for pixels outside the image.
    pub(super) fn zeros(&self) -> Pooled {
        let mut zeros = scratch(self.line_len());
        zeros.fill(0.0);
        zeros
    }

    /// Floats of a block of channels of the whole batch.
    pub(super) fn plane(&self) -> usize {
        self.height * self.width * self.batch * LANES
    }

    /// Where pixel `(row, column)` of a tile starts in a block of channels, where it lies within the image.
    #[inline(always)]
    fn pixel(&self, tile: usize, before: usize, [row, column]: [usize; 2]) -> Option<usize> {
        let columns = self.columns();
        // Less than nothing wraps around to far outside.
        let row = (tile / columns * self.side + row).wrapping_sub(before);
        let column = (tile % columns * self.side + column).wrapping_sub(before);
        let position = row * self.width + column;
        let inside = row < self.height && column < self.width;
        inside.then(|| (position * self.batch + self.images.start) * LANES)
    }
}

/// The transform of one block of channels of some tiles: `B^T x B` of the input, whose tiles begin a pixel `before` those of
/// the output, or `A dy A^T` of the output's gradient.
pub(super) struct TileTransform<'a, X, const SIDE: usize, const POINTS: usize> {
    pub by: PhantomData<X>,
    pub tiling: &'a Tiling,
    pub before: usize,
    /// `[height, width, batch, 16]`
    pub image: &'a [f32],
    /// One line of zeros, for pixels outside the image.
    pub zeros: &'a [f32],
    pub tiles: Range<usize>,
    /// Each of the points, `[tiles, batch, 16]` of this block, is `point_len` after the one before.
    pub out: SharedBuffer<'a, f32>,
    /// Where in it the block's first point starts.
    pub start: usize,
    pub point_len: usize,
}

impl<X: Map<SIDE, POINTS>, const SIDE: usize, const POINTS: usize> WithKernels
    for TileTransform<'_, X, SIDE, POINTS>
{
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let length = self.tiling.line_len();
        for (index, tile) in self.tiles.enumerate() {
            let mut sources = [[self.zeros; SIDE]; SIDE];
            for (row, sources) in sources.iter_mut().enumerate() {
                for (column, source) in sources.iter_mut().enumerate() {
                    if let Some(start) = self.tiling.pixel(tile, self.before, [row, column]) {
                        *source = &self.image[start..start + length];
                    }
                }
            }
            let start = self.start + index * length;
            let targets = std::array::from_fn(|row| {
                std::array::from_fn(|column| {
                    let start = start + (row * POINTS + column) * self.point_len;
                    // SAFETY: every (point, block, tile) is written by one task.
                    unsafe { self.out.slice(start..start + length) }
                })
            });
            transform::<K, X, SIDE, POINTS>(kernels, sources, targets);
        }
    }
}

/// `A^T m A` of one block of channels of some tiles, then the epilogue.
pub(super) struct OutputTransform<'a, A, const READ: usize, const SIDE: usize, const POINTS: usize> {
    pub algorithm: PhantomData<A>,
    pub tiling: &'a Tiling,
    /// The block's lines of the first point, and the others `point_len` apart.
    pub points: &'a [f32],
    pub point_len: usize,
    pub tiles: Range<usize>,
    pub block: usize,
    pub epilogue: Epilogue<'a>,
    /// All blocks of the output.
    pub output: SharedBuffer<'a, f32>,
}

impl<A: Algorithm<READ, SIDE, POINTS>, const READ: usize, const SIDE: usize, const POINTS: usize> WithKernels
    for OutputTransform<'_, A, READ, SIDE, POINTS>
{
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let Self { tiling, epilogue, .. } = self;
        let length = tiling.line_len();
        let bias = epilogue.bias.map(|bias| &bias[self.block * LANES..][..LANES]);
        for (index, tile) in self.tiles.enumerate() {
            let sources = std::array::from_fn(|row| {
                std::array::from_fn(|column| {
                    &self.points[(row * POINTS + column) * self.point_len + index * length..][..length]
                })
            });
            let place = |row, column| {
                let start = self.block * tiling.plane() + tiling.pixel(tile, 0, [row, column])?;
                Some(start..start + length)
            };
            let pixels = std::array::from_fn(|row| {
                std::array::from_fn(|column| {
                    // SAFETY: every pixel of a block is written by one task.
                    place(row, column).map(|place| unsafe { self.output.slice(place) })
                })
            });
            let residuals = epilogue.residual.map(|residual| {
                std::array::from_fn(|row| {
                    std::array::from_fn(|column| place(row, column).map_or(&[][..], |place| &residual[place]))
                })
            });
            let slope = epilogue.slope;
            write_pixels::<K, A::Output, POINTS, SIDE>(kernels, sources, bias, residuals, slope, pixels);
        }
    }
}
