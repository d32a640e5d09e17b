//! The report as JSON.

use serde::Serialize;

use super::{EpochRecord, ModelFigures, Provenance, ReportPage, protocol};
use crate::evaluation::EvaluationError;
use crate::evaluation::folds::Folds;
use crate::evaluation::robustness::Robustness;
use crate::training::records::without_seconds;

/// The version of the JSON document; it grows when a key changes its meaning or goes away.
pub const JSON_SCHEMA_VERSION: u32 = 2;

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    title: &'a str,
    provenance: serde_json::Map<String, serde_json::Value>,
    protocol: serde_json::Map<String, serde_json::Value>,
    results: &'a [ModelFigures],
    #[serde(skip_serializing_if = "Option::is_none")]
    robustness: Option<&'a Robustness>,
    #[serde(skip_serializing_if = "Option::is_none")]
    folds: Option<&'a Folds>,
    #[serde(serialize_with = "without_seconds")]
    training: &'a [EpochRecord],
}

/// Renders the report as one indented JSON document with a newline at its end. Numbers carry every digit;
/// shares are `0..=1`. A figure that does not exist (FER+ without votes) is `null`; robustness that was not
/// measured, and folds where there are none, are left out.
///
/// # Errors
/// [`EvaluationError::Json`] if serialisation fails, which no page made of plain values does.
pub fn render_json(page: &ReportPage) -> Result<String, EvaluationError> {
    let document = Document {
        schema_version: JSON_SCHEMA_VERSION,
        title: &page.title,
        provenance: page
            .provenance
            .iter()
            .map(|Provenance { name, value }| (name.clone(), value.as_str().into()))
            .collect(),
        protocol: protocol::STATEMENTS.iter().map(|&(name, text)| (name.to_string(), text.into())).collect(),
        results: &page.results,
        robustness: page.robustness.as_ref(),
        folds: page.folds.as_ref(),
        training: &page.training,
    };
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    Ok(text)
}
