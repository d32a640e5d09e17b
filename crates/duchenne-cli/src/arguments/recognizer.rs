//! What `predict` and `serve` are told in common: which model recognises, and from what of a face.

use std::path::PathBuf;

use duchenne::experiments::scoring::predictor_of;
use duchenne::inference::face_detection::LEAST_MIN_FACE;
use duchenne::{Recognizer, Views};

use super::DeviceArgs;
use super::scoring::views;
use crate::terminal::Terminal;

/// Arguments about recognition.
#[derive(Debug, clap::Args)]
pub(crate) struct RecognizerArgs {
    /// Model file, `built-in`, or `built-in-compact`: a quarter of the work, slightly less accurate. Repeatable:
    /// probabilities are then averaged over all models
    #[arg(long = "model", value_name = "FILE", default_value = "built-in")]
    models: Vec<PathBuf>,

    /// Smallest face to look for, in pixels. Without it 24, growing with pictures over 0.7
    /// megapixels so that every picture takes about the same time
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(i64::from(LEAST_MIN_FACE)..))]
    pub min_face: Option<u32>,

    /// Views of each face that are averaged: the face alone (half the work), with its mirror image, or ten crops
    /// (five times the work, slightly more accurate)
    #[arg(long, default_value = "mirrored", value_parser = views())]
    views: Views,

    #[command(flatten)]
    device: DeviceArgs,
}

impl RecognizerArgs {
    /// The recogniser.
    pub(crate) fn recognizer(&self) -> anyhow::Result<Recognizer> {
        let predictor = predictor_of(&self.models, &self.device.device, &Terminal)?;
        let recognizer = Recognizer::new(predictor).views(self.views);
        Ok(match self.min_face {
            Some(pixels) => recognizer.min_face(pixels),
            None => recognizer,
        })
    }
}
