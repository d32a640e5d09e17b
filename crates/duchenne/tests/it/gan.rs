//! Generators and discriminators against PyTorch (`reference/gan_goldens.py` made the numbers).

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use duchenne::evaluation::generation::{FeatureSet, frechet_distance, kernel_distance};
use duchenne::models::gan::{Condition, Discriminator, DiscriminatorConfig, Generator, GeneratorConfig};
use duchenne::models::weights::{ModulePath, assign, collect};
use duchenne::training::gan::losses::{AdversarialLoss, penalty_between, penalty_real};
use serde::Deserialize;
use std::collections::BTreeMap;

use crate::golden::{Fingerprint, Reader, Widen, assert_close, check, hashed, numbers, value};

#[derive(Deserialize)]
struct Goldens {
    cases: Vec<Case>,
    distances: Vec<Distances>,
}

#[derive(Deserialize)]
struct Case {
    side: usize,
    condition: Condition,
    batch_norm: bool,
    images: Fingerprint,
    scores: Vec<f64>,
    generator: BTreeMap<String, LossGolden>,
    discriminator: BTreeMap<String, LossGolden>,
}

#[derive(Deserialize)]
struct LossGolden {
    loss: f64,
    gradients: Vec<Fingerprint>,
}

#[derive(Deserialize)]
struct Distances {
    rows: [usize; 2],
    length: usize,
    kernel: f64,
    frechet: f64,
}

fn goldens() -> Goldens {
    serde_json::from_str(include_str!("../goldens/gan.json")).unwrap()
}

const BATCH: usize = 5;
const CLASSES: usize = 7;
const LATENT: usize = 6;
const WIDTH: usize = 4;

fn filled<M: Module>(network: M, dtype: DType) -> M {
    let weights = collect(&network).iter().map(value).collect();
    let network = assign(network, weights).unwrap();
    if dtype == DType::F64 { network.map(&mut Widen) } else { network }
}

/// Values in -1..1 from a hash of a name.
fn tensor<const D: usize>(name: &str, shape: [usize; D], dtype: DType, device: &Device) -> Tensor<D> {
    let values = hashed(name, shape.iter().product());
    let values: Vec<f32> = values.into_iter().map(|u| (u * 2.0) as f32).collect();
    Tensor::<D>::from_data(TensorData::new(values, shape), device).cast(dtype)
}

fn check_gradients<M: Module>(golden: &LossGolden, loss: Tensor<1>, network: &M, tolerance: f64, what: &str) {
    assert_close(&numbers(loss.clone()), &[golden.loss], tolerance, what);
    let gradients = loss.backward();
    let mut reader = Reader { path: ModulePath::default(), gradients: &gradients, found: Vec::new() };
    network.visit(&mut reader);
    // A bias that only decides where a penalty's masks lie has no gradient; PyTorch calls some of them zero.
    let norm = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
    let moved = |golden: &&Fingerprint| golden.norm > 1e-9;
    let expected: Vec<Fingerprint> = golden.gradients.iter().filter(moved).cloned().collect();
    assert!(expected.len() >= 5, "{what}: {} gradients", expected.len());
    reader.found.retain(|(_, values, trained)| *trained && norm(values) > 1e-9);
    check(&expected, &reader.found, true, (tolerance, 1e-9), what);
}

fn networks_and_losses_equal_pytorchs(device: &Device, dtype: DType, tolerance: f64) {
    let device = &device.clone().autodiff();
    for case in goldens().cases {
        let Case { side, condition, batch_norm, .. } = case;
        let what = format!("{condition:?} {side} batch_norm {batch_norm}");
        let conditional = condition != Condition::None;
        let classes = if conditional { CLASSES } else { 0 };
        let config = GeneratorConfig { side, latent: LATENT, width: WIDTH, classes };
        let generator: Generator = filled(config.init(0, device), dtype);
        let config = DiscriminatorConfig { side, width: WIDTH, classes: CLASSES, condition, batch_norm };
        let discriminator: Discriminator = filled(config.init(0, device), dtype);
        let mut labels = vec![0.0_f32; BATCH * CLASSES];
        (0..BATCH).for_each(|row| labels[row * CLASSES + row % CLASSES] = 0.75);
        let labels = Tensor::<2>::from_data(TensorData::new(labels, [BATCH, CLASSES]), device).cast(dtype);
        let labels = conditional.then_some(labels);
        let real = tensor("real", [BATCH, 1, side, side], dtype, device);
        let shares = tensor("shares", [BATCH, 1, 1, 1], dtype, device) * 0.5 + 0.5;
        let latents = || tensor("latents", [BATCH, LATENT], dtype, device);
        let scores = |images: Tensor<4>| discriminator.forward(images, labels.clone());

        let images = generator.forward(latents(), labels.clone());
        let found = vec![("images".to_owned(), numbers(images.clone().inner()), true)];
        check(&[case.images], &found, true, (tolerance, 1e-9), &what);
        assert_close(&numbers(scores(real.clone())), &case.scores, tolerance, &what);
        let kinds = [
            ("non-saturating", AdversarialLoss::NonSaturating),
            ("wasserstein", AdversarialLoss::Wasserstein),
        ];
        for (name, kind) in kinds {
            let loss = kind.of_generator(scores(generator.forward(latents(), labels.clone())));
            check_gradients(
                &case.generator[name],
                loss,
                &generator,
                tolerance,
                &format!("{what}: generator {name}"),
            );
            let loss = kind.of_discriminator(scores(real.clone()), scores(images.clone().detach()));
            let what = format!("{what}: discriminator {name}");
            check_gradients(&case.discriminator[name], loss, &discriminator, tolerance, &what);
        }
        if !batch_norm {
            let generated = images.detach();
            let loss = penalty_between(&discriminator, real.clone(), generated, shares, labels.clone());
            let golden = &case.discriminator["between"];
            check_gradients(golden, loss, &discriminator, tolerance, &format!("{what}: between"));
            let loss = penalty_real(&discriminator, real, labels.clone());
            let golden = &case.discriminator["real"];
            check_gradients(golden, loss, &discriminator, tolerance, &format!("{what}: real"));
        }
    }
}

#[test]
fn networks_losses_and_penalties_equal_pytorchs_in_double_precision() {
    networks_and_losses_equal_pytorchs(&Device::flex(), DType::F64, 1e-5);
}

#[test]
fn the_fused_operations_give_the_same_losses_and_penalties() {
    networks_and_losses_equal_pytorchs(&Device::flex(), DType::F32, 2e-3);
}

#[test]
fn distances_equal_scikit_learns_and_scipys() {
    for golden in goldens().distances {
        let Distances { rows, length, kernel, frechet } = golden;
        let set = |name: &str, rows: usize, change: fn(f32) -> f32| {
            let values = hashed(name, rows * length).into_iter().map(|u| change(u as f32));
            FeatureSet::new(length, values.collect())
        };
        let a = set("a", rows[0], |value| value);
        let b = set("b", rows[1], |value| value * 1.5 + 0.25);
        assert_close(&[kernel_distance(&a, &b)], &[kernel], 1e-5, "kernel distance");
        assert_close(&[frechet_distance(&a, &b)], &[frechet], 1e-5, "Fréchet distance");
        assert!(frechet_distance(&a, &a).abs() < 1e-6);
    }
}
