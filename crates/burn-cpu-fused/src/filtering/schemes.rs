//! *Schemes*: which pixels the tiles of a convolution read and write, and which kernel offsets lie between
//! them.

use super::tilings::Lattice;
use crate::direct::geometry::Geometry;

/// What tiles of a convolution read and write.
pub(super) struct Scheme<const TAPS: usize> {
    /// The pixels read; those of each lattice are transformed by themselves.
    pub readings: Vec<Lattice>,
    /// The pixels written; those of each writing take products of their own.
    pub writings: Vec<Writing<TAPS>>,
}

/// Pixels that are written.
pub(super) struct Writing<const TAPS: usize> {
    pub lattice: Lattice,
    /// The first of the readings that are summed up for them.
    pub first: usize,
    /// For each of those, the kernel offsets of the weight that are the taps it meets.
    pub taps: Vec<[[usize; TAPS]; TAPS]>,
}

/// The scheme of a 3x3 convolution that leaves the image its size; its tiles read a pixel around what they
/// write where they are `bordered`.
pub(super) fn same(geometry: &Geometry, bordered: bool) -> Scheme<3> {
    let all = Lattice::all([geometry.height, geometry.width]);
    let first = [if bordered { -1 } else { 0 }; 2];
    Scheme {
        readings: vec![Lattice { first, ..all }],
        writings: vec![Writing { lattice: all, first: 0, taps: vec![[[0, 1, 2], [3, 4, 5], [6, 7, 8]]] }],
    }
}

/// Taps even and odd along both axes.
const PARITIES: [[usize; 2]; 4] = [[0, 0], [0, 1], [1, 0], [1, 1]];

/// The kernel offsets of parity `odd` along both axes in a kernel of 4, in the order of `at`.
fn offsets(odd: [usize; 2], at: [usize; 2]) -> [[usize; 2]; 2] {
    at.map(|row| at.map(|column| (2 * row + odd[0]) * 4 + 2 * column + odd[1]))
}

/// The scheme of a convolution of kernel 4, stride 2 and padding 1: `y[j]` is the sum of `w[t] x[2 j + t -
/// 1]`, thus for `t = 2 s + p` the sum over p of a convolution by two taps, s = 0 and 1, of the pixels `x[2 k
/// + p - 1]`.
pub(super) fn halving(geometry: &Geometry) -> Scheme<2> {
    let all = Lattice::all([geometry.height, geometry.width]);
    Scheme {
        readings: PARITIES
            .map(|parity| Lattice { step: 2, first: parity.map(|odd| odd as isize - 1), ..all })
            .to_vec(),
        writings: vec![Writing {
            lattice: Lattice::all([geometry.output_height, geometry.output_width]),
            first: 0,
            taps: PARITIES.map(|parity| offsets(parity, [0, 1])).to_vec(),
        }],
    }
}

/// The scheme of the transpose of [`halving`]: the pixels `x[2 j + 1 - p]` are a convolution of y from
/// `y[-p]` on by the taps of parity p, the last first.
pub(super) fn doubling(geometry: &Geometry) -> Scheme<2> {
    let output = Lattice::all([geometry.output_height, geometry.output_width]);
    let input = Lattice::all([geometry.height, geometry.width]);
    let writings = PARITIES.iter().enumerate().map(|(reading, &parity)| Writing {
        lattice: Lattice { step: 2, first: parity.map(|odd| 1 - odd as isize), ..input },
        first: reading,
        taps: vec![offsets(parity, [1, 0])],
    });
    Scheme {
        readings: PARITIES
            .map(|parity| Lattice { first: parity.map(|odd| -(odd as isize)), ..output })
            .to_vec(),
        writings: writings.collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// For one axis of a scheme: how often each pixel written (by tiles of `side`) meets a pixel read under a
    /// kernel offset.
    fn links<const TAPS: usize>(
        scheme: &Scheme<TAPS>,
        side: usize,
        tiles: usize,
    ) -> HashMap<[isize; 3], usize> {
        let mut found = HashMap::new();
        // The same along both axes: parities of columns alone, in the row of the first.
        for writing in &scheme.writings {
            for (index, taps) in writing.taps.iter().enumerate() {
                let reading = &scheme.readings[writing.first + index];
                if reading.first[0] != scheme.readings[0].first[0] {
                    continue;
                }
                for (tap, offset) in taps[0].iter().enumerate() {
                    for at in 0..tiles * side {
                        let place =
                            |lattice: &Lattice, at: usize| (at * lattice.step) as isize + lattice.first[1];
                        let [written, read] = [place(&writing.lattice, at), place(reading, at + tap)];
                        let width = |lattice: &Lattice| 0..lattice.width as isize;
                        if width(&writing.lattice).contains(&written) && width(reading).contains(&read) {
                            *found.entry([written, read, (offset % 4) as isize]).or_default() += 1;
                        }
                    }
                }
            }
        }
        found
    }

    #[test]
    fn halving_and_doubling_meet_every_pixel_once_under_every_offset() {
        let geometry = Geometry::new([1, 1, 12, 12], [1, 1, 4, 4], 2, 1);
        let mut expected = HashMap::new();
        for (output, tap) in (0..6).flat_map(|output| (0..4).map(move |tap| (output, tap))) {
            let input = 2 * output + tap - 1;
            if (0..12).contains(&input) {
                expected.insert([output, input, tap], 1);
            }
        }
        assert_eq!(links(&halving(&geometry), 4, 2), expected);
        let transposed =
            expected.into_iter().map(|([output, input, tap], count)| ([input, output, tap], count));
        assert_eq!(links(&doubling(&geometry), 4, 2), transposed.collect());
    }
}
