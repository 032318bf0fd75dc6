//! What happens in a run, as plain data: what the face draws, and what tests look at.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::{Cause, EpochReport, EvaluationReport, MeasureKind, ProgressReport};
use crate::sweep::Sweep;
use crate::sweep::settings::{Setting, Settings};

use super::plan::Counts;
use super::settling::Observation;

/// A trial or a configuration, as people know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its key, hexadecimal.
    pub key: String,
    /// `ln+pn G4 b64 r32 s0`: norm, group size, batch size, train resolution, whatever else the grid varies, seed.
    pub label: String,
    /// The grid's axes with this configuration's values.
    pub axes: Vec<(String, String)>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Work begins.
    RunStarted {
        /// What is there and what is to be done.
        counts: Counts,
        /// Trials at a time.
        workers: usize,
        /// Threads of each.
        threads: usize,
        /// About how long it will take, where the database knows speeds.
        estimate: Option<Duration>,
    },
    /// A worker is at a trial.
    TrialStarted {
        /// Which.
        trial: Arc<Subject>,
        /// Number of the attempt, from 1.
        attempt: u32,
        /// Epochs of a whole training.
        epochs: usize,
        /// What it is to do.
        task: TrialTask,
    },
    /// It goes on from a checkpoint.
    TrialResumed {
        /// Which.
        trial: Arc<Subject>,
        /// Finished epochs.
        epochs: usize,
    },
    /// A sign of life from within an epoch.
    Progress {
        /// Which trial.
        trial: Arc<Subject>,
        /// How far its epoch is.
        report: ProgressReport,
    },
    /// An epoch ended.
    Epoch {
        /// Which trial.
        trial: Arc<Subject>,
        /// How it went.
        report: EpochReport,
    },
    /// An accuracy is there.
    Evaluated {
        /// Which trial.
        trial: Arc<Subject>,
        /// The accuracy.
        report: EvaluationReport,
    },
    /// A trial is trained and evaluated.
    TrialFinished {
        /// Which.
        trial: Arc<Subject>,
        /// Time of all its training, seconds.
        train_s: f64,
    },
    /// A trial's loss became NaN or infinite, which is its result.
    TrialDiverged {
        /// Which.
        trial: Arc<Subject>,
        /// Epoch, from 0.
        epoch: usize,
        /// Step within it.
        step: usize,
    },
    /// An attempt failed and another follows.
    TrialRetrying {
        /// Which trial.
        trial: Arc<Subject>,
        /// Kind of failure.
        cause: Cause,
        /// What went wrong.
        message: String,
        /// The wait before the next attempt.
        wait: Duration,
    },
    /// A trial is given up.
    TrialFailed {
        /// Which.
        trial: Arc<Subject>,
        /// Kind of failure.
        cause: Cause,
        /// What went wrong.
        message: String,
    },
    /// A trial cannot start: it would need more memory than there is. It stays planned.
    TrialRefused {
        /// Which.
        trial: Arc<Subject>,
        /// Its expected peak, bytes.
        need: u64,
        /// Memory of all workers together, bytes.
        budget: u64,
    },
    /// A trial was stopped with the run; the next run goes on with it.
    TrialStopped {
        /// Which.
        trial: Arc<Subject>,
    },
    /// Other runs that share the database are still at work: the last of them measures.
    LeftToOthers,
    /// Another seed or round of a configuration is next, since it would settle most of what is undecided.
    Settling {
        /// Which configuration.
        configuration: Arc<Subject>,
        /// What is observed.
        observation: Observation,
        /// The share of what is undecided that it is expected to settle.
        share: f64,
    },
    /// Nothing is undecided any more.
    Settled,
    /// Training is over and the machine is quiet.
    MeasuringStarted {
        /// Configurations to measure.
        configurations: usize,
        /// Rounds to take of them, all together.
        rounds: usize,
    },
    /// A worker measures a configuration, alone.
    Measuring {
        /// Which.
        configuration: Arc<Subject>,
        /// Which round, from 0.
        round: usize,
    },
    /// One throughput of it is known.
    Measured {
        /// Which configuration.
        configuration: Arc<Subject>,
        /// Which round, from 0.
        round: usize,
        /// What was timed.
        kind: MeasureKind,
        /// Side of the images, pixels.
        resolution: usize,
        /// Median, images per second.
        images_per_s: f64,
        /// Whether nothing disturbed it.
        quiet: bool,
    },
    /// A round of a configuration is done.
    RoundMeasured {
        /// Which configuration.
        configuration: Arc<Subject>,
        /// Which round, from 0.
        round: usize,
    },
    /// A measurement has no result.
    MeasurementFailed {
        /// Which configuration.
        configuration: Arc<Subject>,
        /// Which round, from 0.
        round: usize,
        /// Kind of failure.
        cause: Cause,
        /// What went wrong.
        message: String,
        /// The wait before another attempt; `None` if there is none.
        retry: Option<Duration>,
    },
    /// The user asked to stop.
    Stopping {
        /// Whether for the second time, so that workers are killed.
        at_once: bool,
    },
    /// Nothing runs any more.
    RunEnded(Summary),
}

