//! What golden tests of networks share: values from a hash of their names, as `reference/hashed_values.py` makes
//! them, and comparison by norm and projection.

use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Gradients, Tensor};
use duchenne::models::weights::{ModulePath, NamedTensor};
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Fingerprint {
    pub name: String,
    pub norm: f64,
    pub projection: f64,
}

/// As in the program that made the numbers.
pub(crate) fn hashed(name: &str, count: usize) -> Vec<f64> {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325, fnv);
    let value = |index: u64| {
        let state = seed.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((state ^ (state >> 31)) >> 40) as f64 / 2_f64.powi(24) - 0.5
    };
    (1..=count as u64).map(value).collect()
}

pub(crate) fn value(tensor: &NamedTensor) -> NamedTensor {
    let count = tensor.values.len();
    let scale = |u: f64| {
        if tensor.shape.len() > 1 {
            u * (24.0 / (count / tensor.shape[0]) as f64).sqrt()
        } else if tensor.name.ends_with("running_var") || tensor.name.ends_with(".weight") {
            1.0 + 0.4 * u
        } else {
            0.2 * u
        }
    };
    let values = hashed(&tensor.name, count).into_iter().map(|u| scale(u) as f32).collect();
    NamedTensor { values, ..tensor.clone() }
}

pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

pub(crate) fn assert_close(ours: &[f64], reference: &[f64], tolerance: f64, what: &str) {
    assert_eq!(ours.len(), reference.len(), "{what}");
    let magnitude = reference.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    for (a, b) in ours.iter().zip(reference) {
        assert!((a - b).abs() <= tolerance * magnitude, "{what}: {a} against {b}");
    }
}

/// Makes every parameter a double-precision leaf.
pub(crate) struct Widen;

impl ModuleMapper for Widen {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            if !tensor.is_autodiff() {
                return tensor.cast(DType::F64);
            }
            Tensor::from_inner(tensor.inner().cast(DType::F64)).require_grad()
        })
    }
}

/// Gradients, where there are any, and values otherwise, by name.
pub(crate) struct Reader<'a> {
    pub path: ModulePath,
    pub gradients: &'a Gradients,
    pub found: Vec<(String, Vec<f64>, bool)>,
}

impl ModuleVisitor for Reader<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let (values, trained) = match tensor.grad(self.gradients) {
            Some(gradient) => (numbers(gradient), true),
            None => (numbers(tensor), false),
        };
        self.found.push((self.path.name(), values, trained));
    }
}

pub(crate) fn check(
    expected: &[Fingerprint],
    found: &[(String, Vec<f64>, bool)],
    trained: bool,
    (tolerance, smallest_norm): (f64, f64),
    network: &str,
) {
    let found: Vec<_> = found.iter().filter(|entry| entry.2 == trained).collect();
    assert_eq!(found.len(), expected.len(), "{network}");
    for golden in expected {
        let name = &golden.name;
        let (_, values, _) =
            found.iter().find(|entry| entry.0 == *name).unwrap_or_else(|| panic!("no {name}"));
        let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        let direction = hashed(&format!("{name}@projection"), values.len());
        let projection: f64 = values.iter().zip(direction).map(|(a, b)| a * b).sum();
        let tolerance = tolerance * golden.norm.max(smallest_norm);
        assert!((norm - golden.norm).abs() <= tolerance, "{network} {name}: norm {norm}, {golden:?}");
        let difference = (projection - golden.projection).abs();
        assert!(difference <= tolerance, "{network} {name}: projection {projection}, {golden:?}");
    }
}
