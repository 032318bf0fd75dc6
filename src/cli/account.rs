//! All that a report shows of a sweep, as one JSON document: candidates with their places, effects of axes, learning
//! curves, trials, the sweep file and the machine. docs/reports.md describes it.

use serde_json::{Map, Value as Json, json};

use super::Context;
use super::exit::Failure;
use super::query::{Database, Numbers};
use super::summary::{Line, name, verdict};
use crate::report::json as rows_as_json;
use crate::runner::comparing::{Compared, Ignored, Judgement, compare, pairs, resolutions};
use crate::runner::{Candidate, candidates, judge};
use crate::store::{Access, Store, UNTUNED};
use crate::sweep::settings::Setting;
use crate::sweep::{Direction, Metric, Objective};

/// Points that are kept of a learning curve.
const CURVE: usize = 60;

/// Metrics whose effects are told.
const EFFECTS: [Metric; 5] = [
    Metric::Top1,
    Metric::TestLoss,
    Metric::TrainImagesPerS,
    Metric::InferenceImagesPerS,
    Metric::TrainTimeS,
];

const SWEEP: &str = "SELECT name, description, text, updated_at FROM sweeps WHERE name = ?1";

const MACHINES: &str = "
    SELECT cpu_model, logical_cpus, memory_bytes, os, architecture, simd FROM machines
    WHERE id IN (SELECT t.machine_id FROM trials AS t JOIN sweep_trials AS m ON m.trial_id = t.id
                 JOIN sweeps AS s ON s.id = m.sweep_id WHERE s.name = ?1)";

const STATUS: &str =
    "SELECT trials, planned, running, finished, diverged, failed FROM trial_status WHERE sweep = ?1";

const TRIALS: &str = "
    SELECT o.trial_key AS key, o.configuration_key AS configuration, o.seed, o.state, o.train_time_s, o.peak_memory_mib,
           o.attempts, o.diverged_epoch, o.ended_at, o.program_version, o.git_commit, o.git_dirty
    FROM sweep_trials AS m JOIN sweeps AS s ON s.id = m.sweep_id JOIN trial_overview AS o ON o.trial_id = m.trial_id
    WHERE s.name = ?1 ORDER BY m.position";

const ENDED_BADLY: &str = "
    SELECT t.key AS trial, a.number, a.cause, a.message, a.exit_status, a.signal, a.ended_at
    FROM sweep_trials AS m JOIN sweeps AS s ON s.id = m.sweep_id JOIN trials AS t ON t.id = m.trial_id
    JOIN attempts AS a ON a.trial_id = t.id
    WHERE s.name = ?1 AND a.state = 'failed' ORDER BY m.position, a.number";

const EPOCHS: &str = "
    SELECT t.key AS trial, e.epoch, e.train_loss, e.train_top1
    FROM sweep_trials AS m JOIN sweeps AS s ON s.id = m.sweep_id JOIN trials AS t ON t.id = m.trial_id
    JOIN epochs AS e ON e.trial_id = t.id
    WHERE s.name = ?1 ORDER BY m.position, e.epoch";

/// The account of the sweep of that name, judged by `objectives`.
pub(super) fn account(sweep: &str, objectives: &[Objective], context: &Context) -> Result<Json, Failure> {
    let store = Store::open(&context.db, Access::Read)?;
    let database = Database::open(&context.db)?;
    let ask = |sql: &str| -> Result<Vec<Json>, Failure> {
        let mut bytes = Vec::new();
        rows_as_json::write_array(&database.ask(sql, &[sweep], Numbers::AsStored)?, &mut bytes)?;
        serde_json::from_slice(&bytes).map_err(|error| Failure::failed(&error))
    };
    let candidates = candidates(&store, sweep)?;
    let judgement = judge(&candidates, objectives);
    let axes = axes(&candidates);
    let effects = effects(&candidates, &axes);
    let advice = judgement.advice.iter().take(3).filter_map(|advice| {
        let candidate = candidates.get(advice.candidate)?;
        Some(
            json!({ "row": name(candidate), "metric": advice.metric.name(), "share": rounded(advice.share) }),
        )
    });
    let advice: Vec<Json> = advice.collect();
    let lines = Line::all(candidates, judgement.candidates);
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "sweep": ask(SWEEP)?.into_iter().next(),
        "machines": ask(MACHINES)?,
        "status": ask(STATUS)?.into_iter().next(),
        "objectives": objectives.iter().map(objective).collect::<Vec<_>>(),
        "metrics": Metric::ALL.iter().map(|metric| objective(&Objective {
            direction: metric.better(),
            metric: *metric,
        })).collect::<Vec<_>>(),
        "hypervolume": judgement.hypervolume.map(rounded),
        "advice": advice,
        "axes": axes.iter().map(|axis| json!({ "name": axis.name, "values": axis.values })).collect::<Vec<_>>(),
        "rows": lines.iter().map(|line| row(line, &axes)).collect::<Vec<_>>(),
        "effects": effects,
        "trials": ask(TRIALS)?,
        "ended_badly": ask(ENDED_BADLY)?,
        "curves": curves(ask(EPOCHS)?),
    }))
}

