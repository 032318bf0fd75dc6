//! The proxies' moments, and layer and group norm with proxy-normalized activations.

use dfdx::prelude::{Backward, OwnedTape, PutTape, SplitTape, SumTo, Trace};
use effsweep::ops::{self, Activation, Affine, ProxyParameters, ProxyScaling, view};
use serde::Deserialize;

use super::family::{Case, Family};
use super::structure::{NORM_EPSILON, PROXY_EPSILON};
use super::tape::Leaf;

#[derive(Deserialize)]
struct Facts {
    name: String,
    #[serde(flatten)]
    op: Op,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Op {
    Moments,
    Norm { groups: usize, delayed: bool },
}

#[test]
fn proxy_norm() {
    let (mut family, cases) = Family::open::<Facts>("proxy_norm");
    for facts in &cases {
        let mut case = family.case(&facts.name);
        match facts.op {
            Op::Moments => moments(&mut case),
            Op::Norm { groups, delayed } => norm(&mut case, groups, delayed),
        }
    }
    family.finish();
}

const NAMES: [&str; 4] = ["gamma", "beta", "shift", "scale"];

fn moments(case: &mut Case<'_>) {
    let vectors = NAMES.map(|name| case.vector(name));
    let [gamma, beta, shift, scale] = &vectors;
    let proxy = ProxyParameters { gamma, beta, shift, scale };
    let mut tape = OwnedTape::default();
    let moments = ops::proxy_moments(&mut tape, proxy, Activation::Swish, PROXY_EPSILON);
    case.value("mean", view(&moments.mean));
    case.value("rstd", view(&moments.rstd));
    let (mean, tape) = (moments.mean.put_tape(tape) * case.vector("dmean")).sum().split_tape();
    let (rstd, tape) = (moments.rstd.put_tape(tape) * case.vector("drstd")).sum().split_tape();
    let mut gradients = (mean.put_tape(tape) + rstd).backward();
    for (name, leaf) in NAMES.into_iter().zip(&vectors) {
        case.gradient(&format!("d{name}"), &leaf.gradient(&mut gradients));
    }
}

fn norm(case: &mut Case<'_>, groups: usize, delayed: bool) {
    let (x, vectors) = (case.image("x"), NAMES.map(|name| case.vector(name)));
    let [gamma, beta, shift, scale] = &vectors;
    let proxy = ProxyParameters { gamma, beta, shift, scale };
    let (x_traced, mut tape) = x.leaky_trace().split_tape();
    let moments = ops::proxy_moments(&mut tape, proxy, Activation::Swish, PROXY_EPSILON);
    let scaling = if delayed { ProxyScaling::Delayed } else { ProxyScaling::Applied };
    let affine = Affine { gamma, beta: Some(beta) };
    let proxy = Some((&moments, scaling));
    let y = ops::group_norm(x_traced.put_tape(tape), groups, affine, NORM_EPSILON, Activation::Swish, proxy);
    let mut inputs: Vec<(&str, &dyn Leaf)> = vec![("x", &x)];
    inputs.extend(NAMES.into_iter().zip(vectors.iter().map(|leaf| leaf as &dyn Leaf)));
    case.operation(y, &inputs);
}
