//! Which candidates are best, how sure that is, and what would make it surer.
//!
//! What is known of a value becomes a belief here: of an accuracy by its seeds, whose noise all candidates tell
//! together; of a throughput by its interval; costs are exact. Where no candidate has two seeds, the noise of one is
//! taken to be that of its test images, which is about what seeds differ by (Jordan 2023, *On the variance of neural
//! network training*).

use std::collections::HashMap;

use super::candidate::Candidate;
use crate::analysis::confidence::{Belief, Draws, Standing};
use crate::analysis::hypervolume::{contributions, hypervolume};
use crate::analysis::knee::knee;
use crate::analysis::pareto;
use crate::analysis::settle::settling;
use crate::analysis::variance::{Noise, moderated};
use crate::store::RateRow;
use crate::sweep::{Direction, Metric, Objective};

/// How far a 95 % interval reaches on either side, in deviations.
const REACH: f64 = 1.96;

/// What is to be said of candidates together.
#[derive(Debug, Clone, Default)]
pub struct Judgement {
    /// Of each.
    pub candidates: Vec<Judged>,
    /// Share of the box between the worst and the best value of every objective that the front dominates; `None`
    /// without a front.
    pub hypervolume: Option<f64>,
    /// What could be observed to make it surer, best first.
    pub advice: Vec<Advice>,
}

/// What is to be said of a candidate among the others.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Judged {
    /// Whether it is on the front by its best values.
    pub on_front: bool,
    /// How many fronts were peeled off before it; `None` without a value in every objective.
    pub rank: Option<usize>,
    /// How sure it is; likewise.
    pub standing: Option<Standing>,
    /// Share of the box that it alone dominates.
    pub contribution: Option<f64>,
    /// Whether it is the front's knee.
    pub knee: bool,
}

/// An observation that would settle more of what is undecided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Advice {
    /// Which candidate.
    pub candidate: usize,
    /// In which metric.
    pub metric: Metric,
    /// The share of what is undecided that it is expected to settle.
    pub share: f64,
}

/// Judges `candidates` by `objectives`.
pub fn judge(candidates: &[Candidate], objectives: &[Objective]) -> Judgement {
    let directions = directions(objectives);
    let points = points(candidates, objectives);
    let beliefs = beliefs(candidates, objectives);
    let draws = Draws::new(&beliefs, &directions);
    let ranks = pareto::ranks(&points, &directions);
    let front: Vec<usize> = (0..points.len()).filter(|point| ranks.get(*point) == Some(&Some(0))).collect();
    let members: Vec<&Vec<f64>> = front.iter().filter_map(|point| points.get(*point)).collect();
    let knee = knee(&members, &directions).and_then(|member| front.get(member).copied());
    let unit = unit_box(&points, &directions);
    let shares = vec![pareto::Direction::Maximize; directions.len()];
    let origin = vec![0.0; directions.len()];
    let mut judged: Vec<Judged> = ranks
        .iter()
        .zip(draws.standings())
        .map(|(rank, standing)| Judged {
            on_front: *rank == Some(0),
            rank: *rank,
            standing,
            contribution: rank.map(|_| 0.0),
            knee: false,
        })
        .collect();
    let on_front: Vec<&Vec<f64>> = front.iter().filter_map(|point| unit.get(*point)).collect();
    for (point, added) in front.iter().zip(contributions(&on_front, &shares, &origin)) {
        if let Some(one) = judged.get_mut(*point) {
            one.contribution = Some(added);
            one.knee = knee == Some(*point);
        }
    }
    let advice = settling(&draws, &beliefs).into_iter().filter_map(|one| {
        let metric = objectives.get(one.objective)?.metric;
        Some(Advice { candidate: one.point, metric, share: one.share })
    });
    Judgement {
        candidates: judged,
        hypervolume: (!front.is_empty()).then(|| hypervolume(&on_front, &shares, &origin)),
        advice: advice.collect(),
    }
}

/// Whether each candidate is on the front over `objectives`.
pub fn front(candidates: &[Candidate], objectives: &[Objective]) -> Vec<bool> {
    pareto::front(&points(candidates, objectives), &directions(objectives))
}

fn directions(objectives: &[Objective]) -> Vec<pareto::Direction> {
    let direction = |objective: &Objective| match objective.direction {
        Direction::Max => pareto::Direction::Maximize,
        Direction::Min => pareto::Direction::Minimize,
    };
    objectives.iter().map(direction).collect()
}

