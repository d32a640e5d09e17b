//! The networks of a deep-feature SVM, trained by recipe, each in a run directory of its own: what
//! `svm fit --recipe` and `reproduce` share.

use std::path::{Path, PathBuf};

use crate::error::{Context as _, refuse};

use crate::data::{PackedDataset, TrainingSplit};
use crate::experiments::classifier::ClassifierRun;
use crate::experiments::session::Session;
use crate::experiments::watch::Note;
use crate::files::checksum::checksum_of_file;
use crate::training::classifier::recipe::{Initialization, Recipe};
use crate::training::classifier::{CheckedRecipe, GivenModels};
use crate::training::recipe_file::Setting;
use crate::training::svm::{SvmRecipe, SvmSettings};

/// The folder of kept features in a run, beside those of its networks.
pub const FEATURES: &str = "features";

/// A recipe with those of its networks.
#[derive(Debug, Clone)]
pub struct DeepSvmRecipe {
    /// Of the SVM.
    pub svm: SvmSettings,
    networks: Vec<NetworkStage>,
}

/// One network: the name of its recipe, which is also its folder's, and what it begins from.
#[derive(Debug, Clone)]
struct NetworkStage {
    name: String,
    recipe: CheckedRecipe,
}

impl DeepSvmRecipe {
    /// Reads the recipe and those of its networks, and finds the weights that they begin from.
    ///
    /// # Errors
    /// When one cannot be read or used, or weights are missing.
    pub fn read(
        name: &str,
        settings: &[Setting],
        network_settings: &[Setting],
        imagenet: Option<&Path>,
    ) -> crate::Result<Self> {
        let settings: Vec<Setting> = settings.iter().cloned().map(|setting| setting.within("svm")).collect();
        let SvmRecipe { networks, svm } = SvmRecipe::read(name, &settings)?;
        let beside = match SvmRecipe::is_built_in(name) {
            true => Path::new(""),
            false => Path::new(name).parent().unwrap_or(Path::new("")),
        };
        let stage = |network: &String| -> crate::Result<NetworkStage> {
            let file = beside.join(network);
            let path =
                if Recipe::is_built_in(network) { network.clone() } else { file.display().to_string() };
            let recipe = Recipe::read(&path, network_settings)?;
            let initial = match recipe.network.init {
                Initialization::Scratch => None,
                Initialization::Pretrained => Some(pretrained_file(&recipe, network, imagenet)?),
            };
            let name = file.file_stem().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
            let models = GivenModels { initial, teachers: Vec::new() };
            let recipe = recipe.check(&name, models).with_context(|| format!("recipe `{network}`"))?;
            Ok(NetworkStage { name, recipe })
        };
        let networks: Vec<NetworkStage> = networks.iter().map(stage).collect::<crate::Result<_>>()?;
        for (index, network) in networks.iter().enumerate() {
            let NetworkStage { name: own, recipe, .. } = network;
            if own == FEATURES || networks[..index].iter().any(|other| other.name == *own) {
                refuse!("recipe `{name}`: a second folder `{own}` in the run; rename the network's recipe");
            }
            if recipe.input != networks[0].recipe.input {
                let first = &networks[0].name;
                refuse!(
                    "recipe `{name}`: `{first}` and `{own}` differ in [input]: features cannot be joined"
                );
            }
        }
        Ok(Self { networks, svm })
    }

    /// Everything that decides the result, but for the data.
    ///
    /// # Errors
    /// When weights cannot be read.
    pub fn identity(&self) -> crate::Result<String> {
        let mut text = format!("{:?}\n", self.svm);
        for NetworkStage { name, recipe } in &self.networks {
            text += &format!("{name}\n{}", recipe.to_toml());
            if let Some(path) = &recipe.models().initial {
                text += &checksum_of_file(path)?;
            }
        }
        Ok(text)
    }

    /// The recipes of the networks.
    pub fn recipes(&self) -> impl Iterator<Item = &Recipe> {
        self.networks.iter().map(|network| &*network.recipe)
    }

    /// Trains what is not yet trained; the best model of each network, or `None` when stopped.
    pub fn train(
        &self,
        dataset: &PackedDataset,
        training: &TrainingSplit<'_>,
        run: &Path,
        session: Session<'_>,
    ) -> crate::Result<Option<Vec<PathBuf>>> {
        let mut models = Vec::new();
        for NetworkStage { name, recipe } in &self.networks {
            session.watch.note(&Note::Network(name));
            let task = recipe.clone().load(dataset, session.device)?;
            let run = ClassifierRun { task: &task, dataset, training, directory: &run.join(name), session };
            match run.finish()? {
                Some(best) => models.push(best),
                None => return Ok(None),
            }
        }
        Ok(Some(models))
    }
}

/// torchvision's file of the recipe's architecture in a folder: `vgg16-397923af.pth`, `vgg16.safetensors`.
fn pretrained_file(recipe: &Recipe, name: &str, folder: Option<&Path>) -> crate::Result<PathBuf> {
    let architecture = recipe.network.architecture.name();
    let wanted = format!("{architecture}.pth, {architecture}-*.pth or the same as .safetensors");
    let Some(folder) = folder else {
        refuse!(
            "recipe `{name}` begins from ImageNet's weights: name the folder that holds torchvision's {wanted} with \
             --imagenet; df-svm-scratch needs none"
        );
    };
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder `{}`", folder.display()))?;
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| {
        let text =
            |part: Option<&std::ffi::OsStr>| part.and_then(|part| part.to_str()).unwrap_or("").to_owned();
        let (stem, extension) = (text(path.file_stem()), text(path.extension()));
        let is_named =
            stem.strip_prefix(architecture).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        is_named && ["pth", "safetensors"].contains(&extension.as_str())
    });
    found.sort();
    match found.as_slice() {
        [file] => Ok(file.clone()),
        [] => refuse!("`{}` holds no weights of {architecture}; expected {wanted}", folder.display()),
        [first, second, ..] => {
            refuse!(
                "`{}` and `{}` could both be the weights of {architecture}",
                first.display(),
                second.display()
            )
        }
    }
}
