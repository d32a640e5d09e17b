//! `duchenne data check`: what a reviewer would ask of a data set.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use serde_json::json;

use crate::terminal::{grouped, print, print_json};
use duchenne::data::packed::findings::{Findings, check};
use duchenne::data::packed::near_duplicates::NearPair;
use duchenne::data::{PackedDataset, Split};

/// Lines shown of each finding, unless all are asked for.
const SHOWN: usize = 10;

/// Arguments of `duchenne data check`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Pictures are nearly identical when their perceptual hashes differ in at most 10 of 64 bits and their pixels correlate to \
    at least 0.94, one of them mirrored or not. Rows count from 0, as in the packed file. Findings are not errors: the exit code is 0 either way.\n\n\
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
    refuse_damage(&dataset, &args.file)?;
    let findings = check(&dataset);
    if args.json {
        print_json(&json(&dataset, &findings))
    } else {
        let shown = if args.all { usize::MAX } else { SHOWN };
        print(report(&dataset, &findings, shown))
    }
}

/// Refuses a data set whose content is not that with which it was written.
///
/// # Errors
/// When it is damaged.
pub(super) fn refuse_damage(dataset: &PackedDataset, file: &Path) -> anyhow::Result<()> {
    ensure!(
        dataset.is_intact(),
        "`{}`: its content no longer matches its fingerprint, so the file is damaged; import it again",
        file.display()
    );
    Ok(())
}

fn json(dataset: &PackedDataset, findings: &Findings) -> serde_json::Value {
    let group = |rows: &Vec<u32>| {
        let labels: Vec<&str> = rows.iter().map(|&row| class(dataset, row)).collect();
        let splits: Vec<&str> = rows.iter().map(|&row| dataset.split(row as usize).key()).collect();
        json!({ "rows": rows, "labels": labels, "splits": splits })
    };
    let by_split = |found: &[(Split, Vec<u32>)]| -> serde_json::Map<String, serde_json::Value> {
        let entry = |(split, rows): &(Split, Vec<u32>)| {
            (split.key().to_owned(), json!({ "count": rows.len(), "rows": rows }))
        };
        found.iter().map(entry).collect()
    };
    let pair = |pair: &NearPair| {
        json!({
            "rows": [pair.first, pair.second],
            "correlation": pair.correlation,
            "mirrored": pair.mirrored,
        })
    };
    json!({
        "rows": findings.rows,
        "distinct_images": findings.distinct_images,
        "also_in_training": by_split(&findings.also_in_training),
        "duplicates": {
            "count": findings.duplicate_groups.len(),
            "groups": findings.duplicate_groups.iter().map(group).collect::<Vec<_>>(),
        },
        "conflicting_labels": {
            "count": findings.conflicting_groups.len(),
            "groups": findings.conflicting_groups.iter().map(group).collect::<Vec<_>>(),
        },
        "near_duplicates": {
            "count": findings.near_pairs.len(),
            "pairs": findings.near_pairs.iter().map(pair).collect::<Vec<_>>(),
        },
        "nearly_in_training": by_split(&findings.nearly_in_training),
        "subjects_across_splits": {
            "count": findings.subjects_across_splits.len(),
            "subjects": findings.subjects_across_splits,
        },
        "flat": { "count": findings.flat.len(), "rows": findings.flat },
        "classes": classes(dataset),
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
    let pairs = &findings.near_pairs;
    let _ = writeln!(text, "\n{} pairs of nearly identical images", grouped(pairs.len()));
    list(&mut text, pairs, shown, |pair| {
        let mirrored = if pair.mirrored { ", mirrored" } else { "" };
        format!("{} (correlation {:.3}{mirrored})", members(&vec![pair.first, pair.second]), pair.correlation)
    });
    for (split, rows) in &findings.nearly_in_training {
        let _ = writeln!(
            text,
            "\n{} more {split} rows are nearly identical to a training image",
            grouped(rows.len())
        );
        list(&mut text, rows, shown, |row| format!("row {row} ({})", class(dataset, *row)));
    }
    if dataset.subject(0).is_some() {
        let subjects = &findings.subjects_across_splits;
        let _ = writeln!(text, "\n{} persons are in more than one split", grouped(subjects.len()));
        list(&mut text, subjects, shown, |subject| format!("person {subject}"));
    }
    text += &balance(dataset);
    let _ = writeln!(text, "\n{} images have hardly any contrast", grouped(findings.flat.len()));
    list(&mut text, &findings.flat, shown, |row| format!("row {row} ({})", class(dataset, *row)));
    let _ = writeln!(text, "\n{} images are one constant value", grouped(findings.constant.len()));
    list(&mut text, &findings.constant, shown, |row| {
        let value = dataset.image(*row as usize)[0];
        format!("row {row} ({}, {}), value {value}", dataset.split(*row as usize), class(dataset, *row))
    });
    text
}

/// Samples of every class.
fn counts(dataset: &PackedDataset) -> Vec<usize> {
    let mut counts = vec![0; dataset.label_set().len()];
    (0..dataset.len()).for_each(|row| counts[usize::from(dataset.label(row))] += 1);
    counts
}

fn classes(dataset: &PackedDataset) -> serde_json::Map<String, serde_json::Value> {
    let named = dataset.label_set().names().iter().zip(counts(dataset));
    named.map(|(name, count)| ((*name).to_owned(), json!(count))).collect()
}

/// How uneven the classes are.
fn balance(dataset: &PackedDataset) -> String {
    let counts = counts(dataset);
    let names = dataset.label_set().names();
    let shown = |class: usize| format!("{} ({})", names[class], grouped(counts[class]));
    let of = |pick: fn(&usize, &usize) -> std::cmp::Ordering| {
        (0..counts.len())
            .reduce(|best, class| if pick(&counts[class], &counts[best]).is_gt() { class } else { best })
    };
    let largest = of(|one, other| one.cmp(other)).map(shown);
    let smallest = of(|one, other| other.cmp(one)).map(shown);
    if counts.iter().all(|count| Some(count) == counts.first()) {
        return format!(
            "\nevery class has {} images\n",
            counts.first().map_or(String::new(), |count| grouped(*count))
        );
    }
    format!("\nlargest class {}, smallest {}\n", largest.unwrap_or_default(), smallest.unwrap_or_default())
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