fn points(candidates: &[Candidate], objectives: &[Objective]) -> Vec<Vec<f64>> {
    let value =
        |candidate: &Candidate, objective: &Objective| candidate.metric(objective.metric).unwrap_or(f64::NAN);
    let point = |candidate| objectives.iter().map(|objective| value(candidate, objective)).collect();
    candidates.iter().map(point).collect()
}

/// What is known of each candidate in each objective.
fn beliefs(candidates: &[Candidate], objectives: &[Objective]) -> Vec<Vec<Belief>> {
    let columns: Vec<Vec<Belief>> =
        objectives.iter().map(|objective| column(candidates, objective.metric)).collect();
    let row = |index: usize| {
        columns.iter().map(|column| column.get(index).copied().unwrap_or(Belief::Missing)).collect()
    };
    (0..candidates.len()).map(row).collect()
}

/// What is known of each candidate in one metric.
fn column(candidates: &[Candidate], metric: Metric) -> Vec<Belief> {
    let exact = |candidate: &Candidate| candidate.metric(metric).map_or(Belief::Missing, Belief::Exact);
    let times = metric == Metric::TrainTimeS;
    let groups: Vec<Vec<f64>> = candidates
        .iter()
        .map(|candidate| {
            let values = candidate.seeds.iter().filter_map(|seed| seed.metric(metric));
            // Times differ by factors.
            values.map(|value| if times { value.ln() } else { value }).collect()
        })
        .collect();
    let noise = moderated(&groups);
    // A configuration trains once, however many resolutions it is tested at.
    let mut first_of = HashMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        first_of.entry(candidate.configuration).or_insert(index);
    }
    let belief = |(index, candidate): (usize, &Candidate)| {
        let Some(value) = candidate.metric(metric) else { return Belief::Missing };
        let training = first_of.get(&candidate.configuration).copied().unwrap_or(index);
        match metric {
            Metric::TrainImagesPerS => rate(candidate.train_images_per_s, training),
            Metric::InferenceImagesPerS => rate(candidate.inference_images_per_s, index),
            Metric::Parameters | Metric::Macs | Metric::PeakMemoryMib => Belief::Exact(value),
            Metric::Top1 | Metric::Top5 | Metric::TestLoss | Metric::TrainTimeS => {
                let count = groups.get(index).map_or(0, Vec::len).max(1) as f64;
                let known = noise.as_ref().and_then(|noise| noise.get(index).copied());
                match known.or_else(|| of_test_images(candidate, metric)) {
                    Some(Noise { deviation, .. }) if times => Belief::Rate {
                        median: value,
                        error: deviation / count.sqrt(),
                        deviation,
                        source: training,
                    },
                    Some(Noise { deviation, freedom }) => {
                        Belief::Mean { mean: value, error: deviation / count.sqrt(), freedom, deviation }
                    }
                    None => exact(candidate),
                }
            }
        }
    };
    candidates.iter().enumerate().map(belief).collect()
}

fn rate(rate: Option<RateRow>, source: usize) -> Belief {
    let Some(RateRow { median, low, high }) = rate else { return Belief::Missing };
    if !(low > 0.0 && high > low) {
        return Belief::Exact(median);
    }
    let error = (high / low).ln() / (2.0 * REACH);
    // One more round tells about as much as one did.
    Belief::Rate { median, error, deviation: error, source }
}

/// The binomial noise of a share of test images.
fn of_test_images(candidate: &Candidate, metric: Metric) -> Option<Noise> {
    let share = matches!(metric, Metric::Top1 | Metric::Top5).then(|| candidate.metric(metric))??;
    let images = f64::from(candidate.seeds.iter().find_map(|seed| seed.test_images)?);
    // As if one more image of each kind had been seen: no share is without noise.
    let share = (share * images + 1.0) / (images + 2.0);
    Some(Noise { deviation: (share * (1.0 - share) / images).sqrt(), freedom: f64::INFINITY })
}

