//! *Facts*: what a stored file says of its own origin. On disk a flat JSON object of texts (all that safetensors'
//! metadata can hold), in memory a struct with a field for every name that this program writes; other names are kept.

use std::collections::BTreeMap;

/// Facts as they are stored: texts by name.
pub type Texts = BTreeMap<String, String>;

/// A stored fact that is not of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is `{text}`, expected {expected}")]
pub struct FactError {
    /// The name of the fact.
    pub key: String,
    /// The stored text.
    pub text: String,
    /// What the text should be.
    pub expected: &'static str,
}

/// The value of a field, which may be unknown.
pub(crate) trait Fact: Sized {
    /// Takes the value out of stored texts.
    fn take(texts: &mut Texts, key: &str) -> Result<Self, FactError>;

    /// Adds the value to the texts to be stored, if it is known.
    fn put(self, key: &str, texts: &mut Texts);
}

macro_rules! optional_fact {
    ($($kind:ty, $expected:literal;)*) => {
        $(impl Fact for Option<$kind> {
            fn take(texts: &mut Texts, key: &str) -> Result<Self, FactError> {
                let Some(text) = texts.remove(key) else { return Ok(None) };
                match text.parse() {
                    Ok(value) => Ok(Some(value)),
                    Err(_) => Err(FactError { key: key.to_owned(), text, expected: $expected }),
                }
            }

            fn put(self, key: &str, texts: &mut Texts) {
                texts.extend(self.map(|value| (key.to_owned(), value.to_string())));
            }
        })*
    };
}

optional_fact! {
    String, "a text";
    usize, "a whole number";
    u64, "a whole number";
    f64, "a number";
    bool, "true or false";
}

/// Defines a struct of facts: the stored name of each, its field and type.
macro_rules! facts {
    ($(#[$about:meta])* pub struct $name:ident { $($(#[$doc:meta])* $key:literal => $field:ident: $kind:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "crate::files::facts::Texts", into = "crate::files::facts::Texts")]
        pub struct $name {
            $($(#[$doc])* pub $field: $kind,)*
            /// Facts under names that this program does not write.
            pub other: crate::files::facts::Texts,
        }

        impl TryFrom<crate::files::facts::Texts> for $name {
            type Error = crate::files::facts::FactError;

            fn try_from(mut texts: crate::files::facts::Texts) -> Result<Self, Self::Error> {
                Ok(Self {
                    $($field: crate::files::facts::Fact::take(&mut texts, $key)?,)*
                    other: texts,
                })
            }
        }

        impl From<$name> for crate::files::facts::Texts {
            fn from(facts: $name) -> Self {
                let mut texts = facts.other;
                $(crate::files::facts::Fact::put(facts.$field, $key, &mut texts);)*
                texts
            }
        }

        impl $name {
            /// Names and values of all known facts, by name.
            pub fn lines(&self) -> impl Iterator<Item = (String, String)> + use<> {
                crate::files::facts::Texts::from(self.clone()).into_iter()
            }
        }
    };
}

pub(crate) use facts;
