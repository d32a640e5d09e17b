//! The *models that the program carries*: half precision, trained by recipes that it carries too, on FER-2013's
//! Training split alone. MODEL_CARD.md has their figures.

use std::borrow::Cow;
use std::path::Path;

use crate::models::checkpoint::Checkpoint;
use crate::models::stored::StoredError;

/// The name of the face detector, which `model export` takes beside models.
pub const DETECTOR: &str = "built-in-detector";

/// Whether an argument names the face detector.
pub fn is_detector(argument: &Path) -> bool {
    argument == Path::new(DETECTOR)
}

/// A model inside the library.
///
/// ```
/// use duchenne::BuiltInModel;
///
/// assert_eq!(BuiltInModel::from_name("built-in-compact"), Some(BuiltInModel::RatersCompact));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltInModel {
    /// What human raters see, eight classes: recipe `wide-votes`, on FER+'s votes.
    Raters,
    /// The same with a quarter of the work: recipe `compact-votes`.
    RatersCompact,
    /// FER-2013's own labels, seven classes: recipe `wide-distilled`. For the paper and the protocol.
    Fer2013,
    /// The same with a quarter of the work: recipes `compact` and `compact-finish`. Generated faces are measured in its
    /// features, so that figures stay comparable when better models come.
    Fer2013Compact,
}

impl BuiltInModel {
    /// Every model by the name that stands for it where a model file is asked for.
    pub const TABLE: [(&'static str, BuiltInModel); 4] = [
        ("built-in", BuiltInModel::Raters),
        ("built-in-compact", BuiltInModel::RatersCompact),
        ("built-in-fer2013", BuiltInModel::Fer2013),
        ("built-in-fer2013-compact", BuiltInModel::Fer2013Compact),
    ];

    /// The model of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::TABLE.into_iter().find(|(candidate, _)| *candidate == name).map(|(_, model)| model)
    }

    /// The model that an argument names which may also be a file.
    pub fn named(argument: &Path) -> Option<Self> {
        argument.to_str().and_then(Self::from_name)
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        Self::TABLE
            .into_iter()
            .find(|(_, candidate)| *candidate == self)
            .map(|(name, _)| name)
            .expect("the table holds every model")
    }

    /// The network that an argument names: a built-in one, or a file.
    ///
    /// # Errors
    /// When the file cannot be read or does not hold a network.
    pub fn checkpoint(argument: &Path) -> Result<Checkpoint, StoredError> {
        Checkpoint::from_bytes(&Self::bytes_of(argument)?, argument)
    }

    /// Bytes of the model that an argument names: a built-in one, or a file.
    pub(crate) fn bytes_of(argument: &Path) -> Result<Cow<'static, [u8]>, StoredError> {
        match Self::named(argument) {
            Some(model) => Ok(model.bytes().into()),
            None => {
                let unread = |source| StoredError::Read { path: argument.to_owned(), source };
                Ok(std::fs::read(argument).map_err(unread)?.into())
            }
        }
    }

    /// Bytes of the model file.
    pub fn bytes(self) -> &'static [u8] {
        match self {
            BuiltInModel::Raters => include_bytes!("../../assets/built-in.safetensors"),
            BuiltInModel::RatersCompact => include_bytes!("../../assets/built-in-compact.safetensors"),
            BuiltInModel::Fer2013 => include_bytes!("../../assets/built-in-fer2013.safetensors"),
            BuiltInModel::Fer2013Compact => {
                include_bytes!("../../assets/built-in-fer2013-compact.safetensors")
            }
        }
    }
}
