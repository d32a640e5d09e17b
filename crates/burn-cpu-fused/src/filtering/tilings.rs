//! Images cut into tiles, and the transforms of these: of the input and of the output's gradient to points,
//! and from points to the output.

use std::marker::PhantomData;
use std::ops::Range;

use super::bilinear::{Map, transform, write_pixels};
use crate::direct::geometry::Geometry;
use crate::direct::tiles::{Kernels, WithKernels};
use crate::epilogue::Epilogue;
use crate::memory::LANES;
use crate::memory::blocked::apart;
use crate::memory::buffers::{Pooled, scratch};
use crate::memory::parallel::SharedBuffer;
use crate::memory::unwritten::{Unwritten, fill};

/// The pixels of an image that tiles are made of: every `step`-th along both axes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lattice {
    /// Height of the image.
    pub height: usize,
    /// Width of the image.
    pub width: usize,
    /// Distance between pixels.
    pub step: usize,
    /// Row and column of the first tile's first pixel; it may lie outside.
    pub first: [isize; 2],
}

impl Lattice {
    /// Every pixel of an image of this height and width.
    pub(super) fn all([height, width]: [usize; 2]) -> Self {
        Self { height, width, step: 1, first: [0; 2] }
    }
}

/// How the outputs of a convolution are cut into tiles.
#[derive(Debug, Clone)]
pub(super) struct Tiling {
    /// Pixels along a tile's side.
    side: usize,
    rows: usize,
    columns: usize,
    batch: usize,
    /// The images of the batch that are worked on at once.
    images: Range<usize>,
}

impl Tiling {
    /// Cuts outputs into tiles of `side` pixels a side.
    pub(super) fn new(geometry: &Geometry, side: usize) -> Self {
        let [rows, columns] = [geometry.output_height, geometry.output_width].map(|all| all.div_ceil(side));
        Self { side, rows, columns, batch: geometry.batch, images: 0..geometry.batch }
    }

    /// The same tiles of some of the images.
    pub(super) fn of_images(&self, images: Range<usize>) -> Self {
        Self { images, ..*self }
    }

    /// Tiles of an image.
    pub(super) fn tiles(&self) -> usize {
        self.rows * self.columns
    }

    /// Floats of one pixel or point of a block of channels.
    pub(super) fn line_len(&self) -> usize {
        self.images.len() * LANES
    }

    /// A line of zeros, for pixels outside the image.
    pub(super) fn zeros(&self) -> Pooled {
        let mut zeros = scratch(self.line_len());
        fill(&mut zeros, 0.0);
        // SAFETY: just filled.
        unsafe { zeros.assume_written() }
    }

    /// Floats of a block of channels of the whole batch.
    pub(super) fn plane(&self, lattice: &Lattice) -> usize {
        lattice.height * lattice.width * self.batch * LANES
    }

    /// Where pixel `(row, column)` of a tile starts in a block of channels, where it lies within the image.
    #[inline(always)]
    fn pixel(&self, lattice: &Lattice, tile: usize, [row, column]: [usize; 2]) -> Option<usize> {
        let Lattice { height, width, step, first } = *lattice;
        // A negative index wraps to a huge one, which is out of bounds and read as padding.
        let row = ((tile / self.columns * self.side + row) * step).wrapping_add_signed(first[0]);
        let column = ((tile % self.columns * self.side + column) * step).wrapping_add_signed(first[1]);
        let inside = row < height && column < width;
        inside.then(|| ((row * width + column) * self.batch + self.images.start) * LANES)
    }
}

/// A map whose tiles are transformed, block of channels by block.
#[derive(Clone, Copy)]
pub(super) struct Transformed<'a> {
    pub tiling: &'a Tiling,
    /// The first of the tiles, and the one after the last.
    pub tiles: [usize; 2],
    /// The pixels of the tiles; those of each lattice are transformed by themselves.
    pub readings: &'a [Lattice],
    /// All blocks of the map, `[blocks, height, width, batch, 16]`.
    pub map: &'a [f32],
    /// See [`Tiling::zeros`].
    pub zeros: &'a [f32],
    /// Holds the points [`apart`], each `[readings, blocks, tiles, batch, 16]`.
    pub out: SharedBuffer<'a, Unwritten>,
}

impl<'a> Transformed<'a> {
    fn map_blocks(&self) -> usize {
        self.map.len() / self.tiling.plane(&self.readings[0])
    }

