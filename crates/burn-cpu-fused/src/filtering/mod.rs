//! *Minimal filtering* (Winograd 1980; for networks Lavin & Gray 2016): 3x3 convolutions with stride and
//! padding one, and 4x4 ones with stride 2, by fewer multiplications than their definition has, see
//! `bilinear`. Which algorithm pays, and in which order its products are computed: all channels of a point
//! after the other (`by_points`) where transformed weights are few or transformed already, all points of a
//! tile of output channels after the other (`by_channels`) where they are many and better transformed where
//! they are used.

mod bilinear;
mod by_channels;
mod by_channels_gradient;
mod by_points;
mod by_points_gradient;
mod cook_toom;
mod schemes;
mod tilings;
mod toeplitz;

use self::by_channels::PointProduct;
use self::by_channels_gradient::sum_by_channels;
pub(crate) use self::by_points::Filter;
use self::by_points_gradient::sum_by_points;
use self::cook_toom::{F3, F4, F4OfTwo};
use self::schemes::{Scheme, doubling, halving};
use self::tilings::Tiling;
use self::toeplitz::{Three, Two};
use crate::descent::Update;
use crate::direct::geometry::Geometry;
use crate::direct::product::Values;
use crate::direct::weights::WeightView;
use crate::epilogue::Epilogue;
use crate::instructions::Instructions;
use crate::memory::LANES;
use crate::memory::buffers::scratch;
use crate::memory::unwritten::Unwritten;

/// Channels from which on the multiplications that whole images save pay for the transforms, and tiles of
/// channels are enough tasks.
const MANY_CHANNELS: usize = 4 * LANES;
/// Images from which on they pay for those of the weights.
const MANY_IMAGES: usize = 8;
/// From this many pairs of channels on, weights are transformed where they are used,
const MANY_PAIRS: usize = 100_000;
/// which pays from this many lines on.
const ENOUGH_LINES: usize = 12;
/// Lines from which on sixteen weights are worth transforming to a hundred.
const MANY_LINES: usize = 8;
/// What it costs to transform weights, in lines that are multiplied by them.
const TRANSFORMING: usize = 4;
/// What it costs to read more of them.
const READING: usize = 1;

/// The algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filtering {
    /// Minimal filtering of whole images of 2x2 pixels.
    WholeTwo,
    /// Minimal filtering of whole images of 3x3 pixels.
    WholeThree,
    /// Minimal filtering of tiles, by one of two algorithms.
    Tiles(Tile),
    /// Convolutions of kernel 4 and stride 2, which halve an image: their even and odd taps each meet every
    /// other pixel, so that they are sums of four convolutions of kernel 2, F(4x4, 2x2) with 25
    /// multiplications instead of 64.
    Halves,
}

/// Pixels of the output along a tile's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tile {
    /// F(3x3, 3x3): 25 multiplications instead of 81.
    Three,
    /// F(4x4, 3x3): 36 instead of 144.
    Four,
}

impl Tile {
    const ALL: [Self; 2] = [Self::Four, Self::Three];

    /// Points of a tile, and tiles of an image.
    fn sizes(self, geometry: &Geometry) -> [usize; 2] {
        let side = match self {
            Self::Three => 3,
            Self::Four => 4,
        };
        [(side + 2) * (side + 2), Tiling::new(geometry, side).tiles()]
    }

    /// The cheapest, if it is cheaper than the definition; `weight_lines` is what transformed weights cost.
    fn cheapest(geometry: &Geometry, weight_lines: usize) -> Option<Self> {
        let cost = |tile: &Self| {
            let [points, tiles] = tile.sizes(geometry);
            points * (tiles * geometry.batch + weight_lines)
        };
        let tile = Self::ALL.into_iter().min_by_key(cost)?;
        // Kernel offsets over the edge cost the direct convolution nothing.
        let direct = (3 * geometry.height - 2) * (3 * geometry.width - 2) * geometry.batch;
        (cost(&tile) * 14 < direct * 10).then_some(tile)
    }

