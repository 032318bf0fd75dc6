//! About how long the rest of a sweep takes, from how fast trials trained on this machine before.
//!
//! A configuration that trained before is expected to train as fast again. One that did not is expected to do as many
//! multiply-accumulates a second as the others did in the median. Both speeds were taken with other trials running
//! beside, as they will be. Of long plans, trials at even distances stand for all.

use std::collections::HashMap;
use std::time::Duration;

use super::error::RunError;
use super::plan::{Known, Plan, Todo, Why};
use super::register::{Register, key};
use crate::analysis::interval::median;
use crate::store::{Key, TrainingSpeed};
use crate::sweep::Sweep;

/// Trials that stand for all of a plan.
const SAMPLE: usize = 256;

/// Classes change the costs of a network by little, and to know them would take opening the images.
const ANY_CLASSES: usize = 10;

/// About how long `plan` takes with so many trials at a time; `None` if no trial ever trained here.
pub fn estimate(sweep: &Sweep, plan: &Plan, known: &Known, workers: usize) -> Option<Duration> {
    let to_train: Vec<&Todo> =
        plan.todo.iter().filter(|todo| matches!(todo.why, Why::New | Why::Unfinished)).collect();
    let training_s = match to_train.len() {
        0 => 0.0,
        count => mean_training_s(sweep, &to_train, known)? * count as f64 / workers.clamp(1, count) as f64,
    };
    Duration::try_from_secs_f64(training_s + measuring_s(sweep, plan)).ok()
}

/// What each of these trials costs, in the order of `todo`.
#[derive(Debug, Clone, PartialEq)]
pub struct Costs {
    /// Seconds, or multiply-accumulates of all its training images where no trial ever trained on the machine.
    pub each: Vec<f64>,
    /// Whether they are seconds.
    pub in_seconds: bool,
}

/// The share of a training that the missing accuracies of a finished trial are taken to cost.
const EVALUATION: f64 = 0.1;

/// What every trial of a plan costs, on its own.
///
/// # Errors
/// If there can be no such network.
pub fn costs(sweep: &Sweep, todo: &[Todo], known: &Known) -> Result<Costs, RunError> {
    let rate =
        |speed: &TrainingSpeed| speed.images_per_s * speed.macs as f64 / f64::from(speed.images.max(1));
    let macs_per_s = median(&known.speeds.iter().map(rate).collect::<Vec<_>>());
    let mut register = Register::default();
    let mut each = Vec::with_capacity(todo.len());
    let mut last: Option<(usize, f64)> = None;
    for one in todo {
        let macs = match last {
            Some((configuration, macs)) if configuration == one.configuration => macs,
            _ => {
                let Some(configuration) = sweep.configuration(one.configuration) else { continue };
                let settings = &configuration.settings;
                let macs = register.count(settings, ANY_CLASSES)?.macs as f64 * settings.train.epochs as f64;
                last = Some((one.configuration, macs));
                macs
            }
        };
        let share = if one.why == Why::Unevaluated { EVALUATION } else { 1.0 };
        each.push(share * macs / macs_per_s.unwrap_or(1.0));
    }
    Ok(Costs { each, in_seconds: macs_per_s.is_some() })
}

fn mean_training_s(sweep: &Sweep, to_train: &[&Todo], known: &Known) -> Option<f64> {
    let speeds: HashMap<Key, &TrainingSpeed> =
        known.speeds.iter().map(|speed| (speed.configuration, speed)).collect();
    let macs_per_s: Vec<f64> =
        known.speeds.iter().map(|speed| speed.images_per_s * speed.macs as f64).collect();
    let macs_per_s = median(&macs_per_s)?;
    let images = median(&known.speeds.iter().map(|speed| f64::from(speed.images)).collect::<Vec<_>>())?;
    let mut register = Register::default();
    let mut seconds = Vec::new();
    for todo in to_train.iter().step_by(to_train.len().div_ceil(SAMPLE)) {
        let configuration = sweep.configuration(todo.configuration)?;
        let epochs = configuration.settings.train.epochs as f64;
        seconds.push(match speeds.get(&key(configuration.key.as_bytes())) {
            Some(speed) => epochs * f64::from(speed.images) / speed.images_per_s,
            None => {
                let macs = register.count(&configuration.settings, ANY_CLASSES).ok()?.macs as f64;
                epochs * images * macs / macs_per_s
            }
        });
    }
    crate::analysis::interval::mean(&seconds)
}

/// Time of the samples that are left to be taken, one configuration at a time.
fn measuring_s(sweep: &Sweep, plan: &Plan) -> f64 {
    let measure = sweep.settings().measure;
    let step_s = measure.warmup_s + measure.budget_s;
    let tests: Vec<usize> = sweep.keys().map(|(_, tests)| tests.len()).collect();
    let steps = plan.to_measure.iter().map(|one| {
        let tests = tests.get(one.configuration).copied().unwrap_or(1);
        one.rounds as usize * (1 + tests)
    });
    steps.sum::<usize>() as f64 * step_s
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn sweep(text: &str) -> Sweep {
        Sweep::parse(text, Path::new("a.toml")).unwrap()
    }

    #[test]
    fn without_speeds_there_is_no_estimate() {
        let sweep = sweep("[grid]\nnorm = [\"bn\"]\n");
        let known = Known::default();
        assert_eq!(estimate(&sweep, &Plan::of(&sweep, &known), &known, 2), None);
    }

    #[test]
    fn known_configurations_take_as_long_again_and_others_by_their_macs() {
        let sweep =
            sweep("[measure]\nenabled = false\n[train]\nepochs = 10\n[grid]\nresolution = [32, 64]\n");
        let first = sweep.configuration(0).unwrap();
        let macs = |index: usize| {
            let settings = sweep.configuration(index).unwrap().settings;
            Register::default().count(&settings, ANY_CLASSES).unwrap().macs
        };
        let speed = TrainingSpeed {
            configuration: key(first.key.as_bytes()),
            macs: macs(0),
            images: 1000,
            images_per_s: 100.0,
        };
        let mut known = Known::default();
        known.speeds.push(speed);
        let seconds =
            |workers| estimate(&sweep, &Plan::of(&sweep, &known), &known, workers).unwrap().as_secs_f64();
        let expected = 100.0 + 100.0 * macs(1) as f64 / macs(0) as f64;
        assert!((seconds(1) - expected).abs() < 1e-6, "{} {expected}", seconds(1));
        assert!((seconds(2) - expected / 2.0).abs() < 1e-6);
        assert_eq!(seconds(2), seconds(64), "no more workers than trials");
    }

    #[test]
    fn measuring_goes_one_by_one() {
        let sweep = sweep(
            "[measure]\nwarmup_s = 0.5\nbudget_s = 1.5\nrounds = 3\n[grid]\nresolution = [{ train = 32, test = [32, 40] }]\n",
        );
        let plan = Plan::of(&sweep, &Known::default());
        assert_eq!(measuring_s(&sweep, &plan), 3.0 * 3.0 * 2.0);
    }
}
