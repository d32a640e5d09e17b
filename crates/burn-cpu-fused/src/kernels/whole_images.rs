//! The convolution of whole small images, and the gradient with respect to its input, by the algorithms of
//! `toeplitz`. Weights are transformed where they are used: a tile of output channels by one task, which packs them,
//! transforms them, multiplies them at every point, and transforms the products back.

use std::marker::PhantomData;

use super::bilinear::{Algorithm, Map, TAPS, transform, write_pixels};
use super::blocked::{LANES, apart, blocks};
use super::convolution::Epilogue;
use super::geometry::Geometry;
use super::parallel::{SharedBuffer, for_each_task};
use super::product::{MatrixProduct, Values, Width};
use super::tiles::Kernels;
use super::toeplitz::{Three, Two};
use super::weights::{PackTile, tile_channels, tiles};
use crate::buffers::scratch;
use crate::instructions::{Instructions, WithKernels};

/// Images from which on the multiplications saved pay for the transformation of the weights.
const MANY_IMAGES: usize = 8;
/// Channels from which on they pay for that of the images, and tiles of channels are enough tasks.
const MANY_CHANNELS: usize = 4 * LANES;

/// Whether this is a 3x3 convolution that these algorithms compute faster than others.
pub(crate) fn pays(geometry: &Geometry) -> bool {
    let is_small = geometry.height == geometry.width && matches!(geometry.height, 2 | 3);
    let channels = geometry.input_channels.min(geometry.output_channels);
    geometry.is_same_3x3() && is_small && channels >= MANY_CHANNELS && geometry.batch >= MANY_IMAGES
}

/// The transform of one block of channels of a map of images, by B or the transpose of A.
pub(super) struct ImageTransform<'a, X, const SIDE: usize, const POINTS: usize> {
    pub by: PhantomData<X>,
    /// `[SIDE, SIDE, batch, 16]`
    pub image: &'a [f32],
    /// Each of the points is `point_len` after the one before.
    pub out: SharedBuffer<'a, f32>,
    /// Where in it the block's first point starts.
    pub start: usize,
    pub point_len: usize,
}

impl<X: Map<SIDE, POINTS>, const SIDE: usize, const POINTS: usize> WithKernels
    for ImageTransform<'_, X, SIDE, POINTS>
{
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let length = self.image.len() / (SIDE * SIDE);
        let targets = std::array::from_fn(|row| {
            std::array::from_fn(|column| {
                let start = self.start + (row * POINTS + column) * self.point_len;
                // SAFETY: every (point, block) belongs to one task.
                unsafe { self.out.slice(start..start + length) }
            })
        });
        transform::<K, X, SIDE, POINTS>(kernels, lines(self.image, length, length), targets);
    }
}

/// `N` times `N` lines of a buffer, each `stride` after the one before.
#[inline(always)]
pub(super) fn lines<const N: usize>(values: &[f32], stride: usize, length: usize) -> [[&[f32]; N]; N] {
    std::array::from_fn(|row| std::array::from_fn(|column| &values[(row * N + column) * stride..][..length]))
}

/// The same for writing.
#[inline(always)]
pub(super) fn lines_mut<const N: usize>(
    values: &mut [f32],
    stride: usize,
    length: usize,
) -> [[&mut [f32]; N]; N] {
    let mut rest = values.chunks_mut(stride);
    std::array::from_fn(|_| {
        std::array::from_fn(|_| &mut rest.next().expect("the buffer holds all lines")[..length])
    })
}

/// `y = epilogue(weight * x)` for a weight of so many output and input channels.
pub(crate) fn product(
    geometry: &Geometry,
    channels: [usize; 2],
    weight: Values<'_>,
    input: &[f32],
    epilogue: Epilogue<'_>,
    output: &mut [f32],
) {
    match geometry.height {
        2 => run::<Two, 2, 3>(geometry.batch, channels, weight, input, epilogue, output),
        3 => run::<Three, 3, 5>(geometry.batch, channels, weight, input, epilogue, output),
        side => unreachable!("no algorithm for images of {side} x {side} pixels"),
    }
}