/// Something in which candidates differ.
pub(super) struct Axis {
    /// Its name, as the front's CSV has it.
    pub(super) name: String,
    place: Place,
    /// In ascending order.
    pub(super) values: Vec<Json>,
}

/// What an axis is of.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// A configuration.
    Setting(Setting),
    /// An accuracy: its test resolution.
    TestResolution,
    /// An accuracy: the fine-tuning before it.
    FineTuning,
}

impl Axis {
    /// Where a candidate lies on it.
    pub(super) fn of(&self, candidate: &Candidate) -> Json {
        match self.place {
            Place::TestResolution => candidate.test_resolution.into(),
            Place::FineTuning => candidate.fine_tuning.as_str().into(),
            // A norm is one word here, its groups included.
            Place::Setting(Setting::NORM) => candidate.settings.model.norm.to_string().into(),
            Place::Setting(setting) => setting.of(&candidate.settings.to_json()).clone(),
        }
    }
}

/// All axes in which the candidates differ, the paper's first.
pub(super) fn axes(candidates: &[Candidate]) -> Vec<Axis> {
    let named = [
        ("norm", Place::Setting(Setting::NORM)),
        ("group_size", Place::Setting(Setting::GROUP_SIZE)),
        ("batch_size", Place::Setting(Setting::BATCH_SIZE)),
        ("train_resolution", Place::Setting(Setting::TRAIN_RESOLUTION)),
        ("test_resolution", Place::TestResolution),
        ("fine_tuning", Place::FineTuning),
    ];
    let known = |setting: &Setting| named.iter().any(|(_, one)| *one == Place::Setting(*setting));
    let others = Setting::all().iter().filter(|one| one.makes_a_trial() && !known(one));
    let others = others.filter(|one| **one != Setting::TEST_RESOLUTIONS);
    let all = named.iter().map(|(name, setting)| ((*name).to_owned(), *setting));
    let all = all.chain(others.map(|setting| (setting.to_string(), Place::Setting(*setting))));
    let axis = |(name, place): (String, Place)| {
        let mut axis = Axis { name, place, values: Vec::new() };
        for candidate in candidates {
            let value = axis.of(candidate);
            if !axis.values.contains(&value) {
                axis.values.push(value);
            }
        }
        axis.values.sort_by(|a, b| match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            // No fine-tuning is what others stand beside.
            _ => (a != UNTUNED, a.to_string()).cmp(&(b != UNTUNED, b.to_string())),
        });
        (axis.values.len() > 1).then_some(axis)
    };
    all.filter_map(axis).collect()
}

fn objective(objective: &Objective) -> Json {
    let direction = match objective.direction {
        Direction::Max => "max",
        Direction::Min => "min",
    };
    json!({ "metric": objective.metric.name(), "direction": direction })
}

