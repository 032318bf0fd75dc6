//! Candidates as rows: rounded for people with their intervals, exact for programs.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::exit::Failure;
use super::look::Look;
use super::query::kind;
use crate::durable::write_atomically;
use crate::report::{Column, Rows, Value, csv, number};
use crate::runner::Candidate;
use crate::store::RateRow;
use crate::sweep::settings::Setting;
use crate::sweep::{Direction, Metric, Objective};

/// Digits of a key that tables show; `show` takes them.
pub(super) const KEY_DIGITS: usize = 8;

/// The settings that have columns of their own, by other names.
const AXES: [Setting; 5] = [
    Setting::NORM,
    Setting::GROUP_SIZE,
    Setting::BATCH_SIZE,
    Setting::TRAIN_RESOLUTION,
    Setting::TEST_RESOLUTIONS,
];

/// The columns of a front's CSV, before the settings in which the sweep's configurations differ besides; stable.
const COLUMNS: [&str; 24] = [
    "configuration_key",
    "norm",
    "group_size",
    "batch_size",
    "train_resolution",
    "test_resolution",
    "aliased",
    "n_seeds",
    "top1",
    "top1_low",
    "top1_high",
    "top5",
    "test_loss",
    "train_images_per_s",
    "train_images_per_s_low",
    "train_images_per_s_high",
    "inference_images_per_s",
    "inference_images_per_s_low",
    "inference_images_per_s_high",
    "parameters",
    "macs",
    "train_time_s",
    "peak_memory_mib",
    "on_front",
];

/// Candidates, best first, with what is on the front.
pub(super) struct Summary {
    candidates: Vec<Candidate>,
    front: Vec<bool>,
    /// The further settings in which they differ.
    varied: Vec<Setting>,
}

impl Summary {
    /// Sorts `candidates` by the first of `objectives`; those without a value come last.
    pub(super) fn new(candidates: Vec<Candidate>, front: Vec<bool>, objectives: &[Objective]) -> Self {
        let varied = varied(&candidates);
        let mut both: Vec<(Candidate, bool)> = candidates.into_iter().zip(front).collect();
        if let Some(first) = objectives.first() {
            both.sort_by(|(a, _), (b, _)| cost(a, first).total_cmp(&cost(b, first)));
        }
        let (candidates, front) = both.into_iter().unzip();
        Self { candidates, front, varied }
    }

    /// The members of the front alone.
    pub(super) fn front_only(self) -> Self {
        let both = self.candidates.into_iter().zip(self.front);
        let (candidates, front) = both.filter(|(_, member)| *member).unzip();
        Self { candidates, front, varied: self.varied }
    }

    /// Which rows are on the front.
    pub(super) fn front(&self) -> &[bool] {
        &self.front
    }

    /// Number of front members.
    pub(super) fn members(&self) -> usize {
        self.front.iter().filter(|member| **member).count()
    }

    /// Number of candidates with an accuracy.
    pub(super) fn known(&self) -> usize {
        self.candidates.iter().filter(|candidate| candidate.seeds > 0).count()
    }

    /// Says which of `objectives` no candidate has a value for: without it nothing is on a front.
    pub(super) fn say_what_lacks(&self, objectives: &[Objective], look: &Look) {
        let lacks = |objective: &&Objective| {
            self.candidates.iter().all(|candidate| candidate.metric(objective.metric).is_none())
        };
        for objective in objectives.iter().filter(lacks).filter(|_| !self.candidates.is_empty()) {
            look.say(&format!("nothing is on the front: no `{}` is known yet", objective.metric.name()));
        }
    }

    /// The key of the first candidate on the front, or of the first at all.
    pub(super) fn best(&self) -> Option<String> {
        let member = self.front.iter().position(|member| *member).unwrap_or(0);
        self.candidates.get(member).map(|candidate| short(&candidate.configuration.to_string()))
    }

