//! *Register tiles*: the innermost loops of convolution. A tile of results, several lines (one image at
//! one position) by one or two blocks of 16 channels, stays in vector registers while the sum
//! runs; what is summed over streams past it. One source for all instruction sets.

use pulp::{Scalar, Simd, WithSimd};

use super::geometry::NOWHERE;
use crate::instructions::{Instructions, with_token};
use crate::memory::LANES;
use crate::memory::parallel::SharedBuffer;
use crate::memory::prefetch::Ahead;
#[cfg(target_arch = "x86_64")]
use crate::memory::transpose::transpose_avx512;
use crate::memory::transpose::{EMPTY, ROWS, Square};
use crate::memory::unwritten::{Unwritten, to_write_again};

/// Instruction sets with the register tiles that suit their number of registers.
pub(crate) trait Kernels: Simd {
    /// Channels of a wide tile: one or two blocks.
    const WIDTH: usize;
    /// The most lines of a tile.
    const ROWS: usize;

    /// Computes one tile of a product of activations and weights.
    ///
    /// # Safety
    /// The weights of every kernel offset among the tile's sources must be written. No other task may access the lines that
    /// are its targets meanwhile; where the sum starts from them, they must be written.
    unsafe fn product(self, tile: ProductTile<'_>);

    /// Computes one tile of a sum of outer products, all of its sums.
    ///
    /// # Safety
    /// Where the tile accumulates, its sums must be written.
    unsafe fn outer(self, tile: OuterTile<'_>);

    /// Writes the first `COLUMNS` columns of a block of 16 x 16, given by its rows, to `out` from each of
    /// `starts` on.
    #[inline(always)]
    fn transpose<const COLUMNS: usize>(
        self,
        rows: [&[f32; LANES]; LANES],
        out: &mut [Unwritten],
        starts: &[usize; LANES],
    ) {
        for (column, start) in starts.iter().enumerate().take(COLUMNS) {
            for (value, row) in out[*start..*start + LANES].iter_mut().zip(rows) {
                value.write(row[column]);
            }
        }
    }

    /// The transpose of a block of 16 x 16, given by its rows.
    #[inline(always)]
    fn transposed(self, rows: [&[f32; LANES]; LANES]) -> Square {
        let mut square = [EMPTY; LANES];
        // SAFETY: `transpose` stores values only. (Another type would have to be copied when it is returned
        // as this one.)
        let out = unsafe { to_write_again(square.as_flattened_mut()) };
        self.transpose::<LANES>(rows, out, &ROWS);
        square
    }
}

/// Work with register tiles that is compiled once for every set of instructions.
pub(crate) trait WithKernels {
    /// What the work returns.
    type Output;

    /// The work; everything it calls must be inlined to use the instructions.
    fn run<K: Kernels>(self, kernels: K) -> Self::Output;
}

impl Instructions {
    /// Runs `work` compiled for these instructions.
    pub(crate) fn run<W: WithKernels>(self, work: W) -> W::Output {
        with_token!(self, |kernels| enter(kernels, work))
    }
}

fn enter<K: Kernels, W: WithKernels>(kernels: K, work: W) -> W::Output {
    struct Entered<K, W>(K, W);
    impl<K: Kernels, W: WithKernels> WithSimd for Entered<K, W> {
        type Output = W::Output;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> W::Output {
            self.1.run(self.0)
        }
    }
    kernels.vectorize(Entered(kernels, work))
}

/// The most lines of a tile on any instruction set.
pub(crate) const MOST_ROWS: usize = 12;

/// The input lines that a tile reads, as offsets into one block of input channels.
#[derive(Clone, Copy)]
pub(crate) enum Sources<'a> {
    /// For each kernel offset (index of its weights), the first of adjacent lines.
    Adjacent(&'a [(usize, usize)]),
    /// For each kernel offset, one offset for each line; [`NOWHERE`] reads zeros.
    Scattered { taps: &'a [usize], offsets: &'a [u32] },
}

/// Where a tile's result goes, as offsets into one block of output channels.
#[derive(Clone, Copy)]
pub(crate) enum Targets<'a> {
    /// Adjacent lines, the first of them at this offset.
    Adjacent(usize),
    /// One offset for each line.
    Scattered(&'a [usize]),
}

impl Targets<'_> {
    #[inline(always)]
    fn line(&self, index: usize) -> usize {
        match self {
            Targets::Adjacent(first) => first + index * LANES,
            Targets::Scattered(lines) => lines[index],
        }
    }
}

/// A tile of `output = leaky(start + sum over kernel offsets and input channels + residual)`.
pub(crate) struct ProductTile<'a> {
    /// Lines of the tile.
    pub rows: usize,
    /// Whether the tile has [`Kernels::WIDTH`] channels or one block.
    pub wide: bool,
    /// All blocks of input channels.
    pub input: &'a [f32],
    /// Distance between blocks of input channels.
    pub input_plane: usize,
    /// Input channels.
    pub inputs: usize,
    /// `[taps, inputs, width]`; what lies between taps need not be written.
    pub weights: &'a [Unwritten],
    /// Distance between taps in it.
    pub weights_plane: usize,
    /// The lines of the input that are read.
    pub sources: Sources<'a>,
    /// All of the output.
    pub output: SharedBuffer<'a, Unwritten>,
    /// First element of the tile's first block of output channels.
    pub output_block: usize,
    /// Distance between blocks of output channels.
    pub output_plane: usize,
    /// The lines of the output that are written.
    pub targets: Targets<'a>,
    /// Where the sum starts.
    pub start: Start<'a>,
    /// What follows the sum, where this is all of it.
    pub finish: Option<Finish<'a>>,
    /// Memory to prefetch meanwhile.
    pub ahead: Ahead<'a>,
}

