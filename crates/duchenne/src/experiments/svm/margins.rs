//! Probabilities from margins: decision values are scored like a network's logits, their scale fitted on samples
//! that the SVM has not learned from, so that NLL and ECE compare.

use crate::evaluation::{ScoredSplit, fit_temperature};
use crate::models::linear_svm::LinearSvm;

/// Decision values `[samples, classes]` with their labels, as evaluation takes them; data-set rows and FER+ votes
/// are for the caller to add.
pub fn scored(svm: &LinearSvm, decisions: &[f64], labels: &[u8], split: &str) -> ScoredSplit {
    ScoredSplit {
        split: split.to_owned(),
        class_names: class_names(svm),
        labels: labels.to_vec(),
        logits: logits(decisions),
        rows: (0..labels.len() as u32).collect(),
        seen_in_training: vec![false; labels.len()],
        ferplus_votes: None,
    }
}

/// The classes' names, or their numbers where the SVM was fitted on labels without names.
pub fn class_names(svm: &LinearSvm) -> Vec<String> {
    match svm.manifest.label_set {
        Some(set) => set.names().iter().map(|name| (*name).to_owned()).collect(),
        None => (0..svm.manifest.classes).map(|class| class.to_string()).collect(),
    }
}

/// Decision values as evaluation takes them.
pub fn logits(decisions: &[f64]) -> Vec<f32> {
    decisions.iter().map(|value| *value as f32).collect()
}

/// The scale of the largest likelihood on held-out features `[samples, length]`.
///
/// # Errors
/// When there are none, or a label is none of the SVM's classes.
pub fn fit_scale(svm: &LinearSvm, features: &[f32], labels: &[u8]) -> crate::Result<f64> {
    let held_out = scored(svm, &svm.decisions(features), labels, "held-out samples");
    Ok(1.0 / fit_temperature(&held_out)?)
}
