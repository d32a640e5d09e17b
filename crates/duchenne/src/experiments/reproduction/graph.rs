//! The *stages* of a reproduction and what each needs. A stage's key is made of its work, its settings, the program's
//! version and the keys of what it needs, so whatever depends on a change has another key.

use std::path::{Path, PathBuf};

use crate::error::{Context as _, refuse};

use crate::data::packed::dataset::FORMAT_VERSION;
use crate::data::packed::synthetic::NeutralPolicy;
use crate::experiments::reproduction::scale::{Images, Row, SVM, Scale};
use crate::experiments::reproduction::store::StageFolder;
use crate::experiments::svm::networks::DeepSvmRecipe;
use crate::files::checksum::checksum_of_file;
use crate::training::classifier::recipe::Initialization;
use crate::training::classifier::{CheckedRecipe, GivenModels};
use crate::training::gan::GanRecipe;
use crate::training::recipe_file::Setting;

/// What the user asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// FER-2013: a source of `data import fer2013`, or a packed set.
    pub fer2013: PathBuf,
    /// FER+'s votes.
    pub ferplus: Option<PathBuf>,
    /// CK+: a source of `data import ckplus`, or a packed set.
    pub ckplus: PathBuf,
    /// Folder with ImageNet's weights.
    pub imagenet: Option<PathBuf>,
    /// Where everything goes.
    pub out: PathBuf,
    /// Runs of every classifier.
    pub seeds: u64,
    /// What becomes of neutral.
    pub neutral: NeutralPolicy,
}

/// Place of a stage in the list.
pub type StageId = usize;

/// One stage.
#[derive(Debug, Clone)]
pub struct Stage {
    /// For people: `train vgg16+dcgan seed 0`.
    pub name: String,
    /// What it does.
    pub work: Work,
    /// Earlier stages whose results it takes.
    pub inputs: Vec<StageId>,
    /// Where its result goes.
    pub folder: StageFolder,
    key: String,
}

/// What a stage does; its inputs, in order, stand behind each.
#[derive(Debug, Clone)]
pub enum Work {
    /// Packs FER-2013. None.
    ImportFer2013(PathBuf, Option<PathBuf>),
    /// Packs CK+. None.
    ImportCkplus(PathBuf),
    /// Takes some images of each split. FER-2013.
    Subset(Images),
    /// Trains generators of a class, or of all. A packed set.
    Gan {
        /// The recipe's name.
        name: String,
        /// The settings.
        recipe: Box<GanRecipe>,
        /// A class by name, or `all`.
        class: &'static str,
    },
    /// Generates faces, so many of each class. Generators.
    Faces(u32),
    /// Judges faces, by a classifier too or not. Faces, the photographs learned from.
    Judge(bool),
    /// Trains a classifier. FER-2013, faces.
    Classifier {
        /// The recipe, which needs no models.
        recipe: Box<CheckedRecipe>,
        /// Generated faces of each class at most.
        per_class: u32,
        /// What becomes of neutral.
        neutral: NeutralPolicy,
    },
    /// Trains networks and fits an SVM on their features. FER-2013.
    Svm(Box<DeepSvmRecipe>),
    /// Scores a model on PrivateTest. FER-2013, a model.
    Evaluation(u64),
    /// Draws Figure 1, under the names of its rows. Generators.
    Figure(Vec<String>),
}

/// The folder of all stages, in that of a reproduction.
pub const STAGES: &str = "stages";

/// The stages in an order in which each comes after what it needs, and where the report finds results.
#[derive(Debug)]
pub struct Graph {
    /// All stages.
    pub stages: Vec<Stage>,
    /// For every row of the table its evaluations, one for each seed.
    pub rows: Vec<(Row, Vec<StageId>)>,
    /// For every kind of generator: title, generators of expressions, their judgement.
    pub gans: Vec<(String, StageId, StageId)>,
    /// Figure 1.
    pub figure: Option<StageId>,
    /// FER-2013 as the classifiers see it, and CK+.
    pub data: [StageId; 2],
}

