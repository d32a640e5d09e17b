//! *Distillation*: beside the labels, a network learns the probabilities that trained models, its *teachers*, give
//! (Hinton et al. 2015). They see the very picture that the network sees, augmented as it is (Beyer et al. 2022).

use std::fmt::{self, Debug, Formatter};
use std::path::PathBuf;

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};

use crate::data::faces::preprocessing::Preprocessing;
use crate::files::checksum::checksum;
use crate::inference::built_in::BuiltInModel;
use crate::models::checkpoint::{Checkpoint, Manifest};
use crate::models::linear_svm::LinearSvm;
use crate::models::network::Network;
use crate::training::error::TrainingError;

/// Trained models whose mean probabilities are taught.
pub struct Teacher {
    members: Vec<Member>,
    preprocessing: Preprocessing,
    classes: usize,
    device: Device,
}

/// One of them.
struct Member {
    network: Network,
    temperature: f64,
    name: String,
    checksum: String,
}

impl Debug for Teacher {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Teacher").field("source", &self.source()).finish_non_exhaustive()
    }
}

impl Teacher {
    /// The models of these files, or of these names of built-in ones, on a device without autodiff.
    ///
    /// # Errors
    /// A file that is no network of this program, a model of other labels or of another preprocessing than `recipe`'s.
    pub(super) fn read(
        models: &[PathBuf],
        student: &Manifest,
        device: &Device,
    ) -> Result<Self, TrainingError> {
        let mut members = Vec::new();
        for path in models {
            if LinearSvm::read_if_one(path).is_ok_and(|svm| svm.is_some()) {
                let reason = format!("`{}` is a linear SVM, only networks can teach", path.display());
                return Err(TrainingError::Teacher(reason));
            }
            let bytes = BuiltInModel::bytes_of(path)?;
            let model = Checkpoint::from_bytes(&bytes, path)?;
            if let Some(difference) = difference(&model.manifest, student) {
                return Err(TrainingError::Teacher(format!("`{}` {difference}", path.display())));
            }
            let (manifest, network) = model.into_network(device, path)?;
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            let (network, temperature) = (network.prepared(), manifest.temperature);
            members.push(Member { network, temperature, name, checksum: checksum(&bytes) });
        }
        Ok(Self {
            members,
            preprocessing: student.preprocessing.clone(),
            classes: student.network.classes,
            device: device.clone(),
        })
    }

    /// Names and temperatures of the models.
    pub fn temperatures(&self) -> impl Iterator<Item = (&str, f64)> {
        self.members.iter().map(|member| (member.name.as_str(), member.temperature))
    }

    /// The files' BLAKE3, which identify the run.
    pub fn checksums(&self) -> String {
        let checksums: Vec<&str> = self.members.iter().map(|member| member.checksum.as_str()).collect();
        checksums.join(", ")
    }

    /// Files and contents, for provenance.
    pub fn source(&self) -> String {
        let sources: Vec<String> =
            self.members.iter().map(|Member { name, checksum, .. }| format!("{name} ({checksum})")).collect();
        sources.join(", ")
    }

    /// Mixes the mean of the calibrated probabilities for `images` (network inputs `[n, channels, crop, crop]`,
    /// row-major) into soft `targets` `[n, classes]`: `share` of it, the rest of what they were.
    ///
    /// # Errors
    /// When a model produces something that is not a number.
    pub fn teach(&self, images: &[f32], targets: &mut [f32], share: f32) -> Result<(), TrainingError> {
        let samples = targets.len() / self.classes;
        let side = self.preprocessing.crop;
        let shape = [samples, self.preprocessing.channels(), side, side];
        targets.iter_mut().for_each(|target| *target *= 1.0 - share);
        let each = share / self.members.len() as f32;
        let images = Tensor::<4>::from_data(TensorData::new(images.to_vec(), shape), &self.device);
        for Member { network, temperature, name, .. } in &self.members {
            let probabilities = softmax(network.forward(images.clone()) / *temperature, 1).into_data();
            for (target, probability) in targets.iter_mut().zip(probabilities.iter::<f32>()) {
                *target += each * probability;
            }
            if targets.iter().any(|target| !target.is_finite()) {
                return Err(TrainingError::Teacher(format!(
                    "`{name}` produces probabilities that are not numbers"
                )));
            }
        }
        Ok(())
    }
}

