//! Generated faces judged in full: what `gan eval` and `reproduce` share.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::error::{Context as _, refuse};

use crate::Device;
use crate::data::packed::provenance::SyntheticProvenance;
use crate::data::{Images, Origin, PackedBuilder, PackedDataset, Split};
use crate::evaluation::generation::report::{
    ClassifierFigures, GenerationReport, Reference, mean_memorization, write_page,
};
use crate::evaluation::report::Provenance;
use crate::experiments::generators::comparison::{Comparison, DRAWS};
use crate::experiments::watch::{Note, Watch};
use crate::inference::drawing::contact_sheet::{ContactSheet, write_sheet};
use crate::inference::predictor::Predictor;
use crate::training::classifier::recipe::Recipe;
use crate::training::classifier::{Event, GivenModels, Job, train};
use crate::training::recipe_file::Setting;
use crate::training::run_directory::RunDirectory;

/// Steps of the classifier that learns from generated faces alone.
const CLASSIFIER_STEPS: usize = 400;
/// Its images per step.
const CLASSIFIER_BATCH: usize = 64;
/// Faces per class on the sheet of nearest neighbours.
const NEAREST: usize = 10;

/// A synthetic set and the photographs that its faces are judged against.
#[derive(Debug)]
pub struct Judgement<'a> {
    generated: &'a PackedDataset,
    real: &'a PackedDataset,
    comparison: Comparison<'a>,
}

impl<'a> Judgement<'a> {
    /// Of two sets that can be compared.
    ///
    /// # Errors
    /// When the first is not synthetic, sizes differ, or a class has too few faces.
    pub fn new(generated: &'a PackedDataset, real: &'a PackedDataset) -> crate::Result<Self> {
        if let Some(row) = (0..generated.len()).find(|row| generated.origin(*row) != Origin::Synthetic) {
            let name = generated.name();
            refuse!(
                "`{name}`: row {row} (from 0) is a photograph; `duchenne gan sample` makes synthetic sets"
            );
        }
        let sizes = [generated, real].map(|set| (set.height(), set.width()));
        if sizes[0] != sizes[1] {
            refuse!(
                "generated faces are {:?} pixels, photographs {:?}: sizes must agree",
                sizes[0],
                sizes[1]
            );
        }
        Ok(Self { generated, real, comparison: Comparison::new(generated, real)? })
    }

    /// All figures, in the features of `predictor`, which `features` names.
    ///
    /// # Errors
    /// When the classifier that learns from the faces alone cannot be trained.
    pub fn report(
        &self,
        predictor: &Predictor,
        features: &str,
        with_classifier: bool,
        device: &Device,
        watch: &dyn Watch,
    ) -> crate::Result<GenerationReport> {
        let Self { generated, real, comparison } = self;
        watch.note(&Note::Measuring);
        let (figures, floor, classes) = comparison.figures(predictor);
        let memorized: Vec<_> = classes.iter().filter_map(|class| class.memorization).collect();
        let classifier = with_classifier
            .then(|| classifier_figures(comparison, generated, real, device, watch))
            .transpose()?;
        Ok(GenerationReport {
            title: format!("{} against {}", generated.name(), real.name()),
            provenance: provenance(generated, real),
            features: match &predictor.manifest().provenance.recipe {
                Some(recipe) => format!("{features} ({recipe})"),
                None => features.to_owned(),
            },
            reference: comparison.reference,
            epoch_chosen_by_reference: comparison.reference == Reference::HeldOut
                && generated.provenance().is_some_and(SyntheticProvenance::epoch_chosen_by_people_held_out),
            faces: comparison.faces(),
            draws: DRAWS,
            generated: figures,
            floor,
            memorization: mean_memorization(&memorized),
            classes,
            classifier,
        })
    }

    /// Writes the page, its JSON and the sheet of nearest neighbours into a folder.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn write(&self, report: &GenerationReport, folder: &Path) -> crate::Result<()> {
        let sheet = ContactSheet { columns: Vec::new(), rows: self.comparison.nearest(NEAREST) };
        write_sheet(&sheet.draw(), &folder.join("nearest.png"))?;
        let pictures = [("nearest.png", "Generated faces, and the photograph seen that is nearest to each")];
        write_page(report, &pictures, folder)?;
        Ok(())
    }
}

fn provenance(generated: &PackedDataset, real: &PackedDataset) -> Vec<Provenance> {
    let mut lines = vec![
        Provenance::new("faces", generated.name()),
        Provenance::new("faces' fingerprint", generated.fingerprint()),
        Provenance::new("photographs", real.name()),
        Provenance::new("photographs' fingerprint", real.fingerprint()),
    ];
    let of_generators = generated.provenance().into_iter().flat_map(SyntheticProvenance::lines);
    lines.extend(of_generators.map(|(name, value)| Provenance::new(format!("generators' {name}"), value)));
    lines
}

/// The compact network trained on generated faces alone, and on the photographs the generators saw.
fn classifier_figures(
    comparison: &Comparison<'_>,
    generated: &PackedDataset,
    real: &PackedDataset,
    device: &Device,
    watch: &dyn Watch,
) -> crate::Result<ClassifierFigures> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let [of_generated, of_seen, of_reference] = comparison.labelled();
    let accuracy = |name: &str, dataset: &PackedDataset, rows: &[(usize, u8)]| -> crate::Result<f64> {
        watch.note(&Note::TrainsJudge(name));
        let mut builder = PackedBuilder::new(name, real.label_set(), real.height(), real.width());
        for (row, label) in rows {
            builder.push(dataset.image(*row), *label, Split::Training, dataset.origin(*row))?;
        }
        for (row, label) in &of_reference {
            builder.push(real.image(*row), *label, Split::Validation, Origin::Photograph)?;
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

/// Accuracy on the validation split after the last epoch: no epoch is chosen by it.
fn last_accuracy(dataset: &PackedDataset, run: &Path, device: &Device) -> crate::Result<f64> {
    let training = dataset.training()?;
    // The same number of steps whatever the size of the set: passes cut short where a pass takes more.
    let steps = (training.len() / CLASSIFIER_BATCH).clamp(1, CLASSIFIER_STEPS);
    let epochs = CLASSIFIER_STEPS.div_ceil(steps);
    let settings = [
        Setting::new("training.epochs", epochs),
        Setting::new("training.batch_size", CLASSIFIER_BATCH),
        Setting::new("training.steps_per_epoch", steps),
        Setting::new("training.learning_rate", 0.05),
        Setting::new("training.weight_average", 0.0),
    ];
    let recipe = Recipe::read("compact", &settings)?.check("compact", GivenModels::default())?;
    let task = recipe.load(dataset, device)?;
    let mut last = 0.0;
    let job = Job {
        task: &task,
        training: &training,
        validation: &dataset.validation()?,
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
