//! Minimal filtering where weights are transformed where they are used: a tile of output channels is one
//! task, which packs its weights, transforms them, multiplies all transformed images by them at every point,
//! and transforms the products back. See `filtering`.

use std::marker::PhantomData;
use std::ops::Range;

use super::bilinear::{Algorithm, lines_mut, transform};
use super::schemes::{Scheme, Writing};
use super::tilings::{OutputTransform, Tiling, Transformed, Written};
use crate::direct::geometry::Geometry;
use crate::direct::product::{MatrixProduct, Values, Width};
use crate::direct::tiles::{Kernels, WithKernels};
use crate::direct::weights::{PackTile, tile_channels, tiles};
use crate::epilogue::Epilogue;
use crate::instructions::Instructions;
use crate::memory::LANES;
use crate::memory::blocked::{apart, blocks};
use crate::memory::buffers::scratch;
use crate::memory::parallel::{SharedBuffer, for_each_task, part};
use crate::memory::unwritten::{Unwritten, of_written};

/// Bytes of transformed input that every tile of output channels reads at once.
const INPUT_BYTES: usize = 16 << 20;

/// A convolution by products at every point, weights transformed where they are used.
pub(super) struct PointProduct<'a, const TAPS: usize> {
    /// Those that packed weights are packed for.
    pub instructions: Instructions,
    pub geometry: &'a Geometry,
    /// Channels read and written; whole blocks are read where several readings are summed up.
    pub channels: [usize; 2],
    pub scheme: Scheme<TAPS>,
    pub weight: Values<'a>,
    pub input: &'a [f32],
    pub epilogue: Epilogue<'a>,
}

impl<const TAPS: usize> PointProduct<'_, TAPS> {
    /// `y = epilogue(weight * x)`.
    pub(super) fn run<
        A: Algorithm<TAPS, READ, SIDE, POINTS>,
        const READ: usize,
        const SIDE: usize,
        const POINTS: usize,
    >(
        &self,
        output: &mut [Unwritten],
    ) {
        let instructions = self.instructions;
        let [inputs, outputs] = self.channels;
        let all = Tiling::new(self.geometry, SIDE);
        let readings = &self.scheme.readings;
        let blocks = blocks(inputs);
        let summed = self.scheme.writings[0].taps.len();
        let bytes = POINTS * POINTS * summed * blocks * all.tiles() * all.line_len() * 4;
        let (batch, parts) = (self.geometry.batch, bytes.div_ceil(INPUT_BYTES).min(self.geometry.batch));
        let output = SharedBuffer::new(output);
        for index in 0..parts {
            let tiling = all.of_images(part(batch, parts, index, 1));
            let block_len = tiling.tiles() * tiling.line_len();
            let point_len = apart(readings.len() * blocks * block_len);
            let mut points = scratch(POINTS * POINTS * point_len);
            let zeros = tiling.zeros();
            let transformed = Transformed {
                tiling: &tiling,
                tiles: [0, tiling.tiles()],
                readings,
                map: self.input,
                zeros: &zeros,
                out: SharedBuffer::new(&mut points),
            };
            for_each_task(transformed.blocks(), |index| {
                instructions.run(transformed.block::<A::Input, READ, POINTS>(index));
            });
            for_each_task(tiles(outputs, instructions.run(Width)), |tile| {
                instructions.run(ChannelTile {
                    algorithm: PhantomData::<A>,
                    tile,
                    product: self,
                    tiling: &tiling,
                    points: &points,
                    point_len,
                    output,
                });
            });
        }
    }
}

/// One tile of output channels.
struct ChannelTile<'a, A, const TAPS: usize, const READ: usize, const SIDE: usize, const POINTS: usize> {
    algorithm: PhantomData<A>,
    tile: usize,
    product: &'a PointProduct<'a, TAPS>,
    tiling: &'a Tiling,
    /// The transformed input: all lines are written, what lies between points need not be.
    points: &'a [Unwritten],
    point_len: usize,
    output: SharedBuffer<'a, Unwritten>,
}

impl<A, const TAPS: usize, const READ: usize, const SIDE: usize, const POINTS: usize> WithKernels
    for ChannelTile<'_, A, TAPS, READ, SIDE, POINTS>
