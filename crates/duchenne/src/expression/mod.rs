//! An *expression* is what a face shows (not what a person feels): the label sets of the data sets
//! in use, a user's own, and the maps between them.
//!
//! Class order is part of every file format here: a label is an index into its set's [`LabelSet::names`].

mod names;
mod own_classes;

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use names::{meant, nearest, usual_name};

pub use own_classes::{ClassNamesError, MOST_CLASSES, OwnClasses};

/// An ordered list of class names: that of a data set in use, or a user's own.
///
/// ```
/// use duchenne::LabelSet;
///
/// assert_eq!(LabelSet::Fer2013.names()[3], "happy");
/// assert_eq!(LabelSet::Fer2013.label_of("Happiness"), Some(3));
/// // CK+ has contempt, which FER-2013 lacks.
/// let contempt = LabelSet::CkPlus.label_of("contempt").unwrap();
/// assert_eq!(LabelSet::CkPlus.translate(contempt, LabelSet::Fer2013), None);
/// // Any other classes.
/// let own = LabelSet::own(&["bored", "happy", "tired"])?;
/// assert_eq!((own.len(), own.label_of("tired")), (3, Some(2)));
/// # Ok::<(), duchenne::expression::ClassNamesError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LabelSet {
    /// FER-2013's seven classes, in the order of its `emotion` column (Goodfellow et al. 2013).
    Fer2013,
    /// CK+'s seven classes: contempt, but no neutral (Lucey et al. 2010).
    CkPlus,
    /// FER+'s eight expression classes, in the order of its vote columns (Barsoum et al. 2016).
    FerPlus,
    /// AffectNet's eight expression classes, in the order of its numbers 0 to 7 (Mollahosseini et al. 2017).
    AffectNet,
    /// RAF-DB's seven basic classes, in the order of its numbers 1 to 7 (Li et al. 2017).
    RafDb,
    /// The classes of a user's data.
    Own(OwnClasses),
}

/// The usual names of the sets in use, with their keys.
const IN_USE: [(LabelSet, &str, &[&str]); 5] = [
    (LabelSet::Fer2013, "fer2013", &["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]),
    (LabelSet::CkPlus, "ckplus", &["angry", "contempt", "disgust", "fear", "happy", "sad", "surprise"]),
    (
        LabelSet::FerPlus,
        "ferplus",
        &["neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt"],
    ),
    (
        LabelSet::AffectNet,
        "affectnet",
        &["neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt"],
    ),
    (LabelSet::RafDb, "rafdb", &["surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"]),
];

impl LabelSet {
    /// Every label set of a data set in use.
    pub const ALL: [LabelSet; 5] =
        [LabelSet::Fer2013, LabelSet::CkPlus, LabelSet::FerPlus, LabelSet::AffectNet, LabelSet::RafDb];

    /// A set of one's own classes, in this order; a set in use where that has them in the same. The usual expressions take their usual names (`Happiness` becomes
    /// `happy`), others stay as they are.
    ///
    /// # Errors
    /// Fewer than 2 or more than 256 names, one that is empty, longer than 64 characters or not printable, and two names
    /// of one class.
    pub fn own<Name: AsRef<str>>(names: &[Name]) -> Result<Self, ClassNamesError> {
        let own = OwnClasses::new(names)?;
        let in_use = Self::ALL.into_iter().find(|set| set.names() == own.names());
        Ok(in_use.unwrap_or(Self::Own(own)))
    }

    /// The set in use that has exactly these classes in any order, else one's own of these names in this order. Where
    /// several have them, the first of [`ALL`](Self::ALL).
    ///
    /// # Errors
    /// As [`own`](Self::own).
    pub fn of_classes<Name: AsRef<str>>(names: &[Name]) -> Result<Self, ClassNamesError> {
        let own = OwnClasses::new(names)?;
        let has_all = |set: &LabelSet| {
            set.len() == own.names().len() && own.names().iter().all(|name| set.names().contains(name))
        };
        Ok(Self::ALL.into_iter().find(has_all).unwrap_or(Self::Own(own)))
    }

    /// The class names; a label is an index into this list. All sets use one vocabulary, whatever their authors call a
    /// class: angry, contempt, disgust, fear, happy, neutral, sad, surprise.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            LabelSet::Own(classes) => classes.names(),
            in_use => in_use.in_use().2,
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

    /// The name used in files and on the command line, such as `fer2013`; `own` for a user's classes.
    pub fn key(self) -> &'static str {
        match self {
            LabelSet::Own(_) => "own",
            in_use => in_use.in_use().1,
        }
    }

    fn in_use(self) -> (LabelSet, &'static str, &'static [&'static str]) {
        IN_USE.into_iter().find(|(set, ..)| *set == self).expect("the table holds every set in use")
    }

    /// The label set in use with this [`key`](Self::key).
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.key() == key)
    }

    /// The text that stands for the set in a file: its key, or its classes as a JSON array.
    pub(crate) fn to_text(self) -> String {
        match self {
            LabelSet::Own(classes) => serde_json::json!(classes).to_string(),
            in_use => in_use.key().to_owned(),
        }
    }

    /// The set that a file's text stands for, or what is wrong with it.
    pub(crate) fn from_text(text: &str) -> Result<Self, String> {
        if let Some(set) = Self::from_key(text) {
            return Ok(set);
        }
        let unknown = || {
            let keys = Self::ALL.map(Self::key).join(", ");
            format!("label set `{}`, expected one of {keys}, or a list of class names", text.escape_debug())
        };
        let names: Vec<String> = serde_json::from_str(text).map_err(|_| unknown())?;
        Self::own(&names).map_err(|error| format!("label set: {error}"))
    }

    /// The label of a class named `name` in this set; synonyms of other sets are understood
    /// ("anger" is "angry"), case is ignored.
    pub fn label_of(self, name: &str) -> Option<u8> {
        let name = usual_name(name).unwrap_or(name.trim());
        let same = |class: &&str| class.to_lowercase() == name.to_lowercase();
        self.names().iter().position(same).map(|index| index as u8)
    }

    /// The label that a set's authors give a number, where they do: FER-2013, FER+ and AffectNet count from 0, RAF-DB
    /// from 1.
    pub(crate) fn label_of_number(self, number: u8) -> Option<u8> {
        let first = match self {
            LabelSet::Fer2013 | LabelSet::FerPlus | LabelSet::AffectNet => 0,
            LabelSet::RafDb => 1,
            LabelSet::CkPlus | LabelSet::Own(_) => return None,
        };
        number.checked_sub(first).filter(|label| usize::from(*label) < self.len())
    }

    /// The label of a class named `name`, or a sentence that names the classes and the one that may be meant.
    pub(crate) fn label_or_question(self, name: &str) -> Result<u8, String> {
        self.label_of(name).ok_or_else(|| {
            let question = self.meant(name).map_or(String::new(), |name| format!("; did you mean `{name}`?"));
            let name = name.escape_debug();
            format!("`{name}` is not a class, expected one of {}{question}", self.names().join(", "))
        })
    }

    /// The class that may be meant by a name which is none: nearly the same ("suprise"), or related ("joy").
    pub fn meant(self, name: &str) -> Option<&'static str> {
        meant(name, self.names())
    }

    /// The usual name of an expression that a word names ("anger" is "angry"); `None` for other words.
    pub fn usual_name(word: &str) -> Option<&'static str> {
        usual_name(word)
    }

    /// The usual name of an expression that a word nearly is ("suprise"), where it is none.
    pub(crate) fn misspelt(word: &str) -> Option<&'static str> {
        if usual_name(word).is_some() { None } else { nearest(word, LabelSet::FerPlus.names()) }
    }

    /// The label in `other` of the class that `label` means here, or `None` where `other` lacks it.
    pub fn translate(self, label: u8, other: LabelSet) -> Option<u8> {
        other.label_of(self.names().get(usize::from(label))?)
    }
}

