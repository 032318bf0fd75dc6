//! One thing against another at equal everything else.
//!
//! Two configurations are compared seed by seed. Two values of a setting are compared over all pairs of configurations
//! of a sweep that differ in nothing else: a full grid has one for every combination of the other axes.

use std::collections::HashMap;

use super::candidate::{Candidate, OfSeed};
use crate::analysis::interval::Interval;
use crate::analysis::paired::{Decision, Paired, paired};
use crate::store::RateRow;
use crate::sweep::settings::Setting;
use crate::sweep::{Direction, Metric};

/// How far a 95 % interval reaches on either side, in deviations.
const REACH: f64 = 1.96;

/// A comparison in one metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    /// The metric.
    pub metric: Metric,
    /// Mean of the first.
    pub a: f64,
    /// Mean of the second.
    pub b: f64,
    /// The first beside the second: a difference, or a factor (see [`Metric::is_difference`]).
    pub relative: f64,
    /// Its 95 % interval.
    pub interval: Option<Interval>,
    /// What was paired.
    pub over: Over,
    /// How many pairs.
    pub pairs: usize,
    /// In how many of them the first is better.
    pub better: usize,
    /// In how many it is worse.
    pub worse: usize,
    /// What that amounts to.
    pub verdict: Judgement,
    /// How many more pairs would decide, if all stays as it is.
    pub more: Option<usize>,
}

/// What differences are taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Over {
    /// The seeds that both have.
    Seeds,
    /// Pairs of configurations, seeds averaged.
    Configurations,
    /// The intervals of one measurement each.
    Measurements,
    /// Nothing: both are known exactly.
    Nothing,
}

/// Which is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Judgement {
    /// The first.
    Better,
    /// The second.
    Worse,
    /// Neither, exactly.
    Equal,
    /// Not known yet.
    Undecided,
}

/// In what the two of a pair may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ignored<'a> {
    /// These settings.
    pub settings: &'a [Setting],
    /// The fine-tuning before the test.
    pub fine_tuning: bool,
}

/// The candidates of `a` and `b` that differ in nothing but what is `ignored` and are tested at one resolution; or, where
/// the train resolution is what differs, at the same multiple of it.
pub fn pairs<'a>(
    a: &[&'a Candidate],
    b: &[&'a Candidate],
    ignored: Ignored<'_>,
) -> Vec<(&'a Candidate, &'a Candidate)> {
    let mut by_rest: HashMap<String, Vec<&Candidate>> = HashMap::new();
    for candidate in b {
        by_rest.entry(rest(candidate, ignored)).or_default().push(candidate);
    }
    let differ =
        |a: &Candidate, b: &Candidate| (a.configuration, &a.fine_tuning) != (b.configuration, &b.fine_tuning);
    let partner = |a: &&'a Candidate| {
        let partners = by_rest.get(&rest(a, ignored))?;
        let partner = partners.iter().find(|b| differ(a, b))?;
        Some((*a, *partner))
    };
    a.iter().filter_map(partner).collect()
}

/// The same configurations at two test resolutions.
pub fn resolutions<'a>(a: &[&'a Candidate], b: &[&'a Candidate]) -> Vec<(&'a Candidate, &'a Candidate)> {
    let of = |one: &Candidate| (one.configuration, one.fine_tuning.clone());
    let by_key: HashMap<_, _> = b.iter().map(|one| (of(one), *one)).collect();
    a.iter().filter_map(|one| Some((*one, *by_key.get(&of(one))?))).collect()
}

/// The candidates of two configurations that are tested at one resolution.
pub fn tested_alike<'a>(a: &[&'a Candidate], b: &[&'a Candidate]) -> Vec<(&'a Candidate, &'a Candidate)> {
    let partner = |a: &&'a Candidate| {
        let partner =
            b.iter().find(|b| (b.test_resolution, &b.fine_tuning) == (a.test_resolution, &a.fine_tuning))?;
        (a.configuration != partner.configuration).then_some((*a, *partner))
    };
    a.iter().filter_map(partner).collect()
}