    /// Floats of transformed weights.
    pub(crate) fn transformed_len(self, view: &WeightView) -> usize {
        match self {
            Self::Three => by_points::transformed_len(view, 25),
            Self::Four => by_points::transformed_len(view, 36),
        }
    }

    /// `G w G^T` for every pair of channels: for each point a matrix, packed for these instructions; what
    /// lies between the matrices is not written.
    pub(crate) fn transform_weight(
        self,
        instructions: Instructions,
        weight: &[f32],
        view: &WeightView,
        transformed: &mut [Unwritten],
    ) {
        match self {
            Self::Three => by_points::transform_weight::<F3, 3, 5>(instructions, weight, view, transformed),
            Self::Four => by_points::transform_weight::<F4, 4, 6>(instructions, weight, view, transformed),
        }
    }

    /// `y = epilogue(weight * x)` of weights transformed for these tiles.
    pub(crate) fn apply(
        self,
        filter: &Filter<'_>,
        input: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [Unwritten],
    ) {
        match self {
            Self::Three => filter.apply::<F3, 3, 5>(input, epilogue, output),
            Self::Four => filter.apply::<F4, 4, 6>(input, epilogue, output),
        }
    }
}

impl Filtering {
    /// The algorithm that pays, if any.
    pub(crate) fn of(geometry: &Geometry) -> Option<Self> {
        if geometry.input_channels.min(geometry.output_channels) < LANES {
            return None;
        }
        if !geometry.is_same_3x3() {
            return Self::halves(geometry).then_some(Self::Halves);
        }
        Self::whole(geometry).or_else(|| {
            let tile = Tile::cheapest(geometry, TRANSFORMING)?;
            let [_, tiles] = tile.sizes(geometry);
            let enough = tiles * geometry.batch >= ENOUGH_LINES || pairs(geometry) < MANY_PAIRS;
            enough.then_some(Self::Tiles(tile))
        })
    }

    /// The algorithm that pays, if any, where weights are transformed once for many images.
    pub(crate) fn of_packed(geometry: &Geometry) -> Option<Self> {
        if !geometry.is_same_3x3() || geometry.input_channels.min(geometry.output_channels) < LANES {
            return None;
        }
        Self::whole(geometry).or_else(|| Tile::cheapest(geometry, READING).map(Self::Tiles))
    }

    fn halves(geometry: &Geometry) -> bool {
        let whole_blocks = [geometry.input_channels, geometry.output_channels].map(|all| all % LANES);
        let lines = Tiling::new(geometry, 4).tiles() * geometry.batch;
        // Kernel offsets over the edge cost the direct convolution nothing.
        let direct = (4 * geometry.output_height - 2) * (4 * geometry.output_width - 2) * geometry.batch;
        geometry.is_halving_4x4() && whole_blocks == [0; 2] && lines >= MANY_LINES && lines * 140 < direct
    }

    fn whole(geometry: &Geometry) -> Option<Self> {
        let channels = geometry.input_channels.min(geometry.output_channels);
        if channels < MANY_CHANNELS || geometry.batch < MANY_IMAGES {
            return None;
        }
        match [geometry.height, geometry.width] {
            [2, 2] => Some(Self::WholeTwo),
            [3, 3] => Some(Self::WholeThree),
            _ => None,
        }
    }

    /// `y = epilogue(weight * x)`.
    pub(crate) fn forward(
        self,
        geometry: &Geometry,
        weight: &[f32],
        input: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [Unwritten],
    ) {
        let view = WeightView::forward(geometry);
        self.product(geometry, &view, weight, input, epilogue, output);
    }

    /// The gradient with respect to the input, then the epilogue.
    pub(crate) fn input_gradient(
        self,
        geometry: &Geometry,
        weight: &[f32],
        output_gradient: &[f32],
        epilogue: Epilogue<'_>,
        gradient: &mut [Unwritten],
    ) {
        let view = WeightView::backward(geometry);
        if self == Self::Halves {
            let product = PointProduct {
                instructions: Instructions::current(),
                geometry,
                channels: [view.inputs, view.outputs],
                scheme: doubling(geometry),
                weight: Values::Plain(weight, &view),
                input: output_gradient,
                epilogue,
            };
            return product.run::<F4OfTwo, 5, 4, 5>(gradient);
        }
        // That of a "same" convolution is one with the kernel turned and channels exchanged.
        self.product(geometry, &view.flipped(), weight, output_gradient, epilogue, gradient);
    }

