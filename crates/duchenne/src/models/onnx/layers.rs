//! *Layers* as operations of a graph: what `forward` of each computes at inference.

use burn::module::Param;
use burn::tensor::Tensor;

use super::graph::{Graph, Setting, Value};
use crate::models::layers::{BatchNorm, Convolution, EPSILON, Linear};

fn values<const D: usize>(tensor: Tensor<D>) -> (Vec<usize>, Vec<f32>) {
    (tensor.dims().to_vec(), tensor.into_data().iter::<f32>().collect())
}

impl Graph {
    /// A convolution by name, with the batch normalisation that follows it, by name, if one does: folded into the
    /// convolution unless the graph keeps it.
    pub fn convolution(
        &mut self,
        input: Value,
        (name, convolution): (&str, &Convolution),
        norm: Option<(&str, &BatchNorm)>,
    ) -> Value {
        let folded = norm.filter(|_| !self.options().keep_batch_norm);
        let (weight, bias) = match folded {
            Some((_, norm)) => {
                let (weight, bias) = norm.fold(convolution);
                (weight, Some(bias))
            }
            None => (convolution.weight.val(), convolution.bias.as_ref().map(Param::val)),
        };
        let [_, _, kernel, _] = weight.dims();
        let bias = bias.map(|bias| values(bias).1);
        let geometry = [kernel, convolution.stride, convolution.padding].map(|value| value as i64);
        let (shape, weight) = values(weight);
        let map =
            self.within(name, |graph| graph.convolve(input, (&shape, &weight), bias.as_deref(), geometry, 1));
        match norm {
            Some((name, norm)) if folded.is_none() => self.within(name, |graph| graph.normalize(map, norm)),
            _ => map,
        }
    }

    /// A convolution with the given weights, of `[kernel, stride, padding]`, in groups of channels.
    pub fn convolve(
        &mut self,
        input: Value,
        (shape, weight): (&[usize], &[f32]),
        bias: Option<&[f32]>,
        [kernel, stride, padding]: [i64; 3],
        groups: usize,
    ) -> Value {
        let mut inputs = vec![input, self.weight("weight", shape, weight)];
        if let Some(bias) = bias {
            inputs.push(self.constant("bias", &[bias.len()], bias));
        }
        let settings = [
            ("kernel_shape", Setting::Ints(&[kernel; 2])),
            ("strides", Setting::Ints(&[stride; 2])),
            ("pads", Setting::Ints(&[padding; 4])),
            ("group", Setting::Int(groups as i64)),
        ];
        self.node("Conv", &inputs, &settings)
    }

    fn normalize(&mut self, input: Value, norm: &BatchNorm) -> Value {
        let parts = [
            ("weight", norm.weight.val()),
            ("bias", norm.bias.val()),
            ("running_mean", norm.running_mean.value()),
            ("running_var", norm.running_var.value()),
        ];
        let mut inputs = vec![input];
        for (name, part) in parts {
            let (shape, part) = values(part);
            inputs.push(self.constant(name, &shape, &part));
        }
        self.node("BatchNormalization", &inputs, &[("epsilon", Setting::Float(EPSILON))])
    }

    /// The larger of a value and zero.
    pub fn relu(&mut self, input: Value) -> Value {
        self.node("Relu", &[input], &[])
    }

    /// The sum of two maps of one shape.
    pub fn add(&mut self, one: Value, other: Value) -> Value {
        self.node("Add", &[one, other], &[])
    }

    /// The largest value of each window of `[kernel, stride, padding]`.
    pub fn max_pool(&mut self, input: Value, [kernel, stride, padding]: [i64; 3]) -> Value {
        let settings = [
            ("kernel_shape", Setting::Ints(&[kernel; 2])),
            ("strides", Setting::Ints(&[stride; 2])),
            ("pads", Setting::Ints(&[padding; 4])),
        ];
        self.node("MaxPool", &[input], &settings)
    }

    /// The mean of each channel: `[batch, channels, height, width]` to `[batch, channels]`.
    pub fn global_average_pool(&mut self, input: Value) -> Value {
        let means = self.node("GlobalAveragePool", &[input], &[]);
        self.flat(means)
    }

    /// All values of each of a batch in a row.
    pub fn flat(&mut self, input: Value) -> Value {
        self.node("Flatten", &[input], &[("axis", Setting::Int(1))])
    }

    /// Maps of `from x from` pooled to `to x to` as `adaptive_avg_pool2d` does. ONNX has no such operator; the means of
    /// windows along rows and then along columns are two products with constant matrices.
    pub fn adaptive_average_pool(&mut self, input: Value, from: usize, to: usize) -> Value {
        if from == to {
            return input;
        }
        let rows = averages(from, to);
        let columns: Vec<f32> = (0..from * to).map(|at| rows[at % to * from + at / to]).collect();
        let rows = self.constant("pooled_rows", &[to, from], &rows);
        let columns = self.constant("pooled_columns", &[from, to], &columns);
        let pooled = self.node("MatMul", &[rows, input], &[]);
        self.node("MatMul", &[pooled, columns], &[])
    }

    /// A linear layer by name.
    pub fn linear(&mut self, input: Value, name: &str, linear: &Linear) -> Value {
        let (shape, weight) = values(linear.weight.val());
        let (_, bias) = values(linear.bias.val());
        self.within(name, |graph| {
            let weight = graph.weight("weight", &shape, &weight);
            let bias = graph.constant("bias", &[bias.len()], &bias);
            graph.node("Gemm", &[input, weight, bias], &[("transB", Setting::Int(1))])
        })
    }
}

/// The matrix `[to, from]` whose rows average the windows of adaptive pooling: window `i` reaches from
/// `floor(i * from / to)` to `ceil((i + 1) * from / to)`.
fn averages(from: usize, to: usize) -> Vec<f32> {
    let mut matrix = vec![0.0; to * from];
    for (index, row) in matrix.chunks_exact_mut(from).enumerate() {
        let window = index * from / to..((index + 1) * from).div_ceil(to);
        let share = 1.0 / window.len() as f32;
        row[window].fill(share);
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_adaptive_pooling_overlap_where_sizes_do_not_divide() {
        let third = 1.0 / 3.0;
        assert_eq!(averages(2, 2), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(averages(1, 2), [1.0, 1.0]);
        assert_eq!(averages(5, 2), [third, third, third, 0.0, 0.0, 0.0, 0.0, third, third, third]);
    }
}
