//! `duchenne data info`: counts per class and split.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::json;

use crate::terminal::{grouped, print, print_json};
use duchenne::data::{Origin, PackedDataset, Split};

/// Arguments of `duchenne data info`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  duchenne data info fer2013.safetensors")]
pub(super) struct InfoArgs {
    /// The packed data set
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &InfoArgs) -> anyhow::Result<()> {
    let dataset = PackedDataset::open(&args.file)?;
    let counts = Counts::of(&dataset);
    if args.json { print_json(&json(&dataset, &counts)) } else { print(table(&dataset, &counts)) }
}

/// Samples per split and class.
struct Counts {
    /// The splits that have samples, each with its count per class.
    splits: Vec<(Split, Vec<usize>)>,
    synthetic: usize,
    subjects: usize,
}

impl Counts {
    fn of(dataset: &PackedDataset) -> Self {
        let classes = dataset.label_set().len();
        let mut splits: Vec<_> = Split::ALL.into_iter().map(|split| (split, vec![0; classes])).collect();
        for row in 0..dataset.len() {
            let of_split = splits.iter_mut().find(|(split, _)| *split == dataset.split(row));
            of_split.expect("every split is counted").1[usize::from(dataset.label(row))] += 1;
        }
        splits.retain(|(_, classes)| classes.iter().sum::<usize>() > 0);
        let rows = 0..dataset.len();
        let synthetic = rows.clone().filter(|&row| dataset.origin(row) == Origin::Synthetic).count();
        let subjects: std::collections::BTreeSet<_> = rows.filter_map(|row| dataset.subject(row)).collect();
        Self { splits, synthetic, subjects: subjects.len() }
    }
}

fn json(dataset: &PackedDataset, counts: &Counts) -> serde_json::Value {
    let names = dataset.label_set().names();
    let splits: serde_json::Map<_, _> = counts
        .splits
        .iter()
        .map(|(split, classes)| {
            let per_class: serde_json::Map<_, _> =
                names.iter().zip(classes).map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
            let total: usize = classes.iter().sum();
            (split.key().to_owned(), json!({ "total": total, "classes": per_class }))
        })
        .collect();
    json!({
        "name": dataset.name(),
        "label_set": dataset.label_set(),
        "samples": dataset.len(),
        "height": dataset.height(),
        "width": dataset.width(),
        "channels": dataset.shape()[2],
        "splits": splits,
        "synthetic": counts.synthetic,
        "votes": dataset.votes(0).is_some(),
        "subjects": counts.subjects,
        "source_checksum": dataset.source_checksum(),
        "fingerprint": dataset.fingerprint(),
    })
}

fn table(dataset: &PackedDataset, counts: &Counts) -> String {
    let mut text = format!(
        "{}: {} pictures of {}x{}{}, labels {}\n",
        dataset.name(),
        grouped(dataset.len()),
        dataset.width(),
        dataset.height(),
        if dataset.shape()[2] == 3 { " in colour" } else { "" },
        dataset.label_set()
    );
    if dataset.votes(0).is_some() {
        text.push_str("with FER+ votes\n");
    }
    if counts.subjects > 0 {
        let _ = writeln!(text, "of {} subjects", grouped(counts.subjects));
    }
    if counts.synthetic > 0 {
        let _ = writeln!(text, "{} of them synthetic", grouped(counts.synthetic));
    }
    text.push('\n');
    let longest = dataset.label_set().names().iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let room = (longest + 2).max(10);
    let mut line = |name: &str, cells: &mut dyn Iterator<Item = String>| {
        let _ = write!(text, "{name:<room$}");
        for cell in cells {
            let _ = write!(text, "{cell:>14}");
        }
        text.push('\n');
    };
    let splits = &counts.splits;
    let total_head = std::iter::once("total".to_owned());
    line("", &mut splits.iter().map(|(split, _)| split.to_string()).chain(total_head));
    for (class, name) in dataset.label_set().names().iter().enumerate() {
        let cells = splits.iter().map(|(_, classes)| classes[class]);
        let total = cells.clone().sum();
        line(name, &mut cells.chain([total]).map(grouped));
    }
    let totals = splits.iter().map(|(_, classes)| classes.iter().sum());
    line("total", &mut totals.chain([dataset.len()]).map(grouped));
    let _ = write!(
        text,
        "\nsource       {}\nfingerprint  {}\n",
        dataset.source_checksum(),
        dataset.fingerprint()
    );
    text
}
