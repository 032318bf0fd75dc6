//! A whole small network with its loss: logits, loss and every gradient; and some steps of training.

use dfdx::losses::cross_entropy_with_logits_loss;
use dfdx::prelude::{AsArray, Backward, Trace};
use effsweep::model::{EfficientNet, Parameters, Pass, Training};
use effsweep::ops::{Image, Matrix, matrix, view};
use effsweep::sweep::settings::Train;
use effsweep::train::{Optimizer, smoothed};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::family::{Case, Family};
use super::structure::{ByName, Recipe, Structure};
use super::tape::Leaf;

#[derive(Deserialize)]
struct Facts {
    name: String,
    network: Structure,
    #[serde(flatten)]
    recipe: Recipe,
    labels: Vec<usize>,
    smoothing: f64,
    #[serde(flatten)]
    op: Op,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Op {
    Gradients,
    Training { steps: usize, rule: Rule },
}

#[derive(Deserialize)]
struct Rule {
    lr: f32,
    rho: f64,
    momentum: f64,
    epsilon: f64,
    weight_decay: f64,
    batch_norm_decay: f32,
}

#[test]
fn networks() {
    let (mut family, cases) = Family::open::<Facts>("network");
    for facts in &cases {
        let mut case = family.case(&facts.name);
        let (network, mut parameters) = facts.network.build(&facts.recipe);
        let names: Vec<String> = parameters.iter().map(|(_, parameter)| parameter.name.clone()).collect();
        for name in &names {
            parameters.set(name, case.shared(&format!("network/{name}")).values);
        }
        let targets = smoothed(&facts.labels, facts.network.classes, facts.smoothing);
        let targets = matrix(targets, (facts.labels.len(), facts.network.classes));
        let images = case.shared("network/images").into_image();
        match &facts.op {
            Op::Gradients => gradients(&mut case, &network, &parameters, images, targets),
            Op::Training { steps, rule } => {
                train(&mut case, &network, parameters, images, targets, *steps, rule)
            }
        }
    }
    family.finish();
}

fn gradients(
    case: &mut Case<'_>,
    network: &EfficientNet,
    parameters: &Parameters,
    images: Image,
    targets: Matrix,
) {
    let mut training = Training::new(ChaCha8Rng::seed_from_u64(0));
    let logits = network.forward(images.leaky_traced(), &mut Pass::training(parameters, &mut training));
    case.value("logits", view(&logits));
    let loss = cross_entropy_with_logits_loss(logits, targets);
    case.value("loss", &[loss.array()]);
    let mut gradients = loss.backward();
    for (_, parameter) in parameters.iter().filter(|(_, parameter)| parameter.role.is_trained()) {
        case.gradient(&format!("d.{}", parameter.name), &parameter.value.gradient(&mut gradients));
    }
}

fn train(
    case: &mut Case<'_>,
    network: &EfficientNet,
    mut parameters: Parameters,
    images: Image,
    targets: Matrix,
    steps: usize,
    rule: &Rule,
) {
    let settings = Train {
        rmsprop_decay: Some(rule.rho),
        momentum: rule.momentum,
        epsilon: rule.epsilon,
        weight_decay: rule.weight_decay,
        ..Train::default()
    };
    let mut optimizer = Optimizer::new(&settings, &parameters);
    let mut losses = Vec::new();
    for _ in 0..steps {
        let mut training = Training::new(ChaCha8Rng::seed_from_u64(0));
        let logits = network.forward(images.leaky_trace(), &mut Pass::training(&parameters, &mut training));
        let loss = cross_entropy_with_logits_loss(logits, targets.clone());
        losses.push(loss.array());
        optimizer.step(&mut parameters, &mut loss.backward(), rule.lr).unwrap();
        training.update_running(&mut parameters, rule.batch_norm_decay);
    }
    case.value("losses", &losses);
    for (_, parameter) in parameters.iter() {
        case.value(&format!("after.{}", parameter.name), view(&parameter.value));
    }
}