impl Graph {
    /// Of a request at a scale.
    ///
    /// # Errors
    /// When a source cannot be read or a recipe cannot be used.
    pub fn new(request: &Request, scale: &Scale) -> crate::Result<Self> {
        check(request, scale)?;
        let mut builder = Builder { stages: Vec::new(), root: request.out.join(STAGES) };
        let whole = builder.import_fer2013(request)?;
        let fer2013 = match scale.images {
            Some(images) => builder.add("some of fer2013", Work::Subset(images), "", &[whole]),
            None => whole,
        };
        let source = source_identity(&request.ckplus)?;
        let work = Work::ImportCkplus(request.ckplus.clone());
        let ckplus = builder.add("import ckplus", work, &source, &[]);
        let (mut gans, mut figure_rows) = (Vec::new(), Vec::new());
        let mut joining = Vec::new();
        for gan in &scale.gans {
            let name = &gan.name;
            let expressions = builder.gan(name, &gan.recipe, gan.recipe(false)?, "all", ckplus);
            let faces = builder.faces(name, scale.faces_per_class, expressions);
            let judged = builder.judge(name, scale.judge_by_classifier, [faces, ckplus]);
            gans.push((gan.title.clone(), expressions, judged));
            figure_rows.push((gan.title.clone(), expressions));
            let is_used = scale.rows.iter().any(|row| row.faces.as_ref() == Some(name));
            let mut sets = vec![faces];
            if is_used && request.neutral == NeutralPolicy::Real {
                let own = format!("{name} neutral");
                let generators = builder.gan(&own, &gan.recipe, gan.recipe(true)?, "neutral", fer2013);
                let faces = builder.faces(&own, scale.faces_per_class, generators);
                // A classifier of one class would say nothing.
                let judged = builder.judge(&own, false, [faces, fer2013]);
                gans.push((format!("{}, neutral", gan.title), generators, judged));
                sets.push(faces);
            }
            joining.push((name.clone(), sets));
        }
        let figure = (!figure_rows.is_empty()).then(|| {
            let (titles, inputs): (Vec<String>, Vec<StageId>) = figure_rows.into_iter().unzip();
            let settings = titles.join("\n");
            builder.add("figure 1", Work::Figure(titles), &settings, &inputs)
        });
        // Seed by seed, so that a table of the first is there early.
        let mut rows: Vec<(Row, Vec<StageId>)> =
            scale.rows.iter().map(|row| (row.clone(), Vec::new())).collect();
        for seed in 0..request.seeds {
            for (row, evaluations) in &mut rows {
                let model = match row.network.as_str() {
                    SVM => builder.svm(&row.key, request, scale, seed, fer2013)?,
                    network => {
                        let choice = &scale.classifiers[network];
                        let sets = joining.iter().filter(|(name, _)| Some(name) == row.faces.as_ref());
                        let inputs: Vec<StageId> =
                            std::iter::once(fer2013).chain(sets.flat_map(|(_, sets)| sets.clone())).collect();
                        let recipe = choice
                            .classifier(seed)?
                            .check(&choice.recipe, GivenModels::default())
                            .with_context(|| format!("classifier `{network}`"))?;
                        let recipe = Box::new(recipe);
                        let mut settings = recipe.to_toml();
                        if inputs.len() > 1 {
                            settings += &format!("{} {}", scale.faces_per_class, request.neutral.key());
                        }
                        let (per_class, neutral) = (scale.faces_per_class, request.neutral);
                        let work = Work::Classifier { recipe, per_class, neutral };
                        builder.add(&format!("train {} seed {seed}", row.key), work, &settings, &inputs)
                    }
                };
                let name = format!("score {} seed {seed}", row.key);
                evaluations.push(builder.add(&name, Work::Evaluation(seed), "", &[fer2013, model]));
            }
        }
        Ok(Self { stages: builder.stages, rows, gans, figure, data: [fer2013, ckplus] })
    }
}

struct Builder {
    stages: Vec<Stage>,
    root: PathBuf,
}

