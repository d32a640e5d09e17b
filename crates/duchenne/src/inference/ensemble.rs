//! An *ensemble*: several models whose calibrated probabilities are averaged (Hansen & Salamon 1990).

use super::deep_features::join_parts;
use super::error::InferenceError;
use super::predictor::Predictor;
use crate::data::faces::views::Views;
use crate::models::checkpoint::Manifest;
use crate::models::provenance::ClassifierProvenance;

/// Models that know the same labels and take faces of the same size.
#[derive(Debug)]
pub struct Ensemble {
    members: Vec<Predictor>,
}

impl Ensemble {
    /// Of models by the names that errors give them.
    ///
    /// # Errors
    /// [`InferenceError::Ensemble`] when one differs from the first in its labels, in the size of its faces or in seeing colour.
    ///
    /// # Panics
    /// Without a model.
    pub fn new(members: Vec<(String, Predictor)>) -> Result<Self, InferenceError> {
        let asks = |predictor: &Predictor| {
            let manifest = predictor.manifest();
            (manifest.label_set, manifest.preprocessing.resize, manifest.preprocessing.color)
        };
        let (first, known) =
            members.first().map(|(name, model)| (name.clone(), asks(model))).expect("a model");
        if let Some((second, _)) = members.iter().find(|(_, model)| asks(model) != known) {
            return Err(InferenceError::Ensemble { first, second: second.clone() });
        }
        Ok(Self { members: members.into_iter().map(|(_, model)| model).collect() })
    }

    /// The models.
    pub fn members(&self) -> &[Predictor] {
        &self.members
    }

    /// What a network's manifest says: the first member's, with what is known of all members under their numbers.
    pub fn manifest(&self) -> Manifest {
        let mut manifest = self.members[0].manifest().clone();
        manifest.temperature = 1.0;
        manifest.metrics.clear();
        manifest.provenance = ClassifierProvenance::default();
        for (number, member) in (1..).zip(&self.members) {
            let known = member.manifest().provenance.lines();
            manifest.provenance.other.extend(known.map(|(key, value)| (format!("{number}.{key}"), value)));
        }
        manifest
    }

    /// The members' architectures.
    pub fn description(&self) -> String {
        let names: Vec<String> = self.members.iter().map(Predictor::description).collect();
        format!("mean of {}", names.join(" + "))
    }

