//! Candidates as rows: rounded for people with their intervals, exact for programs.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::exit::Failure;
use super::look::Look;
use super::query::kind;
use crate::analysis::confidence::Verdict;
use crate::durable::write_atomically;
use crate::report::{Column, Kind, Rows, Value, csv, number};
use crate::runner::{Candidate, Judged};
use crate::store::{RateRow, UNTUNED};
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
const COLUMNS: [&str; 31] = [
    "configuration_key",
    "norm",
    "group_size",
    "batch_size",
    "train_resolution",
    "test_resolution",
    "fine_tuning",
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
    "front_rank",
    "front_probability",
    "verdict",
    "beaten_by",
    "hypervolume_contribution",
    "knee",
];

/// Those that say how a row stands among others, and so depend on which others there are.
pub(super) const JUDGED: [&str; 7] = [
    "on_front",
    "front_rank",
    "front_probability",
    "verdict",
    "beaten_by",
    "hypervolume_contribution",
    "knee",
];

/// The columns that follow where there is a baseline, and what their metric is.
const RELATIVE: [(&str, Metric); 9] = [
    ("top1_gain", Metric::Top1),
    ("top5_gain", Metric::Top5),
    ("test_loss_gain", Metric::TestLoss),
    ("train_images_per_s_factor", Metric::TrainImagesPerS),
    ("inference_images_per_s_factor", Metric::InferenceImagesPerS),
    ("parameters_factor", Metric::Parameters),
    ("macs_factor", Metric::Macs),
    ("train_time_factor", Metric::TrainTimeS),
    ("peak_memory_factor", Metric::PeakMemoryMib),
];

/// A candidate and what is said of it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// The candidate.
    pub(super) candidate: Candidate,
    /// Its place among the others, or among those of its group.
    pub(super) judged: Judged,
    /// Which candidate beats it, if one does.
    pub(super) beaten_by: Option<String>,
}

impl Line {
    /// Candidates with what was judged of them.
    pub(super) fn all(candidates: Vec<Candidate>, judged: Vec<Judged>) -> Vec<Self> {
        let names: Vec<String> = candidates.iter().map(name).collect();
        let line = |(candidate, judged): (Candidate, Judged)| {
            let rival = judged.standing.and_then(|standing| standing.beaten_by);
            let beaten_by = rival.and_then(|(rival, _)| names.get(rival).cloned());
            Self { candidate, judged, beaten_by }
        };
        candidates.into_iter().zip(judged).map(line).collect()
    }
}

/// A candidate in one word: its configuration's key, the test resolution, and what was fine-tuned there.
pub(super) fn name(candidate: &Candidate) -> String {
    tested(&candidate.configuration.to_string(), candidate)
}

/// `key@32`, or `key@32/top`.
pub(super) fn tested(key: &str, candidate: &Candidate) -> String {
    match candidate.fine_tuning.as_str() {
        UNTUNED => format!("{key}@{}", candidate.test_resolution),
        name => format!("{key}@{}/{name}", candidate.test_resolution),
    }
}

/// Candidates, best first, with what is on the front.
pub(super) struct Summary {
    lines: Vec<Line>,
    front: Vec<bool>,
    /// The further settings in which they differ.
    varied: Vec<Setting>,
    /// What all are told relative to.
    baseline: Option<Candidate>,
}

impl Summary {
    /// Sorts by the first of `objectives`; those without a value come last.
    pub(super) fn new(mut lines: Vec<Line>, objectives: &[Objective]) -> Self {
        if let Some(first) = objectives.first() {
            lines.sort_by(|a, b| cost(&a.candidate, first).total_cmp(&cost(&b.candidate, first)));
        }
        let front = lines.iter().map(|line| line.judged.on_front).collect();
        let varied = varied(lines.iter().map(|line| &line.candidate));
        Self { lines, front, varied, baseline: None }
    }

    /// Told relative to that candidate.
    pub(super) fn relative_to(self, baseline: Candidate) -> Self {
        Self { baseline: Some(baseline), ..self }
    }