    fn product(
        self,
        geometry: &Geometry,
        view: &WeightView,
        weight: &[f32],
        input: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [Unwritten],
    ) {
        let (instructions, channels) = (Instructions::current(), [view.inputs, view.outputs]);
        match self {
            Self::Tiles(tile) if pairs(geometry) < MANY_PAIRS => {
                let mut transformed = scratch(tile.transformed_len(view));
                tile.transform_weight(instructions, weight, view, &mut transformed);
                // SAFETY: `transform_weight` wrote the weights of all channels.
                let filter = unsafe { Filter::new(instructions, &transformed, channels, geometry) };
                tile.apply(&filter, input, epilogue, output);
            }
            _ => {
                let weight = Values::Plain(weight, view);
                self.by_channels(instructions, geometry, channels, weight, input, epilogue, output);
            }
        }
    }

    /// `y = epilogue(weight * x)` of plain weights or weights packed for these instructions, which are
    /// transformed where they are used.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn by_channels(
        self,
        instructions: Instructions,
        geometry: &Geometry,
        channels: [usize; 2],
        weight: Values<'_>,
        input: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [Unwritten],
    ) {
        if self == Self::Halves {
            let scheme = halving(geometry);
            let product = PointProduct { instructions, geometry, channels, scheme, weight, input, epilogue };
            return product.run::<F4OfTwo, 5, 4, 5>(output);
        }
        let scheme = self.same(geometry);
        let product = PointProduct { instructions, geometry, channels, scheme, weight, input, epilogue };
        match self {
            Self::WholeTwo => product.run::<Two, 2, 2, 3>(output),
            Self::WholeThree => product.run::<Three, 3, 3, 5>(output),
            Self::Tiles(Tile::Three) => product.run::<F3, 5, 3, 5>(output),
            Self::Tiles(Tile::Four) => product.run::<F4, 6, 4, 6>(output),
            Self::Halves => unreachable!("has a scheme of its own"),
        }
    }

    /// The gradient of the weight, or the weight after `update` by it; `operands` are input and output
    /// gradient.
    pub(crate) fn filter_gradient(
        self,
        geometry: &Geometry,
        operands: [&[f32]; 2],
        update: Option<Update<'_>>,
        gradient: &mut [Unwritten],
    ) {
        let many = pairs(geometry) >= MANY_PAIRS;
        let same = || self.same(geometry);
        match self {
            Self::WholeTwo => {
                sum_by_channels::<Two, 3, 2, 2, 3>(geometry, &same(), operands, update, gradient)
            }
            Self::WholeThree => {
                sum_by_channels::<Three, 3, 3, 3, 5>(geometry, &same(), operands, update, gradient)
            }
            Self::Tiles(Tile::Three) if many => {
                sum_by_channels::<F3, 3, 5, 3, 5>(geometry, &same(), operands, update, gradient);
            }
            Self::Tiles(Tile::Four) if many => {
                sum_by_channels::<F4, 3, 6, 4, 6>(geometry, &same(), operands, update, gradient);
            }
            Self::Tiles(Tile::Three) => sum_by_points::<F3, 3, 5>(geometry, operands, update, gradient),
            Self::Tiles(Tile::Four) => sum_by_points::<F4, 4, 6>(geometry, operands, update, gradient),
            Self::Halves => {
                sum_by_channels::<F4OfTwo, 2, 5, 4, 5>(
                    geometry,
                    &halving(geometry),
                    operands,
                    update,
                    gradient,
                );
            }
        }
    }

    /// The scheme of a 3x3 convolution.
    fn same(self, geometry: &Geometry) -> Scheme<3> {
        // Whole images know what lies around them.
        schemes::same(geometry, matches!(self, Self::Tiles(_)))
    }
}

/// Pairs of an input and an output channel.
fn pairs(geometry: &Geometry) -> usize {
    geometry.input_channels * geometry.output_channels
}
