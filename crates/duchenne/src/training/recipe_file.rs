//! *Recipe files*: TOML that holds only what differs from the defaults, built in by name or beside the user's data,
//! with *settings* that override single values. Unknown keys are errors, and so are values out of range.

use std::fmt::{self, Display, Formatter};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

/// Why a recipe cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// No recipe of this name is built in, and no file of this path can be read.
    #[error("{kind} `{name}` is neither built in ({built_in}) nor a file that can be read ({source})")]
    Unknown {
        /// `recipe` or `scale`.
        kind: &'static str,
        /// The name or path that was asked for.
        name: String,
        /// Names of the built-in ones.
        built_in: String,
        /// Why the file cannot be read.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, a value of another type.
    #[error("{kind} `{name}`: {reason}")]
    Syntax {
        /// `recipe` or `scale`.
        kind: &'static str,
        /// Name or path of the recipe.
        name: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// A value out of range.
    #[error("{kind} `{name}`: {reason}")]
    Value {
        /// `recipe` or `scale`.
        kind: &'static str,
        /// Name or path of the recipe.
        name: String,
        /// Which value, and the range.
        reason: String,
    },
}

/// A text that is not of the form `key=value`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting `{0}` is not of the form key=value")]
pub struct SettingError(String);

/// A value that overrides a recipe's: `training.epochs=3`.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting(toml::Table);

impl Setting {
    /// The value under a key with dots between its parts.
    ///
    /// # Panics
    /// If the value is not a number, a word or a list of these.
    pub fn new(key: &str, value: impl Serialize) -> Self {
        let value = toml::Value::try_from(value).expect("settings are plain numbers and words");
        let nest = |value, part: &str| toml::Value::Table([(part.to_owned(), value)].into_iter().collect());
        match key.rsplit('.').fold(value, nest) {
            toml::Value::Table(table) => Self(table),
            _ => unreachable!("a key has at least one part"),
        }
    }

    /// The setting of the part `name` of a larger recipe.
    pub fn within(self, name: &str) -> Self {
        Self::new(name, self.0)
    }
}

impl FromStr for Setting {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        let refused = || SettingError(text.to_owned());
        let (key, value) = text.split_once('=').ok_or_else(refused)?;
        // A bare word is a string, so that `training.loss=squared-hinge` needs no quotes.
        toml::from_str(&format!("{key} = {value}"))
            .or_else(|_| toml::from_str(&format!("{key} = {:?}", value.trim())))
            .map(Self)
            .map_err(|_| refused())
    }
}

impl Display for Setting {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        fn write(formatter: &mut Formatter<'_>, key: &str, value: &toml::Value) -> fmt::Result {
            match value {
                toml::Value::Table(table) => table
                    .iter()
                    .try_for_each(|(part, value)| write(formatter, &format!("{key}.{part}"), value)),
                value => write!(formatter, "{key}={value}"),
            }
        }
        self.0.iter().try_for_each(|(key, value)| write(formatter, key, value))
    }
}

/// As TOML files have it: a text of the form `key=value`.
impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A kind of recipe: what can be wrong with it beyond its syntax.
pub(crate) trait RecipeValues: DeserializeOwned {
    /// The first value that is out of range or contradicts another, if any.
    fn problem(&self) -> Option<String>;
}

/// The recipes of a kind that the program carries, by name, and the way to all others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Library<R> {
    kind: &'static str,
    texts: &'static [(&'static str, &'static str)],
    recipes: PhantomData<fn() -> R>,
}

impl<R: RecipeValues> Library<R> {
    /// Of names and TOML texts; `kind` is for errors.
    pub(crate) const fn new(kind: &'static str, texts: &'static [(&'static str, &'static str)]) -> Self {
        Self { kind, texts, recipes: PhantomData }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + use<R> {
        self.texts.iter().map(|(name, _)| *name)
    }

    fn text(&self, name: &str) -> Option<&'static str> {
        self.texts.iter().find(|(candidate, _)| *candidate == name).map(|(_, text)| *text)
    }

    fn unknown(&self, name: &str, source: std::io::Error) -> RecipeError {
        let built_in = self.names().collect::<Vec<_>>().join(", ");
        RecipeError::Unknown { kind: self.kind, name: name.to_owned(), built_in, source }
    }

