//! What `predict` and `serve` are told in common: which model recognises, and from what of a face.

use std::path::PathBuf;

use burn::tensor::Device;

use duchenne::data::faces::views::Views;
use duchenne::experiments::scoring::predictor_of;
use duchenne::inference::face_detection::LEAST_MIN_FACE;
use duchenne::inference::predictor::Predictor;

/// Arguments about recognition.
#[derive(Debug, clap::Args)]
pub struct RecognizerArgs {
    /// Model file, `built-in`, or `built-in-compact`: a quarter of the work, a little less accurate. May be
    /// repeated: probabilities are then averaged over all models
    #[arg(long = "model", value_name = "FILE", default_value = "built-in")]
    models: Vec<PathBuf>,

    /// The smallest face to look for, in pixels. Without it 24, growing with pictures over 0.7
    /// megapixels so that every picture takes about the same time
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(i64::from(LEAST_MIN_FACE)..))]
    pub min_face: Option<u32>,

    /// Do not average in the prediction for the mirrored face: half the work, a little less accurate
    #[arg(long)]
    no_mirror: bool,

    /// Average over the centre and the four corners of the face and their mirror images: five times the
    /// work, a little more accurate
    #[arg(long, conflicts_with = "no_mirror")]
    ten_crop: bool,
}

impl RecognizerArgs {
    /// The model, on the CPU.
    pub fn predictor(&self) -> anyhow::Result<Predictor> {
        predictor_of(&self.models, &Device::flex())
    }

    /// What of each face is averaged over.
    pub fn views(&self) -> Views {
        match (self.no_mirror, self.ten_crop) {
            (true, _) => Views::Centre,
            (_, true) => Views::TenCrop,
            _ => Views::Mirrored,
        }
    }
}