impl Builder {
    fn add(&mut self, name: &str, work: Work, settings: &str, inputs: &[StageId]) -> StageId {
        // Two rows may need the same work.
        let kind = match &work {
            Work::ImportFer2013(..) | Work::ImportCkplus(..) => "import",
            Work::Subset(_) => "subset",
            Work::Gan { .. } => "gan",
            Work::Faces(_) => "faces",
            Work::Judge(_) => "judge",
            Work::Classifier { .. } => "classifier",
            Work::Svm(_) => "svm",
            Work::Evaluation(_) => "evaluation",
            Work::Figure(_) => "figure",
        };
        let settings = match &work {
            Work::Subset(images) => format!("{images:?}"),
            Work::Faces(count) => count.to_string(),
            Work::Evaluation(seed) => seed.to_string(),
            _ => settings.to_owned(),
        };
        let mut hasher = blake3::Hasher::new();
        for part in [env!("CARGO_PKG_VERSION"), FORMAT_VERSION, kind, &settings] {
            hasher.update(part.as_bytes()).update(&[0]);
        }
        inputs.iter().for_each(|input| {
            hasher.update(self.stages[*input].key.as_bytes());
        });
        let key = hasher.finalize().to_hex().to_string();
        if let Some(known) = self.stages.iter().position(|stage| stage.key == key) {
            return known;
        }
        let folder = StageFolder::new(&self.root, name, &key);
        self.stages.push(Stage { name: name.to_owned(), work, inputs: inputs.to_vec(), folder, key });
        self.stages.len() - 1
    }

    fn import_fer2013(&mut self, request: &Request) -> crate::Result<StageId> {
        let mut source = source_identity(&request.fer2013)?;
        if let Some(votes) = &request.ferplus {
            source += &source_identity(votes)?;
        }
        let work = Work::ImportFer2013(request.fer2013.clone(), request.ferplus.clone());
        Ok(self.add("import fer2013", work, &source, &[]))
    }

    fn gan(
        &mut self,
        name: &str,
        recipe_name: &str,
        recipe: GanRecipe,
        class: &'static str,
        data: StageId,
    ) -> StageId {
        let settings = format!("{}{class}", recipe.to_toml());
        let work = Work::Gan { name: recipe_name.to_owned(), recipe: Box::new(recipe), class };
        self.add(&format!("train {name} generators"), work, &settings, &[data])
    }

    fn faces(&mut self, name: &str, count: u32, generators: StageId) -> StageId {
        self.add(&format!("generate {name} faces"), Work::Faces(count), "", &[generators])
    }

    fn judge(&mut self, name: &str, by_classifier: bool, inputs: [StageId; 2]) -> StageId {
        let work = Work::Judge(by_classifier);
        self.add(&format!("judge {name}"), work, &by_classifier.to_string(), &inputs)
    }

    fn svm(
        &mut self,
        key: &str,
        request: &Request,
        scale: &Scale,
        seed: u64,
        data: StageId,
    ) -> crate::Result<StageId> {
        let name = match request.imagenet {
            Some(_) => &scale.svm.imagenet,
            None => &scale.svm.scratch,
        };
        let mut network_settings = scale.svm.network_settings.clone();
        network_settings.push(Setting::new("training.seed", seed));
        let own = [Setting::new("seed", seed)];
        let recipe = DeepSvmRecipe::read(name, &own, &network_settings, request.imagenet.as_deref())?;
        let settings = recipe.identity()?;
        Ok(self.add(&format!("train {key} seed {seed}"), Work::Svm(Box::new(recipe)), &settings, &[data]))
    }
}

/// Refuses what would fail only after hours.
fn check(request: &Request, scale: &Scale) -> crate::Result<()> {
    if request.ferplus.is_some() && is_packed(&request.fer2013) {
        refuse!("`{}` is packed; FER+'s votes join when it is imported", request.fer2013.display());
    }
    for (name, choice) in &scale.classifiers {
        let recipe = choice.classifier(0)?;
        if recipe.network.init == Initialization::Pretrained {
            refuse!(
                "classifier `{name}` begins from pre-trained weights, which only the networks of the SVM can have"
            );
        }
    }
    for gan in &scale.gans {
        let is_used = scale.rows.iter().any(|row| row.faces.as_ref() == Some(&gan.name));
        if is_used && request.neutral == NeutralPolicy::Real && gan.recipe(true)?.is_conditional() {
            refuse!(
                "generators `{}` are one for all classes and have none for neutral; use --neutral omit",
                gan.name
            );
        }
    }
    Ok(())
}

