//! An operation against its definition: the output, and each gradient along a random direction.
//!
//! For an output gradient `dy`, `L = Σ y · dy` is a number, and `dL/dx · v` its slope along `v`. Central
//! differences of the definition in double precision measure that slope in two evaluations, whatever the
//! size of `x`. With signs for `v` the slope is about `‖dx‖`, and an error `e` of the gradient changes it by
//! about `‖e‖`.

use std::fmt::Debug;

use dfdx::prelude::{Cpu, Shape, Tensor};
use effsweep::ops::view;

use super::shapes::random;
use super::tape::{Leaf, Taped, backward};

/// Largest error of an output, relative to its norm.
const VALUE_BOUND: f64 = 5e-6;

/// Largest error of a slope, relative to the norm of the gradient.
const SLOPE_BOUND: f64 = 2e-5;

/// Step of the differences: short against the 0.03 over which a variance near epsilon bends, long against
/// the rounding of double precision.
const STEP: f64 = 1e-5;

/// What an operation read.
pub struct Input<'a> {
    name: &'static str,
    values: &'a [f32],
    leaf: &'a dyn Leaf,
}

impl<'a, S: Shape> From<(&'static str, &'a Tensor<S, f32, Cpu>)> for Input<'a> {
    fn from((name, tensor): (&'static str, &'a Tensor<S, f32, Cpu>)) -> Self {
        Self { name, values: view(tensor), leaf: tensor }
    }
}

/// What rounding may add to errors where the terms of a sum cancel.
#[derive(Debug, Clone, Copy)]
pub struct Floor {
    /// Of an output element.
    pub value: f64,
    /// Of a gradient, in norms of `dy`.
    pub gradient: f64,
}

/// Nothing cancels but by chance.
pub const SUMS: Floor = Floor { value: 0.01, gradient: 0.01 };

/// A norm divides by as little as √ε = 0.03 what is left of a value without its mean, and the gradient of
/// its input is what is left of `dy` without two of its own.
pub const NORMS: Floor = Floor { value: 1.0, gradient: 0.3 };

/// Holds `y` and the gradients of `inputs` to `definition`, a function of the inputs in their order.
#[track_caller]
pub fn hold<S: Shape>(
    what: &dyn Debug,
    seed: u64,
    y: Tensor<S, f32, Cpu, Taped>,
    inputs: &[Input<'_>],
    floor: Floor,
    definition: impl Fn(&[Vec<f64>]) -> Vec<f64>,
) {
    let exact: Vec<Vec<f64>> =
        inputs.iter().map(|input| input.values.iter().map(|value| f64::from(*value)).collect()).collect();
    let got: Vec<f64> = view(&y).iter().map(|value| f64::from(*value)).collect();
    let expected = definition(&exact);
    assert_eq!(got.len(), expected.len(), "{what:?}: length of the output");
    let difference: Vec<f64> = got.iter().zip(&expected).map(|(got, expected)| got - expected).collect();
    let allowed = VALUE_BOUND * (norm(&expected) + floor.value * (expected.len() as f64).sqrt());
    // So that NaN fails.
    let close = norm(&difference) <= allowed;
    assert!(close, "{what:?}: the output is off by {:.1e}, allowed {allowed:.1e}", norm(&difference));

    let dy = random(got.len(), seed ^ 0xd1);
    let loss = |inputs: &[Vec<f64>]| -> f64 {
        definition(inputs).iter().zip(&dy).map(|(y, dy)| y * f64::from(*dy)).sum()
    };
    let dy_norm = norm(&dy.iter().map(|dy| f64::from(*dy)).collect::<Vec<_>>());
    let mut gradients = backward(y, dy.clone());
    for (index, input) in inputs.iter().enumerate() {
        let gradient: Vec<f64> = input.leaf.gradient(&mut gradients).iter().map(|g| f64::from(*g)).collect();
        let direction: Vec<f64> =
            random(gradient.len(), seed ^ 0xd2).iter().map(|v| f64::from(v.signum())).collect();
        let moved = |by: f64| {
            let mut inputs = exact.to_vec();
            inputs[index].iter_mut().zip(&direction).for_each(|(value, v)| *value += by * v);
            loss(&inputs)
        };
        let expected = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
        let got: f64 = gradient.iter().zip(&direction).map(|(g, v)| g * v).sum();
        let allowed = SLOPE_BOUND * (norm(&gradient) + floor.gradient * dy_norm);
        let close = (got - expected).abs() <= allowed;
        assert!(
            close,
            "{what:?}: slope along {} is {got}, not {expected}, allowed {allowed:.1e}",
            input.name
        );
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}
