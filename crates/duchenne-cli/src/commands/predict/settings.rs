//! What the results of clips were made with, for people and for comparison.

use duchenne::Section;
use duchenne::models::provenance::PROGRAM;
use serde_json::{Map, Value};

use super::PredictArgs;

/// What made the pages of this run, in words.
pub(super) fn made_with(args: &PredictArgs) -> Vec<String> {
    let mut lines = vec![format!("Made by {PROGRAM} with {}", args.recognizer.named().join(" and "))];
    let Section { from, to, every } = args.clips.section();
    lines.extend(every.map(|every| format!("A frame every {every} s")));
    lines.extend(args.clips.smooth().map(|seconds| format!("Smoothed with a time constant of {seconds} s")));
    match (from, to) {
        (None, None) => {}
        (from, Some(to)) => lines.push(format!("From {} s to {to} s", from.unwrap_or(0.0))),
        (Some(from), None) => lines.push(format!("From {from} s on")),
    }
    lines
}

/// What the results of clips depend on.
pub(super) fn settings(args: &PredictArgs) -> anyhow::Result<Map<String, Value>> {
    let Section { from, to, every } = args.clips.section();
    let mut settings = Map::new();
    settings.insert("program".to_owned(), PROGRAM.into());
    settings.insert("whole".to_owned(), args.whole.into());
    for (name, value) in [("from", from), ("to", to), ("every", every), ("smooth", args.clips.smooth())] {
        settings.insert(name.to_owned(), value.into());
    }
    settings.insert("search_every".to_owned(), args.clips.options(false).search_every.into());
    args.recognizer.settings(&mut settings)?;
    Ok(settings)
}
