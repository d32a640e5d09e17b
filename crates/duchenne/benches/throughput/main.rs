//! Milliseconds of one training step and one forward pass of the networks, as medians after a warm-up, with
//! the share of the machine's peak: `cargo bench --bench throughput -- [--json] [--sweep] [FILTER...]`.
//! `--sweep` goes over batch sizes and image sizes instead. `benches/compare.py` sets the same work in PyTorch
//! and ONNX Runtime beside it. Operations are the plain algorithm's: Winograd's needs fewer.

#![allow(clippy::print_stdout, reason = "its results go to standard output")]

mod gan;
mod loader;
mod peak;

use std::time::Instant;

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
    /// Two for each multiply-add of one step, where that is known.
    gigaflop: Option<f64>,
    prepare: Box<dyn Fn() -> Step + Send + Sync>,
}

/// Does the work once.
type Step = Box<dyn FnMut() + Send>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let sweep = arguments.iter().any(|argument| argument == "--sweep");
    let peak = if json { 0.0 } else { peak::gigaflops() };
    if !json {
        println!("peak {peak:.0} GFLOP/s on {} threads", rayon::current_num_threads());
    }
    for work in if sweep { sweep_works() } else { works() } {
        if !filters.is_empty() && !filters.iter().any(|filter| work.name.contains(filter.as_str())) {
            continue;
        }
        let milliseconds = measure(&work);
        if json {
            println!("{{\"work\": \"{}\", \"milliseconds\": {milliseconds:.3}}}", work.name);
            continue;
        }
        print!("{:<28} {milliseconds:9.2} ms", work.name);
        match work.gigaflop.map(|gigaflop| gigaflop / milliseconds * 1e3) {
            Some(rate) => println!("  {rate:6.0} GFLOP/s  {:4.0} % of peak", rate / peak * 100.0),
            None => println!(),
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
    let wide = NetworkConfig { widen: 2, ..network(Architecture::Compact) };
    for (name, config, batch) in [
        ("resnet50", network(Architecture::ResNet50), 32),
        ("vgg16", network(Architecture::Vgg16), 32),
        ("compact", network(Architecture::Compact), 128),
        ("wide", wide, 128),
    ] {
        works.push(training(name, config, batch, 48));
        for batch in [1, 32] {
            works.push(inference(name, config, batch, 48));
        }
    }
    let gan = |name: &str, prepare: fn() -> Step| Work {
        name: name.to_owned(),
        gigaflop: None,
        prepare: Box::new(prepare),
    };
    works.push(gan("dcgan-step-b16", || gan::dcgan_step(16)));
    works.push(gan("wgan-gp-critic-b8", || gan::wgan_gp_critic_step(8)));
    for (recipe, side) in [("compact", 48), ("compact-votes", 48), ("compact", 112), ("compact-votes", 112)] {
        works.push(Work {
            name: name(recipe, "loader", 128, side),
            gigaflop: None,
            prepare: Box::new(move || loader::batches(recipe, 128, side)),
        });
    }
    works.push(training("compact", network(Architecture::Compact), 128, 104));
    works
}

fn sweep_works() -> Vec<Work> {
    let config = network(Architecture::ResNet50);
    let resnet = |batch, side| training("resnet50", config, batch, side);
    let mut works: Vec<Work> = [1, 2, 4, 8, 16, 32, 64, 128].map(|batch| resnet(batch, 48)).into();
    works.extend([(32, 96), (8, 224)].map(|(batch, side)| resnet(batch, side)));
    for batch in [1, 2, 4, 8, 16, 32, 64, 128] {
        works.push(inference("resnet50", config, batch, 48));
    }
    for (batch, side) in [(1, 96), (1, 224), (32, 96), (8, 224)] {
        works.push(inference("resnet50", config, batch, side));
    }
    works
}

/// For gray faces of seven expressions.
fn network(architecture: Architecture) -> NetworkConfig {
    NetworkConfig::new(architecture, 1, 7)
}

/// Billions of operations of one forward pass.
fn gigaflop(config: NetworkConfig, batch: usize, side: usize) -> f64 {
    let network = config.init(0, &Device::flex());
    2e-9 * network.multiply_adds(side, side) as f64 * batch as f64
}

/// The name of work at another size than usual says so.
fn name(network: &str, work: &str, batch: usize, side: usize) -> String {
    let size = if side == 48 { String::new() } else { format!("-{side}px") };
    format!("{network}-{work}-b{batch}{size}")
}

fn training(name: &str, config: NetworkConfig, batch: usize, side: usize) -> Work {
    let prepare = move || -> Step {
        let device = Device::flex().autodiff();
        let config = NetworkConfig { dropout: 0.0, ..config };
        let mut network = Some(config.init(0, &device));
        let images = Tensor::<4>::random([batch, 1, side, side], Distribution::Normal(0.0, 1.0), &device);
        let targets = Tensor::<2>::ones([batch, 7], &device) / 7.0;
        let mut sgd = Sgd::default();
        let step = SgdStep { rate: 1e-3, momentum: 0.0, decay: 0.0, nesterov: false };
        Box::new(move || {
            let current = network.take().expect("the network is back after every step");
            let logits = current.forward(images.clone());
            let loss = -(log_softmax(logits, 1) * targets.clone()).sum() / batch as f64;
            network = Some(sgd.descend(current, step, || loss.backward()));
        })
    };
    // The backward pass costs twice the forward pass.
    let gigaflop = Some(3.0 * gigaflop(config, batch, side));
    Work { name: self::name(name, "train", batch, side), gigaflop, prepare: Box::new(prepare) }
}

fn inference(name: &str, config: NetworkConfig, batch: usize, side: usize) -> Work {
    let prepare = move || -> Step {
        let device = Device::flex();
        let network = config.init(0, &device).prepared();
        let images = Tensor::<4>::random([batch, 1, side, side], Distribution::Normal(0.0, 1.0), &device);
        Box::new(move || {
            let logits = network.forward(images.clone()).into_data();
            std::hint::black_box(logits);
        })
    };
    let gigaflop = Some(gigaflop(config, batch, side));
    Work { name: self::name(name, "infer", batch, side), gigaflop, prepare: Box::new(prepare) }
}
