//! A fine-tuning at a test resolution, by name: `top`, `blocks.12 epochs=4`.
//!
//! Its name says all that decides what it computes: the part that is trained, then every number that is not at its
//! default. So a name in the database is enough to do it again, and two sweeps that ask for the same one share it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::settings::{FineTune, FineTuningError, Part};

/// A fine-tuning; at which resolution is said beside it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct FineTuning {
    /// What is trained on; the rest is frozen.
    pub trained: Part,
    /// Passes over the training images.
    pub epochs: usize,
    /// Images per step.
    pub batch_size: usize,
    /// Learning rate at the start of the cosine.
    pub lr: f64,
}

impl FineTuning {
    /// None.
    pub fn none() -> Self {
        Self::of(&FineTune::default(), Part::None)
    }

    /// The one of these settings that trains this part.
    pub fn of(settings: &FineTune, trained: Part) -> Self {
        match trained {
            // Nothing has no numbers, and so one name.
            Part::None => Self { trained, epochs: 0, batch_size: 1, lr: 0.0 },
            _ => Self {
                trained,
                epochs: settings.epochs,
                batch_size: settings.batch_size,
                lr: settings.peak_rate(),
            },
        }
    }

    /// Whether anything is trained.
    pub fn tunes(&self) -> bool {
        self.trained != Part::None
    }
}

impl Default for FineTuning {
    fn default() -> Self {
        Self::none()
    }
}

impl fmt::Display for FineTuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.trained)?;
        if !self.tunes() {
            return Ok(());
        }
        let usual = FineTune { batch_size: self.batch_size, ..FineTune::default() };
        if self.epochs != usual.epochs {
            write!(f, " epochs={}", self.epochs)?;
        }
        if self.batch_size != FineTune::default().batch_size {
            write!(f, " batch_size={}", self.batch_size)?;
        }
        if self.lr != usual.peak_rate() {
            write!(f, " lr={}", self.lr)?;
        }
        Ok(())
    }
}

impl FromStr for FineTuning {
    type Err = FineTuningError;

    fn from_str(text: &str) -> Result<Self, FineTuningError> {
        let error = || FineTuningError(text.to_owned());
        let mut words = text.split(' ');
        let trained: Part = words.next().unwrap_or_default().parse()?;
        let mut settings = FineTune::default();
        for word in words {
            let (key, value) = word.split_once('=').ok_or_else(error)?;
            match key {
                "epochs" => settings.epochs = value.parse().map_err(|_| error())?,
                "batch_size" => settings.batch_size = value.parse().map_err(|_| error())?,
                "lr" => settings.lr = Some(value.parse().map_err(|_| error())?),
                _ => return Err(error()),
            }
        }
        let tuning = Self::of(&settings, trained);
        if tuning.to_string() == text { Ok(tuning) } else { Err(error()) }
    }
}

impl From<FineTuning> for String {
    fn from(named: FineTuning) -> Self {
        named.to_string()
    }
}

impl TryFrom<String> for FineTuning {
    type Error = FineTuningError;

    fn try_from(text: String) -> Result<Self, FineTuningError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_is_not_usual() {
        let name = |settings: FineTune, part| FineTuning::of(&settings, part).to_string();
        let usual = FineTune::default;
        assert_eq!(name(usual(), Part::Top), "top");
        assert_eq!(name(FineTune { epochs: 4, ..usual() }, Part::Block(12)), "blocks.12 epochs=4");
        assert_eq!(name(FineTune { batch_size: 512, ..usual() }, Part::All), "all batch_size=512");
        assert_eq!(name(FineTune { lr: Some(0.1), ..usual() }, Part::Head), "head lr=0.1");
        assert_eq!(name(FineTune { epochs: 9, ..usual() }, Part::None), "none");
    }

    #[test]
    fn a_name_is_read_back_and_nothing_else_is() {
        let tuning = FineTuning { trained: Part::Block(3), epochs: 7, batch_size: 32, lr: 0.012_345_678_9 };
        for one in [tuning, FineTuning::none(), FineTuning::of(&FineTune::default(), Part::All)] {
            assert_eq!(one.to_string().parse(), Ok(one));
        }
        for text in
            ["", "bottom", "blocks.", "blocks.+1", "top epochs=2", "top epochs", "none epochs=3", "top  lr=1"]
        {
            assert!(text.parse::<FineTuning>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_papers_rate_at_its_batch_size() {
        let settings = FineTune { batch_size: 512, ..FineTune::default() };
        assert_eq!(settings.peak_rate(), 0.25);
    }
}
