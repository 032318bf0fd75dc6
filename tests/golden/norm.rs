//! Batch, group, layer and instance norm, with affine and activation; running statistics.

use dfdx::tensor::Trace;
use effsweep::model::{Cut, Pass, Training};
use effsweep::ops::{self, Activation, Affine, Moments, image, view};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::family::{Case, Family};
use super::structure::{ByName, NORM_EPSILON, Recipe, Structure};
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
    Norm {
        /// `None` for batch norm.
        groups: Option<usize>,
        activation: Name,
        shifted: bool,
    },
    Frozen {
        activation: Name,
    },
    Running {
        decay: f32,
    },
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Name {
    Identity,
    Swish,
}

impl From<Name> for Activation {
    fn from(name: Name) -> Self {
        match name {
            Name::Identity => Self::Identity,
            Name::Swish => Self::Swish,
        }
    }
}

#[test]
fn norms() {
    let (mut family, cases) = Family::open::<Facts>("norm");
    for facts in &cases {
        let mut case = family.case(&facts.name);
        match facts.op {
            Op::Norm { groups, activation, shifted } => norm(&mut case, groups, activation.into(), shifted),
            Op::Frozen { activation } => frozen(&mut case, activation.into()),
            Op::Running { decay } => running(&mut case, decay),
        }
    }
    family.finish();
}

fn norm(case: &mut Case<'_>, groups: Option<usize>, activation: Activation, shifted: bool) {
    let (x, gamma) = (case.image("x"), case.vector("gamma"));
    let beta = shifted.then(|| case.vector("beta"));
    let affine = Affine { gamma: &gamma, beta: beta.as_ref() };
    let y = match groups {
        Some(groups) => ops::group_norm(x.leaky_trace(), groups, affine, NORM_EPSILON, activation, None),
        None => {
            let (y, moments) = ops::batch_norm(x.leaky_trace(), affine, NORM_EPSILON, activation);
            case.value("mean", &moments.mean);
            case.value("var", &moments.var);
            y
        }
    };
    let mut inputs: Vec<(&str, &dyn Leaf)> = vec![("x", &x), ("gamma", &gamma)];
    inputs.extend(beta.iter().map(|beta| ("beta", beta as &dyn Leaf)));
    case.operation(y, &inputs);
}

fn frozen(case: &mut Case<'_>, activation: Activation) {
    let (x, gamma, beta) = (case.image("x"), case.vector("gamma"), case.vector("beta"));
    let moments = Moments { mean: case.given("mean").values, var: case.given("var").values };
    let affine = Affine { gamma: &gamma, beta: Some(&beta) };
    let y = ops::frozen_norm(x.leaky_trace(), &moments, affine, NORM_EPSILON, activation);
    case.operation(y, &[("x", &x), ("gamma", &gamma), ("beta", &beta)]);
}

/// A stem that sees one batch after another, then the first one again in evaluation.
fn running(case: &mut Case<'_>, decay: f32) {
    let images = case.given("images");
    let [steps, n, h, w, c] = images.shape[..] else { panic!("steps of images") };
    let batch =
        |step: usize| image(images.values[step * n * h * w * c..][..n * h * w * c].to_vec(), (n, h, w, c));
    let c_stem = case.given("gamma").values.len();
    let stem = Structure { c_stem, stem_stride: 1, blocks: Vec::new(), c_top: c_stem, classes: 2 };
    let (network, mut parameters) = stem.build(&Recipe { norm: "bn".into(), published: false });
    parameters.set("stem.weight", case.given("w").values);
    parameters.set("stem.norm.gamma", case.given("gamma").values);
    parameters.set("stem.norm.beta", case.given("beta").values);
    let (mut means, mut variances) = (Vec::new(), Vec::new());
    for step in 0..steps {
        let mut training = Training::new(ChaCha8Rng::seed_from_u64(0));
        network.before(batch(step), Cut::Block(0), &mut Pass::training(&parameters, &mut training));
        training.update_running(&mut parameters, decay);
        means.extend_from_slice(parameters.get("stem.norm.running_mean"));
        variances.extend_from_slice(parameters.get("stem.norm.running_var"));
    }
    case.value("means", &means);
    case.value("vars", &variances);
    let y = network.before(batch(0), Cut::Block(0), &mut Pass::evaluation(&parameters));
    case.value("y", view(&y));
}
