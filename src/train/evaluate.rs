//! Accuracy of a network at a test resolution.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dfdx::tensor::NoneTape;

use super::error::TrainError;
use super::run::Wish;
use crate::data::{Dataset, EvalLoader, Split};
use crate::kernels::release_idle;
use crate::model::{EfficientNet, Parameters, Pass};
use crate::ops::{Image, image, view};
use crate::protocol::EvaluationReport;
use crate::sweep::FineTuning;
use crate::sweep::settings::Settings;

/// Images of an evaluation batch. No result depends on it: statistics are running ones or an image's own.
const BATCH: usize = 64;

/// What stands for a loss that is no finite number: of a network whose logits are none.
const WORST_LOSS: f64 = f32::MAX as f64;

/// Shortest time between two signs of life.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Evaluates a network with its parameters on the test images at `side` × `side` pixels. Ties go to the smaller
/// class. `observe` is asked now and then; `None` if it wishes to stop.
///
/// # Errors
/// If an image cannot be read.
pub fn evaluate(
    (network, parameters): (&EfficientNet, &Parameters),
    dataset: &Arc<dyn Dataset>,
    settings: &Settings,
    side: usize,
    threads: usize,
    observe: &mut dyn FnMut() -> Wish,
) -> Result<Option<EvaluationReport>, TrainError> {
    let start = Instant::now();
    let mut told = start;
    let mut report = EvaluationReport {
        test_resolution: side,
        fine_tuning: FineTuning::none(),
        fine_tune_s: None,
        images: 0,
        top1_correct: 0,
        top5_correct: 0,
        loss: 0.0,
        elapsed_s: 0.0,
    };
    let classes = dataset.classes().len();
    let loader = EvalLoader::new(Arc::clone(dataset), &settings.data, Split::Test, side, BATCH, threads)?;
    let mut pass = Pass::evaluation(parameters);
    for batch in loader {
        let batch = batch?;
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            if observe() == Wish::Stop {
                return Ok(None);
            }
        }
        let images: Image<NoneTape> = image(batch.images, (batch.labels.len(), side, side, 3));
        let logits = network.forward(images, &mut pass);
        for (row, label) in view(&logits).chunks_exact(classes).zip(&batch.labels) {
            let rank = rank_of(row, *label);
            report.images += 1;
            report.top1_correct += usize::from(rank == 0);
            report.top5_correct += usize::from(rank < 5);
            report.loss += cross_entropy(row, *label);
        }
    }
    report.loss /= report.images.max(1) as f64;
    if !report.loss.is_finite() {
        report.loss = WORST_LOSS;
    }
    report.elapsed_s = start.elapsed().as_secs_f64();
    // The next side has activations of other sizes.
    release_idle();
    Ok(Some(report))
}

/// How many classes stand before `label`. A label whose logit is no number stands behind all.
fn rank_of(logits: &[f32], label: usize) -> usize {
    let own = logits[label];
    if own.is_nan() {
        return logits.len();
    }
    let before = |(class, logit): (usize, &f32)| *logit > own || (*logit == own && class < label);
    logits.iter().enumerate().filter(|entry| before(*entry)).count()
}

/// `−log softmax(logits)[label]`.
fn cross_entropy(logits: &[f32], label: usize) -> f64 {
    let largest = logits.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - largest).exp()).sum();
    sum.ln() - f64::from(logits[label] - largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_who_stands_before() {
        let logits = [0.5, 2.0, -1.0, 2.0];
        assert_eq!([0, 1, 2, 3].map(|label| rank_of(&logits, label)), [2, 0, 3, 1]);
        assert_eq!(rank_of(&[f32::NAN, 1.0], 0), 2);
    }

    #[test]
    fn cross_entropy_of_even_logits_is_the_logarithm_of_the_classes() {
        assert!((cross_entropy(&[300.0; 8], 3) - 8f64.ln()).abs() < 1e-12);
    }
}