    /// For people: the axes, accuracy with its interval, then those of these metrics that are known.
    pub(super) fn rows(&self, metrics: &[Metric]) -> Rows {
        let mut columns = ["norm", "G", "batch", "train", "test"].map(Column::plain).to_vec();
        columns.extend(self.varied.iter().map(|setting| Column::plain(setting.to_string())));
        let seeds = self.candidates.iter().any(|candidate| candidate.trials.len() > 1);
        columns.extend(seeds.then(|| Column::plain("seeds")));
        columns.push(Column::plain("top1 (95 %)"));
        let known =
            |metric: &Metric| self.candidates.iter().any(|candidate| candidate.metric(*metric).is_some());
        let metrics = || metrics.iter().copied().filter(|metric| *metric != Metric::Top1).filter(known);
        columns.extend(metrics().map(|metric| Column::new(heading(metric), kind(metric.name()))));
        columns.push(Column::plain("key"));
        let mut rows = Rows::new(columns);
        for candidate in &self.candidates {
            let mut row = axes(candidate);
            row.extend(self.settings(candidate));
            row.extend(seeds.then(|| Value::from(format!("{}/{}", candidate.seeds, candidate.trials.len()))));
            row.push(top1(candidate).into());
            row.extend(metrics().map(|metric| number_of(candidate, metric)));
            row.push(short(&candidate.configuration.to_string()).into());
            rows.push(row);
        }
        rows
    }

    /// For programs: [`COLUMNS`], then the further settings.
    pub(super) fn exact(&self) -> Rows {
        let named = COLUMNS.map(|name| Column::new(name, kind(name)));
        let varied = self.varied.iter().map(|setting| Column::plain(setting.to_string()));
        let mut rows = Rows::new(named.into_iter().chain(varied).collect());
        for (candidate, member) in self.candidates.iter().zip(&self.front) {
            let interval = candidate.top1_interval;
            let mut row = vec![candidate.configuration.to_string().into()];
            row.extend(axes(candidate));
            row.extend([i64::from(candidate.aliased).into(), whole(candidate.seeds)]);
            row.extend([candidate.top1, interval.map(|i| i.low), interval.map(|i| i.high)].map(Value::from));
            row.extend([candidate.top5, candidate.test_loss].map(Value::from));
            row.extend(spread(candidate.train_images_per_s));
            row.extend(spread(candidate.inference_images_per_s));
            row.extend([number_of(candidate, Metric::Parameters), number_of(candidate, Metric::Macs)]);
            row.extend([candidate.train_time_s, candidate.peak_memory_mib].map(Value::from));
            row.push(i64::from(*member).into());
            row.extend(self.settings(candidate));
            rows.push(row);
        }
        rows
    }

    fn settings(&self, candidate: &Candidate) -> Vec<Value> {
        let tree = candidate.settings.to_json();
        self.varied.iter().map(|setting| told(setting.of(&tree))).collect()
    }
}

/// Writes the rows' CSV to `<sweep>-front.csv` beside the database; where that is.
pub(super) fn write_front(db: &Path, sweep: &str, rows: &Rows) -> Result<PathBuf, Failure> {
    let path = db.with_file_name(format!("{sweep}-front.csv"));
    let mut bytes = Vec::new();
    csv::write(rows, &mut bytes)?;
    write_atomically(&path, &bytes)?;
    Ok(path)
}

/// The first digits of a key.
pub(super) fn short(key: &str) -> String {
    key.chars().take(KEY_DIGITS).collect()
}

/// A setting's value as a table shows it.
pub(super) fn told(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::String(text) => text.as_str().into(),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None => number.as_f64().into(),
        },
        other => other.to_string().into(),
    }
}

/// Smaller is better; what is missing is worst.
fn cost(candidate: &Candidate, objective: &Objective) -> f64 {
    match (candidate.metric(objective.metric), objective.direction) {
        (Some(value), Direction::Max) => -value,
        (Some(value), Direction::Min) => value,
        (None, _) => f64::INFINITY,
    }
}

/// The settings that make trials and have no column of their own, but differ.
fn varied(candidates: &[Candidate]) -> Vec<Setting> {
    let mut varied = Vec::new();
    let Some(first) = candidates.first().map(|candidate| candidate.settings.to_json()) else {
        return varied;
    };
    for candidate in candidates {
        let tree = candidate.settings.to_json();
        let differs = |setting: &&Setting| {
            setting.makes_a_trial() && !AXES.contains(setting) && setting.of(&tree) != setting.of(&first)
        };
        for setting in Setting::all().iter().filter(differs) {
            if !varied.contains(setting) {
                varied.push(*setting);
            }
        }
    }
    varied.sort_unstable();
    varied
}