fn run<A: Algorithm<SIDE, SIDE, POINTS>, const SIDE: usize, const POINTS: usize>(
    batch: usize,
    [outputs, inputs]: [usize; 2],
    weight: Values<'_>,
    input: &[f32],
    epilogue: Epilogue<'_>,
    output: &mut [f32],
) {
    let instructions = Instructions::current();
    let block_len = batch * LANES;
    let point_len = apart(blocks(inputs) * block_len);
    let mut points = scratch(POINTS * POINTS * point_len);
    let points = &mut *points;
    let shared = SharedBuffer::new(points);
    for_each_task(blocks(inputs), |block| {
        let plane = SIDE * SIDE * block_len;
        instructions.run(ImageTransform {
            by: PhantomData::<A::Input>,
            image: &input[block * plane..(block + 1) * plane],
            out: shared,
            start: block * block_len,
            point_len,
        });
    });
    let points = &*points;
    let output = SharedBuffer::new(output);
    for_each_task(tiles(outputs, instructions.run(Width)), |tile| {
        instructions.run(Tile {
            algorithm: PhantomData::<A>,
            tile,
            batch,
            outputs,
            inputs,
            weight,
            points,
            point_len,
            epilogue,
            output,
        });
    });
}

/// One tile of output channels.
struct Tile<'a, A, const SIDE: usize, const POINTS: usize> {
    algorithm: PhantomData<A>,
    tile: usize,
    batch: usize,
    outputs: usize,
    inputs: usize,
    weight: Values<'a>,
    /// The transformed input.
    points: &'a [f32],
    point_len: usize,
    epilogue: Epilogue<'a>,
    output: SharedBuffer<'a, f32>,
}

impl<A: Algorithm<SIDE, SIDE, POINTS>, const SIDE: usize, const POINTS: usize> WithKernels
    for Tile<'_, A, SIDE, POINTS>
{
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let Self { inputs, batch, points, .. } = self;
        let channels = tile_channels(self.outputs, K::WIDTH, self.tile);
        let length = channels.len() * inputs;
        let depth = TAPS * TAPS * inputs;
        let plane = apart(length);
        let mut packed =
            scratch(if matches!(self.weight, Values::Plain(..)) { TAPS * TAPS * plane } else { 0 });
        let taps = match self.weight {
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
        let block_len = batch * LANES;
        let product_len = apart(channels.len() * batch);
        let mut products = scratch(POINTS * POINTS * product_len);
        let shared = SharedBuffer::new(&mut products);
        for point in 0..POINTS * POINTS {
            MatrixProduct {
                weights: &filters[point * plane..][..length],
                outputs: channels.len(),
                inputs,
                input: &points[point * self.point_len..],
                lines: batch,
                output: shared,
                output_start: point * product_len,
                channel_tiles: 0..1,
            }
            .run(kernels);
        }
        let products = &*products;
        for block in 0..channels.len() / LANES {
            let sources: [[&[f32]; POINTS]; POINTS] =
                lines(&products[block * block_len..], product_len, block_len);
            let first = channels.start / LANES + block;
            let bias = self.epilogue.bias.map(|bias| &bias[first * LANES..][..LANES]);
            let start = first * SIDE * SIDE * block_len;
            let length = SIDE * SIDE * block_len;
            let residuals = self
                .epilogue
                .residual
                .map(|residual| lines(&residual[start..start + length], block_len, block_len));
            // SAFETY: every block of output channels belongs to one task.
            let out = unsafe { self.output.slice(start..start + length) };
            let pixels = lines_mut(out, block_len, block_len).map(|row: [_; SIDE]| row.map(Some));
            let slope = self.epilogue.slope;
            write_pixels::<K, A::Output, POINTS, SIDE>(kernels, sources, bias, residuals, slope, pixels);
        }
    }
}