where
    A: Algorithm<TAPS, READ, SIDE, POINTS>,
{
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let PointProduct { geometry, channels: [inputs, outputs], scheme, weight, .. } = self.product;
        let channels = tile_channels(*outputs, K::WIDTH, self.tile);
        let length = channels.len() * inputs;
        let mut packed = scratch(match weight {
            Values::Plain(..) => geometry.taps() * apart(length),
            Values::Packed(_) => 0,
        });
        let (weights, plane) = match *weight {
            Values::Packed(values) => {
                (of_written(&values[channels.start * geometry.taps() * inputs..]), length)
            }
            Values::Plain(weight, view) => {
                let (out, plane) = (&mut *packed, apart(length));
                PackTile { weight, view, channels: channels.clone(), out: &mut *out, plane }.run(kernels);
                (&*out, plane)
            }
        };
        for writing in &scheme.writings {
            let filter_len = apart(writing.taps.len() * length);
            let mut filters = scratch(POINTS * POINTS * filter_len);
            for (reading, taps) in writing.taps.iter().enumerate() {
                let taps = std::array::from_fn(|row| {
                    std::array::from_fn(|column| {
                        let weights = &weights[taps[row][column] * plane..][..length];
                        // SAFETY: packed, all kernel offsets of them: by `PackTile`, or before.
                        unsafe { weights.assume_init_ref() }
                    })
                });
                let points = lines_mut(&mut filters[reading * length..], filter_len, length);
                transform::<K, A::Filter, TAPS, POINTS>(kernels, taps, points);
            }
            // SAFETY: the loop transformed the weights of every reading to all points.
            unsafe { self.multiply(kernels, writing, &filters, filter_len, channels.clone()) };
        }
    }
}

impl<A, const TAPS: usize, const READ: usize, const SIDE: usize, const POINTS: usize>
    ChannelTile<'_, A, TAPS, READ, SIDE, POINTS>
where
    A: Algorithm<TAPS, READ, SIDE, POINTS>,
{
    /// The pixels of `writing` by transformed weights, each point's `filter_len` after the one before.
    ///
    /// # Safety
    /// The weights of all points must be written; what lies between the points need not be.
    #[inline(always)]
    unsafe fn multiply<K: Kernels>(
        &self,
        kernels: K,
        writing: &Writing<TAPS>,
        filters: &[Unwritten],
        filter_len: usize,
        channels: Range<usize>,
    ) {
        let PointProduct { channels: [inputs, _], epilogue, .. } = *self.product;
        let block_len = self.tiling.tiles() * self.tiling.line_len();
        let lines = block_len / LANES;
        let product_len = apart(channels.len() * lines);
        let summed = writing.taps.len() * inputs;
        let mut products = scratch(POINTS * POINTS * product_len);
        let shared = SharedBuffer::new(&mut products);
        for point in 0..POINTS * POINTS {
            let input = &self.points[point * self.point_len + writing.first * blocks(inputs) * block_len..];
            let input = &input[..blocks(summed) * block_len];
            let weights = &filters[point * filter_len..][..summed * channels.len()];
            // SAFETY: `run` transformed all blocks of the input before any tile of channels, and the caller
            // says that the weights are written.
            let (input, weights) = unsafe { (input.assume_init_ref(), weights.assume_init_ref()) };
            MatrixProduct {
                weights,
                outputs: channels.len(),
                inputs: summed,
                input,
                lines,
                output: shared,
                output_start: point * product_len,
                channel_tiles: 0..1,
            }
            .run(kernels);
        }
        for block in 0..channels.len() / LANES {
            let place = Written {
                tiling: self.tiling,
                lattice: &writing.lattice,
                tiles: 0..self.tiling.tiles(),
                block: channels.start / LANES + block,
                epilogue,
                output: self.output,
            };
            // SAFETY: the products above wrote all lines of the tile's channels at all points.
            let transform =
                unsafe { OutputTransform::new(place, &products[block * block_len..], product_len) };
            let transform: OutputTransform<'_, A::Output, SIDE, POINTS> = transform;
            transform.run(kernels);
        }
    }
}
