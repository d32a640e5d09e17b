//! *Models*: networks, and the checkpoints that hold them. Models know tensors, not labels or losses.

pub mod architecture;
pub mod checkpoint;
pub mod compact;
pub mod gan;
pub mod import;
pub mod layers;
pub mod linear_svm;
pub mod network;
pub mod onnx;
pub mod provenance;
pub mod resnet;
pub mod stored;
pub mod tensors;
pub mod vgg;
pub mod weights;
pub mod yunet;