/// Each point's place between the worst (0) and the best (1) value that any point has, objective by objective.
fn unit_box(points: &[Vec<f64>], directions: &[pareto::Direction]) -> Vec<Vec<f64>> {
    let complete: Vec<&Vec<f64>> =
        points.iter().filter(|point| point.iter().all(|v| v.is_finite())).collect();
    let ranges: Vec<(f64, f64)> = (0..directions.len())
        .map(|k| {
            let values = complete.iter().filter_map(|point| point.get(k));
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)))
        })
        .collect();
    let place = |point: &Vec<f64>| {
        let each = point.iter().zip(directions).zip(&ranges);
        each.map(|((value, direction), (low, high))| match direction {
            _ if high <= low => 1.0,
            pareto::Direction::Maximize => (value - low) / (high - low),
            pareto::Direction::Minimize => (high - value) / (high - low),
        })
        .collect()
    };
    points.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::super::candidate::fixture;
    use super::*;
    use crate::analysis::confidence::Verdict;
    use crate::sweep::Settings;

    const OBJECTIVES: [Objective; 2] = [
        Objective { direction: Direction::Max, metric: Metric::Top1 },
        Objective { direction: Direction::Max, metric: Metric::InferenceImagesPerS },
    ];

    fn candidate(key: u128, top1: &[f64], images_per_s: Option<f64>) -> Candidate {
        fixture(key, Settings::default(), top1, images_per_s)
    }

    #[test]
    fn what_lies_apart_is_sure_and_what_lies_close_is_not() {
        let candidates = [
            candidate(1, &[0.90, 0.91, 0.905], Some(100.0)),
            candidate(2, &[0.80, 0.81, 0.805], Some(500.0)),
            candidate(3, &[0.795, 0.81, 0.80], Some(501.0)),
            candidate(4, &[0.60, 0.61, 0.605], Some(90.0)),
            candidate(5, &[0.60, 0.61, 0.605], None),
        ];
        let judgement = judge(&candidates, &OBJECTIVES);
        let verdicts: Vec<_> =
            judgement.candidates.iter().map(|one| one.standing.map(|s| s.verdict)).collect();
        let [sure, close, beaten] = [Verdict::Frontier, Verdict::Undecided, Verdict::Dominated].map(Some);
        assert_eq!(verdicts, [sure, close, close, beaten, None]);
        let ranks: Vec<_> = judgement.candidates.iter().map(|one| one.rank).collect();
        assert_eq!(ranks, [Some(0), Some(0), Some(0), Some(1), None]);
        assert!(
            matches!(judgement.candidates[3].standing.unwrap().beaten_by, Some((_, share)) if share > 0.99)
        );
        assert!([1, 2].contains(&judgement.advice[0].candidate), "{:?}", judgement.advice);
        assert!(judgement.advice[0].share > 0.0);
    }

    #[test]
    fn a_single_seed_has_the_noise_of_its_test_images() {
        let candidates = [candidate(1, &[0.80], Some(100.0)), candidate(2, &[0.81], Some(100.0))];
        let [Belief::Mean { error, freedom, .. }, Belief::Rate { .. }] =
            beliefs(&candidates, &OBJECTIVES)[0][..]
        else {
            panic!("{:?}", beliefs(&candidates, &OBJECTIVES));
        };
        assert!((error - (0.8_f64 * 0.2 / 1000.0).sqrt()).abs() < 1e-4 && freedom.is_infinite());
        let judgement = judge(&candidates, &OBJECTIVES);
        assert!(judgement.candidates.iter().all(|one| one.standing.unwrap().verdict == Verdict::Undecided));
    }

    #[test]
    fn one_training_has_one_speed_at_every_resolution_it_is_tested_at() {
        let objectives =
            [OBJECTIVES[0], Objective { direction: Direction::Max, metric: Metric::TrainImagesPerS }];
        let (small, mut large) = (
            candidate(1, &[0.70, 0.71, 0.705], Some(100.0)),
            candidate(1, &[0.80, 0.81, 0.805], Some(100.0)),
        );
        large.test_resolution *= 2;
        let judgement = judge(&[small, large], &objectives);
        let probability = |index: usize| judgement.candidates[index].standing.unwrap().probability;
        assert!(probability(0) < 0.01 && probability(1) > 0.99, "{} {}", probability(0), probability(1));
    }

    #[test]
    fn costs_are_exact() {
        let objectives = [OBJECTIVES[0], Objective { direction: Direction::Min, metric: Metric::Macs }];
        let candidates = [candidate(1, &[0.80], None)];
        assert_eq!(beliefs(&candidates, &objectives)[0][1], Belief::Exact(5e6));
        assert_eq!(judge(&candidates, &objectives).candidates[0].standing.unwrap().probability, 1.0);
    }

    #[test]
    fn nothing_is_judged_of_nothing() {
        let judgement = judge(&[], &OBJECTIVES);
        assert!(
            judgement.candidates.is_empty() && judgement.hypervolume.is_none() && judgement.advice.is_empty()
        );
    }
}
