//! What stages will take: steps of each network and generator are timed on this machine, a few of them on noise,
//! and multiplied by how many there will be.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crate::error::Context as _;
use burn::tensor::Tensor;

use crate::Device;
use crate::data::faces::views::Views;
use crate::data::packed::generative::GenerativeSplit;
use crate::data::{FACE_SIDE, Origin, PackedBuilder, PackedDataset, Split};
use crate::experiments::reproduction::graph::{Graph, Stage, Work};
use crate::experiments::reproduction::scale::Images;
use crate::experiments::reproduction::store::files_below;
use crate::experiments::reproduction::work::DATA_FILE;
use crate::expression::LabelSet;
use crate::inference::predictor::Predictor;
use crate::training::classifier::frozen::{frozen_sections, keeps_maps};
use crate::training::classifier::recipe::{Initialization, Recipe};
use crate::training::classifier::{Event, GivenModels, Job, train};
use crate::training::gan::{self, GanJob, GanRecipe, train_gan};
use crate::training::run_directory::RunDirectory;

/// Steps that are timed after the first, which warms up.
const TIMED_STEPS: usize = 3;
/// Faces that scoring is timed on.
const TIMED_FACES: usize = 64;

/// FER-2013's splits and its Training neutral faces, CK+'s photographs, where nothing is imported yet.
const FER2013: Images = Images { training: 28_709, public_test: 3_589, private_test: 3_589 };
const FER2013_NEUTRAL: usize = 4_965;
const CKPLUS: usize = 981;

/// What a stage will take.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Of computation.
    pub seconds: f64,
    /// At most, while it runs.
    pub bytes: f64,
}

/// Times on this machine, taken once for each kind of work.
pub struct Stopwatch<'a> {
    device: &'a Device,
    classifiers: BTreeMap<String, ClassifierTimes>,
    generators: BTreeMap<String, GeneratorTimes>,
}

impl std::fmt::Debug for Stopwatch<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Stopwatch").finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy)]
struct ClassifierTimes {
    step: f64,
    face: f64,
    bytes: f64,
    /// Of the kept map of one picture, where there is one.
    map_bytes: f64,
}

#[derive(Debug, Clone, Copy)]
struct GeneratorTimes {
    batch: f64,
    bytes: f64,
}

impl<'a> Stopwatch<'a> {
    /// Nothing is timed yet.
    pub fn new(device: &'a Device) -> Self {
        Self { device, classifiers: BTreeMap::new(), generators: BTreeMap::new() }
    }

    /// What the stage will take; `None` for the short ones, which are not foreseen.
    ///
    /// # Errors
    /// When timing fails.
    pub fn cost(&mut self, graph: &Graph, stage: &Stage) -> crate::Result<Option<Cost>> {
        match &stage.work {
            Work::Gan { recipe, class, .. } => {
                let [classes, photographs] = self.photographs(graph, stage, recipe, class);
                let times = self.generator(recipe)?;
                let batches = photographs / recipe.training.batch_size;
                let seconds = times.batch * (batches * recipe.training.epochs) as f64;
                let generators = if recipe.is_conditional() { 1 } else { classes };
                Ok(Some(Cost { seconds, bytes: times.bytes * generators as f64 }))
            }
            Work::Classifier { recipe, .. } => {
                let images = self.images(graph, stage);
                let joined: usize = stage.inputs[1..].iter().map(|input| faces_of(graph, *input)).sum();
                Ok(Some(self.training(recipe, images, joined)?))
            }
            Work::Svm(svm) => {
                let images = self.images(graph, stage);
                let mut sum = Cost::default();
                for recipe in svm.recipes() {
                    let cost = self.training(recipe, images, 0)?;
                    let face = self.classifier(recipe)?.face;
                    sum.seconds += cost.seconds + face * (images.training + images.public_test) as f64;
                    sum.bytes += cost.bytes + 4.0 * 4096.0 * (images.training + images.public_test) as f64;
                }
                Ok(Some(sum))
            }
            Work::Evaluation(_) => {
                let images = self.images(graph, stage);
                let model = &graph.stages[stage.inputs[1]];
                let recipes: Vec<&Recipe> = match &model.work {
                    Work::Classifier { recipe, .. } => vec![recipe],
                    Work::Svm(svm) => svm.recipes().collect(),
                    _ => Vec::new(),
                };
                let mut cost = Cost::default();
                for recipe in recipes {
                    cost.seconds +=
                        self.classifier(recipe)?.face * (images.public_test + images.private_test) as f64;
                }
                Ok(Some(cost))
            }
            Work::ImportFer2013(..)
            | Work::ImportCkplus(_)
            | Work::Subset(_)
            | Work::Faces(_)
            | Work::Judge(_)
            | Work::Figure(_) => Ok(None),
        }
    }

