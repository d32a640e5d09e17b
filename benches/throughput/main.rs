//! Milliseconds of one training step and one forward pass of the networks, as medians after a warm-up:
//! `cargo bench --bench throughput -- [--json] [FILTER...]`. `benches/compare.py` sets the same work in
//! PyTorch and ONNX Runtime beside it.

mod gan;

use std::time::Instant;

use burn::optim::GradientsParams;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Distribution, Tensor};
use burn_cpu_fused::SgdStep;
use duchenne::models::network::{Architecture, NetworkConfig};
use duchenne::training::optimizer::Sgd;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A piece of work by name; it returns one step, to be called again and again.
struct Work {
    name: String,
    prepare: Box<dyn Fn() -> Step + Send + Sync>,
}

/// Does the work once.
type Step = Box<dyn FnMut() + Send>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    for work in works() {
        if !filters.is_empty() && !filters.iter().any(|filter| work.name.contains(filter.as_str())) {
            continue;
        }
        let milliseconds = measure(&work);
        if json {
            println!("{{\"work\": \"{}\", \"milliseconds\": {milliseconds:.3}}}", work.name);
        } else {
            println!("{:<28} {milliseconds:9.2} ms", work.name);
        }
    }
}

/// Median of at least seven steps and, for short ones, of a second's worth.
fn measure(work: &Work) -> f64 {
    let mut times = Vec::new();
    // Inside the pool, as the program's own loops run.
    rayon::scope(|_| {
        let mut step = (work.prepare)();
        (0..3).for_each(|_| step());
        let begun = Instant::now();
        while times.len() < 7 || begun.elapsed().as_secs_f64() < 2.0 {
            let start = Instant::now();
            step();
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    });
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn works() -> Vec<Work> {
    let mut works = Vec::new();
    for (name, architecture) in [
        ("resnet50", Architecture::ResNet50),
        ("vgg16", Architecture::Vgg16),
        ("compact", Architecture::Compact),
    ] {
        let batch = if name == "compact" { 128 } else { 32 };
        works.push(training(name, architecture, batch, 48));
        for batch in [1, 32] {
            works.push(inference(name, architecture, batch, 48));
        }
    }
    works.push(Work { name: "dcgan-step-b16".to_owned(), prepare: Box::new(|| gan::dcgan_step(16)) });
    let critic = || gan::wgan_gp_critic_step(8);
    works.push(Work { name: "wgan-gp-critic-b8".to_owned(), prepare: Box::new(critic) });
    works
}

fn training(name: &str, architecture: Architecture, batch: usize, side: usize) -> Work {
    let prepare = move || -> Step {
        let device = Device::flex().autodiff();
        let mut config = NetworkConfig::new(architecture, 1, 7);
        config.dropout = 0.0;
        let mut network = Some(config.init(0, &device));
        let images = Tensor::<4>::random([batch, 1, side, side], Distribution::Normal(0.0, 1.0), &device);
        let targets = Tensor::<2>::ones([batch, 7], &device) / 7.0;
        let mut sgd = Sgd::default();
        let step = SgdStep { rate: 1e-3, momentum: 0.0, decay: 0.0, nesterov: false };
        Box::new(move || {
            let current = network.take().expect("the network is back after every step");
            let logits = current.forward(images.clone());
            let loss = -(log_softmax(logits, 1) * targets.clone()).sum() / batch as f64;
            let gradients = GradientsParams::from_grads(loss.backward(), &current);
            network = Some(sgd.step(current, gradients, step));
        })
    };
    Work { name: format!("{name}-train-b{batch}"), prepare: Box::new(prepare) }
}

fn inference(name: &str, architecture: Architecture, batch: usize, side: usize) -> Work {
    let prepare = move || -> Step {
        let device = Device::flex();
        let network = NetworkConfig::new(architecture, 1, 7).init(0, &device).prepared();
        let images = Tensor::<4>::random([batch, 1, side, side], Distribution::Normal(0.0, 1.0), &device);
        Box::new(move || {
            let logits = network.forward(images.clone()).into_data();
            std::hint::black_box(logits);
        })
    };
    Work { name: format!("{name}-infer-b{batch}"), prepare: Box::new(prepare) }
}