/// All settings but some, the fine-tuning, and the test resolution: itself, or as a place in its list where the train resolution is
/// what differs.
fn rest(candidate: &Candidate, ignored: Ignored<'_>) -> String {
    let tree = candidate.settings.to_json();
    let kept = Setting::all().iter().filter(|one| {
        one.makes_a_trial() && !ignored.settings.contains(one) && **one != Setting::TEST_RESOLUTIONS
    });
    let mut text: String = kept.map(|setting| format!("{}\n", setting.of(&tree))).collect();
    if ignored.settings.contains(&Setting::TRAIN_RESOLUTION) {
        let relative = f64::from(candidate.test_resolution) / candidate.settings.train.resolution as f64;
        text.push_str(&format!("{relative:.3}"));
    } else {
        text.push_str(&candidate.test_resolution.to_string());
    }
    if !ignored.fine_tuning {
        text.push_str(&format!("\n{}", candidate.fine_tuning));
    }
    text
}

/// Compares the first of each pair with the second. `None` where no pair has the metric.
pub fn compare(pairs: &[(&Candidate, &Candidate)], metric: Metric) -> Option<Compared> {
    let known: Vec<(f64, f64, &Candidate, &Candidate)> =
        pairs.iter().filter_map(|(a, b)| Some((a.metric(metric)?, b.metric(metric)?, *a, *b))).collect();
    let count = known.len() as f64;
    let a = known.iter().map(|one| one.0).sum::<f64>() / count;
    let b = known.iter().map(|one| one.1).sum::<f64>() / count;
    let apart = |a: f64, b: f64| if metric.is_difference() { a - b } else { (a / b).ln() };
    let (over, differences) = match known.as_slice() {
        [] => return None,
        [(a, b, left, right)] => {
            let seeds: Vec<f64> = common(left, right)
                .filter_map(|(a, b)| Some(apart(a.metric(metric)?, b.metric(metric)?)))
                .collect();
            if seeds.is_empty() {
                return one_pair(metric, *a, *b, left, right);
            }
            (Over::Seeds, seeds)
        }
        several => (Over::Configurations, several.iter().map(|(a, b, ..)| apart(*a, *b)).collect()),
    };
    let judged = paired(&differences)?;
    Some(told(metric, (a, b), over, judged))
}

/// The seeds that both have.
fn common<'a>(a: &'a Candidate, b: &'a Candidate) -> impl Iterator<Item = (&'a OfSeed, &'a OfSeed)> {
    a.seeds.iter().filter_map(|one| Some((one, b.seeds.iter().find(|other| other.seed == one.seed)?)))
}

/// A pair in a metric that does not depend on seeds.
fn one_pair(metric: Metric, a: f64, b: f64, left: &Candidate, right: &Candidate) -> Option<Compared> {
    let rates = match metric {
        Metric::TrainImagesPerS => left.train_images_per_s.zip(right.train_images_per_s),
        Metric::InferenceImagesPerS => left.inference_images_per_s.zip(right.inference_images_per_s),
        _ => None,
    };
    let middle = if metric.is_difference() { a - b } else { (a / b).ln() };
    if !middle.is_finite() {
        return None;
    }
    let error = |rate: RateRow| (rate.high / rate.low).ln() / (2.0 * REACH);
    let interval = match rates {
        Some((a, b)) => {
            let reach = REACH * error(a).hypot(error(b));
            Some(Interval { low: middle - reach, high: middle + reach })
        }
        // A count is what it is.
        None if matches!(metric, Metric::Parameters | Metric::Macs) => {
            Some(Interval { low: middle, high: middle })
        }
        None => None,
    };
    let judged = Paired {
        pairs: 1,
        mean: middle,
        interval: interval.filter(|interval| interval.low.is_finite() && interval.high.is_finite()),
        positive: usize::from(middle > 0.0),
        negative: usize::from(middle < 0.0),
        decision: interval.map_or(Decision::Undecided, Decision::of),
        more: None,
    };
    let over = if rates.is_some() { Over::Measurements } else { Over::Nothing };
    Some(told(metric, (a, b), over, judged))
}