    /// Blocks of all readings.
    pub(super) fn blocks(&self) -> usize {
        self.readings.len() * self.map_blocks()
    }

    /// The transform of one of these blocks.
    pub(super) fn block<X, const SIDE: usize, const POINTS: usize>(
        &self,
        index: usize,
    ) -> TileTransform<'a, X, SIDE, POINTS> {
        let blocks = self.map_blocks();
        let lattice = &self.readings[index / blocks];
        let plane = self.tiling.plane(lattice);
        let [first, end] = self.tiles;
        let block_len = (end - first) * self.tiling.line_len();
        TileTransform {
            by: PhantomData,
            tiling: self.tiling,
            lattice,
            image: &self.map[index % blocks * plane..][..plane],
            zeros: self.zeros,
            tiles: first..end,
            out: self.out,
            start: index * block_len,
            point_len: apart(self.blocks() * block_len),
        }
    }
}

/// The transform of one block of channels of some tiles: `B x B^T` of the input or `A^T dy A` of the output's
/// gradient.
pub(super) struct TileTransform<'a, X, const SIDE: usize, const POINTS: usize> {
    by: PhantomData<X>,
    tiling: &'a Tiling,
    lattice: &'a Lattice,
    /// `[height, width, batch, 16]`
    image: &'a [f32],
    /// One line of zeros, for pixels outside the image.
    zeros: &'a [f32],
    tiles: Range<usize>,
    /// Each of the points, `[tiles, batch, 16]` of this block, is `point_len` after the one before.
    out: SharedBuffer<'a, Unwritten>,
    /// Where in it the block's first point starts.
    start: usize,
    point_len: usize,
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
                    if let Some(start) = self.tiling.pixel(self.lattice, tile, [row, column]) {
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

/// `A m A^T` of one block of channels of some tiles, then the epilogue.
pub(super) struct OutputTransform<'a, X, const SIDE: usize, const POINTS: usize> {
    by: PhantomData<X>,
    place: Written<'a>,
    points: &'a [Unwritten],
    point_len: usize,
}

/// The block of channels of some tiles that an output transform writes.
pub(super) struct Written<'a> {
    pub tiling: &'a Tiling,
    pub lattice: &'a Lattice,
    pub tiles: Range<usize>,
    pub block: usize,
    pub epilogue: Epilogue<'a>,
    /// All blocks of the output.
    pub output: SharedBuffer<'a, Unwritten>,
}

impl<'a, X, const SIDE: usize, const POINTS: usize> OutputTransform<'a, X, SIDE, POINTS> {
    /// Transforms the block's lines of the first point, `points`, and those of the others, `point_len` apart.
    ///
    /// # Safety
    /// The tiles' lines of all points must be written; what lies between the points need not be.
    pub(super) unsafe fn new(place: Written<'a>, points: &'a [Unwritten], point_len: usize) -> Self {
        Self { by: PhantomData, place, points, point_len }
    }
}

impl<X: Map<POINTS, SIDE>, const SIDE: usize, const POINTS: usize> WithKernels
    for OutputTransform<'_, X, SIDE, POINTS>
{
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let Written { tiling, lattice, tiles, block, epilogue, output } = self.place;
        let length = tiling.line_len();
        let bias = epilogue.bias.map(|bias| &bias[block * LANES..][..LANES]);
        for (index, tile) in tiles.enumerate() {
            let sources = std::array::from_fn(|row| {
                std::array::from_fn(|column| {
                    let start = (row * POINTS + column) * self.point_len + index * length;
                    // SAFETY: `new`'s caller says that the tiles' lines of all points are written.
                    unsafe { self.points[start..start + length].assume_init_ref() }
                })
            });
            let place = |row, column| {
                let start = block * tiling.plane(lattice) + tiling.pixel(lattice, tile, [row, column])?;
                Some(start..start + length)
            };
            let pixels = std::array::from_fn(|row| {
                std::array::from_fn(|column| {
                    // SAFETY: every pixel of a block is written by one task.
                    place(row, column).map(|place| unsafe { output.slice(place) })
                })
            });
            let residuals = epilogue.residual.map(|residual| {
                std::array::from_fn(|row| {
                    std::array::from_fn(|column| place(row, column).map_or(&[][..], |place| &residual[place]))
                })
            });
            let slope = epilogue.slope;
            write_pixels::<K, X, POINTS, SIDE>(kernels, sources, bias, residuals, slope, pixels);
        }
    }
}
