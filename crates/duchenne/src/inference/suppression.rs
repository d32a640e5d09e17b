//! *Non-maximum suppression*: of the boxes that a detector draws around one face, the surest stays.

/// A box by its edges, in pixels, with how sure it is.
pub(crate) trait Scored {
    /// Left, top, right, bottom.
    fn edges(&self) -> [f32; 4];
    /// The surer, the larger.
    fn score(&self) -> f32;
}

/// Keeps the surest of every group of boxes whose areas meet in more than `most` of what they cover together. What
/// stays is sorted from the surest to the least sure.
pub(crate) fn suppress<T: Scored>(mut boxes: Vec<T>, most: f32) -> Vec<T> {
    boxes.sort_by(|one, other| other.score().total_cmp(&one.score()));
    let mut kept: Vec<T> = Vec::new();
    for candidate in boxes {
        if kept.iter().all(|surer| overlap(surer.edges(), candidate.edges()) <= most) {
            kept.push(candidate);
        }
    }
    kept
}

/// The common area as a share of the area of both together.
pub(crate) fn overlap(one: [f32; 4], other: [f32; 4]) -> f32 {
    let common =
        [0, 1].map(|axis| (one[axis + 2].min(other[axis + 2]) - one[axis].max(other[axis])).max(0.0));
    let area = |edges: [f32; 4]| (edges[2] - edges[0]) * (edges[3] - edges[1]);
    let common = common[0] * common[1];
    if common > 0.0 { common / (area(one) + area(other) - common) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Scored for ([f32; 4], f32) {
        fn edges(&self) -> [f32; 4] {
            self.0
        }

        fn score(&self) -> f32 {
            self.1
        }
    }

    #[test]
    fn the_surest_of_a_group_stays() {
        let boxes = vec![
            ([0.0, 0.0, 10.0, 10.0], 0.6),
            ([1.0, 0.0, 11.0, 10.0], 0.9),
            ([20.0, 0.0, 30.0, 10.0], 0.7),
            // Meets the second in a third.
            ([6.0, 0.0, 16.0, 10.0], 0.5),
        ];
        let scores: Vec<f32> = suppress(boxes, 0.45).iter().map(|kept| kept.1).collect();
        assert_eq!(scores, [0.9, 0.7, 0.5]);
        assert!((overlap([0.0, 0.0, 2.0, 1.0], [1.0, 0.0, 3.0, 1.0]) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(overlap([0.0; 4], [0.0; 4]), 0.0);
    }
}
