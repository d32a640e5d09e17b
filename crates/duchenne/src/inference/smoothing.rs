//! *Smoothing* of probabilities over time, so that labels do not flicker.

use std::collections::HashMap;

/// A face that was not seen for so many time constants begins anew.
const FORGOTTEN: f64 = 20.0;

/// Exponentially weighted means of probabilities, one for each track: a change is taken up to `1 - 1/e` after the time
/// constant, whatever the rate of the frames (Brown 1956, in its form for uneven steps).
///
/// A label that changes at once is followed after 0.69 time constants.
///
/// ```
/// use duchenne::inference::smoothing::Smoothing;
///
/// let mut smoothing = Smoothing::new(0.2);
/// assert_eq!(smoothing.next(1, 0.0, &[1.0, 0.0]), [1.0, 0.0]);
/// let later = smoothing.next(1, 0.2, &[0.0, 1.0]);
/// assert!((later[1] - 0.632).abs() < 1e-3);
/// ```
#[derive(Debug, Clone)]
pub struct Smoothing {
    seconds: f64,
    means: HashMap<u64, (f64, Vec<f32>)>,
}

impl Smoothing {
    /// With this time constant, in seconds; 0 smooths nothing.
    pub fn new(seconds: f64) -> Self {
        Self { seconds, means: HashMap::new() }
    }

    /// The mean of a track with its probabilities at `time`, in seconds, included. They add to one, as these do.
    pub fn next(&mut self, track: u64, time: f64, probabilities: &[f32]) -> Vec<f32> {
        let most = FORGOTTEN * self.seconds;
        self.means.retain(|_, (seen, _)| time - *seen <= most);
        let (seen, mean) = self.means.entry(track).or_insert_with(|| (time, probabilities.to_vec()));
        let weight =
            if self.seconds > 0.0 { (1.0 - (-(time - *seen) / self.seconds).exp()) as f32 } else { 1.0 };
        mean.iter_mut().zip(probabilities).for_each(|(mean, value)| *mean += weight * (value - *mean));
        *seen = time;
        mean.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_frames_does_not_matter() {
        let after = |steps: u32| {
            let mut smoothing = Smoothing::new(0.3);
            let mut last = smoothing.next(7, 0.0, &[1.0, 0.0]);
            for step in 1..=steps {
                last = smoothing.next(7, 0.6 * f64::from(step) / f64::from(steps), &[0.0, 1.0]);
            }
            last
        };
        assert!((after(2)[0] - after(60)[0]).abs() < 1e-4);
        assert!((after(60)[0] - (-2.0_f32).exp()).abs() < 1e-4);
    }

    #[test]
    fn tracks_are_apart_and_old_ones_forgotten() {
        let mut smoothing = Smoothing::new(0.1);
        smoothing.next(1, 0.0, &[1.0]);
        smoothing.next(2, 0.0, &[0.0]);
        assert_eq!(smoothing.next(2, 0.01, &[0.0]), [0.0]);
        assert_eq!(smoothing.next(3, 100.0, &[0.5]), [0.5]);
        assert_eq!(smoothing.means.len(), 1);
    }
}
