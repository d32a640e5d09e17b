//! Facial-expression recognition: find the faces of a picture and the expression that each shows.
//!
//! ```
//! use duchenne::{Picture, Recognizer};
//!
//! # fn main() -> duchenne::Result<()> {
//! # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap();
//! let recognizer = Recognizer::built_in()?;
//! let picture = Picture::open("examples/faces.png")?;
//! for face in recognizer.recognize(&picture)? {
//!     println!("{} {:.0} % at {:?}", face.expression(), 100.0 * face.confidence(), face.bounds());
//! }
//! # Ok(()) }
//! ```
//!
//! A [`Recognizer`] is a face finder, a classifier ([`Predictor`]) and the [`Views`] of each face that are averaged. It
//! serves several threads at once; [`Recognizer::recognize_all`] takes many pictures in common batches. The
//! built-in models ([`BuiltInModel`]) and the face detector are part of the library: nothing is downloaded.
//!
//! # What the answer means, and what it does not
//!
//! The answer is the expression that a face *shows*, out of the classes of a [`LabelSet`], not what a person feels.
//! Probabilities of the built-in models are calibrated on FER-2013's validation split (PublicTest); the classes are uneven, the training labels noisy, and
//! errors differ between groups of people. MODEL_CARD.md has the figures. In the EU, inferring emotions at work and in
//! education is prohibited (AI Act, Art. 5(1)(f)), medical and safety uses excepted.
//!
//! # Training and evaluating
//!
//! A [`Recipe`] says how to train, a [`PackedDataset`] on what; [`train_classifier`] trains and calibrates, tells a
//! [`Watch`] how far it has come, and resumes a run that was stopped. [`evaluate_split`] gives the figures of a model,
//! [`evaluate`] those of anybody's logits. Generators, support vector machines and the reproduction of the paper are in
//! [`experiments`].
//!
//! ```no_run
//! use duchenne::experiments::scoring::EvaluatedSplit;
//! use duchenne::{
//!     Device, PackedDataset, Predictor, Quiet, Recipe, Views, evaluate_split, train_classifier,
//! };
//!
//! # fn main() -> duchenne::Result<()> {
//! let dataset = PackedDataset::open("fer2013.safetensors")?;
//! let best = train_classifier(&Recipe::built_in("compact")?, &dataset, "runs/compact".as_ref(), &Quiet)?;
//! let model = Predictor::load(&best, &Device::cpu())?;
//! let report = evaluate_split(&model, &dataset, EvaluatedSplit::Validation, Views::Mirrored)?;
//! println!("{:.2} %", 100.0 * report.overall.accuracy.value);
//! # Ok(()) }
//! ```
//!
//! # Devices and features
//!
//! Networks run on the CPU with kernels of our own ([`burn_cpu_fused`]); the features `vulkan`, `metal`, `webgpu` and
//! `cuda` add Burn's GPU backends, chosen at run time by name ([`Device`]).
//!
//! # Floors
//!
//! The modules are floors: `use crate::` points downwards only, in the order
//! `expression < files < data < models < inference < training < evaluation < experiments`. What this page re-exports
//! follows semantic versioning; layers of networks and everything that names Burn's types may change with Burn.

pub mod data;
mod device;
mod error;
pub mod evaluation;
pub mod experiments;
pub mod expression;
pub mod files;
pub mod inference;
pub mod models;
pub mod training;

pub use data::faces::picture::Picture;
pub use data::faces::views::Views;
pub use data::video::{Clip, ClipWriter, Ffmpeg, Section};
pub use data::{PackedDataset, Split};
pub use device::{Device, UnknownDevice};
pub use error::{Error, Result};
pub use evaluation::{EvaluationReport, ScoredSplit, evaluate, fit_temperature};
pub use experiments::classifier::train_classifier;
pub use experiments::scoring::evaluate_split;
pub use experiments::watch::{Note, Quiet, Unit, Watch, Work};
pub use expression::LabelSet;
pub use inference::built_in::BuiltInModel;
pub use inference::face_box::{FaceBox, Landmarks};
pub use inference::predictor::Predictor;
pub use inference::recognition::Face;
pub use inference::recognizer::Recognizer;
pub use inference::video::{FrameFaces, TrackedFace, VideoFaces, VideoOptions};
pub use training::classifier::recipe::Recipe;

/// The guides in `docs/`, whose Rust is compiled and run as tests.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../docs/library.md")]
    struct Library;
    #[doc = include_str!("../../../docs/videos.md")]
    struct Videos;
    #[doc = include_str!("../../../docs/training.md")]
    struct Training;
    #[doc = include_str!("../../../docs/generators.md")]
    struct Generators;
    #[doc = include_str!("../../../docs/deep-features.md")]
    struct DeepFeatures;
    #[doc = include_str!("../../../docs/onnx.md")]
    struct Onnx;
    #[doc = include_str!("../../../docs/reproduce.md")]
    struct Reproduce;
    #[doc = include_str!("../../../README.md")]
    struct Readme;
}