/// Why a model cannot teach a network of this manifest, if it cannot.
fn difference(teacher: &Manifest, student: &Manifest) -> Option<String> {
    if teacher.label_set != student.label_set {
        return Some(format!("knows the labels `{}`, expected `{}`", teacher.label_set, student.label_set));
    }
    let input = |preprocessing: &Preprocessing| {
        let Preprocessing { resize, crop, mean, deviation, color } = preprocessing;
        let seen = if *color { "in colour" } else { "gray" };
        format!("{seen}, resize {resize}, crop {crop}, mean {mean:?}, deviation {deviation:?}")
    };
    (teacher.preprocessing != student.preprocessing).then(|| {
        let (theirs, own) = (input(&teacher.preprocessing), input(&student.preprocessing));
        format!("sees other pictures than the recipe's network: {theirs} where that has {own}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::faces::views::Views;
    use crate::expression::LabelSet;
    use crate::inference::predictor::Predictor;
    use crate::training::classifier::recipe::Recipe;
    use crate::training::recipe_file::Setting;
    use image::GrayImage;

    fn recipe(text: &str) -> Recipe {
        Recipe::parse("r", text, &[Setting::new("input.crop", 44)]).unwrap()
    }

    fn read(models: &[&str], text: &str) -> Result<Teacher, TrainingError> {
        let models: Vec<PathBuf> = models.iter().map(PathBuf::from).collect();
        Teacher::read(&models, &recipe(text).manifest(LabelSet::Fer2013), &Device::flex())
    }

    #[test]
    fn targets_hold_the_mean_probabilities_of_the_teachers() {
        let names = ["built-in-fer2013", "built-in-fer2013-compact"];
        let teacher = read(&names, "training.teacher_share = 0.75").unwrap();
        let faces: Vec<GrayImage> = (0..3_u32)
            .map(|seed| GrayImage::from_fn(48, 48, |x, y| image::Luma([((x * y + seed * 90) % 256) as u8])))
            .collect();
        let slices: Vec<&[u8]> = faces.iter().map(|face| face.as_raw().as_slice()).collect();
        let length = teacher.preprocessing.input_len();
        let mut images = vec![0.0; faces.len() * length];
        for (out, (face, view)) in images.chunks_exact_mut(length).zip(Views::Centre.of(&slices)) {
            teacher.preprocessing.write_view(face, view, out);
        }
        let mut targets = vec![0.0; 21];
        targets.iter_mut().step_by(8).for_each(|target| *target = 1.0);
        let labels = targets.clone();
        teacher.teach(&images, &mut targets, 0.75).unwrap();

        let mut mean = vec![0.0; 21];
        for model in [BuiltInModel::Fer2013, BuiltInModel::Fer2013Compact] {
            let predictor = Predictor::built_in(model, &Device::flex()).unwrap();
            let rows = predictor.probabilities(&faces, Views::Centre).unwrap();
            mean.iter_mut().zip(rows.concat()).for_each(|(mean, value)| *mean += value / 2.0);
        }
        for ((target, label), mean) in targets.iter().zip(labels).zip(mean) {
            assert!((target - (0.25 * label + 0.75 * mean)).abs() < 1e-5, "{target} {label} {mean}");
        }
    }

    #[test]
    fn what_cannot_teach_is_refused() {
        let refused = |models: &[&str], text: &str, expected: &str| {
            let message = read(models, text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        };
        let share = "training.teacher_share = 0.5";
        refused(&["built-in-fer2013"], &format!("{share}\ninput.mean = 0.1"), "mean [0.1]");
        refused(&["missing.safetensors"], share, "missing.safetensors");
        let models = [PathBuf::from("built-in-fer2013-compact")];
        let other =
            Teacher::read(&models, &recipe(share).manifest(LabelSet::FerPlus), &Device::flex()).unwrap_err();
        assert!(other.to_string().contains("knows the labels `fer2013`"), "{other}");
    }
}