    pub(crate) fn is_built_in(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    pub(crate) fn built_in(&self, name: &str) -> Result<R, RecipeError> {
        let text = self
            .text(name)
            .ok_or_else(|| self.unknown(name, std::io::Error::other("only built-in names were asked for")))?;
        self.parse(name, text, &[])
    }

    pub(crate) fn read(&self, name: &str, settings: &[Setting]) -> Result<R, RecipeError> {
        match self.text(name) {
            Some(text) => self.parse(name, text, settings),
            None => {
                let text = std::fs::read_to_string(name).map_err(|source| self.unknown(name, source))?;
                self.parse(name, &text, settings)
            }
        }
    }

    pub(crate) fn parse(&self, name: &str, text: &str, settings: &[Setting]) -> Result<R, RecipeError> {
        let syntax = |error: toml::de::Error| RecipeError::Syntax {
            kind: self.kind,
            name: name.to_owned(),
            reason: error.to_string().trim_end().to_owned(),
        };
        let mut table: toml::Table = toml::from_str(text).map_err(syntax)?;
        for Setting(setting) in settings {
            merge(&mut table, setting.clone());
        }
        let recipe: R = table.try_into().map_err(syntax)?;
        self.check(name, &recipe)?;
        Ok(recipe)
    }

    pub(crate) fn check(&self, name: &str, recipe: &R) -> Result<(), RecipeError> {
        match recipe.problem() {
            Some(reason) => Err(RecipeError::Value { kind: self.kind, name: name.to_owned(), reason }),
            None => Ok(()),
        }
    }
}

/// Lays `over` over `base`, table by table.
fn merge(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// The public way to a kind's recipes: `recipes!(Recipe, LIBRARY)`.
macro_rules! recipes {
    ($kind:ty, $library:expr) => {
        impl $kind {
            /// Names of the built-in ones.
            pub fn names() -> impl Iterator<Item = &'static str> {
                $library.names()
            }

            /// Whether one of this name is built in.
            pub fn is_built_in(name: &str) -> bool {
                $library.is_built_in(name)
            }

            /// The built-in one of this name.
            ///
            /// # Errors
            /// [`RecipeError::Unknown`](crate::training::recipe_file::RecipeError::Unknown), which lists the names.
            pub fn built_in(name: &str) -> Result<Self, $crate::training::recipe_file::RecipeError> {
                $library.built_in(name)
            }

            /// The built-in one of this name, or a file's, with `settings` in place of its own values.
            ///
            /// # Errors
            /// When it is neither, not TOML, has an unknown key or a value out of range.
            pub fn read(
                name_or_path: &str,
                settings: &[$crate::training::recipe_file::Setting],
            ) -> Result<Self, $crate::training::recipe_file::RecipeError> {
                $library.read(name_or_path, settings)
            }

            /// From TOML, with `settings` in place of its own values; `name` is for errors.
            ///
            /// # Errors
            /// When it is not TOML, has an unknown key or a value out of range.
            pub fn parse(
                name: &str,
                text: &str,
                settings: &[$crate::training::recipe_file::Setting],
            ) -> Result<Self, $crate::training::recipe_file::RecipeError> {
                $library.parse(name, text, settings)
            }
        }
    };
}

pub(crate) use recipes;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Soup {
        salt: u8,
        #[serde(default)]
        herbs: Option<String>,
    }

    impl RecipeValues for Soup {
        fn problem(&self) -> Option<String> {
            (self.salt > 9).then(|| format!("salt is {}, expected 0 to 9", self.salt))
        }
    }

    const SOUPS: Library<Soup> = Library::new("soup", &[("plain", "salt = 1"), ("salted", "salt = 5")]);

    #[test]
    fn recipes_are_found_by_name_or_path_and_values_are_overridden() {
        assert_eq!(SOUPS.built_in("salted").unwrap(), Soup { salt: 5, herbs: None });
        let settings = ["herbs=dill".parse().unwrap(), Setting::new("salt", 2)];
        let herbs = Some("dill".to_owned());
        assert_eq!(SOUPS.read("plain", &settings).unwrap(), Soup { salt: 2, herbs: herbs.clone() });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.toml");
        std::fs::write(&path, "salt = 9").unwrap();
        assert_eq!(SOUPS.read(path.to_str().unwrap(), &settings[..1]).unwrap(), Soup { salt: 9, herbs });
    }

    #[test]
    fn what_is_no_recipe_is_refused_with_the_names_of_those_that_are() {
        let message = |result: Result<Soup, RecipeError>| result.unwrap_err().to_string();
        let unknown = message(SOUPS.read("hot", &[]));
        assert!(
            unknown.starts_with("soup `hot` is neither built in (plain, salted) nor a file"),
            "{unknown}"
        );
        assert!(message(SOUPS.built_in("hot")).contains("(plain, salted)"));
        assert!(message(SOUPS.read("plain", &[Setting::new("salt", 10)])).contains("salt is 10"));
        assert!(
            message(SOUPS.read("plain", &[Setting::new("pepper", 1)])).contains("unknown field `pepper`")
        );
        assert!(message(SOUPS.read("plain", &[Setting::new("salt", "much")])).contains("much"));
    }

    #[test]
    fn settings_read_and_write_themselves() {
        for (text, written) in [
            ("training.epochs=5", "training.epochs=5"),
            ("training.loss = squared-hinge", "training.loss=\"squared-hinge\""),
            ("input.mean=[0.1, 0.2, 0.3]", "input.mean=[0.1, 0.2, 0.3]"),
        ] {
            assert_eq!(text.parse::<Setting>().unwrap().to_string(), written);
        }
        assert_eq!("training.epochs=5".parse(), Ok(Setting::new("training.epochs", 5_usize)));
        assert_eq!("svm.c=2.5".parse(), Ok(Setting::new("c", 2.5).within("svm")));
        let error = "epochs".parse::<Setting>().unwrap_err();
        assert_eq!(error.to_string(), "setting `epochs` is not of the form key=value");
    }
}
