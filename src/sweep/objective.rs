//! What a Pareto front is drawn over: `"max top1"`, `"min macs"`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number to push one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Objective {
    /// Which way.
    pub direction: Direction,
    /// Which number.
    pub metric: Metric,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// More.
    Max,
    /// Less.
    Min,
}

/// A number that a trial or its configuration has in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Share of test images whose first guess is right.
    Top1,
    /// Share of test images whose class is among the first five guesses.
    Top5,
    /// Mean cross-entropy over the test images.
    TestLoss,
    /// Images per second of training steps, measured alone.
    TrainImagesPerS,
    /// Images per second of inference, measured alone.
    InferenceImagesPerS,
    /// Trainable parameters.
    Parameters,
    /// Multiply-accumulates of one image's forward pass at the test resolution.
    Macs,
    /// Seconds that training took.
    TrainTimeS,
    /// Largest resident size of the worker, MiB.
    PeakMemoryMib,
}

impl Metric {
    /// Every metric, in the order in which they are offered.
    pub const ALL: [Self; 9] = [
        Self::Top1,
        Self::Top5,
        Self::TestLoss,
        Self::TrainImagesPerS,
        Self::InferenceImagesPerS,
        Self::Parameters,
        Self::Macs,
        Self::TrainTimeS,
        Self::PeakMemoryMib,
    ];

    /// Their names.
    pub const NAMES: [&'static str; 9] = {
        let mut names = [""; 9];
        let mut index = 0;
        while index < names.len() {
            names[index] = Self::ALL[index].name();
            index += 1;
        }
        names
    };

    /// Its name in sweep files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Top1 => "top1",
            Self::Top5 => "top5",
            Self::TestLoss => "test_loss",
            Self::TrainImagesPerS => "train_images_per_s",
            Self::InferenceImagesPerS => "inference_images_per_s",
            Self::Parameters => "parameters",
            Self::Macs => "macs",
            Self::TrainTimeS => "train_time_s",
            Self::PeakMemoryMib => "peak_memory_mib",
        }
    }

    /// Which way it gets better.
    pub const fn better(self) -> Direction {
        match self {
            Self::Top1 | Self::Top5 | Self::TrainImagesPerS | Self::InferenceImagesPerS => Direction::Max,
            Self::TestLoss | Self::Parameters | Self::Macs | Self::TrainTimeS | Self::PeakMemoryMib => {
                Direction::Min
            }
        }
    }

    /// Whether two values are told apart by their difference; by their factor otherwise.
    pub const fn is_difference(self) -> bool {
        matches!(self, Self::Top1 | Self::Top5 | Self::TestLoss)
    }

    /// The metric of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Direction::Max => "max",
            Direction::Min => "min",
        };
        write!(f, "{direction} {}", self.metric.name())
    }
}

/// A text that is no objective.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectiveError {
    /// It does not begin with a direction.
    #[error("`{0}` is no objective; one is `max` or `min` and a metric, such as `max top1`")]
    Form(String),
    /// Its metric does not exist.
    #[error("unknown metric `{found}`; there are {}", Metric::NAMES.join(", "))]
    Metric {
        /// What was found.
        found: String,
    },
}

impl FromStr for Objective {
    type Err = ObjectiveError;

    fn from_str(text: &str) -> Result<Self, ObjectiveError> {
        let form = || ObjectiveError::Form(text.to_owned());
        let (direction, metric) = text.trim().split_once(char::is_whitespace).ok_or_else(form)?;
        let direction = match direction {
            "max" => Direction::Max,
            "min" => Direction::Min,
            _ => return Err(form()),
        };
        let found = metric.trim();
        let metric = Metric::from_name(found);
        let metric = metric.ok_or_else(|| ObjectiveError::Metric { found: found.to_owned() })?;
        Ok(Self { direction, metric })
    }
}

impl Serialize for Objective {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Objective {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|error| match error {
            ObjectiveError::Metric { found } => de::Error::unknown_variant(&found, &Metric::NAMES),
            ObjectiveError::Form(_) => de::Error::custom(error),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_objective_is_read_back() {
        for metric in Metric::ALL {
            for direction in [Direction::Max, Direction::Min] {
                let objective = Objective { direction, metric };
                assert_eq!(objective.to_string().parse(), Ok(objective));
            }
        }
    }

    #[test]
    fn half_an_objective_is_none() {
        for text in ["", "top1", "max", "most top1", "max top2", "max top1 top5"] {
            assert!(text.parse::<Objective>().is_err(), "{text}");
        }
    }
}
