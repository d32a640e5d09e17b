//! Which frames of a clip are wanted.

/// A part of a clip, and how densely it is looked at.
///
/// ```
/// use duchenne::Section;
///
/// // Two frames a second of the second minute.
/// let section = Section { from: Some(60.0), to: Some(120.0), every: Some(0.5) };
/// assert_eq!(section.problem(), None);
/// assert!(Section { to: Some(1.0), from: Some(2.0), every: None }.problem().is_some());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Section {
    /// Where it begins, in seconds; at the beginning where `None`.
    pub from: Option<f64>,
    /// Where it ends, in seconds, this moment excluded; at the end where `None`.
    pub to: Option<f64>,
    /// Seconds between the frames that are wanted: the first at or after each multiple of it. Every frame where `None`.
    pub every: Option<f64>,
}

/// Times of frames are rounded where they are computed; a frame this much before its moment, in seconds, is at it.
const ROUNDING: f64 = 1e-5;

impl Section {
    /// What is wrong with the values, if anything.
    pub fn problem(&self) -> Option<String> {
        let is_time = |time: f64| time.is_finite() && time >= 0.0;
        for (name, value) in [("from", self.from), ("to", self.to)] {
            if let Some(value) = value.filter(|value| !is_time(*value)) {
                return Some(format!("`{name}` is {value}, expected seconds from 0 on"));
            }
        }
        if let Some(every) = self.every.filter(|every| !every.is_finite() || *every <= 0.0) {
            return Some(format!("`every` is {every}, expected seconds above 0"));
        }
        match (self.from.unwrap_or(0.0), self.to) {
            (from, Some(to)) if to <= from => {
                Some(format!("it ends at {to} s, not after its beginning at {from} s"))
            }
            _ => None,
        }
    }

    /// The moment that a frame at `time` belongs to, counted from 0; without `every` there are none.
    fn moment(&self, time: f64) -> Option<i64> {
        self.every.map(|every| ((time + ROUNDING) / every).floor() as i64)
    }

    /// Whether a frame at `time` is wanted where `earlier` is the time of the frame before it; both in seconds of the clip.
    pub(super) fn wants(&self, time: f64, earlier: Option<f64>) -> bool {
        if self.from.is_some_and(|from| time + ROUNDING < from) || self.is_over(time) {
            return false;
        }
        match (self.moment(time), earlier.filter(|earlier| earlier + ROUNDING >= self.from.unwrap_or(0.0))) {
            (Some(moment), Some(earlier)) => self.moment(earlier) != Some(moment),
            _ => true,
        }
    }

    /// Whether the section has ended at `time`.
    pub(super) fn is_over(&self, time: f64) -> bool {
        self.to.is_some_and(|to| time + ROUNDING >= to)
    }

    /// The same choice for `ffmpeg`'s filter `select`, of frames whose times begin at [`from`](Self::from).
    pub(super) fn filter(&self) -> Option<String> {
        let from = self.from.unwrap_or(0.0);
        let every = self.every?;
        let moment = |time: &str| format!("floor(({time}+{from}+{ROUNDING})/{every})");
        Some(format!("select='isnan(prev_t)+gt({},{})'", moment("t"), moment("prev_t")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(section: Section, times: &[f64]) -> Vec<f64> {
        let mut earlier = None;
        let wanted = times.iter().filter(|time| section.wants(**time, earlier.replace(**time)));
        wanted.copied().collect()
    }

    #[test]
    fn frames_at_or_after_each_multiple_are_taken() {
        let times: Vec<f64> = (0..40).map(|at| f64::from(at) * 1001.0 / 30000.0).collect();
        let every = |every: f64| Section { every: Some(every), ..Section::default() };
        let taken_at: Vec<usize> =
            taken(every(0.5), &times).iter().map(|time| (time * 29.97).round() as usize).collect();
        // 0.5 s is after frame 14 (0.467 s) and at latest frame 15 (0.5005 s).
        assert_eq!(taken_at, [0, 15, 30]);
        // A multiple is met although thirds are not exact.
        let thirds: Vec<f64> = (0..10).map(|at| f64::from(at) / 30.0).collect();
        assert_eq!(taken(every(0.1), &thirds).len(), 4);
        // More often than there are frames: every frame.
        assert_eq!(taken(every(0.01), &thirds).len(), 10);
    }

    #[test]
    fn a_section_begins_and_ends_where_it_says() {
        let times: Vec<f64> = (0..10).map(|at| f64::from(at) / 10.0).collect();
        let section = Section { from: Some(0.2), to: Some(0.6), every: None };
        assert_eq!(taken(section, &times).len(), 4);
        // The first frame of a section is taken, though no multiple lies there.
        let sparse = Section { from: Some(0.25), to: None, every: Some(0.4) };
        assert_eq!(taken(sparse, &times), [0.3, 0.4, 0.8]);
    }
}