/// Where a sum starts.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a> {
    /// The sum starts from zero.
    Zero,
    /// The sum starts from a bias, one value for each channel of the tile.
    Bias(&'a [f32]),
    /// The sum starts from what the output holds.
    Output,
}

/// What follows a sum.
#[derive(Clone, Copy)]
pub(crate) struct Finish<'a> {
    /// A map to add to the sum, laid out like the output.
    pub residual: Option<&'a [f32]>,
    /// Negative slope of the leaky ReLU after that: 0 is ReLU, 1 the identity.
    pub slope: f32,
}

/// A tile of `sums[channel, :] += sum over lines of input[channel] * output_gradient[:]`.
pub(crate) struct OuterTile<'a> {
    /// Input channels, at most 8.
    pub rows: usize,
    /// Whether the tile has [`Kernels::WIDTH`] output channels or one block.
    pub wide: bool,
    /// One block of input channels from the tile's first channel on.
    pub input: &'a [f32],
    /// All output channels from the tile's first block on.
    pub output_gradient: &'a [f32],
    /// Distance between blocks of output channels.
    pub output_plane: usize,
    /// The lines that meet.
    pub runs: &'a [Run],
    /// `[rows, width]`
    pub sums: &'a mut [Unwritten],
    /// Whether the sums continue from what is there or start from zero.
    pub accumulate: bool,
}

/// Adjacent lines of input and output gradient that meet under a kernel offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// First line of the input.
    pub source: usize,
    /// First line of the output gradient.
    pub target: usize,
    /// How many lines meet.
    pub length: usize,
}

/// [`ProductTile`] for fixed numbers of lines and of vectors that make up its channels.
///
/// What [`Kernels::product`] demands of its caller holds for whoever makes one.
struct SizedProduct<'a, const ROWS: usize, const VECTORS: usize>(ProductTile<'a>);