/// What a worker is to do with a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrialTask {
    /// Train and evaluate.
    Train,
    /// Evaluate a finished trial at further resolutions.
    Evaluate,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Summary {
    /// Trials finished in this run.
    pub finished: usize,
    /// Trials that diverged in this run.
    pub diverged: usize,
    /// Trials given up in this run.
    pub failed: usize,
    /// Trials that did not fit in memory, which is their result.
    pub out_of_memory: usize,
    /// Trials that were not started because they would not fit in memory.
    pub refused: usize,
    /// Finished trials that got further accuracies.
    pub evaluated: usize,
    /// Rounds of measurements taken.
    pub measured: usize,
    /// Measurements and evaluations without a result.
    pub unmeasured: usize,
    /// Trials, evaluations and rounds still to be done.
    pub left: usize,
    /// Whether the user stopped it.
    pub stopped: bool,
    /// Wall time.
    pub elapsed: Duration,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

/// Makes [`Subject`]s of a sweep's configurations.
#[derive(Debug, Clone)]
pub(super) struct Namer {
    /// The grid's axes: name in the file, and setting.
    axes: Vec<(String, Setting)>,
}

/// Settings that stand in every label, each with the letter before its value.
const ALWAYS_NAMED: [(Setting, &str); 4] = [
    (Setting::NORM, ""),
    (Setting::GROUP_SIZE, "G"),
    (Setting::BATCH_SIZE, "b"),
    (Setting::TRAIN_RESOLUTION, "r"),
];

impl Namer {
    pub(super) fn of(sweep: &Sweep) -> Self {
        let axes = sweep.axes().filter_map(|(name, _)| Some((name.to_owned(), axis_setting(name)?)));
        Self { axes: axes.collect() }
    }

    pub(super) fn configuration(&self, key: String, settings: &Settings) -> Subject {
        self.subject(key, settings, None)
    }

    pub(super) fn trial(&self, key: String, settings: &Settings, seed: u64) -> Subject {
        self.subject(key, settings, Some(seed))
    }

    fn subject(&self, key: String, settings: &Settings, seed: Option<u64>) -> Subject {
        let tree = settings.to_json();
        let value = |setting: Setting| match (setting, setting.of(&tree)) {
            (Setting::NORM, _) => settings.model.norm.to_string(),
            (_, serde_json::Value::String(text)) => text.clone(),
            (_, other) => other.to_string(),
        };
        let mut label: Vec<String> =
            ALWAYS_NAMED.iter().map(|(setting, letter)| format!("{letter}{}", value(*setting))).collect();
        let others = self.axes.iter().filter(|(_, axis)| ALWAYS_NAMED.iter().all(|(named, _)| named != axis));
        label.extend(others.map(|(_, setting)| format!("{}={}", setting.key, value(*setting))));
        label.extend(seed.map(|seed| format!("s{seed}")));
        let axes = self.axes.iter().map(|(name, setting)| (name.clone(), value(*setting))).collect();
        Subject { key, label: label.join(" "), axes }
    }
}

/// The setting that an axis varies; of `resolution`, the part that makes a trial.
fn axis_setting(name: &str) -> Option<Setting> {
    match name {
        "norm" => Some(Setting::NORM),
        "group_size" => Some(Setting::GROUP_SIZE),
        "batch_size" => Some(Setting::BATCH_SIZE),
        "resolution" => Some(Setting::TRAIN_RESOLUTION),
        _ => name.split_once('.').and_then(|(section, key)| Setting::find(section, key)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_label_says_what_a_person_would() {
        let text = "[sweep]\nseeds = [3]\n[grid]\nnorm = [{ kind = \"gn\", groups = 8 }]\nbatch_size = [16]\n\
                    resolution = [{ train = 32, test = [32, 40] }]\n\"train.lr\" = [0.5]\n";
        let sweep = Sweep::parse(text, Path::new("a.toml")).unwrap();
        let configuration = sweep.configuration(0).unwrap();
        let subject = Namer::of(&sweep).trial("k".to_owned(), &configuration.settings, 3);
        assert_eq!(subject.label, "gn(8) G1 b16 r32 lr=0.5 s3");
        let axes = [("norm", "gn(8)"), ("batch_size", "16"), ("resolution", "32"), ("train.lr", "0.5")];
        assert_eq!(subject.axes, axes.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
