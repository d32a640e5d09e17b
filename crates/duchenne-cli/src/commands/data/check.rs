//! `duchenne data check`: duplicates, conflicting labels, constant pictures.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::ensure;
use serde_json::json;

use crate::terminal::{grouped, print, print_json};
use duchenne::data::PackedDataset;
use duchenne::data::packed::findings::{Findings, check};

/// Lines shown of each finding, unless all are asked for.
const SHOWN: usize = 10;

/// Arguments of `duchenne data check`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Rows count from 0, as in the packed file. Findings are not errors: the exit code is 0 either way.\n\n\
                        Example:\n  duchenne data check fer2013.safetensors --json > findings.json"
)]
pub(super) struct CheckArgs {
    /// The packed data set
    file: PathBuf,
    /// Print JSON, with all rows
    #[arg(long)]
    json: bool,
    /// Print all rows, not only the first of each finding
    #[arg(long)]
    all: bool,
}

/// Runs the command.
pub(super) fn run(args: &CheckArgs) -> anyhow::Result<()> {
    let dataset = PackedDataset::open(&args.file)?;
    ensure!(
        dataset.is_intact(),
        "`{}`: its content no longer matches its fingerprint, so the file is damaged; import it again",
        args.file.display()
    );
    let findings = check(&dataset);
    if args.json {
        print_json(&json(&dataset, &findings))
    } else {
        let shown = if args.all { usize::MAX } else { SHOWN };
        print(report(&dataset, &findings, shown))
    }
}

fn json(dataset: &PackedDataset, findings: &Findings) -> serde_json::Value {
    let group = |rows: &Vec<u32>| {
        let labels: Vec<&str> = rows.iter().map(|&row| class(dataset, row)).collect();
        let splits: Vec<&str> = rows.iter().map(|&row| dataset.split(row as usize).key()).collect();
        json!({ "rows": rows, "labels": labels, "splits": splits })
    };
    let also_in_training: serde_json::Map<_, _> = findings
        .also_in_training
        .iter()
        .map(|(split, rows)| (split.key().to_owned(), json!({ "count": rows.len(), "rows": rows })))
        .collect();
    json!({
        "rows": findings.rows,
        "distinct_images": findings.distinct_images,
        "also_in_training": also_in_training,
        "duplicates": {
            "count": findings.duplicate_groups.len(),
            "groups": findings.duplicate_groups.iter().map(group).collect::<Vec<_>>(),
        },
        "conflicting_labels": {
            "count": findings.conflicting_groups.len(),
            "groups": findings.conflicting_groups.iter().map(group).collect::<Vec<_>>(),
        },
        "constant": { "count": findings.constant.len(), "rows": findings.constant },
    })
}

fn report(dataset: &PackedDataset, findings: &Findings, shown: usize) -> String {
    let mut text = format!(
        "{} distinct images among {} (rows count from 0)\n",
        grouped(findings.distinct_images),
        grouped(findings.rows)
    );
    for (split, rows) in &findings.also_in_training {
        let _ = writeln!(text, "\n{} {split} rows are identical to a training image", grouped(rows.len()));
        list(&mut text, rows, shown, |row| format!("row {row} ({})", class(dataset, *row)));
    }
    let members = |rows: &Vec<u32>| {
        let member = |&row: &u32| format!("{row} ({}, {})", dataset.split(row as usize), class(dataset, row));
        rows.iter().map(member).collect::<Vec<_>>().join(" = ")
    };
    let groups = &findings.duplicate_groups;
    let _ = writeln!(text, "\n{} groups of identical images", grouped(groups.len()));
    list(&mut text, groups, shown, members);
    let groups = &findings.conflicting_groups;
    let _ = writeln!(text, "\n{} groups of identical images with conflicting labels", grouped(groups.len()));
    list(&mut text, groups, shown, members);
    let _ = writeln!(text, "\n{} images are one constant value", grouped(findings.constant.len()));
    list(&mut text, &findings.constant, shown, |row| {
        let value = dataset.image(*row as usize)[0];
        format!("row {row} ({}, {}), value {value}", dataset.split(*row as usize), class(dataset, *row))
    });
    text
}

/// Appends one line per item, at most `shown`.
fn list<T>(text: &mut String, items: &[T], shown: usize, describe: impl Fn(&T) -> String) {
    for item in items.iter().take(shown) {
        let _ = writeln!(text, "  {}", describe(item));
    }
    if items.len() > shown {
        let _ = writeln!(text, "  and {} more (--all or --json show them)", grouped(items.len() - shown));
    }
}

fn class(dataset: &PackedDataset, row: u32) -> &'static str {
    dataset.label_set().names()[usize::from(dataset.label(row as usize))]
}