impl<const ROWS: usize, const VECTORS: usize> WithSimd for SizedProduct<'_, ROWS, VECTORS> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let tile = self.0;
        let width = VECTORS * S::F32_LANES;
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
        match tile.start {
            Start::Zero => {}
            Start::Bias(bias) => {
                let (bias, _) = S::as_simd_f32s(&bias[..width]);
                for row in &mut sums {
                    row.copy_from_slice(&bias[..VECTORS]);
                }
            }
            Start::Output => tile.visit_lines::<S, ROWS, VECTORS>(|line, row, vector| {
                // SAFETY: `product`'s caller says that these lines are written.
                sums[row][vector] = S::as_simd_f32s(unsafe { line.assume_init_ref() }).0[0];
            }),
        }
        match tile.sources {
            Sources::Adjacent(taps) => {
                for (index, &(tap, first)) in taps.iter().enumerate() {
                    let weights = &tile.weights[tap * tile.weights_plane..][..tile.inputs * width];
                    // SAFETY: `product`'s caller says that these weights are written.
                    let weights = unsafe { weights.assume_init_ref() };
                    let lines = |block: usize| adjacent::<ROWS>(tile.input, block * tile.input_plane + first);
                    let ahead = tile.ahead.after(index, tile.inputs);
                    sums = accumulate(simd, sums, tile.inputs, weights, ahead, lines);
                }
            }
            Sources::Scattered { taps, offsets } => {
                for (index, (tap, offsets)) in taps.iter().zip(offsets.chunks_exact(ROWS)).enumerate() {
                    if offsets.iter().all(|offset| *offset == NOWHERE) {
                        continue;
                    }
                    let weights = &tile.weights[tap * tile.weights_plane..][..tile.inputs * width];
                    // SAFETY: `product`'s caller says that these weights are written.
                    let weights = unsafe { weights.assume_init_ref() };
                    let lines =
                        |block: usize| scattered::<ROWS>(&tile.input[block * tile.input_plane..], offsets);
                    let ahead = tile.ahead.after(index, tile.inputs);
                    sums = accumulate(simd, sums, tile.inputs, weights, ahead, lines);
                }
            }
        }
        if let Some(finish) = tile.finish {
            if let Some(residual) = finish.residual {
                for (row, sums) in sums.iter_mut().enumerate() {
                    for (vector, sum) in sums.iter_mut().enumerate() {
                        let at = tile.address::<S>(row, vector);
                        let line = S::as_simd_f32s(&residual[at..at + S::F32_LANES]).0[0];
                        *sum = simd.add_f32s(*sum, line);
                    }
                }
            }
            if finish.slope != 1.0 {
                let slope = simd.splat_f32s(finish.slope);
                for sum in sums.as_flattened_mut() {
                    // In this order a NaN stays a NaN.
                    *sum = simd.max_f32s(simd.mul_f32s(*sum, slope), *sum);
                }
            }
        }
        tile.visit_lines::<S, ROWS, VECTORS>(|line, row, vector| {
            S::as_uninit_mut_simd_f32s(line).0[0].write(sums[row][vector]);
        });
    }
}

impl ProductTile<'_> {
    /// Where a vector of the result lies.
    #[inline(always)]
    fn address<S: Simd>(&self, row: usize, vector: usize) -> usize {
        let lane = vector * S::F32_LANES;
        self.output_block + lane / LANES * self.output_plane + self.targets.line(row) + lane % LANES
    }

    /// Calls `visit` with every vector of the result in memory, its line and its number.
    #[inline(always)]
    fn visit_lines<S: Simd, const ROWS: usize, const VECTORS: usize>(
        &self,
        mut visit: impl FnMut(&mut [Unwritten], usize, usize),
    ) {
        for row in 0..ROWS {
            for vector in 0..VECTORS {
                let at = self.address::<S>(row, vector);
                // SAFETY: `product`'s caller says that no other task accesses the tile's lines.
                visit(unsafe { self.output.slice(at..at + S::F32_LANES) }, row, vector);
            }
        }
    }
}

#[inline(always)]
fn adjacent<const ROWS: usize>(input: &[f32], first: usize) -> [&[f32; LANES]; ROWS] {
    let (lines, _) = input[first..first + ROWS * LANES].as_chunks::<LANES>();
    std::array::from_fn(|row| &lines[row])
}

