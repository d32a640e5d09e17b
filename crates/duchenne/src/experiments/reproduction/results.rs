//! From finished stages to the report.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::error::Context as _;
use serde::{Deserialize, Serialize};

use crate::data::PackedDataset;
use crate::data::packed::synthetic::NeutralPolicy;
use crate::evaluation::report::Provenance;
use crate::evaluation::reproduction::{
    Generator, Reproduction, Row, RunFigures, StageCost, render_html, render_json, render_markdown,
};
use crate::experiments::reproduction::graph::{Graph, Request, StageId};
use crate::experiments::reproduction::scale::{SVM, Scale};
use crate::experiments::reproduction::work::{DATA_FILE, FIGURE_FILE, FIGURES_FILE, JUDGEMENT_FILE, RUN};
use crate::experiments::reproduction::{StageState, relative, store};
use crate::files::atomic::write_text;

/// What a plan foresaw, kept so that it can be held against what things cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Seconds by stage folder.
    pub seconds: BTreeMap<String, f64>,
}

/// The plan's file.
const PLAN_FILE: &str = "plan.json";

impl Plan {
    /// The last plan made in a folder; empty where there is none.
    pub fn read(out: &Path) -> Self {
        let text = std::fs::read_to_string(out.join(PLAN_FILE)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Adds to the plan in a folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(self, out: &Path) -> crate::Result<()> {
        let mut whole = Self::read(out);
        whole.seconds.extend(self.seconds);
        Ok(write_text(&out.join(PLAN_FILE), &serde_json::to_string_pretty(&whole)?)?)
    }
}

/// Writes `report.html`, `report.md` and `report.json`.
///
/// # Errors
/// When a result cannot be read or a file cannot be written.
pub fn write_results(
    request: &Request,
    scale: (&str, &Scale),
    graph: &Graph,
    states: &BTreeMap<StageId, StageState>,
) -> crate::Result<Reproduction> {
    let report = report(request, scale, graph, states)?;
    let out = &request.out;
    write_text(&out.join("report.html"), &render_html(&report)?)?;
    write_text(&out.join("report.md"), &render_markdown(&report)?)?;
    write_text(&out.join("report.json"), &render_json(&report)?)?;
    Ok(report)
}

fn report(
    request: &Request,
    (scale_name, scale): (&str, &Scale),
    graph: &Graph,
    states: &BTreeMap<StageId, StageState>,
) -> crate::Result<Reproduction> {
    let out = &request.out;
    let is_done = |id: StageId| matches!(states.get(&id), Some(StageState::Done(_)));
    let mut rows = Vec::new();
    for (row, evaluations) in &graph.rows {
        let mut runs = Vec::new();
        let mut problem = None;
        for id in evaluations {
            if is_done(*id) {
                let path = graph.stages[*id].folder.file(FIGURES_FILE);
                let text = std::fs::read_to_string(&path)
                    .with_context(|| format!("cannot read `{}`", path.display()))?;
                runs.push(serde_json::from_str::<RunFigures>(&text)?);
            } else {
                problem = root_problem(graph, states, *id);
            }
        }
        let from_scratch = row.network == SVM && request.imagenet.is_none();
        let note = from_scratch
            .then(|| format!("recipe {}: networks from scratch, not from ImageNet", scale.svm.scratch));
        let paper = row.paper();
        rows.push(Row {
            key: row.key.clone(),
            title: row.title.clone().or(paper.map(|(title, _)| title.to_owned())).unwrap_or(row.key.clone()),
            group: row.group,
            paper: paper.map(|(_, accuracy)| accuracy),
            note: note.or(row.note.clone()),
            baseline: row.baseline.clone(),
            runs,
            problem,
        });
    }
    let mut generators = Vec::new();
    for (title, generator, judgement) in &graph.gans {
        let run = graph.stages[*generator].folder.file(RUN);
        let judged = &graph.stages[*judgement].folder;
        let read = || -> crate::Result<_> {
            Ok(serde_json::from_str(&std::fs::read_to_string(judged.file(JUDGEMENT_FILE))?)?)
        };
        let report = is_done(*judgement).then(read).transpose().context("cannot read a judgement")?;
        generators.push(Generator {
            name: title.clone(),
            sheets: if is_done(*generator) { last_sheets(&run, out)? } else { Vec::new() },
            curves: is_done(*generator).then(|| relative(&run.join("curves.html"), out)),
            page: is_done(*judgement).then(|| relative(&judged.file("report.html"), out)),
            report,
        });
    }
    let plan = Plan::read(out);
    let stages = graph.stages.iter().enumerate().map(|(id, stage)| {
        let planned = plan.seconds.get(&relative(stage.folder.path(), out)).copied();
        let (seconds, bytes, problem) = match states.get(&id) {
            Some(StageState::Done(done)) => (Some(done.seconds), done.bytes, None),
            Some(StageState::Failed(reason)) => (None, 0, Some(reason.clone())),
            None => (None, 0, None),
        };
        StageCost { name: stage.name.clone(), seconds, planned, bytes, problem }
    });
    let devices: BTreeSet<&str> = states
        .values()
        .filter_map(|state| match state {
            StageState::Done(done) => Some(done.device.as_str()),
            StageState::Failed(_) => None,
        })
        .collect();
    let mut provenance = vec![
        Provenance::new("scale", scale_name),
        Provenance::new("program", format!("duchenne {}", env!("CARGO_PKG_VERSION"))),
        Provenance::new("device", devices.into_iter().collect::<Vec<_>>().join(", ")),
        Provenance::new("seeds", request.seeds.to_string()),
    ];
    for (name, id) in ["FER-2013", "CK+"].into_iter().zip(graph.data) {
        if is_done(id) {
            let dataset = PackedDataset::open(graph.stages[id].folder.file(DATA_FILE))?;
            let text = format!("{} images, {}", dataset.len(), dataset.fingerprint());
            provenance.push(Provenance::new(name, text));
        }
    }
    Ok(Reproduction {
        scale: scale_name.to_owned(),
        warning: scale.warning.clone(),
        neutral: neutral_words(request.neutral).to_owned(),
        provenance,
        rows,
        figure1: graph
            .figure
            .filter(|id| is_done(*id))
            .map(|id| relative(&graph.stages[id].folder.file(FIGURE_FILE), out)),
        generators,
        stages: stages.collect(),
    })
}

/// What stands at the beginning of a chain of failures.
fn root_problem(graph: &Graph, states: &BTreeMap<StageId, StageState>, id: StageId) -> Option<String> {
    let is_failed = |id: &StageId| matches!(states.get(id), Some(StageState::Failed(_)));
    let stage = &graph.stages[id];
    match stage.inputs.iter().copied().find(is_failed) {
        Some(input) => root_problem(graph, states, input),
        None => match states.get(&id) {
            Some(StageState::Failed(reason)) => Some(format!("{}: {reason}", stage.name)),
            _ => None,
        },
    }
}

/// The last sheet of samples of every generator in a run.
fn last_sheets(run: &Path, out: &Path) -> crate::Result<Vec<String>> {
    let mut last: BTreeMap<&Path, &Path> = BTreeMap::new();
    let files = store::files_below(run)?;
    for path in &files {
        let is_sheet = path.file_name().is_some_and(|name| {
            name.to_string_lossy().starts_with("sheet-") && name.to_string_lossy().ends_with(".png")
        });
        if let Some(folder) = path.parent().filter(|_| is_sheet) {
            last.insert(folder, path);
        }
    }
    Ok(last.values().map(|path| relative(path, out)).collect())
}

fn neutral_words(neutral: NeutralPolicy) -> &'static str {
    match neutral {
        NeutralPolicy::Real => {
            "CK+ has contempt where FER-2013 has neutral: contempt is left out, and neutral faces come from a \
             generator of the same kind trained on FER-2013's Training neutral faces."
        }
        NeutralPolicy::Omit => {
            "CK+ has contempt where FER-2013 has neutral: contempt is left out, and no neutral faces are generated."
        }
        NeutralPolicy::ContemptAsNeutral => {
            "CK+ has contempt where FER-2013 has neutral: generated contempt joins as neutral."
        }
    }
}