fn axes(candidate: &Candidate) -> Vec<Value> {
    let settings = &candidate.settings;
    vec![
        settings.model.norm.to_string().into(),
        whole(settings.model.group_size),
        whole(settings.train.batch_size),
        whole(settings.train.resolution),
        i64::from(candidate.test_resolution).into(),
    ]
}

fn top1(candidate: &Candidate) -> String {
    let Some(top1) = candidate.top1 else { return number::NOTHING.to_owned() };
    let shown = match candidate.top1_interval {
        Some(interval) => number::share_within(top1, interval.low, interval.high),
        None => number::share(top1),
    };
    if candidate.aliased { shown + " aliased" } else { shown }
}

/// The metric's name, shortened where it would make the column wider than its numbers.
fn heading(metric: Metric) -> &'static str {
    match metric {
        Metric::TrainImagesPerS => "train img/s",
        Metric::InferenceImagesPerS => "infer img/s",
        Metric::PeakMemoryMib => "memory MiB",
        other => other.name(),
    }
}

fn number_of(candidate: &Candidate, metric: Metric) -> Value {
    match metric {
        Metric::Parameters => i64::try_from(candidate.parameters).ok().into(),
        Metric::Macs => candidate.macs.and_then(|macs| i64::try_from(macs).ok()).into(),
        other => candidate.metric(other).into(),
    }
}

fn spread(rate: Option<RateRow>) -> [Value; 3] {
    [rate.map(|rate| rate.median), rate.map(|rate| rate.low), rate.map(|rate| rate.high)].map(Value::from)
}

/// A count as a value; none is so large.
pub(super) fn whole(count: usize) -> Value {
    i64::try_from(count).ok().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::interval::Interval;
    use crate::store::Key;
    use crate::sweep::Settings;

    fn candidate(key: u128, top1: Option<f64>, lr: Option<f64>) -> Candidate {
        let mut settings = Settings::default();
        settings.train.lr = lr;
        Candidate {
            configuration: Key(key << 96),
            settings,
            test_resolution: 32,
            aliased: false,
            trials: vec![Key(key)],
            seeds: usize::from(top1.is_some()),
            top1,
            top1_interval: top1.map(|top1| Interval { low: top1 - 0.1, high: top1 + 0.1 }),
            top5: top1,
            test_loss: top1,
            train_images_per_s: None,
            inference_images_per_s: None,
            parameters: 1_000_000,
            macs: Some(5_000_000),
            train_time_s: None,
            peak_memory_mib: None,
        }
    }

    fn summary() -> Summary {
        let candidates = vec![
            candidate(1, None, Some(0.1)),
            candidate(2, Some(0.5), Some(0.1)),
            candidate(3, Some(0.75), Some(0.2)),
        ];
        let most_accurate = Objective { direction: Direction::Max, metric: Metric::Top1 };
        Summary::new(candidates, vec![false, false, true], &[most_accurate])
    }

    #[test]
    fn people_see_the_best_first_and_no_empty_column() {
        let summary = summary();
        assert_eq!((summary.known(), summary.members(), summary.best().as_deref()), (2, 1, Some("00000003")));
        let rows = summary.rows(&[Metric::TrainImagesPerS, Metric::Macs]);
        let look = crate::report::table::Look { front: Some(summary.front()), ..Default::default() };
        insta::assert_snapshot!(crate::report::table::table(&rows, &look), @"
           norm  G  batch  train  test  train.lr  top1 (95 %)           macs  key
        ───────────────────────────────────────────────────────────────────────────────
        ●  bn    1     64     32    32       0.2  75.0 % (65.0–85.0)  5.00 M  00000003
           bn    1     64     32    32       0.1  50.0 % (40.0–60.0)  5.00 M  00000002
           bn    1     64     32    32       0.1  –                   5.00 M  00000001
        ");
    }

    #[test]
    fn programs_get_every_column_and_the_settings_that_vary() {
        let rows = summary().exact();
        let names: Vec<&str> = rows.columns().iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names[..COLUMNS.len()], COLUMNS);
        assert_eq!(names[COLUMNS.len()..], ["train.lr"]);
        assert_eq!(rows.len(), 3);
    }

    #[test]
    fn every_column_is_documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/database.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (_, section) = text.split_once("## The front as CSV").unwrap();
        let section = section.split_once("\n## ").unwrap().0;
        for column in COLUMNS {
            assert!(section.contains(&format!("`{column}`")), "{column}");
        }
    }
}
