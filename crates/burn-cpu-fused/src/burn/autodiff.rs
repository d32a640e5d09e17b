//! *Backward passes*: the fused operations under Burn's autodiff.

use std::cell::RefCell;
use std::collections::HashSet;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, TensorMetadata};

use super::extension::{FusedGradients, FusedOperations};

/// A tensor under autodiff.
type Tracked<B, C> = FloatTensor<Autodiff<B, C>>;

/// Runs `forward` on the parents' values; it returns the output, what `operation` needs in its backward
/// pass, and anything else.
fn record<B, C, O, X, const N: usize>(
    operation: O,
    parents: [Tracked<B, C>; N],
    forward: impl FnOnce([FloatTensor<B>; N]) -> (FloatTensor<B>, O::State, X),
) -> (Tracked<B, C>, X)
where
    B: FusedGradients,
    C: CheckpointStrategy,
    O: Backward<B, N>,
{
    let nodes = parents.each_ref().map(|parent| parent.node());
    let (output, state, rest) = forward(parents.map(|parent| parent.into_primitive()));
    let output = match operation.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(state, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    (output, rest)
}

thread_local! {
    /// Nodes within the graph whose gradient was registered here and is not consumed yet. Burn cannot be
    /// asked: a gradient that was never registered is a panic.
    ///
    /// A node whose gradient an operation not of this module consumes stays here, and does no harm. Its
    /// number is never given again; and no later backward pass comes to it as a parent, for the pass that
    /// registered its gradient has taken its step, and Burn refuses, before the first step, a pass over a
    /// graph any step of which is taken ("graph tape has already been consumed"). To forget a node, on the
    /// other hand, costs one pass over memory: Burn then adds the gradients itself.
    static GIVEN: RefCell<HashSet<NodeId>> = RefCell::default();
}

/// More of them than any graph has at once. Where there are as many, they are those that stayed, and all are
/// forgotten.
const MOST_GIVEN: usize = 1 << 16;

/// The gradient that the first parent has so far, taken out so that the next one is added to it where it is
/// computed, and not in a pass of its own; nothing where it is not known to have one.
fn earlier<B: FusedGradients, const N: usize>(
    ops: &Ops<(), N>,
    gradients: &mut Gradients,
) -> Option<FloatTensor<B>> {
    let node = ops.parents[0].as_ref()?;
    GIVEN.with_borrow_mut(|given| given.remove(&node.id)).then(|| gradients.consume::<B>(node))
}

/// Registers the gradients of the parents that want one.
fn give<B: FusedGradients, const N: usize>(
    ops: Ops<(), N>,
    gradients: &mut Gradients,
    values: [Option<FloatTensor<B>>; N],
) {
    for (node, value) in ops.parents.into_iter().zip(values) {
        if let (Some(node), Some(value)) = (node, value) {
            // A leaf's gradient cannot be taken out again.
            if !node.parents.is_empty() {
                GIVEN.with_borrow_mut(|given| {
                    if given.len() >= MOST_GIVEN {
                        given.clear();
                    }
                    given.insert(node.id);
                });
            }
            gradients.register::<B>(node.id, value);
        }
    }
}

/// The rest of an operation once its state is taken out.
fn split<S, const N: usize>(ops: Ops<S, N>) -> (Ops<(), N>, S)
where
    S: Clone + Send + std::fmt::Debug + 'static,
{
    (Ops { parents: ops.parents, node: ops.node, state: () }, ops.state)
}

macro_rules! operation {
    ($name:ident<$parents:literal>, $state:ty, |$ops:ident, $saved:pat_param, $gradient:ident, $gradients:ident| $body:expr) => {
        #[derive(Debug)]
        struct $name;
        impl<B: FusedGradients> Backward<B, $parents> for $name {
            type State = $state;

            fn backward(self, ops: Ops<$state, $parents>, $gradients: &mut Gradients, _: &mut Checkpointer) {
                GIVEN.with_borrow_mut(|given| given.remove(&ops.node.id));
                let $gradient = $gradients.consume::<B>(&ops.node);
                let ($ops, $saved) = split(ops);
                $body
            }
        }
    };
}

operation!(Block<1>, usize, |ops, channels, gradient, gradients| {
    give::<B, 1>(ops, gradients, [Some(B::fused_unblock(gradient, channels))]);
});

operation!(Unblock<1>, (), |ops, (), gradient, gradients| {
    give::<B, 1>(ops, gradients, [Some(B::fused_block(gradient))]);
});

/// Input, weight, stride and padding of a convolution.
type ConvolutionState<B> = (FloatTensor<B>, FloatTensor<B>, usize, usize);

/// Whether the second parent is a weight itself and not made of one.
fn weight_is_leaf<const N: usize>(ops: &Ops<(), N>) -> bool {
    ops.parents[1].as_ref().is_some_and(|node| node.parents.is_empty())
}

/// Gradients of input and weight; `earlier` is what the input's is added to. A weight that is a leaf of the
/// graph may be stepped instead.
fn convolution_gradients<B: FusedGradients>(
    wanted: [bool; 2],
    is_leaf: bool,
    earlier: Option<FloatTensor<B>>,
    (input, weight, stride, padding): ConvolutionState<B>,
    gradient: FloatTensor<B>,
) -> [Option<FloatTensor<B>>; 2] {
    let [_, height, width, ..] = input.shape().dims::<5>();
    let shape = weight.shape().dims();
    // First, for it reads the weight that a step then finds in the cache.
    let by_input = wanted[0].then(|| {
        let (gradient, weight) = (gradient.clone(), weight.clone());
        match earlier {
            Some(earlier) => B::fused_conv_transpose2d_onto(gradient, weight, earlier, stride, padding),
            None => B::fused_conv_transpose2d(gradient, weight, height, width, stride, padding),
        }
    });
    let by_weight = wanted[1].then(|| {
        if is_leaf {
            B::fused_conv2d_weight_step(input, gradient, weight, stride, padding)
        } else {
            B::fused_conv2d_weight_gradient(input, gradient, shape, stride, padding)
        }
    });
    [by_input, by_weight]
}

operation!(Convolution<2>, ConvolutionState<B>, |ops, state, gradient, gradients| {
    let wanted = ops.parents.each_ref().map(Option::is_some);
    let earlier = earlier::<B, 2>(&ops, gradients);
    let values = convolution_gradients::<B>(wanted, weight_is_leaf(&ops), earlier, state, gradient);
    give::<B, 2>(ops, gradients, values);
});

operation!(
    ConvolutionActivation<3>,
    (ConvolutionState<B>, FloatTensor<B>, f32),
    |ops, (state, output, slope), gradient, gradients| {
        let [channels, ..] = state.1.shape().dims::<4>();
        let (gradient, bias) = B::fused_activation_backward(output, gradient, channels, slope);
        let wanted = [ops.parents[0].is_some(), ops.parents[1].is_some()];
        let earlier = earlier::<B, 3>(&ops, gradients);
        let [input, weight] =
            convolution_gradients::<B>(wanted, weight_is_leaf(&ops), earlier, state, gradient);
        give::<B, 3>(ops, gradients, [input, weight, Some(bias)]);
    }
);

operation!(TransposedConvolution<2>, ConvolutionState<B>, |ops, state, gradient, gradients| {
    let (input, weight, stride, padding) = state;
    let shape = weight.shape().dims();
    // The transpose's gradient of the weight is the convolution's with input and output exchanged.
    let by_weight = ops.parents[1]
        .is_some()
        .then(|| B::fused_conv2d_weight_gradient(gradient.clone(), input, shape, stride, padding));
    let by_input = ops.parents[0].is_some().then(|| B::fused_conv2d(gradient, weight, stride, padding));
    give::<B, 2>(ops, gradients, [by_input, by_weight]);
});

operation!(Depthwise<2>, [FloatTensor<B>; 2], |ops, [input, weight], gradient, gradients| {
    let (input, weight) = B::fused_depthwise_backward(input, weight, gradient);
    give::<B, 2>(ops, gradients, [Some(input), Some(weight)]);
});

operation!(Gate<1>, (FloatTensor<B>, f32), |ops, (by, slope), gradient, gradients| {
    give::<B, 1>(ops, gradients, [Some(B::fused_gate(gradient, by, slope))]);
});

/// Five tensors of a batch normalisation; epsilon and slope.
type NormalizationState<B> = ([FloatTensor<B>; 5], [f32; 2]);

operation!(BatchNorm<3>, NormalizationState<B>, |ops, state, gradient, gradients| {
    let ([input, gamma, beta, mean, variance], [epsilon, slope]) = state;
    let (input, gamma, beta) =
        B::fused_batch_norm_backward(input, gradient, gamma, beta, mean, variance, epsilon, slope);
    give::<B, 3>(ops, gradients, [Some(input), Some(gamma), Some(beta)]);
});

operation!(BatchNormResidual<4>, NormalizationState<B>, |ops, state, gradient, gradients| {
    let ([input, output, gamma, mean, variance], [epsilon, slope]) = state;
    let (input, gamma, beta, residual) =
        B::fused_batch_norm_residual_backward(input, output, gradient, gamma, mean, variance, epsilon, slope);
    give::<B, 4>(ops, gradients, [Some(input), Some(gamma), Some(beta), Some(residual)]);
});

operation!(
    MaxPool<1>,
    (FloatTensor<B>, FloatTensor<B>, [usize; 3]),
    |ops, (input, output, [kernel, stride, padding]), gradient, gradients| {
        let value = B::fused_max_pool2d_backward(input, output, gradient, kernel, stride, padding);
        give::<B, 1>(ops, gradients, [Some(value)]);
    }
);

operation!(AveragePool<1>, [usize; 2], |ops, [height, width], gradient, gradients| {
    give::<B, 1>(ops, gradients, [Some(B::fused_average_pool_backward(gradient, height, width))]);
});

impl<B: FusedGradients, C: CheckpointStrategy> FusedOperations for Autodiff<B, C> {
    fn fused_block(values: Tracked<B, C>) -> Tracked<B, C> {
        let forward = |[values]: [FloatTensor<B>; 1]| {
            let [_, channels, ..] = values.shape().dims::<4>();
            (B::fused_block(values), channels, ())
        };
        record::<B, C, _, _, 1>(Block, [values], forward).0
    }

    fn fused_unblock(values: Tracked<B, C>, channels: usize) -> Tracked<B, C> {
        let forward = |[values]: [FloatTensor<B>; 1]| (B::fused_unblock(values, channels), (), ());
        record::<B, C, _, _, 1>(Unblock, [values], forward).0
    }

    fn fused_conv2d(
        input: Tracked<B, C>,
        weight: Tracked<B, C>,
        stride: usize,
        padding: usize,
    ) -> Tracked<B, C> {
        let forward = |[input, weight]: [FloatTensor<B>; 2]| {
            let state = (input.clone(), weight.clone(), stride, padding);
            (B::fused_conv2d(input, weight, stride, padding), state, ())
        };
        record::<B, C, _, _, 2>(Convolution, [input, weight], forward).0
    }

    fn fused_depthwise_conv2d(input: Tracked<B, C>, weight: Tracked<B, C>) -> Tracked<B, C> {
        let forward = |[input, weight]: [FloatTensor<B>; 2]| {
            let state = [input.clone(), weight.clone()];
            (B::fused_depthwise_conv2d(input, weight), state, ())
        };
        record::<B, C, _, _, 2>(Depthwise, [input, weight], forward).0
    }

    fn fused_conv2d_activation(
        input: Tracked<B, C>,
        weight: Tracked<B, C>,
        bias: Tracked<B, C>,
        stride: usize,
        padding: usize,
        slope: f32,
    ) -> Tracked<B, C> {
        let forward = |[input, weight, bias]: [FloatTensor<B>; 3]| {
            let state = (input.clone(), weight.clone(), stride, padding);
            let output = B::fused_conv2d_activation(input, weight, bias, stride, padding, slope);
            (output.clone(), (state, output, slope), ())
        };
        record::<B, C, _, _, 3>(ConvolutionActivation, [input, weight, bias], forward).0
    }

    fn fused_conv_transpose2d(
        input: Tracked<B, C>,
        weight: Tracked<B, C>,
        height: usize,
        width: usize,
        stride: usize,
        padding: usize,
    ) -> Tracked<B, C> {
        let forward = |[input, weight]: [FloatTensor<B>; 2]| {
            let state = (input.clone(), weight.clone(), stride, padding);
            let output = B::fused_conv_transpose2d(input, weight, height, width, stride, padding);
            (output, state, ())
        };
        record::<B, C, _, _, 2>(TransposedConvolution, [input, weight], forward).0
    }

    fn fused_gate(values: Tracked<B, C>, by: Tracked<B, C>, slope: f32) -> Tracked<B, C> {
        let by = by.into_primitive();
        let forward =
            |[values]: [FloatTensor<B>; 1]| (B::fused_gate(values, by.clone(), slope), (by, slope), ());
        record::<B, C, _, _, 1>(Gate, [values], forward).0
    }

    fn fused_batch_norm(
        input: Tracked<B, C>,
        gamma: Tracked<B, C>,
        beta: Tracked<B, C>,
        epsilon: f32,
        slope: f32,
    ) -> (Tracked<B, C>, Tracked<B, C>, Tracked<B, C>) {
        let forward = |[input, gamma, beta]: [FloatTensor<B>; 3]| {
            let (x, g, b) = (input.clone(), gamma.clone(), beta.clone());
            let (output, mean, variance) = B::fused_batch_norm(input, gamma, beta, epsilon, slope);
            let saved = [x, g, b, mean.clone(), variance.clone()];
            (output, (saved, [epsilon, slope]), (mean, variance))
        };
        let (output, (mean, variance)) = record::<B, C, _, _, 3>(BatchNorm, [input, gamma, beta], forward);
        (output, <Tracked<B, C>>::new(mean), <Tracked<B, C>>::new(variance))
    }

    fn fused_batch_norm_residual(
        input: Tracked<B, C>,
        gamma: Tracked<B, C>,
        beta: Tracked<B, C>,
        residual: Tracked<B, C>,
        epsilon: f32,
        slope: f32,
    ) -> (Tracked<B, C>, Tracked<B, C>, Tracked<B, C>) {
        let forward = |[input, gamma, beta, residual]: [FloatTensor<B>; 4]| {
            let (x, g) = (input.clone(), gamma.clone());
            let (output, mean, variance) =
                B::fused_batch_norm_residual(input, gamma, beta, residual, epsilon, slope);
            let saved = [x, output.clone(), g, mean.clone(), variance.clone()];
            (output, (saved, [epsilon, slope]), (mean, variance))
        };
        let parents = [input, gamma, beta, residual];
        let (output, (mean, variance)) = record::<B, C, _, _, 4>(BatchNormResidual, parents, forward);
        (output, <Tracked<B, C>>::new(mean), <Tracked<B, C>>::new(variance))
    }

    fn fused_max_pool2d(input: Tracked<B, C>, kernel: usize, stride: usize, padding: usize) -> Tracked<B, C> {
        let forward = |[input]: [FloatTensor<B>; 1]| {
            let output = B::fused_max_pool2d(input.clone(), kernel, stride, padding);
            (output.clone(), (input, output, [kernel, stride, padding]), ())
        };
        record::<B, C, _, _, 1>(MaxPool, [input], forward).0
    }

    fn fused_average_pool(input: Tracked<B, C>, channels: usize) -> Tracked<B, C> {
        let forward = |[input]: [FloatTensor<B>; 1]| {
            let [_, height, width, ..] = input.shape().dims::<5>();
            (B::fused_average_pool(input, channels), [height, width], ())
        };
        record::<B, C, _, _, 1>(AveragePool, [input], forward).0
    }
}
