//! Backward passes: the fused operations under Burn's autodiff.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, TensorMetadata};

use crate::extension::FusedOperations;

/// Why the operations that only backward passes call are not differentiable themselves.
const FIRST_ORDER: &str = "fused operations have first derivatives only";

/// What the gradients of a convolution need.
type ConvolutionState = (NodeId, NodeId, usize, usize);

fn register_convolution<B: FusedOperations>(
    [input_node, weight_node]: [Option<NodeId>; 2],
    (input, weight, stride, padding): ConvolutionState,
    gradient: FloatTensor<B>,
    gradients: &mut Gradients,
    checkpointer: &mut Checkpointer,
) {
    let input: FloatTensor<B> = checkpointer.retrieve_node_output(input);
    let weight: FloatTensor<B> = checkpointer.retrieve_node_output(weight);
    let [_, _, height, width] = input.shape().dims();
    let [_, _, kernel_height, kernel_width] = weight.shape().dims();
    if let Some(node) = weight_node {
        let value = B::fused_conv2d_weight_gradient(
            input,
            gradient.clone(),
            kernel_height,
            kernel_width,
            stride,
            padding,
        );
        gradients.register::<B>(node, value);
    }
    if let Some(node) = input_node {
        let value = B::fused_conv2d_input_gradient(gradient, weight, height, width, stride, padding);
        gradients.register::<B>(node, value);
    }
}

impl<B: FusedOperations, C: CheckpointStrategy> FusedOperations for Autodiff<B, C> {
    fn fused_conv2d(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Convolution;
        impl<B: FusedOperations> Backward<B, 2> for Convolution {
            type State = ConvolutionState;

            fn backward(
                self,
                ops: Ops<Self::State, 2>,
                gradients: &mut Gradients,
                checkpointer: &mut Checkpointer,
            ) {
                let gradient = gradients.consume::<B>(&ops.node);
                let parents = ops.parents.map(|node| node.map(|node| node.id));
                register_convolution::<B>(parents, ops.state, gradient, gradients, checkpointer);
            }
        }
        match Convolution.prepare::<C>([input.node(), weight.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state = (prepared.checkpoint(&input), prepared.checkpoint(&weight), stride, padding);
                let output =
                    B::fused_conv2d(input.into_primitive(), weight.into_primitive(), stride, padding);
                prepared.finish(state, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::fused_conv2d(
                input.into_primitive(),
                weight.into_primitive(),
                stride,
                padding,
            )),
        }
    }

    fn fused_conv2d_activation(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
        padding: usize,
        slope: f32,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct ConvolutionActivation;
        impl<B: FusedOperations> Backward<B, 3> for ConvolutionActivation {
            type State = (ConvolutionState, FloatTensor<B>, f32);

            fn backward(
                self,
                ops: Ops<Self::State, 3>,
                gradients: &mut Gradients,
                checkpointer: &mut Checkpointer,
            ) {
                let [input, weight, bias] = ops.parents.map(|node| node.map(|node| node.id));
                let gradient = gradients.consume::<B>(&ops.node);
                let (state, output, slope) = ops.state;
                let (gradient, bias_gradient) = B::fused_activation_backward(output, gradient, slope);
                if let Some(node) = bias {
                    gradients.register::<B>(node, bias_gradient);
                }
                register_convolution::<B>([input, weight], state, gradient, gradients, checkpointer);
            }
        }
        let nodes = [input.node(), weight.node(), bias.node()];
        match ConvolutionActivation.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state = (prepared.checkpoint(&input), prepared.checkpoint(&weight), stride, padding);
                let output = B::fused_conv2d_activation(
                    input.into_primitive(),
                    weight.into_primitive(),
                    bias.into_primitive(),
                    stride,
                    padding,
                    slope,
                );
                prepared.finish((state, output.clone(), slope), output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::fused_conv2d_activation(
                input.into_primitive(),
                weight.into_primitive(),
                bias.into_primitive(),
                stride,
                padding,
                slope,
            )),
        }
    }

    fn fused_batch_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
        slope: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        #[derive(Debug)]
        struct BatchNorm;
        impl<B: FusedOperations> Backward<B, 3> for BatchNorm {
            type State = (NodeId, NodeId, [FloatTensor<B>; 3], [f32; 2]);