/// Whether a source is a packed set.
pub fn is_packed(source: &Path) -> bool {
    source.extension().is_some_and(|extension| extension == "safetensors")
}

/// What tells one source from another: a file's checksum; names, sizes and times of what a folder holds.
fn source_identity(path: &Path) -> crate::Result<String> {
    if !path.is_dir() {
        return Ok(checksum_of_file(path)?);
    }
    let mut text = String::new();
    for file in crate::experiments::reproduction::store::files_below(path)? {
        let metadata = file.metadata().with_context(|| format!("cannot read `{}`", file.display()))?;
        text += &format!("{} {} {:?}\n", file.display(), metadata.len(), metadata.modified().ok());
    }
    Ok(blake3::hash(text.as_bytes()).to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(scale: &Scale, neutral: NeutralPolicy) -> (tempfile::TempDir, Graph) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["fer", "ck"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let request = Request {
            fer2013: folder.path().join("fer"),
            ferplus: None,
            ckplus: folder.path().join("ck"),
            imagenet: None,
            out: folder.path().join("out"),
            seeds: 2,
            neutral,
        };
        let graph = Graph::new(&request, scale).unwrap();
        (folder, graph)
    }

    #[test]
    fn every_stage_comes_after_what_it_needs() {
        let (_folder, graph) = graph(&Scale::built_in("quick").unwrap(), NeutralPolicy::Real);
        for (index, stage) in graph.stages.iter().enumerate() {
            assert!(stage.inputs.iter().all(|input| *input < index), "{}", stage.name);
        }
        assert!(graph.rows.iter().all(|(_, evaluations)| evaluations.len() == 2));
        let augmented = graph.stages.iter().find(|stage| stage.name == "train vgg16+dcgan seed 0").unwrap();
        let names: Vec<&str> =
            augmented.inputs.iter().map(|input| graph.stages[*input].name.as_str()).collect();
        assert_eq!(names, ["some of fer2013", "generate dcgan faces", "generate dcgan neutral faces"]);
    }

    #[test]
    fn a_change_gives_new_keys_to_what_depends_on_it_and_to_nothing_else() {
        let scale = Scale::built_in("quick").unwrap();
        let (_folder, before) = graph(&scale, NeutralPolicy::Omit);
        let mut changed = scale.clone();
        changed.gans[0].settings.push(Setting::new("training.learning_rate", 1e-3));
        let (_other, after) = graph(&changed, NeutralPolicy::Omit);
        let differing: Vec<&str> = before
            .stages
            .iter()
            .zip(&after.stages)
            .filter(|(a, b)| a.key != b.key)
            .map(|(a, _)| a.name.as_str())
            .collect();
        let expected = [
            "train dcgan generators",
            "generate dcgan faces",
            "judge dcgan",
            "figure 1",
            "train vgg16+dcgan seed 0",
            "score vgg16+dcgan seed 0",
            "train resnet50+dcgan seed 0",
            "score resnet50+dcgan seed 0",
            "train vgg16+dcgan seed 1",
            "score vgg16+dcgan seed 1",
            "train resnet50+dcgan seed 1",
            "score resnet50+dcgan seed 1",
        ];
        assert_eq!(differing, expected);

        // Neutral and the count of faces concern those alone whom faces join.
        let mut fewer = scale.clone();
        fewer.faces_per_class = 50;
        let (_third, after) = graph(&fewer, NeutralPolicy::ContemptAsNeutral);
        let key = |graph: &Graph, name: &str| {
            graph.stages.iter().find(|stage| stage.name == name).unwrap().key.clone()
        };
        for (name, is_same) in [
            ("train vgg16 seed 0", true),
            ("train vgg16+wgan seed 0", false),
            ("train wgan generators", true),
        ] {
            assert_eq!(key(&before, name) == key(&after, name), is_same, "{name}");
        }
    }
}
