//! *Own classes*: the names that a user's data brings, in their order.

use std::fmt;
use std::sync::Mutex;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::names::usual_name;

/// The most classes of a label set: a label is a byte.
pub const MOST_CLASSES: usize = 256;
/// The longest name of a class, in characters.
const LONGEST_NAME: usize = 64;

/// Every list of names that was ever made, once: a list lives as long as the program, so that a label set is as cheap
/// to copy and compare as a number.
static KNOWN: Mutex<Vec<&'static [&'static str]>> = Mutex::new(Vec::new());

/// An ordered list of 2 to 256 class names, all different.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OwnClasses(&'static [&'static str]);

/// The reason why names cannot be classes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClassNamesError {
    /// Too few or too many.
    #[error("{got} class{}, expected 2 to {MOST_CLASSES}", if *got == 1 { "" } else { "es" })]
    Count {
        /// How many there are.
        got: usize,
    },
    /// A name that outputs could not show.
    #[error("`{}` cannot name a class, expected 1 to {LONGEST_NAME} printable characters, none of , / \\ : and no dot first", name.escape_debug())]
    Name {
        /// The name.
        name: String,
    },
    /// Two names of one class.
    #[error("`{one}` and `{other}` name the same class")]
    Same {
        /// The first.
        one: String,
        /// The second.
        other: String,
    },
}

impl OwnClasses {
    /// Classes of these names. The usual expressions take their usual names (`Happiness` becomes `happy`), others stay
    /// as they are.
    pub fn new<Name: AsRef<str>>(names: &[Name]) -> Result<Self, ClassNamesError> {
        if !(2..=MOST_CLASSES).contains(&names.len()) {
            return Err(ClassNamesError::Count { got: names.len() });
        }
        let mut classes: Vec<&str> = Vec::with_capacity(names.len());
        for (index, given) in names.iter().enumerate() {
            let given = given.as_ref();
            let name = usual_name(given).unwrap_or(given.trim());
            // A comma would cut the name in two in `--classes`; folders are named after classes.
            let is_fit = (1..=LONGEST_NAME).contains(&name.chars().count())
                && !name.starts_with('.')
                && !name.chars().any(|character| character.is_control() || ",/\\:".contains(character));
            if !is_fit {
                return Err(ClassNamesError::Name { name: given.to_owned() });
            }
            let same = |class: &&str| class.to_lowercase() == name.to_lowercase();
            if let Some(earlier) = classes.iter().position(same) {
                let one = names[earlier].as_ref().to_owned();
                return Err(ClassNamesError::Same { one, other: names[index].as_ref().to_owned() });
            }
            classes.push(name);
        }
        Ok(Self(kept(&classes)))
    }

    /// The names; a label is an index into this list.
    pub fn names(self) -> &'static [&'static str] {
        self.0
    }
}

/// The list of these names that lives as long as the program.
fn kept(names: &[&str]) -> &'static [&'static str] {
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(list) = known.iter().find(|list| **list == names) {
        return list;
    }
    let list: Vec<&'static str> = names.iter().map(|name| &*(*name).to_owned().leak()).collect();
    let list: &'static [&'static str] = list.leak();
    known.push(list);
    list
}

impl fmt::Debug for OwnClasses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Serialize for OwnClasses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OwnClasses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&Vec::<String>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_names_are_the_same_list_and_usual_ones_are_used() {
        let one = OwnClasses::new(&["bored", "Happiness", "tired"]).unwrap();
        let other = OwnClasses::new(&["bored".to_owned(), "happy".to_owned(), " tired".to_owned()]).unwrap();
        assert_eq!(one.names(), ["bored", "happy", "tired"]);
        assert!(std::ptr::eq(one.names(), other.names()));
        assert_ne!(one, OwnClasses::new(&["tired", "happy", "bored"]).unwrap());
    }

    #[test]
    fn names_that_are_no_classes_are_refused() {
        let error = |names: &[&str]| OwnClasses::new(names).unwrap_err().to_string();
        assert_eq!(error(&["one"]), "1 class, expected 2 to 256");
        assert_eq!(error(&["anger", "sad", "Angry"]), "`anger` and `Angry` name the same class");
        assert_eq!(error(&["Tired", "tired"]), "`Tired` and `tired` name the same class");
        for name in ["", " ", "a,b", "a\u{1b}[31m", "../up", "/etc", "c:d", "..", ".hidden", &"x".repeat(65)]
        {
            assert!(error(&["good", name]).contains("cannot name a class"), "{name}");
        }
    }
}
