//! What `eval` and `compare` are told in common: what is scored, from what of a face, and how it is shown.

use crate::arguments::one_of;
use std::path::PathBuf;

use duchenne::data::faces::views::Views;
use duchenne::experiments::scoring::EvaluatedSplit;

/// Arguments about scoring.
#[derive(Debug, clap::Args)]
pub struct ScoringArgs {
    /// Packed data set
    #[arg(long)]
    pub data: PathBuf,
    /// The split to score; temperatures are fitted on public-test in either case
    #[arg(long, default_value = "public-test", value_parser = one_of(EvaluatedSplit::TABLE))]
    pub split: EvaluatedSplit,
    /// Test-time augmentation in place of the single centre crop, beside whose figures `eval` sets its own: with the
    /// mirror image averaged in (`--tta`), or the four corners and all mirror images (`--tta=ten-crop`)
    #[arg(
        long,
        value_enum,
        value_name = "KIND",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "mirror"
    )]
    tta: Option<TestTimeAugmentation>,
    /// JSON on standard output in place of the table
    #[arg(long)]
    pub json: bool,
    /// cpu, or a GPU backend that this build has: vulkan, metal, webgpu, cuda
    #[arg(long, default_value = "cpu")]
    pub device: String,
}

/// What is averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum TestTimeAugmentation {
    /// The centre and its mirror image, as `predict` does
    Mirror,
    /// The centre, the four corners, and their mirror images, as `predict --ten-crop` does
    TenCrop,
}

impl ScoringArgs {
    /// What of each face is averaged over, where that was asked for.
    pub fn augmented(&self) -> Option<Views> {
        self.tta.map(|kind| match kind {
            TestTimeAugmentation::Mirror => Views::Mirrored,
            TestTimeAugmentation::TenCrop => Views::TenCrop,
        })
    }
}
