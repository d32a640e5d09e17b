//! Minimal filtering where weights are transformed where they are used: a tile of output channels is one task, which packs
//! its weights, transforms them, multiplies all transformed images by them at every point, and transforms the products
//! back. See `filtering`.

use std::marker::PhantomData;

use super::bilinear::{Algorithm, TAPS, lines, lines_mut, transform};
use super::blocked::{LANES, apart, blocks};
use super::convolution::Epilogue;
use super::geometry::Geometry;
use super::parallel::{SharedBuffer, for_each_task, part};
use super::product::{MatrixProduct, Values, Width};
use super::tiles::Kernels;
use super::tilings::{OutputTransform, TileTransform, Tiling};
use super::weights::{PackTile, tile_channels, tiles};
use crate::buffers::scratch;
use crate::instructions::{Instructions, WithKernels};

/// Bytes of transformed input at once: every tile of output channels reads them.
const INPUT_BYTES: usize = 12 << 20;

/// A 3x3 convolution.
pub(super) struct Product<'a> {
    /// Only the size of the images is used.
    pub geometry: &'a Geometry,
    /// Channels read and written.
    pub channels: [usize; 2],
    pub weight: Values<'a>,
    pub input: &'a [f32],
    pub epilogue: Epilogue<'a>,
}

impl Product<'_> {
    /// `y = epilogue(weight * x)`.
    pub(super) fn run<
        A: Algorithm<READ, SIDE, POINTS>,
        const READ: usize,
        const SIDE: usize,
        const POINTS: usize,
    >(
        &self,
        output: &mut [f32],
    ) {
        let instructions = Instructions::current();
        let [inputs, outputs] = self.channels;
        let all = Tiling::new(self.geometry, SIDE);
        let bytes = POINTS * POINTS * blocks(inputs) * all.tiles() * all.line_len() * 4;
        let (batch, parts) = (self.geometry.batch, bytes.div_ceil(INPUT_BYTES).min(self.geometry.batch));
        let output = SharedBuffer::new(output);
        for index in 0..parts {
            let tiling = all.of_images(part(batch, parts, index, 1));
            let block_len = tiling.tiles() * tiling.line_len();
            let point_len = apart(blocks(inputs) * block_len);
            let mut points = scratch(POINTS * POINTS * point_len);
            let zeros = tiling.zeros();
            let out = SharedBuffer::new(&mut points);
            for_each_task(blocks(inputs), |block| {
                instructions.run(TileTransform {
                    by: PhantomData::<A::Input>,
                    tiling: &tiling,
                    before: (READ - SIDE) / 2,
                    image: &self.input[block * tiling.plane()..][..tiling.plane()],
                    zeros: &zeros,
                    tiles: 0..tiling.tiles(),
                    out,
                    start: block * block_len,
                    point_len,
                });
            });
            for_each_task(tiles(outputs, instructions.run(Width)), |tile| {
                instructions.run(Tile {
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
struct Tile<'a, A, const READ: usize, const SIDE: usize, const POINTS: usize> {
    algorithm: PhantomData<A>,
    tile: usize,
    product: &'a Product<'a>,
    tiling: &'a Tiling,
    /// The transformed input.
    points: &'a [f32],
    point_len: usize,
    output: SharedBuffer<'a, f32>,
}

impl<A: Algorithm<READ, SIDE, POINTS>, const READ: usize, const SIDE: usize, const POINTS: usize> WithKernels
    for Tile<'_, A, READ, SIDE, POINTS>
{
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let Self {
            product: &Product { channels: [inputs, outputs], weight, epilogue, .. },
            tiling,
            points,
            ..
        } = self;
        let channels = tile_channels(outputs, K::WIDTH, self.tile);
        let length = channels.len() * inputs;
        let depth = TAPS * TAPS * inputs;
        let plane = apart(length);
        let mut packed = scratch(if matches!(weight, Values::Plain(..)) { TAPS * TAPS * plane } else { 0 });
        let taps = match weight {
            Values::Packed(values) => lines(&values[channels.start * depth..], length, length),
            Values::Plain(weight, view) => {
                let out = &mut *packed;
                PackTile { weight, view, channels: channels.clone(), out: &mut *out, plane }.run(kernels);
                lines(out, plane, length)
            }
        };
        let mut filters = scratch(POINTS * POINTS * plane);
        let filters = &mut *filters;
        transform::<K, A::Filter, TAPS, POINTS>(kernels, taps, lines_mut(filters, plane, length));
        let block_len = tiling.tiles() * tiling.line_len();
        let lines = block_len / LANES;
        let product_len = apart(channels.len() * lines);
        let mut products = scratch(POINTS * POINTS * product_len);
        let shared = SharedBuffer::new(&mut products);
        for point in 0..POINTS * POINTS {
            MatrixProduct {
                weights: &filters[point * plane..][..length],
                outputs: channels.len(),
                inputs,
                input: &points[point * self.point_len..],
                lines,
                output: shared,
                output_start: point * product_len,
                channel_tiles: 0..1,
            }
            .run(kernels);
        }
        for block in 0..channels.len() / LANES {
            OutputTransform {
                algorithm: PhantomData::<A>,
                tiling,
                points: &products[block * block_len..],
                point_len: product_len,
                tiles: 0..tiling.tiles(),
                block: channels.start / LANES + block,
                epilogue,
                output: self.output,
            }
            .run(kernels);
        }
    }
}