fn told(metric: Metric, (a, b): (f64, f64), over: Over, judged: Paired) -> Compared {
    let back = |apart: f64| if metric.is_difference() { apart } else { apart.exp() };
    let (better, worse) = match metric.better() {
        Direction::Max => (judged.positive, judged.negative),
        Direction::Min => (judged.negative, judged.positive),
    };
    let same = judged.interval.is_some_and(|i| i.low == 0.0 && i.high == 0.0);
    let verdict = match (judged.decision, metric.better()) {
        (Decision::Larger, Direction::Max) | (Decision::Smaller, Direction::Min) => Judgement::Better,
        (Decision::Larger, Direction::Min) | (Decision::Smaller, Direction::Max) => Judgement::Worse,
        (Decision::Undecided, _) if same => Judgement::Equal,
        (Decision::Undecided, _) => Judgement::Undecided,
    };
    Compared {
        metric,
        a,
        b,
        relative: back(judged.mean),
        interval: judged.interval.map(|i| Interval { low: back(i.low), high: back(i.high) }),
        over,
        pairs: judged.pairs,
        better,
        worse,
        verdict,
        more: judged.more,
    }
}

#[cfg(test)]
mod tests {
    use super::super::candidate::fixture;
    use super::*;
    use crate::arch::Norm;
    use crate::sweep::Settings;

    fn of(key: u128, norm: &str, group_size: usize, top1: &[f64]) -> Candidate {
        let mut settings = Settings::default();
        settings.model.norm = if norm == "bn" { Norm::Batch } else { Norm::Layer { proxy: false } };
        settings.model.group_size = group_size;
        fixture(key, settings, top1, Some(1000.0))
    }

    #[test]
    fn configurations_are_compared_seed_by_seed() {
        let (a, b) = (of(1, "ln", 1, &[0.70, 0.75, 0.72]), of(2, "bn", 1, &[0.68, 0.73, 0.699]));
        let compared = compare(&tested_alike(&[&a], &[&b]), Metric::Top1).unwrap();
        assert_eq!((compared.over, compared.pairs, compared.better), (Over::Seeds, 3, 3));
        assert_eq!(compared.verdict, Judgement::Better);
        assert!((compared.relative - 0.020_333).abs() < 1e-5, "{compared:?}");
    }

    #[test]
    fn a_setting_is_compared_over_all_pairs_that_differ_in_nothing_else() {
        let candidates = [
            of(1, "ln", 1, &[0.70]),
            of(2, "bn", 1, &[0.71]),
            of(3, "ln", 4, &[0.73]),
            of(4, "bn", 4, &[0.75]),
            of(5, "bn", 16, &[0.90]),
        ];
        let with = |norm: &str| -> Vec<&Candidate> {
            candidates.iter().filter(|one| one.settings.model.norm.to_string() == norm).collect()
        };
        let pairs =
            pairs(&with("ln"), &with("bn"), Ignored { settings: &[Setting::NORM], fine_tuning: false });
        assert_eq!(pairs.len(), 2);
        let compared = compare(&pairs, Metric::Top1).unwrap();
        assert_eq!((compared.over, compared.better, compared.worse), (Over::Configurations, 0, 2));
        assert!((compared.relative + 0.015).abs() < 1e-9);
        assert_eq!((compared.verdict, compared.more), (Judgement::Undecided, Some(2)));
    }

    #[test]
    fn one_seed_decides_nothing_and_measurements_by_their_intervals() {
        let (a, mut b) = (of(1, "ln", 1, &[0.9]), of(2, "bn", 1, &[0.1]));
        b.inference_images_per_s = Some(RateRow { median: 900.0, low: 890.0, high: 910.0 });
        let pair = [(&a, &b)];
        assert_eq!(compare(&pair, Metric::Top1).unwrap().verdict, Judgement::Undecided);
        let faster = compare(&pair, Metric::InferenceImagesPerS).unwrap();
        assert_eq!((faster.over, faster.verdict), (Over::Measurements, Judgement::Better));
        assert_eq!(compare(&pair, Metric::TrainImagesPerS).unwrap().verdict, Judgement::Undecided);
        assert_eq!(compare(&pair, Metric::Parameters).unwrap().verdict, Judgement::Equal);
        assert_eq!(compare(&pair, Metric::TestLoss), None);
    }
}