    /// Parameters and multiply-adds of one face.
    pub fn size(&self) -> (usize, u64) {
        let sizes = self.members.iter().map(Predictor::size);
        sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1))
    }

    /// Logarithms `[faces, classes]` of the mean of the members' calibrated probabilities, each with its logits averaged
    /// over `views`: logits whose softmax is that mean.
    pub fn log_probabilities(&self, faces: &[&[u8]], views: Views) -> Vec<f32> {
        let mut mean = vec![0.0; faces.len() * self.members[0].label_set().len()];
        for member in &self.members {
            let probabilities = member.probabilities_of_resized(faces, views).into_iter().flatten();
            mean.iter_mut().zip(probabilities).for_each(|(sum, value)| *sum += value);
        }
        let share = 1.0 / self.members.len() as f32;
        // A class that no member thinks possible keeps a finite logit; what is no number stays none.
        let log = |mean: f32| if mean < f32::MIN_POSITIVE { f32::MIN_POSITIVE.ln() } else { mean.ln() };
        mean.iter().map(|sum| log(sum * share)).collect()
    }

    /// The members' deep features joined, each row scaled to length one.
    pub fn deep_features(&self, faces: &[&[u8]]) -> Vec<f32> {
        let of = |member: &Predictor| {
            let values = member.deep_features_of_resized(faces);
            (values.len() / faces.len().max(1), values)
        };
        join_parts(&self.members.iter().map(of).collect::<Vec<_>>(), faces.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::faces::preprocessing::Preprocessing;
    use crate::expression::LabelSet;
    use crate::inference::built_in::BuiltInModel;
    use crate::models::checkpoint::{Checkpoint, Precision};
    use crate::models::network::{Architecture, NetworkConfig};
    use burn::tensor::Device;
    use image::GrayImage;

    fn member(model: BuiltInModel) -> (String, Predictor) {
        (model.name().to_owned(), Predictor::built_in(model, &Device::flex()).unwrap())
    }

    #[test]
    fn probabilities_are_the_mean_of_the_members() {
        let models = [BuiltInModel::Fer2013, BuiltInModel::Fer2013Compact];
        let together = Predictor::ensemble(models.map(member).into()).unwrap();
        let faces: Vec<GrayImage> = (0..3_u32)
            .map(|seed| GrayImage::from_fn(60, 50, |x, y| image::Luma([((x * y + seed * 90) % 256) as u8])))
            .collect();
        for views in [Views::Centre, Views::TenCrop] {
            let got = together.probabilities(&faces, views).unwrap();
            let each = models.map(|model| member(model).1.probabilities(&faces, views).unwrap());
            for (face, row) in got.iter().enumerate() {
                for (class, value) in row.iter().enumerate() {
                    let mean = each.iter().map(|rows| rows[face][class]).sum::<f32>() / 2.0;
                    assert!((value - mean).abs() < 1e-6, "{value} {mean}");
                }
            }
        }
        let joined = together.deep_features(&faces);
        let own = models.map(|model| member(model).1.deep_features(&faces));
        let row = joined.len() / faces.len();
        assert_eq!(joined.len(), own[0].len() + own[1].len());
        for (face, joined) in joined.chunks_exact(row).enumerate() {
            let parts =
                own.each_ref().map(|all| &all[face * all.len() / 3..(face + 1) * all.len() / 3]).concat();
            let norm = parts.iter().map(|value| value * value).sum::<f32>().sqrt();
            assert!(joined.iter().zip(parts).all(|(got, value)| (got - value / norm).abs() < 1e-5));
        }
        let sizes = models.map(|model| member(model).1.size());
        assert_eq!(together.size(), (sizes[0].0 + sizes[1].0, sizes[0].1 + sizes[1].1));
        assert!(together.manifest().provenance.other.contains_key("2.recipe"));
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broken.safetensors");
        let mut broken = Checkpoint::from_bytes(BuiltInModel::Fer2013Compact.bytes(), &path).unwrap();
        // Finite, as files must be, but not the sums that they make.
        broken.weights.iter_mut().find(|weight| weight.name == "fc.weight").unwrap().values.fill(f32::MAX);
        broken.write(&path, Precision::Full).unwrap();
        let broken = ("broken".to_owned(), Predictor::load(&path, &Device::flex()).unwrap());
        let together = Predictor::ensemble(vec![member(BuiltInModel::Fer2013Compact), broken]).unwrap();
        assert!(together.logits(&[&[90; 48 * 48]], Views::Centre).iter().any(|value| value.is_nan()));
        let refusal = together.probabilities(&[GrayImage::new(48, 48)], Views::Centre).unwrap_err();
        assert!(matches!(refusal, InferenceError::NotFinite { face: 0 }), "{refusal}");
    }

    #[test]
    fn models_of_other_labels_or_sizes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let device = Device::flex();
        for (label_set, resize) in [(LabelSet::Fer2013, 64), (LabelSet::CkPlus, 48)] {
            let network = NetworkConfig::new(Architecture::Compact, 1, label_set.len());
            let manifest = Manifest::new(network, label_set, Preprocessing::gray(resize, 44, 0.5, 0.25));
            let path = folder.path().join(format!("{resize}.safetensors"));
            Checkpoint::of(manifest, &network.init(1, &device)).write(&path, Precision::Full).unwrap();
            let other = ("other".to_owned(), Predictor::load(&path, &device).unwrap());
            let refusal = Predictor::ensemble(vec![member(BuiltInModel::Fer2013Compact), other]).unwrap_err();
            assert!(
                refusal.to_string().contains("`built-in-fer2013-compact` and `other` differ"),
                "{refusal}"
            );
        }
    }
}
