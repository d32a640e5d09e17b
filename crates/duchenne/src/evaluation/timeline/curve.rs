//! A *curve* of probabilities over time, of bounded length: neighbours are averaged where it grows too long.

/// The most points of a curve.
const MOST_POINTS: usize = 2400;

/// Probabilities over time.
#[derive(Debug, Default)]
pub(super) struct Curve {
    points: Vec<Point>,
    /// How many frames a point stands for.
    frames: u32,
}

/// The mean of some frames that follow each other.
#[derive(Debug, Clone)]
pub(super) struct Point {
    /// When the first of them is shown, in seconds.
    pub(super) time: f64,
    sums: Vec<f32>,
    count: u32,
}

impl Point {
    /// The mean probabilities.
    pub(super) fn means(&self) -> impl Iterator<Item = f32> {
        self.sums.iter().map(|sum| sum / self.count as f32)
    }
}

impl Curve {
    /// Adds the probabilities of a frame.
    pub(super) fn add(&mut self, time: f64, probabilities: impl Iterator<Item = f32>) {
        self.frames = self.frames.max(1);
        if let Some(last) = self.points.last_mut().filter(|last| last.count < self.frames) {
            last.sums.iter_mut().zip(probabilities).for_each(|(sum, value)| *sum += value);
            last.count += 1;
            return;
        }
        if self.points.len() == MOST_POINTS {
            self.halve();
        }
        self.points.push(Point { time, sums: probabilities.collect(), count: 1 });
    }

    /// Joins every two points.
    fn halve(&mut self) {
        self.frames *= 2;
        let joined = self.points.chunks(2).map(|pair| {
            let mut first = pair[0].clone();
            for other in &pair[1..] {
                first.sums.iter_mut().zip(&other.sums).for_each(|(sum, value)| *sum += value);
                first.count += other.count;
            }
            first
        });
        self.points = joined.collect();
    }

    /// The points, in the order of time.
    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_keeps_its_mean_and_stays_short() {
        let mut curve = Curve::default();
        let value = |at: u32| (at % 10) as f32 / 10.0;
        let frames = 100_000;
        (0..frames).for_each(|at| curve.add(f64::from(at) / 25.0, std::iter::once(value(at))));
        assert!(curve.points().len() <= MOST_POINTS);
        assert_eq!(curve.points()[0].time, 0.0);
        let counts: u32 = curve.points.iter().map(|point| point.count).sum();
        assert_eq!(counts, frames);
        let sum: f32 = curve.points.iter().map(|point| point.sums[0]).sum();
        assert!((sum / frames as f32 - 0.45).abs() < 1e-3);
        assert!(curve.points().windows(2).all(|pair| pair[0].time < pair[1].time));
    }
}