#[inline(always)]
fn scattered<'a, const ROWS: usize>(block: &'a [f32], offsets: &[u32]) -> [&'a [f32; LANES]; ROWS] {
    std::array::from_fn(|row| match offsets[row] {
        // Outside the image.
        NOWHERE => &EMPTY,
        offset => block[offset as usize..].first_chunk().expect("offsets lie within the block"),
    })
}

/// `sums[row] += lines[row][channel] * weights[channel]` over all input channels; `lines` gives the lines of
/// a block of them.
///
/// The sums come and go by value: a sum whose address is known would be written to memory at every step.
#[inline(always)]
fn accumulate<'a, S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    sums: [[S::f32s; VECTORS]; ROWS],
    inputs: usize,
    weights: &[f32],
    ahead: Ahead<'_>,
    lines: impl Fn(usize) -> [&'a [f32; LANES]; ROWS],
) -> [[S::f32s; VECTORS]; ROWS] {
    let mut sums = sums;
    let (weights, _) = S::as_simd_f32s(weights).0.as_chunks::<VECTORS>();
    let (whole, rest) = weights.as_chunks::<LANES>();
    for (block, weights) in whole.iter().enumerate() {
        let lines = lines(block);
        ahead.fetch(block);
        for channel in 0..LANES {
            let weights = weights[channel];
            for row in 0..ROWS {
                let value = simd.splat_f32s(lines[row][channel]);
                for vector in 0..VECTORS {
                    sums[row][vector] = simd.mul_add_e_f32s(value, weights[vector], sums[row][vector]);
                }
            }
        }
    }
    if !rest.is_empty() {
        let lines = lines(inputs / LANES);
        for (channel, weights) in rest.iter().enumerate().take(LANES) {
            for row in 0..ROWS {
                let value = simd.splat_f32s(lines[row][channel]);
                for vector in 0..VECTORS {
                    sums[row][vector] = simd.mul_add_e_f32s(value, weights[vector], sums[row][vector]);
                }
            }
        }
    }
    sums
}

/// [`OuterTile`] for fixed numbers of input channels and of vectors.
///
/// What [`Kernels::outer`] demands of its caller holds for whoever makes one.
struct SizedOuter<'a, const ROWS: usize, const VECTORS: usize>(OuterTile<'a>);

impl<const ROWS: usize, const VECTORS: usize> WithSimd for SizedOuter<'_, ROWS, VECTORS> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let tile = self.0;
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
        let (memory, _) = S::as_uninit_mut_simd_f32s(tile.sums).0.as_chunks_mut::<VECTORS>();
        let memory = &mut memory[..ROWS];
        if tile.accumulate {
            for (sum, memory) in sums.as_flattened_mut().iter_mut().zip(memory.as_flattened()) {
                // SAFETY: `outer`'s caller says that these sums are written.
                *sum = unsafe { memory.assume_init() };
            }
        }
        // Whether the tile's vectors come from two blocks of output channels.
        let second = if VECTORS * S::F32_LANES > LANES { tile.output_plane } else { 0 };
        for run in tile.runs {
            let input = &tile.input[run.source * LANES..];
            let first = &tile.output_gradient[run.target * LANES..][..run.length * LANES];
            let second = &tile.output_gradient[second + run.target * LANES..][..run.length * LANES];
            sums = accumulate_outer(simd, sums, input, first, second);
        }
        for (memory, sum) in memory.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
            memory.write(*sum);
        }
    }
}

