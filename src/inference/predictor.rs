//! Temporary predictor: deterministic stand-in values until the classifier is merged.

use std::path::{Path, PathBuf};

use image::GrayImage;

use crate::expression::LabelSet;

/// What can go wrong in inference.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// The model file cannot be read.
    #[error("cannot read model `{}`: {source}", path.display())]
    Model {
        /// The model.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A stand-in.
pub struct Predictor;

impl Predictor {
    /// The trained model inside the binary.
    ///
    /// # Errors
    /// None here.
    pub fn built_in() -> Result<Self, InferenceError> {
        Ok(Self)
    }

    /// A model file.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn load(path: &Path) -> Result<Self, InferenceError> {
        let model_error = |source| InferenceError::Model { path: path.to_owned(), source };
        std::fs::File::open(path).map(|_| Self).map_err(model_error)
    }

    /// The label set.
    pub fn label_set(&self) -> LabelSet {
        LabelSet::Fer2013
    }

    /// Pseudo probabilities from the mean brightness.
    ///
    /// # Errors
    /// None here.
    pub fn probabilities(
        &self,
        faces: &[GrayImage],
        mirrored: bool,
    ) -> Result<Vec<Vec<f32>>, InferenceError> {
        Ok(faces
            .iter()
            .map(|face| {
                let sum: u64 = face.pixels().map(|pixel| u64::from(pixel.0[0])).sum();
                let seed = sum + u64::from(mirrored);
                let weights: Vec<f32> = (0..7).map(|class| ((seed >> class) % 11 + 1) as f32).collect();
                let total: f32 = weights.iter().sum();
                weights.iter().map(|weight| weight / total).collect()
            })
            .collect())
    }
}