impl fmt::Display for LabelSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LabelSet::Own(classes) => write!(formatter, "own classes {}", classes.names().join(", ")),
            in_use => formatter.write_str(in_use.key()),
        }
    }
}

/// A key, or a list of names.
impl Serialize for LabelSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            LabelSet::Own(classes) => classes.serialize(serializer),
            in_use => in_use.key().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for LabelSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Stored {
            Key(String),
            Own(OwnClasses),
        }
        match Stored::deserialize(deserializer)? {
            Stored::Own(classes) => Ok(Self::Own(classes)),
            Stored::Key(key) => Self::from_text(&key).map_err(D::Error::custom),
        }
    }
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

    #[test]
    fn every_set_comes_back_from_a_file_and_from_json() {
        let own = LabelSet::own(&["tired", "happy", "say \"cheese\""]).unwrap();
        for set in LabelSet::ALL.into_iter().chain([own]) {
            assert_eq!(LabelSet::from_text(&set.to_text()), Ok(set));
            let json = serde_json::to_string(&set).unwrap();
            assert_eq!(serde_json::from_str::<LabelSet>(&json).unwrap(), set);
        }
        assert!(LabelSet::from_text("emotions").unwrap_err().contains("expected one of fer2013"));
        assert!(LabelSet::from_text("[\"a\"]").unwrap_err().contains("1 class, expected 2 to 256"));
        assert!(serde_json::from_str::<LabelSet>("[\"a\", \"A\"]").is_err());
    }

    #[test]
    fn classes_are_a_set_in_use_where_they_are_the_same() {
        let of = |names: &[&str]| LabelSet::of_classes(names).unwrap();
        let seven = ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"];
        assert_eq!(of(&seven), LabelSet::Fer2013);
        assert_eq!(of(&["sad", "happy"]).names(), ["sad", "happy"]);
        let question = of(&["sad", "happy"]).label_or_question("joy").unwrap_err();
        assert_eq!(question, "`joy` is not a class, expected one of sad, happy; did you mean `happy`?");
        assert_eq!(LabelSet::CkPlus.label_or_question("Anger"), Ok(0));
    }
}
