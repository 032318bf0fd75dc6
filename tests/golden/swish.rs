//! Swish by itself: a frozen norm that changes nothing, then the activation.

use dfdx::tensor::Trace;
use effsweep::ops::{self, Activation, Affine, Moments};
use serde::Deserialize;

use super::family::Family;
use super::tape::vector;

#[derive(Deserialize)]
struct Facts {
    name: String,
}

#[test]
fn swish() {
    let (mut family, cases) = Family::open::<Facts>("swish");
    for facts in &cases {
        let mut case = family.case(&facts.name);
        let x = case.image("x");
        let gamma = vector(vec![1.0]);
        let moments = Moments { mean: vec![0.0], var: vec![1.0] };
        let affine = Affine { gamma: &gamma, beta: None };
        let y = ops::frozen_norm(x.leaky_trace(), &moments, affine, 0.0, Activation::Swish);
        case.operation(y, &[("x", &x)]);
    }
    family.finish();
}
