//! What `predict` and `serve` are told in common: which model recognises, and from what of a face.

use std::path::PathBuf;

use duchenne::experiments::scoring::predictor_of;
use duchenne::files::checksum::checksum_of_file;
use duchenne::inference::face_detection::{DEFAULT_MIN_SCORE, LEAST_MIN_FACE};
use duchenne::{BuiltInModel, Recognizer, Views};
use serde_json::{Map, Value};

use super::DeviceArgs;
use super::scoring::views;
use crate::terminal::Terminal;

/// Arguments about recognition.
#[derive(Debug, clap::Args)]
pub(crate) struct RecognizerArgs {
    /// Model file or built-in model: `built-in` answers what human raters see in a face, in eight classes;
    /// `built-in-compact` does with a quarter of the work, slightly less accurately; `built-in-fer2013` and
    /// `built-in-fer2013-compact` answer in FER-2013's seven classes, as its labels would. Repeatable: probabilities are
    /// then averaged over all models
    #[arg(long = "model", value_name = "FILE", default_value = "built-in")]
    models: Vec<PathBuf>,

    /// Smallest face to look for, in pixels. Without it 12, growing with pictures over 0.8 megapixels so that every picture
    /// takes about the same time
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(i64::from(LEAST_MIN_FACE)..))]
    pub min_face: Option<u32>,

    /// Keep what the detector takes for a face with at least this score, 0 to 1: higher for fewer false faces, lower for
    /// fewer missed ones
    #[arg(long, value_name = "SCORE", default_value_t = DEFAULT_MIN_SCORE, value_parser = share)]
    min_score: f32,

    /// Views of each face that are averaged: the face alone (half the work), with its mirror image, or ten crops
    /// (five times the work, slightly more accurate)
    #[arg(long, default_value = "mirrored", value_parser = views())]
    views: Views,

    #[command(flatten)]
    device: DeviceArgs,
}

impl RecognizerArgs {
    /// The names of the models.
    pub(crate) fn named(&self) -> Vec<String> {
        self.models.iter().map(|model| model.display().to_string()).collect()
    }

    /// Adds what results depend on: the models by their content, and how faces are found and seen.
    ///
    /// # Errors
    /// When a model's file cannot be read.
    pub(crate) fn settings(&self, settings: &mut Map<String, Value>) -> anyhow::Result<()> {
        let model = |model: &PathBuf| -> anyhow::Result<Value> {
            Ok(match BuiltInModel::named(model) {
                Some(built_in) => built_in.name().into(),
                None => checksum_of_file(model)?.into(),
            })
        };
        let models = self.models.iter().map(model).collect::<anyhow::Result<Vec<Value>>>()?;
        settings.insert("models".to_owned(), models.into());
        settings.insert("min_face".to_owned(), self.min_face.into());
        settings.insert("min_score".to_owned(), self.min_score.into());
        settings.insert("views".to_owned(), self.views.description().into());
        Ok(())
    }

    /// The recogniser.
    pub(crate) fn recognizer(&self) -> anyhow::Result<Recognizer> {
        let predictor = predictor_of(&self.models, &self.device.device, &Terminal)?;
        let recognizer = Recognizer::new(predictor).views(self.views).min_score(self.min_score);
        Ok(match self.min_face {
            Some(pixels) => recognizer.min_face(pixels),
            None => recognizer,
        })
    }
}

/// Parses a number from 0 to 1.
fn share(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}