    fn training(&mut self, recipe: &Recipe, images: Images, joined: usize) -> crate::Result<Cost> {
        let times = self.classifier(recipe)?;
        let training = &recipe.training;
        let steps = match training.steps_per_epoch {
            0 => (images.training + joined) / training.batch_size,
            steps => steps,
        };
        // PublicTest twice, with mirror images, for the temperature, and after every epoch; or, of kept maps, which
        // leave little to do then, all pictures once.
        let kept = images.training + joined + images.public_test;
        let is_kept = times.map_bytes > 0.0;
        let scored =
            2 * images.public_test + if is_kept { kept } else { images.public_test * training.epochs };
        let seconds = times.step * (steps * training.epochs) as f64 + times.face * scored as f64;
        Ok(Cost { seconds, bytes: times.bytes + times.map_bytes * kept as f64 })
    }

    /// The images that a stage's first input has, or will have.
    fn images(&self, graph: &Graph, stage: &Stage) -> Images {
        let data = &graph.stages[stage.inputs[0]];
        if let Ok(dataset) = PackedDataset::open(data.folder.file(DATA_FILE)) {
            let count = |split| (0..dataset.len()).filter(|row| dataset.split(*row) == split).count();
            return Images {
                training: count(Split::Training),
                public_test: count(Split::Validation),
                private_test: count(Split::Test),
            };
        }
        match &data.work {
            Work::Subset(images) => *images,
            _ => FER2013,
        }
    }

    /// Classes and photographs that generators will learn from.
    fn photographs(&self, graph: &Graph, stage: &Stage, recipe: &GanRecipe, class: &str) -> [usize; 2] {
        let data = &graph.stages[stage.inputs[0]];
        let classes = if class == "all" { LabelSet::CkPlus.len() } else { 1 };
        if let Ok(dataset) = PackedDataset::open(data.folder.file(DATA_FILE))
            && let Ok(photographs) = GenerativeSplit::new(&dataset, recipe.data.held_out)
        {
            let label = dataset.label_set().label_of(class);
            return [classes, photographs.seen(label).len()];
        }
        let all = match &data.work {
            Work::ImportCkplus(_) => CKPLUS,
            Work::Subset(images) => FER2013_NEUTRAL * images.training / FER2013.training,
            _ => FER2013_NEUTRAL,
        };
        [classes, ((1.0 - recipe.data.held_out) * all as f64) as usize]
    }

    fn classifier(&mut self, recipe: &Recipe) -> crate::Result<ClassifierTimes> {
        let mut recipe = recipe.clone();
        // Pre-trained weights make no step shorter, and what is frozen is computed once.
        recipe.network.init = Initialization::Scratch;
        recipe.training.epochs = 1;
        recipe.training.steps_per_epoch = 1 + TIMED_STEPS;
        recipe.training.seed = 0;
        let key = recipe.to_toml();
        if let Some(known) = self.classifiers.get(&key) {
            return Ok(*known);
        }
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let path = folder.path().join("noise");
        let images = recipe.training.batch_size * recipe.training.steps_per_epoch;
        write_noise(&path, LabelSet::Fer2013, images, TIMED_FACES)?;
        let dataset = PackedDataset::open(&path)?;
        let run = RunDirectory::open(&folder.path().join("run"))?;
        let mut marks = Vec::new();
        let task = recipe.check("timing", GivenModels::default())?.load(&dataset, self.device)?;
        let job = Job {
            task: &task,
            training: &dataset.training()?,
            validation: &dataset.validation()?,
            run: &run,
            device: self.device,
            stop: &AtomicBool::new(false),
        };
        train(&job, &mut |event| {
            if let Event::Batch { .. } = event {
                marks.push(Instant::now());
            }
        })?;
        let predictor = Predictor::load(&run.file("best.safetensors"), self.device)?;
        let side = predictor.manifest().preprocessing.resize;
        let face = vec![127; side * side];
        let faces = vec![face.as_slice(); TIMED_FACES];
        predictor.logits(&faces, Views::Centre);
        let begun = Instant::now();
        predictor.logits(&faces, Views::Centre);
        let face = begun.elapsed().as_secs_f64() / TIMED_FACES as f64;
        let mut map_bytes = 0.0;
        if keeps_maps(task.recipe()) {
            let manifest = predictor.manifest();
            let (channels, side) = (manifest.preprocessing.channels(), manifest.preprocessing.crop);
            let network = manifest.network.init(0, self.device);
            let sections = frozen_sections(task.recipe(), &network)?;
            let map = network.trunk(Tensor::zeros([1, channels, side, side], &**self.device), sections);
            map_bytes = 4.0 * map.dims().iter().product::<usize>() as f64;
        }
        let times = ClassifierTimes {
            step: mean_gap(&marks),
            map_bytes,
            face,
            bytes: bytes_below(&folder.path().join("run"))?,
        };
        self.classifiers.insert(key, times);
        Ok(times)
    }

