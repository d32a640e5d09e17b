//! `duchenne gan eval`: generated faces judged against photographs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};

use crate::app::devices::device;
use crate::app::generation::{Comparison, DRAWS};
use crate::app::scoring::predictor;
use crate::data::{Origin, PackedBuilder, PackedDataset, Split};
use crate::evaluation::generation::report::{
    ClassifierFigures, GenerationReport, Reference, mean_memorization, render_json, render_table, write_page,
};
use crate::evaluation::report::Provenance;
use crate::inference::contact_sheet::{ContactSheet, write_sheet};
use crate::training::classifier::{Event, Job, train};
use crate::training::recipe::Recipe;
use crate::training::run_directory::RunDirectory;

/// Steps of the classifier that learns from generated faces alone.
const CLASSIFIER_STEPS: usize = 400;
/// Its images per step.
const CLASSIFIER_BATCH: usize = 64;
/// Faces per class on the sheet of nearest neighbours.
const NEAREST: usize = 10;

/// Arguments of `duchenne gan eval`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Distances are taken against people whom the generators never saw, where their recipe held some \
    out.\n\nExample:\n  duchenne gan eval dcgan-faces.safetensors --real ckplus.safetensors --report report"
)]
pub struct GanEvalArgs {
    /// Synthetic packed data set (`duchenne gan sample`)
    faces: PathBuf,
    /// The photographs that the generators learned from, packed
    #[arg(long)]
    real: PathBuf,
    /// The network whose features measure: a model file, or `built-in`
    #[arg(long, default_value = "built-in")]
    features: PathBuf,
    /// Leave out the classifier that is trained on the faces alone, which takes a minute or two
    #[arg(long)]
    no_classifier: bool,
    /// JSON on standard output in place of the table
    #[arg(long)]
    json: bool,
    /// Write report.html, report.json and the sheet of nearest neighbours into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// cpu, or a GPU backend that this build has: vulkan, metal, webgpu, cuda
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Runs the command.
pub fn run(args: GanEvalArgs) -> anyhow::Result<ExitCode> {
    let generated = PackedDataset::open(&args.faces)?;
    if let Some(row) = (0..generated.len()).find(|row| generated.origin(*row) != Origin::Synthetic) {
        let path = args.faces.display();
        bail!("`{path}`: row {row} (from 0) is a photograph; `duchenne gan sample` makes synthetic sets");
    }
    let real = PackedDataset::open(&args.real)?;
    let sizes = [&generated, &real].map(|set| (set.height(), set.width()));
    if sizes[0] != sizes[1] {
        bail!("generated faces are {:?} pixels, photographs {:?}: sizes must agree", sizes[0], sizes[1]);
    }
    let device = device(&args.device)?;
    let predictor = predictor(&args.features, &device)?;
    let comparison = Comparison::new(&generated, &real)?;
    if let Some(folder) = &args.report {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    }
    eprintln!("measuring distances ...");
    let (figures, floor, classes) = comparison.figures(&predictor);
    let memorized: Vec<_> = classes.iter().filter_map(|class| class.memorization).collect();
    let classifier = (!args.no_classifier)
        .then(|| classifier_figures(&comparison, &generated, &real, &device))
        .transpose()?;
    let report = GenerationReport {
        title: format!("{} against {}", generated.name(), real.name()),
        provenance: provenance(&generated, &real),
        features: match predictor.manifest().provenance.get("recipe") {
            Some(recipe) => format!("{} ({recipe})", args.features.display()),
            None => args.features.display().to_string(),
        },
        reference: comparison.reference,
        epoch_chosen_by_reference: comparison.reference == Reference::HeldOut
            && generated
                .provenance()
                .get("epoch-chosen-by-people-held-out")
                .is_some_and(|text| text != "false"),
        faces: comparison.faces(),
        draws: DRAWS,
        generated: figures,
        floor,
        memorization: mean_memorization(&memorized),
        classes,
        classifier,
    };
    if let Some(folder) = &args.report {
        let sheet = ContactSheet { columns: Vec::new(), rows: comparison.nearest(NEAREST) };
        write_sheet(&sheet.draw(), &folder.join("nearest.png"))?;
        let pictures = [("nearest.png", "Generated faces, and the photograph seen that is nearest to each")];
        write_page(&report, &pictures, folder)?;
        eprintln!("wrote {}", folder.join("report.html").display());
    }
    if args.json {
        print!("{}", render_json(&report)?);
    } else {
        print!("{}", render_table(&report));
    }
    Ok(ExitCode::SUCCESS)
}

fn provenance(generated: &PackedDataset, real: &PackedDataset) -> Vec<Provenance> {
    let mut lines = vec![
        Provenance::new("faces", generated.name()),
        Provenance::new("faces' fingerprint", generated.fingerprint()),
        Provenance::new("photographs", real.name()),
        Provenance::new("photographs' fingerprint", real.fingerprint()),
    ];
    let of_generators = generated.provenance().iter();
    lines.extend(of_generators.map(|(name, value)| Provenance::new(format!("generators' {name}"), value)));
    lines
}

/// The compact network trained on generated faces alone, and on the photographs the generators saw.
fn classifier_figures(
    comparison: &Comparison<'_>,
    generated: &PackedDataset,
    real: &PackedDataset,
    device: &burn::tensor::Device,
) -> anyhow::Result<ClassifierFigures> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let [of_generated, of_seen, of_reference] = comparison.labelled();
    let accuracy = |name: &str, dataset: &PackedDataset, rows: &[(usize, u8)]| -> anyhow::Result<f64> {
        eprintln!("training a classifier on {name} ...");
        let mut builder = PackedBuilder::new(name, real.label_set(), real.height(), real.width());
        for (row, label) in rows {
            builder.push(dataset.image(*row), *label, Split::Training, dataset.origin(*row))?;
        }
        for (row, label) in &of_reference {
            builder.push(real.image(*row), *label, Split::PublicTest, Origin::Photograph)?;
        }
        let path = folder.path().join(format!("{name}.safetensors"));
        builder.write(&path, real.source_checksum())?;
        last_accuracy(&PackedDataset::open(&path)?, &folder.path().join(name), device)
    };
    Ok(ClassifierFigures {
        trained_on_generated: accuracy("generated", generated, &of_generated)?,
        trained_on_photographs: accuracy("photographs", real, &of_seen)?,
        photographs: of_reference.len(),
    })
}