/// `sums[channel] += input[line][channel] * gradient[line]` over all lines; by value, as above.
#[inline(always)]
fn accumulate_outer<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    sums: [[S::f32s; VECTORS]; ROWS],
    input: &[f32],
    first: &[f32],
    second: &[f32],
) -> [[S::f32s; VECTORS]; ROWS] {
    let mut sums = sums;
    let lines = first.as_chunks::<LANES>().0.iter().zip(second.as_chunks::<LANES>().0);
    for (line, (first, second)) in lines.enumerate() {
        let channels: &[f32; ROWS] = input[line * LANES..].first_chunk().expect("lines are whole");
        let gradient: [S::f32s; VECTORS] = std::array::from_fn(|vector| {
            let lane = vector * S::F32_LANES;
            let block = if lane < LANES { first } else { second };
            S::as_simd_f32s(&block[lane % LANES..]).0[0]
        });
        for row in 0..ROWS {
            let value = simd.splat_f32s(channels[row]);
            for vector in 0..VECTORS {
                sums[row][vector] = simd.mul_add_e_f32s(value, gradient[vector], sums[row][vector]);
            }
        }
    }
    sums
}

macro_rules! kernels {
    (
        $simd:ty, width $width:literal, narrow $narrow:literal, wide $wide:literal,
        rows $most:literal: $($rows:literal)* $(, transpose $transpose:ident)?
    ) => {
        impl Kernels for $simd {
            const WIDTH: usize = $width;
            const ROWS: usize = $most;

            #[inline(always)]
            unsafe fn product(self, tile: ProductTile<'_>) {
                match (tile.rows, tile.wide) {
                    $(
                        ($rows, true) => Simd::vectorize(self, SizedProduct::<$rows, $wide>(tile)),
                        ($rows, false) => Simd::vectorize(self, SizedProduct::<$rows, $narrow>(tile)),
                    )*
                    (rows, _) => unreachable!("a tile has at most {} lines, not {rows}", $most),
                }
            }

            $(
                #[inline(always)]
                fn transpose<const COLUMNS: usize>(
                    self,
                    rows: [&[f32; LANES]; LANES],
                    out: &mut [Unwritten],
                    starts: &[usize; LANES],
                ) {
                    $transpose::<COLUMNS>(self, rows, out, starts);
                }
            )?

            #[inline(always)]
            unsafe fn outer(self, tile: OuterTile<'_>) {
                match (tile.rows, tile.wide) {
                    (1, true) => Simd::vectorize(self, SizedOuter::<1, $wide>(tile)),
                    (2, true) => Simd::vectorize(self, SizedOuter::<2, $wide>(tile)),
                    (3, true) => Simd::vectorize(self, SizedOuter::<3, $wide>(tile)),
                    (4, true) => Simd::vectorize(self, SizedOuter::<4, $wide>(tile)),
                    (8, true) => Simd::vectorize(self, SizedOuter::<8, $wide>(tile)),
                    (1, false) => Simd::vectorize(self, SizedOuter::<1, $narrow>(tile)),
                    (2, false) => Simd::vectorize(self, SizedOuter::<2, $narrow>(tile)),
                    (3, false) => Simd::vectorize(self, SizedOuter::<3, $narrow>(tile)),
                    (4, false) => Simd::vectorize(self, SizedOuter::<4, $narrow>(tile)),
                    (8, false) => Simd::vectorize(self, SizedOuter::<8, $narrow>(tile)),
                    (rows, _) => unreachable!("{rows} rows are cut into 8, 4, 3, 2 and 1"),
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
kernels!(
    pulp::x86::V4, width 32, narrow 1, wide 2,
    rows 12: 1 2 3 4 5 6 7 8 9 10 11 12, transpose transpose_avx512
);
#[cfg(target_arch = "x86_64")]
kernels!(pulp::x86::V3, width 16, narrow 2, wide 2, rows 6: 1 2 3 4 5 6);
#[cfg(target_arch = "aarch64")]
kernels!(pulp::aarch64::Neon, width 16, narrow 4, wide 4, rows 6: 1 2 3 4 5 6);
kernels!(Scalar, width 16, narrow 16, wide 16, rows 4: 1 2 3 4);

/// The largest tile of [`OuterTile`] within `rows` remaining input channels.
pub(crate) fn outer_rows(rows: usize) -> usize {
    match rows {
        8.. => 8,
        4..8 => 4,
        rows => rows,
    }
}