    /// Only the lines that are wanted.
    pub(super) fn only(self, wanted: impl Fn(&Line) -> bool) -> Self {
        let lines: Vec<Line> = self.lines.into_iter().filter(wanted).collect();
        Self { front: lines.iter().map(|line| line.judged.on_front).collect(), lines, ..self }
    }

    /// The members of the front alone.
    pub(super) fn front_only(self) -> Self {
        self.only(|line| line.judged.on_front)
    }

    /// Its lines.
    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
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
        self.lines.iter().filter(|line| !line.candidate.seeds.is_empty()).count()
    }

    /// Says which of `objectives` no candidate has a value for: without it nothing is on a front.
    pub(super) fn say_what_lacks(&self, objectives: &[Objective], look: &Look) {
        let lacks = |objective: &&Objective| {
            self.lines.iter().all(|line| line.candidate.metric(objective.metric).is_none())
        };
        for objective in objectives.iter().filter(lacks).filter(|_| !self.lines.is_empty()) {
            look.say(&format!("nothing is on the front: no `{}` is known yet", objective.metric.name()));
        }
    }

    /// What is sure and what is not, of those that can be compared.
    pub(super) fn certainty(&self) -> Option<String> {
        let verdicts = || self.lines.iter().filter_map(|line| Some(line.judged.standing?.verdict));
        let count = |wanted| verdicts().filter(|verdict| *verdict == wanted).count();
        let undecided = count(Verdict::Undecided);
        (undecided > 0).then(|| {
            format!(
                "sure to be on it: {}; undecided: {undecided}; sure not to be: {}",
                count(Verdict::Frontier),
                count(Verdict::Dominated)
            )
        })
    }

    /// The key of the first candidate on the front, or of the first at all.
    pub(super) fn best(&self) -> Option<String> {
        let member = self.front.iter().position(|member| *member).unwrap_or(0);
        self.lines.get(member).map(|line| short(&line.candidate.configuration.to_string()))
    }

    /// For people: the axes, accuracy with its interval, then those of these metrics that are known.
    pub(super) fn rows(&self, metrics: &[Metric]) -> Rows {
        let candidates = || self.lines.iter().map(|line| &line.candidate);
        let mut columns = ["norm", "G", "batch", "train", "test"].map(Column::plain).to_vec();
        let tuned = candidates().any(|candidate| candidate.fine_tuning != UNTUNED);
        columns.extend(tuned.then(|| Column::plain("tuned")));
        columns.extend(self.varied.iter().map(|setting| Column::plain(setting.to_string())));
        let seeds = candidates().any(|candidate| candidate.trials.len() > 1);
        columns.extend(seeds.then(|| Column::plain("seeds")));
        columns.push(Column::plain("top1 (95 %)"));
        columns.extend(self.baseline.is_some().then(|| Column::new("gain", Kind::Points)));
        let known = |metric: &Metric| candidates().any(|candidate| candidate.metric(*metric).is_some());
        let metrics = || metrics.iter().copied().filter(|metric| *metric != Metric::Top1).filter(known);
        columns.extend(metrics().map(|metric| {
            let kind = if self.baseline.is_some() { Kind::Factor } else { kind(metric.name()) };
            Column::new(heading(metric), kind)
        }));
        let unsure = |line: &Line| line.judged.standing.is_some_and(|s| s.verdict == Verdict::Undecided);
        let chances = self.lines.iter().any(unsure);
        columns.extend(chances.then(|| Column::new("on front", Kind::Share)));
        columns.push(Column::plain("key"));
        let mut rows = Rows::new(columns);
        for Line { candidate, judged, .. } in &self.lines {
            let mut row = axes(candidate);
            row.extend(tuned.then(|| Value::from(candidate.fine_tuning.as_str())));
            row.extend(self.settings(candidate));
            row.extend(
                seeds.then(|| Value::from(format!("{}/{}", candidate.seeds.len(), candidate.trials.len()))),
            );
            row.push(top1(candidate).into());
            row.extend(self.baseline.as_ref().map(|base| relative(candidate, base, Metric::Top1).into()));
            row.extend(metrics().map(|metric| match &self.baseline {
                Some(base) => relative(candidate, base, metric).into(),
                None => number_of(candidate, metric),
            }));
            row.extend(chances.then(|| judged.standing.map(|standing| standing.probability).into()));
            row.push(short(&candidate.configuration.to_string()).into());
            rows.push(row);
        }
        rows
    }

    /// For programs: [`COLUMNS`], then [`RELATIVE`] where there is a baseline, then the further settings.
    pub(super) fn exact(&self) -> Rows {
        let named = COLUMNS.map(|name| Column::new(name, kind(name)));
        let relatives = || self.baseline.iter().flat_map(|base| RELATIVE.iter().map(move |one| (base, one)));
        let related = relatives().map(|(_, (name, _))| Column::plain(*name));
        let varied = self.varied.iter().map(|setting| Column::plain(setting.to_string()));
        let mut rows = Rows::new(named.into_iter().chain(related).chain(varied).collect());
        for Line { candidate, judged, beaten_by } in &self.lines {
            let interval = candidate.top1_interval;
            let mut row = vec![candidate.configuration.to_string().into()];
            row.extend(axes(candidate));
            row.push(candidate.fine_tuning.as_str().into());
            row.extend([i64::from(candidate.aliased).into(), whole(candidate.seeds.len())]);
            row.extend([candidate.top1, interval.map(|i| i.low), interval.map(|i| i.high)].map(Value::from));
            row.extend([candidate.top5, candidate.test_loss].map(Value::from));
            row.extend(spread(candidate.train_images_per_s));
            row.extend(spread(candidate.inference_images_per_s));
            row.extend([number_of(candidate, Metric::Parameters), number_of(candidate, Metric::Macs)]);
            row.extend([candidate.train_time_s, candidate.peak_memory_mib].map(Value::from));
            row.push(i64::from(judged.on_front).into());
            row.push(judged.rank.map_or(Value::Null, whole));
            row.push(judged.standing.map(|standing| standing.probability).into());
            row.push(judged.standing.map(|standing| verdict(standing.verdict)).into());
            row.push(beaten_by.clone().into());
            row.push(judged.contribution.into());
            row.push(i64::from(judged.knee).into());
            row.extend(relatives().map(|(base, (_, metric))| relative(candidate, base, *metric).into()));
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
fn varied<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Vec<Setting> {
    let mut varied = Vec::new();
    let mut candidates = candidates.peekable();
    let Some(first) = candidates.peek().map(|candidate| candidate.settings.to_json()) else {
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

/// The candidate's value beside the baseline's: the difference of accuracies and losses, the factor of all others.
fn relative(candidate: &Candidate, baseline: &Candidate, metric: Metric) -> Option<f64> {
    let (value, base) = (candidate.metric(metric)?, baseline.metric(metric)?);
    if metric.is_difference() { Some(value - base) } else { (base != 0.0).then_some(value / base) }
}

/// A verdict as the CSV has it.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Frontier => "frontier",
        Verdict::Undecided => "undecided",
        Verdict::Dominated => "dominated",
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
    use crate::runner::OfSeed;
    use crate::store::Key;
    use crate::sweep::Settings;

    fn seed(key: u128, top1: f64) -> OfSeed {
        OfSeed {
            seed: 0,
            trial: Key(key),
            top1,
            top5: None,
            test_loss: None,
            test_images: None,
            train_time_s: None,
        }
    }

    fn candidate(key: u128, top1: Option<f64>, lr: Option<f64>) -> Candidate {
        let mut settings = Settings::default();
        settings.train.lr = lr;
        Candidate {
            configuration: Key(key << 96),
            settings,
            test_resolution: 32,
            fine_tuning: UNTUNED.to_owned(),
            aliased: false,
            trials: vec![Key(key)],
            seeds: top1.iter().map(|&top1| seed(key, top1)).collect(),
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
        let judged = [false, false, true].map(|on_front| Judged { on_front, ..Judged::default() });
        Summary::new(Line::all(candidates, judged.to_vec()), &[most_accurate])
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
        for column in COLUMNS.into_iter().chain(RELATIVE.map(|(name, _)| name)) {
            assert!(section.contains(&format!("`{column}`")), "{column}");
        }
    }
}