/// Accuracy on PublicTest after the last epoch: no epoch is chosen by it.
fn last_accuracy(dataset: &PackedDataset, run: &Path, device: &burn::tensor::Device) -> anyhow::Result<f64> {
    let training = dataset.training()?;
    // The same number of steps whatever the size of the set: passes cut short where a pass takes more.
    let steps = (training.len() / CLASSIFIER_BATCH).clamp(1, CLASSIFIER_STEPS);
    let epochs = CLASSIFIER_STEPS.div_ceil(steps);
    let settings = [
        format!("training.epochs={epochs}"),
        format!("training.batch_size={CLASSIFIER_BATCH}"),
        format!("training.steps_per_epoch={steps}"),
        "training.learning_rate=0.05".to_owned(),
        "training.weight_average=0".to_owned(),
    ];
    let text = Recipe::built_in("compact").expect("a built-in recipe");
    let recipe = Recipe::parse("compact", text, &settings)?;
    let mut last = 0.0;
    let job = Job {
        recipe: &recipe,
        recipe_name: "compact",
        training: &training,
        validation: &dataset.public_test()?,
        initial: None,
        run: &RunDirectory::open(run)?,
        device,
        stop: &AtomicBool::new(false),
    };
    train(&job, &mut |event| {
        if let Event::Epoch { record, .. } = event {
            last = record.validation_accuracy;
        }
    })?;
    Ok(last)
}
