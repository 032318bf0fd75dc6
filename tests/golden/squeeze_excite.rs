//! Squeeze-excite, with and without a delayed proxy scale on its gate.

use dfdx::tensor::Trace;
use effsweep::ops::{self, SqueezeExcite};
use serde::Deserialize;

use super::family::Family;
use super::tape::Leaf;

#[derive(Deserialize)]
struct Facts {
    name: String,
    c_hidden: usize,
    scaled: bool,
}

#[test]
fn squeeze_excite() {
    let (mut family, cases) = Family::open::<Facts>("squeeze_excite");
    for facts in &cases {
        let mut case = family.case(&facts.name);
        let x = case.image("x");
        let names = ["reduce_weight", "reduce_bias", "expand_weight", "expand_bias"];
        let [reduce_weight, reduce_bias, expand_weight, expand_bias] = names.map(|name| case.vector(name));
        let scale = facts.scaled.then(|| case.vector("channel_scale"));
        let weights = SqueezeExcite {
            reduce_weight: &reduce_weight,
            reduce_bias: &reduce_bias,
            expand_weight: &expand_weight,
            expand_bias: &expand_bias,
            c_hidden: facts.c_hidden,
        };
        let y = ops::squeeze_excite(x.leaky_trace(), weights, scale.as_ref());
        let leaves = [&reduce_weight, &reduce_bias, &expand_weight, &expand_bias];
        let mut inputs: Vec<(&str, &dyn Leaf)> = vec![("x", &x)];
        inputs.extend(names.into_iter().zip(leaves.map(|leaf| leaf as &dyn Leaf)));
        inputs.extend(scale.iter().map(|scale| ("channel_scale", scale as &dyn Leaf)));
        case.operation(y, &inputs);
    }
    family.finish();
}
