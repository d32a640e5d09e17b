//! Which *classes* a data set has: those that its folders or its table name, or those that the user asks for.

use std::collections::BTreeSet;

use crate::expression::{LabelSet, MOST_CLASSES};

/// The user's choice of classes; without one they are what the data names.
///
/// ```
/// use duchenne::LabelSet;
/// use duchenne::data::import::classes::ClassChoice;
///
/// let choice = ClassChoice { label_set: None, map: vec![("1".into(), "surprise".into()), ("2".into(), "fear".into())] };
/// assert_eq!(choice.label_set_of(["2", "1"])?.names(), ["surprise", "fear"]);
/// assert_eq!(ClassChoice::default().label_set_of(["cat", "Anger"])?.names(), ["angry", "cat"]);
/// let seven = ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"];
/// assert_eq!(ClassChoice::default().label_set_of(seven)?, LabelSet::Fer2013);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClassChoice {
    /// The classes and their order; what the data names must be among them.
    pub label_set: Option<LabelSet>,
    /// What names of the data stand for, such as `1` for `surprise`.
    pub map: Vec<(String, String)>,
}

impl ClassChoice {
    /// Exactly these classes.
    pub fn exactly(label_set: LabelSet) -> Self {
        Self { label_set: Some(label_set), map: Vec::new() }
    }

    /// The class that a name of the data stands for.
    pub fn meaning<'a>(&'a self, name: &'a str) -> &'a str {
        let name = name.trim();
        self.map.iter().find(|(from, _)| from == name).map_or(name, |(_, to)| to.as_str())
    }

    /// The label set of data that has these names: the one chosen, a set in use that has the same classes, or one of
    /// their own, in the order of the map, then of numbers, then of the alphabet.
    ///
    /// # Errors
    /// A sentence: too few or too many classes, a name that cannot be one, two names of one class, a name that is nearly
    /// that of an expression, a name in the map that the data does not have.
    pub fn label_set_of<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<LabelSet, String> {
        let found: BTreeSet<&str> =
            names.into_iter().map(str::trim).filter(|name| !name.is_empty()).collect();
        let some = || {
            found.iter().take(12).map(|name| name.escape_debug().to_string()).collect::<Vec<_>>().join(", ")
        };
        if found.len() > MOST_CLASSES + self.map.len() && self.label_set.is_none() {
            let count = found.len();
            return Err(format!(
                "it names {count} classes, expected 2 to {MOST_CLASSES}: {}, ...; in a table, --column label=NAME names the right column",
                some()
            ));
        }
        if let Some((from, to)) = self.map.iter().find(|(from, _)| !found.contains(from.as_str())) {
            return Err(format!("`{from}={to}` maps a name that the data does not have, it has {}", some()));
        }
        if let Some(label_set) = self.label_set {
            return Ok(label_set);
        }
        let mut classes: Vec<&str> = Vec::new();
        let mapped = self.map.iter().map(|(_, to)| to.as_str());
        let mut others: Vec<&str> =
            found.iter().copied().filter(|name| self.meaning(name) == *name).collect();
        others.sort_by_key(|name| (name.parse::<u32>().unwrap_or(u32::MAX), usual_or_own(name)));
        for name in mapped.chain(others) {
            // `Happy` in one folder and `happiness` in another are one class.
            if !classes.iter().any(|class| usual_or_own(class) == usual_or_own(name)) {
                classes.push(name);
            }
        }
        // One expression alone, such as generated faces of a class, is one of the usual ones.
        if let [only] = classes[..]
            && let Some(usual) =
                [LabelSet::Fer2013, LabelSet::FerPlus].into_iter().find(|set| set.label_of(only).is_some())
        {
            return Ok(usual);
        }
        let label_set =
            LabelSet::of_classes(&classes).map_err(|error| format!("its classes are {}: {error}", some()))?;
        if let LabelSet::Own(_) = label_set
            && let Some((name, usual)) =
                classes.iter().find_map(|name| Some((*name, LabelSet::misspelt(name)?)))
        {
            let list = label_set.names().join(",");
            return Err(format!(
                "`{name}`: did you mean `{usual}`? --map {name}={usual} says so, --classes {list} keeps the name"
            ));
        }
        Ok(label_set)
    }

    /// The label of a name of the data; where a set in use was chosen, its number will do too.
    ///
    /// # Errors
    /// A sentence that names the classes.
    pub(crate) fn label(&self, name: &str, label_set: LabelSet) -> Result<u8, String> {
        let name = self.meaning(name);
        let number = || self.label_set.and_then(|chosen| chosen.label_of_number(name.parse().ok()?));
        match label_set.label_of(name).or_else(number) {
            Some(label) => Ok(label),
            None => label_set.label_or_question(name),
        }
    }
}

/// What a class is sorted by: its usual name where it has one, in lower case.
fn usual_or_own(name: &str) -> String {
    LabelSet::usual_name(name).unwrap_or(name).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> ClassChoice {
        let map = pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        ClassChoice { label_set: None, map }
    }

    #[test]
    fn classes_come_in_the_order_of_map_numbers_and_alphabet() {
        let names = |choice: &ClassChoice, found: &[&str]| {
            choice.label_set_of(found.iter().copied()).map(|set| set.names().to_vec())
        };
        assert_eq!(names(&map(&[]), &["10", "9", "b", "a"]), Ok(vec!["9", "10", "a", "b"]));
        let choice = map(&[("3", "tired"), ("1", "glad"), ("2", "glad")]);
        assert_eq!(names(&choice, &["1", "2", "3", "other"]), Ok(vec!["tired", "glad", "other"]));
        assert_eq!(choice.label("2", LabelSet::own(&["tired", "glad"]).unwrap()), Ok(1));
    }

    #[test]
    fn what_is_doubtful_is_asked_about() {
        let error =
            |choice: &ClassChoice, found: &[&str]| choice.label_set_of(found.iter().copied()).unwrap_err();
        let question = error(&map(&[]), &["happy", "suprise", "tired"]);
        assert!(
            question.starts_with("`suprise`: did you mean `surprise`? --map suprise=surprise"),
            "{question}"
        );
        assert!(question.contains("--classes happy,suprise,tired"), "{question}");
        assert!(map(&[("suprise", "surprise")]).label_set_of(["happy", "suprise", "tired"]).is_ok());
        assert!(error(&map(&[("4", "sad")]), &["1", "2"]).contains("it has 1, 2"));
        let merged = map(&[]).label_set_of(["anger", "angry", "Tired", "tired"]).unwrap();
        assert_eq!(merged.names(), ["angry", "Tired"]);
        assert_eq!(map(&[]).label("tired", merged), Ok(1));
        let many: Vec<String> = (0..300).map(|number| number.to_string()).collect();
        assert!(
            error(&map(&[]), &many.iter().map(String::as_str).collect::<Vec<_>>()).contains("300 classes")
        );
        assert!(error(&map(&[]), &["one"]).contains("1 class"));
        assert_eq!(map(&[]).label_set_of(["Happiness"]), Ok(LabelSet::Fer2013));
        let fixed = ClassChoice::exactly(LabelSet::own(&["tired", "awake"]).unwrap());
        assert_eq!(fixed.label_set_of(["tired", "x"]).unwrap().names(), ["tired", "awake"]);
        assert!(fixed.label("awak", fixed.label_set.unwrap()).unwrap_err().contains("did you mean `awake`?"));
    }
}