    fn generator(&mut self, recipe: &GanRecipe) -> crate::Result<GeneratorTimes> {
        let mut recipe = recipe.clone();
        recipe.training.epochs = 1;
        recipe.training.judge_every = 0;
        recipe.training.seed = 0;
        recipe.data.held_out = 0.0;
        let key = recipe.to_toml();
        if let Some(known) = self.generators.get(&key) {
            return Ok(*known);
        }
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let path = folder.path().join("noise");
        // Whole turns of discriminator and generator steps after the one that warms up.
        let batches = 1 + recipe.training.critic_steps.max(2);
        write_noise(&path, LabelSet::CkPlus, batches * recipe.training.batch_size, 0)?;
        let dataset = PackedDataset::open(&path)?;
        let photographs = GenerativeSplit::new(&dataset, 0.0)?;
        let run = RunDirectory::open(&folder.path().join("run"))?;
        let mut marks = Vec::new();
        let job = GanJob {
            recipe: &recipe,
            recipe_name: "timing",
            photographs: &photographs,
            label: (!recipe.is_conditional()).then_some(0),
            run: &run,
            device: self.device,
            stop: &AtomicBool::new(false),
            judge: None,
        };
        train_gan(&job, &mut |event| {
            if let gan::Event::Batch { .. } = event {
                marks.push(Instant::now());
            }
        })?;
        let times =
            GeneratorTimes { batch: mean_gap(&marks), bytes: bytes_below(&folder.path().join("run"))? };
        self.generators.insert(key, times);
        Ok(times)
    }
}

/// Generated faces that a stage gives to a classifier: of CK+'s seven classes six, or one of neutral.
fn faces_of(graph: &Graph, stage: usize) -> usize {
    let Work::Faces(count) = graph.stages[stage].work else { return 0 };
    let generators = &graph.stages[graph.stages[stage].inputs[0]];
    let is_neutral = matches!(generators.work, Work::Gan { class: "neutral", .. });
    count as usize * if is_neutral { 1 } else { LabelSet::CkPlus.len() - 1 }
}

fn mean_gap(marks: &[Instant]) -> f64 {
    match marks {
        [first, .., last] => (*last - *first).as_secs_f64() / (marks.len() - 1) as f64,
        _ => 0.0,
    }
}

fn bytes_below(folder: &Path) -> crate::Result<f64> {
    let files = files_below(folder)?;
    Ok(files.iter().filter_map(|path| path.metadata().ok()).map(|metadata| metadata.len() as f64).sum())
}

/// A packed set of noise: every class for classifiers, one class for generators.
fn write_noise(path: &Path, label_set: LabelSet, training: usize, public: usize) -> crate::Result<()> {
    let mut builder = PackedBuilder::new("noise", label_set, FACE_SIDE, FACE_SIDE);
    let classes = if public > 0 { label_set.len() } else { 1 };
    for index in 0..training + public {
        let image: Vec<u8> =
            (0..FACE_SIDE * FACE_SIDE).map(|pixel| ((pixel * 7919 + index * 104_729) % 251) as u8).collect();
        let split = if index < training { Split::Training } else { Split::Validation };
        builder.push(&image, (index % classes) as u8, split, Origin::Photograph)?;
    }
    builder.write(path, "noise")?;
    Ok(())
}