fn row(Line { candidate, judged, beaten_by }: &Line, axes: &[Axis]) -> Json {
    let place = |axis: &Axis| (axis.name.clone(), axis.of(candidate));
    let metrics = Metric::ALL.iter().filter_map(|metric| {
        let value = candidate.metric(*metric)?;
        let rate = match metric {
            Metric::TrainImagesPerS => candidate.train_images_per_s,
            Metric::InferenceImagesPerS => candidate.inference_images_per_s,
            _ => None,
        };
        let (low, high) = match (metric, rate, candidate.top1_interval) {
            (Metric::Top1, _, Some(interval)) => (interval.low, interval.high),
            (_, Some(rate), _) => (rate.low, rate.high),
            _ => (value, value),
        };
        Some((metric.name().to_owned(), json!([rounded(value), rounded(low), rounded(high)])))
    });
    let seeds = candidate.seeds.iter().map(|one| json!([one.seed, one.trial.to_string(), rounded(one.top1)]));
    let standing = judged.standing;
    json!({
        "name": name(candidate),
        "configuration": candidate.configuration.to_string(),
        "axes": axes.iter().map(place).collect::<Map<_, _>>(),
        "aliased": candidate.aliased,
        "metrics": metrics.collect::<Map<_, _>>(),
        "seeds": seeds.collect::<Vec<_>>(),
        "trials": candidate.trials.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "on_front": judged.on_front,
        "rank": judged.rank,
        "probability": standing.map(|standing| rounded(standing.probability)),
        "verdict": standing.map(|standing| verdict(standing.verdict)),
        "beaten_by": beaten_by,
        "contribution": judged.contribution.map(rounded),
        "knee": judged.knee,
    })
}

/// Each value of each axis against the axis's first, at equal everything else.
fn effects(candidates: &[Candidate], axes: &[Axis]) -> Vec<Json> {
    let mut effects = Vec::new();
    for axis in axes {
        let with = |value: &Json| -> Vec<&Candidate> {
            candidates.iter().filter(|candidate| axis.of(candidate) == *value).collect()
        };
        let Some((first, rest)) = axis.values.split_first() else { continue };
        let base = with(first);
        for value in rest {
            let ignored = |settings| Ignored { settings, fine_tuning: axis.place == Place::FineTuning };
            let pairs = match axis.place {
                Place::Setting(setting) => pairs(&with(value), &base, ignored(&[setting])),
                Place::FineTuning => pairs(&with(value), &base, ignored(&[])),
                Place::TestResolution => resolutions(&with(value), &base),
            };
            let compared = EFFECTS.iter().filter_map(|metric| compare(&pairs, *metric));
            effects.extend(compared.map(|compared| effect(axis, first, value, &compared)));
        }
    }
    effects
}

fn effect(axis: &Axis, from: &Json, to: &Json, compared: &Compared) -> Json {
    json!({
        "axis": axis.name,
        "from": from,
        "to": to,
        "metric": compared.metric.name(),
        "factor": !compared.metric.is_difference(),
        "relative": rounded(compared.relative),
        "low": compared.interval.map(|interval| rounded(interval.low)),
        "high": compared.interval.map(|interval| rounded(interval.high)),
        "pairs": compared.pairs,
        "better": compared.better,
        "worse": compared.worse,
        "verdict": match compared.verdict {
            Judgement::Better => "better",
            Judgement::Worse => "worse",
            Judgement::Equal => "equal",
            Judgement::Undecided => "undecided",
        },
    })
}

/// Loss and accuracy of each trial on what it was trained on, epoch by epoch, thinned to what a screen shows.
fn curves(epochs: Vec<Json>) -> Map<String, Json> {
    let mut of_trial: Map<String, Json> = Map::new();
    for epoch in epochs {
        let number =
            |key: &str| epoch.get(key).and_then(Json::as_f64).map_or(Json::Null, |v| json!(rounded(v)));
        let Some(Json::String(trial)) = epoch.get("trial").cloned() else { continue };
        let point = json!([number("epoch"), number("train_loss"), number("train_top1")]);
        if let Some(points) = of_trial.entry(trial).or_insert_with(|| json!([])).as_array_mut() {
            points.push(point);
        }
    }
    for points in of_trial.values_mut().filter_map(Json::as_array_mut) {
        let (count, step) = (points.len(), points.len().div_ceil(CURVE));
        let mut index = 0;
        // The last epoch stays.
        points.retain(|_| {
            index += 1;
            step < 2 || index % step == 0 || index == count
        });
    }
    of_trial
}

/// Five digits, which is more than any of these is known to.
fn rounded(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}
