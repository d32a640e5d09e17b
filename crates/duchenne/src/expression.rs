//! An *expression* is what a face shows (not what a person feels): the label sets of the data sets
//! in use, and the maps between them.
//!
//! Class order is part of every file format here: a label is an index into its set's [`LabelSet::names`].

use serde::{Deserialize, Serialize};

/// A fixed, ordered list of expression names.
///
/// ```
/// use duchenne::LabelSet;
///
/// assert_eq!(LabelSet::Fer2013.names()[3], "happy");
/// assert_eq!(LabelSet::Fer2013.label_of("Happiness"), Some(3));
/// // CK+ has contempt, which FER-2013 lacks.
/// let contempt = LabelSet::CkPlus.label_of("contempt").unwrap();
/// assert_eq!(LabelSet::CkPlus.translate(contempt, LabelSet::Fer2013), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelSet {
    /// FER-2013's seven classes, in the order of its `emotion` column (Goodfellow et al. 2013).
    Fer2013,
    /// CK+'s seven classes: contempt, but no neutral (Lucey et al. 2010).
    CkPlus,
    /// FER+'s eight expression classes, in the order of its vote columns (Barsoum et al. 2016).
    FerPlus,
}

impl LabelSet {
    /// Every label set.
    pub const ALL: [LabelSet; 3] = [LabelSet::Fer2013, LabelSet::CkPlus, LabelSet::FerPlus];

    /// The class names; a label is an index into this list. All sets use one vocabulary, whatever their authors call a
    /// class: angry, contempt, disgust, fear, happy, neutral, sad, surprise.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            LabelSet::Fer2013 => &["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"],
            LabelSet::CkPlus => &["angry", "contempt", "disgust", "fear", "happy", "sad", "surprise"],
            LabelSet::FerPlus => {
                &["neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt"]
            }
        }
    }

    /// The number of classes.
    pub fn len(self) -> usize {
        self.names().len()
    }

    /// Never true: every label set has classes.
    pub fn is_empty(self) -> bool {
        false
    }

    /// The name used in files and on the command line: `fer2013`, `ckplus` or `ferplus`.
    pub fn key(self) -> &'static str {
        match self {
            LabelSet::Fer2013 => "fer2013",
            LabelSet::CkPlus => "ckplus",
            LabelSet::FerPlus => "ferplus",
        }
    }

    /// The label set with this [`key`](Self::key).
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.key() == key)
    }

    /// The label of a class named `name` in this set; synonyms of other sets are understood
    /// ("anger" is "angry"), case is ignored.
    pub fn label_of(self, name: &str) -> Option<u8> {
        let wanted = canonical(name)?;
        self.names()
            .iter()
            .position(|candidate| canonical(candidate) == Some(wanted))
            .map(|index| index as u8)
    }

    /// The label in `other` of the class that `label` means here, or `None` where `other` lacks it.
    pub fn translate(self, label: u8, other: LabelSet) -> Option<u8> {
        other.label_of(self.names().get(usize::from(label))?)
    }
}

impl std::fmt::Display for LabelSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.key())
    }
}

/// One spelling for the synonyms in use across data sets.
fn canonical(name: &str) -> Option<&'static str> {
    Some(match name.trim().to_ascii_lowercase().as_str() {
        "angry" | "anger" => "angry",
        "contempt" => "contempt",
        "disgust" | "disgusted" => "disgust",
        "fear" | "fearful" | "afraid" => "fear",
        "happy" | "happiness" => "happy",
        "sad" | "sadness" => "sad",
        "surprise" | "surprised" => "surprise",
        "neutral" => "neutral",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_follow_the_order_of_the_fer2013_column() {
        assert_eq!(LabelSet::Fer2013.label_of("Happiness"), Some(3));
        assert_eq!(LabelSet::Fer2013.label_of("neutral"), Some(6));
        assert_eq!(LabelSet::Fer2013.label_of("contempt"), None);
    }

    #[test]
    fn translation_goes_by_name_and_drops_what_is_missing() {
        let contempt = LabelSet::CkPlus.label_of("contempt").unwrap();
        assert_eq!(LabelSet::CkPlus.translate(contempt, LabelSet::Fer2013), None);
        for label in 0..7 {
            let there = LabelSet::Fer2013.translate(label, LabelSet::FerPlus).unwrap();
            assert_eq!(LabelSet::FerPlus.translate(there, LabelSet::Fer2013), Some(label));
        }
        assert_eq!(LabelSet::Fer2013.translate(7, LabelSet::FerPlus), None);
    }

    #[test]
    fn keys_round_trip() {
        for set in LabelSet::ALL {
            assert_eq!(LabelSet::from_key(set.key()), Some(set));
        }
    }
}
