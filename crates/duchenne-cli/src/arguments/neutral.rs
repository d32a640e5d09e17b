//! What becomes of generated neutral and contempt faces: CK+ has contempt where FER-2013 has neutral.

use duchenne::data::packed::synthetic::NeutralPolicy;

/// The words of `--neutral`.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum NeutralChoice {
    /// Generated neutral faces are used, contempt is left out
    Real,
    /// Neither is used
    Omit,
    /// Generated contempt is used as neutral
    ContemptAsNeutral,
}

impl From<NeutralChoice> for NeutralPolicy {
    fn from(choice: NeutralChoice) -> Self {
        match choice {
            NeutralChoice::Real => NeutralPolicy::Real,
            NeutralChoice::Omit => NeutralPolicy::Omit,
            NeutralChoice::ContemptAsNeutral => NeutralPolicy::ContemptAsNeutral,
        }
    }
}
