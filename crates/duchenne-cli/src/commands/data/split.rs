//! `duchenne data split`: validation and test splits for a data set that has none.

use std::path::PathBuf;

use clap::ValueEnum;

use super::check::refuse_damage;
use crate::terminal::{counted, say};
use duchenne::data::packed::findings::subjects_across_splits;
use duchenne::data::packed::partition::Together;
use duchenne::data::packed::resplit::{SplitShares, draw_splits, write};
use duchenne::data::{PackedDataset, Split};
use duchenne::files::atomic::check_writable;

/// Arguments of `duchenne data split`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Every part holds about the same share of every class; identical pictures stay together. Generated faces stay in \
                  training.\n\nExample:\n  duchenne data split own.safetensors --validation 0.1 --test 0.2 --out own-split.safetensors"
)]
pub(super) struct SplitArgs {
    /// The packed data set
    file: PathBuf,
    /// Share that selects epochs and settings, of the photographs that are in no split that is kept
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    validation: f64,
    /// Share that scores finished models, of the same
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    test: f64,
    /// What stays together beside identical pictures [default: the pictures of a person, where persons are known]
    #[arg(long, value_enum)]
    by: Option<By>,
    /// Decides which pictures go where
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Dissolve the validation and test splits that are there
    #[arg(long)]
    anew: bool,
    /// The packed file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Tells of what splits that were kept share with those drawn beside them.
fn note_leaks(dataset: &PackedDataset) {
    let persons = subjects_across_splits(dataset).len();
    if persons > 0 {
        let persons = counted(persons, "person");
        say(format_args!(
            "note: {persons} in more than one split, for splits that were there are kept; --anew draws all of them (`duchenne data \
             check` lists the persons)"
        ));
    }
}

/// What stays together.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum By {
    /// The pictures of a person
    Subject,
    /// Every picture by itself
    Picture,
}

impl From<By> for Together {
    fn from(by: By) -> Self {
        match by {
            By::Subject => Self::Subject,
            By::Picture => Self::Picture,
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &SplitArgs) -> anyhow::Result<()> {
    let dataset = PackedDataset::open(&args.file)?;
    refuse_damage(&dataset, &args.file)?;
    check_writable(&args.out)?;
    let shares = SplitShares {
        validation: args.validation,
        test: args.test,
        together: args.by.map_or_else(|| Together::of(&dataset), Together::from),
        seed: args.seed,
        anew: args.anew,
    };
    let drawn = draw_splits(&dataset, &shares)?;
    write(&drawn, &args.out)?;
    let count = |split: Split| {
        let count = (0..drawn.len()).filter(|row| drawn.split(*row) == split).count();
        format!("{split} {count}")
    };
    note_leaks(&drawn);
    let counts = Split::ALL.map(count).join(", ");
    say(format_args!("{}: {}: {counts}", args.out.display(), counted(drawn.len(), "picture")));
    Ok(())
}
