//! Cross-entropy of smoothed labels, with and without Mixup.

use dfdx::losses::cross_entropy_with_logits_loss;
use dfdx::prelude::{AsArray, Backward, Trace};
use effsweep::ops::matrix;
use effsweep::train::{mix_rows, smoothed};
use serde::Deserialize;

use super::family::Family;
use super::tape::Leaf;

#[derive(Deserialize)]
struct Facts {
    name: String,
    labels: Vec<usize>,
    classes: usize,
    smoothing: f64,
    mixup: bool,
}

#[test]
fn losses() {
    let (mut family, cases) = Family::open::<Facts>("loss");
    for facts in &cases {
        let mut case = family.case(&facts.name);
        let mut targets = smoothed(&facts.labels, facts.classes, facts.smoothing);
        if facts.mixup {
            let lambdas = case.given("lambdas").values;
            mix_rows(&mut targets, &lambdas);
            let mut images = case.given("images").values;
            mix_rows(&mut images, &lambdas);
            case.value("mixed_images", &images);
        }
        case.value("targets", &targets);
        let logits = case.matrix("logits");
        let targets = matrix(targets, (facts.labels.len(), facts.classes));
        let loss = cross_entropy_with_logits_loss(logits.leaky_trace(), targets);
        case.value("loss", &[loss.array()]);
        let mut gradients = loss.backward();
        case.gradient("dlogits", &logits.gradient(&mut gradients));
    }
    family.finish();
}