            fn backward(
                self,
                ops: Ops<Self::State, 3>,
                gradients: &mut Gradients,
                checkpointer: &mut Checkpointer,
            ) {
                let dy = gradients.consume::<B>(&ops.node);
                let (input, gamma, [output, mean, variance], [epsilon, slope]) = ops.state;
                let (input, gamma): (FloatTensor<B>, FloatTensor<B>) =
                    (checkpointer.retrieve_node_output(input), checkpointer.retrieve_node_output(gamma));
                let (dx, dgamma, dbeta) =
                    B::fused_batch_norm_backward(input, output, dy, gamma, mean, variance, epsilon, slope);
                for (node, value) in ops.parents.into_iter().zip([dx, dgamma, dbeta]) {
                    if let Some(node) = node {
                        gradients.register::<B>(node.id, value);
                    }
                }
            }
        }
        let nodes = [input.node(), gamma.node(), beta.node()];
        let forward = |input: FloatTensor<Self>, gamma: FloatTensor<Self>, beta: FloatTensor<Self>| {
            B::fused_batch_norm(
                input.into_primitive(),
                gamma.into_primitive(),
                beta.into_primitive(),
                epsilon,
                slope,
            )
        };
        let (output, mean, variance) = match BatchNorm.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let (x, g) = (prepared.checkpoint(&input), prepared.checkpoint(&gamma));
                let (output, mean, variance) = forward(input, gamma, beta);
                let saved = [output.clone(), mean.clone(), variance.clone()];
                (prepared.finish((x, g, saved, [epsilon, slope]), output), mean, variance)
            }
            OpsKind::UnTracked(prepared) => {
                let (output, mean, variance) = forward(input, gamma, beta);
                (prepared.finish(output), mean, variance)
            }
        };
        (output, <FloatTensor<Self>>::new(mean), <FloatTensor<Self>>::new(variance))
    }

    fn fused_batch_norm_residual(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        epsilon: f32,
        slope: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        #[derive(Debug)]
        struct BatchNormResidual;
        impl<B: FusedOperations> Backward<B, 4> for BatchNormResidual {
            type State = (NodeId, NodeId, [FloatTensor<B>; 3], [f32; 2]);

            fn backward(
                self,
                ops: Ops<Self::State, 4>,
                gradients: &mut Gradients,
                checkpointer: &mut Checkpointer,
            ) {
                let dy = gradients.consume::<B>(&ops.node);
                let (input, gamma, [output, mean, variance], [epsilon, slope]) = ops.state;
                let (input, gamma): (FloatTensor<B>, FloatTensor<B>) =
                    (checkpointer.retrieve_node_output(input), checkpointer.retrieve_node_output(gamma));
                let (dx, dgamma, dbeta, dresidual) = B::fused_batch_norm_residual_backward(
                    input, output, dy, gamma, mean, variance, epsilon, slope,
                );
                for (node, value) in ops.parents.into_iter().zip([dx, dgamma, dbeta, dresidual]) {
                    if let Some(node) = node {
                        gradients.register::<B>(node.id, value);
                    }
                }
            }
        }
        let nodes = [input.node(), gamma.node(), beta.node(), residual.node()];
        let (output, mean, variance) = match BatchNormResidual.prepare::<C>(nodes).compute_bound().stateful()
        {
            OpsKind::Tracked(mut prepared) => {
                let (x, g) = (prepared.checkpoint(&input), prepared.checkpoint(&gamma));
                let (output, mean, variance) = B::fused_batch_norm_residual(
                    input.into_primitive(),
                    gamma.into_primitive(),
                    beta.into_primitive(),
                    residual.into_primitive(),
                    epsilon,
                    slope,
                );
                let saved = [output.clone(), mean.clone(), variance.clone()];
                (prepared.finish((x, g, saved, [epsilon, slope]), output), mean, variance)
            }
            OpsKind::UnTracked(prepared) => {
                let (output, mean, variance) = B::fused_batch_norm_residual(
                    input.into_primitive(),
                    gamma.into_primitive(),
                    beta.into_primitive(),
                    residual.into_primitive(),
                    epsilon,
                    slope,
                );
                (prepared.finish(output), mean, variance)
            }
        };
        (output, <FloatTensor<Self>>::new(mean), <FloatTensor<Self>>::new(variance))
    }

    fn fused_max_pool2d(
        input: FloatTensor<Self>,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct MaxPool;
        impl<B: FusedOperations> Backward<B, 1> for MaxPool {
            type State = (NodeId, [usize; 3]);

            fn backward(
                self,
                ops: Ops<Self::State, 1>,
                gradients: &mut Gradients,
                checkpointer: &mut Checkpointer,
            ) {
                let [node] = ops.parents;
                let gradient = gradients.consume::<B>(&ops.node);
                let (input, [kernel, stride, padding]) = ops.state;
                let input: FloatTensor<B> = checkpointer.retrieve_node_output(input);
                if let Some(node) = node {
                    let value = B::fused_max_pool2d_backward(input, gradient, kernel, stride, padding);
                    gradients.register::<B>(node.id, value);
                }
            }
        }
        match MaxPool.prepare::<C>([input.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state = (prepared.checkpoint(&input), [kernel, stride, padding]);
                let output = B::fused_max_pool2d(input.into_primitive(), kernel, stride, padding);
                prepared.finish(state, output)
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(B::fused_max_pool2d(input.into_primitive(), kernel, stride, padding))
            }
        }
    }

    fn fused_conv2d_input_gradient(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: usize,
        _: usize,
        _: usize,
        _: usize,
    ) -> FloatTensor<Self> {
        unreachable!("{FIRST_ORDER}")
    }

    fn fused_conv2d_weight_gradient(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: usize,
        _: usize,
        _: usize,
        _: usize,
    ) -> FloatTensor<Self> {
        unreachable!("{FIRST_ORDER}")
    }

    fn fused_activation_backward(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("{FIRST_ORDER}")
    }

    fn fused_batch_norm_backward(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: f32,
        _: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("{FIRST_ORDER}")
    }

    fn fused_batch_norm_residual_backward(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: f32,
        _: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("{FIRST_ORDER}")
    }

    fn fused_max_pool2d_backward(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: usize,
        _: usize,
        _: usize,
    ) -> FloatTensor<Self> {
        unreachable!("{FIRST_ORDER}")
    }

    fn fused_sgd(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: f32,
        _: f32,
        _: f32,
        _: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("an update runs on tensors without autodiff")
    }
}
