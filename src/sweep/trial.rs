//! What makes a trial the trial it is: the canonical form of its settings, and the keys hashed from it.
//!
//! The canonical form of a configuration is one line `section.key = JSON` for every setting of `[data]`, `[model]`
//! and `[train]` that is not at its default, sorted by name, after a first line that says what is hashed:
//!
//! ```text
//! effsweep configuration 1
//! model.group_size = 4
//! model.norm = "ln+pn"
//! train.batch_size = 32
//! ```
//!
//! A [`ConfigurationKey`] is the first 16 bytes of its BLAKE3 hash, so `b3sum` reproduces it; a [`TrialKey`] is that
//! of the lines `effsweep trial 1`, the configuration's key in hexadecimal, and `seed = N`.
//!
//! What must stay true, for ever: an existing configuration keeps its key. Settings at their defaults stay out, so
//! that a setting which a later version adds changes none; hence *a default never changes its value* once it is
//! released. Test resolutions stay out: they say what is asked of a trained network, not what it is. Everything
//! about order and spelling in the file is gone before this form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::settings::{Setting, Settings};

/// First line of every configuration's canonical form.
pub(super) const CONFIGURATION: &str = "effsweep configuration 1\n";

/// First line of what a trial's key is hashed from.
const TRIAL: &str = "effsweep trial 1\n";

/// Key of a configuration: equal for equal settings of `[data]`, `[model]` and `[train]`, test resolutions aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ConfigurationKey([u8; 16]);

/// Key of a trial: a configuration with a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TrialKey([u8; 16]);

impl ConfigurationKey {
    /// The key of these settings.
    pub fn of(settings: &Settings) -> Self {
        Self::of_canonical(&canonical(settings))
    }

    pub(super) fn of_canonical(form: &str) -> Self {
        Self(prefix(form))
    }

    /// The key of the trial of this configuration with that seed.
    pub fn trial(self, seed: u64) -> TrialKey {
        TrialKey(prefix(&format!("{TRIAL}{self}\nseed = {seed}\n")))
    }
}

/// The canonical form of settings, as the module describes it.
pub fn canonical(settings: &Settings) -> String {
    let tree = settings.to_json();
    let mut lines: Vec<(Setting, String)> = Setting::all()
        .iter()
        .map(|&setting| (setting, canonical_line(setting, setting.of(&tree))))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    lines.sort_unstable();
    lines.into_iter().fold(CONFIGURATION.to_owned(), |form, (_, line)| form + &line)
}

/// One setting's line of the canonical form; nothing where it has no part in it or is at its default.
pub(super) fn canonical_line(setting: Setting, value: &Json) -> String {
    let stays_out = !setting.makes_a_trial()
        || setting == Setting::TEST_RESOLUTIONS
        || value == setting.of(Settings::defaults());
    if stays_out { String::new() } else { format!("{setting} = {value}\n") }
}

fn prefix(text: &str) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
    key
}

/// A text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no key: a key has 32 hexadecimal digits")]
pub struct KeyError(String);

/// The 32 lowercase digits both ways.
macro_rules! hexadecimal {
    ($key:ident) => {
        impl $key {
            /// Its bytes.
            pub fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $key {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", u128::from_be_bytes(self.0))
            }
        }

        impl FromStr for $key {
            type Err = KeyError;

            fn from_str(text: &str) -> Result<Self, KeyError> {
                let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                let number = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten();
                Ok(Self(number.ok_or_else(|| KeyError(text.to_owned()))?.to_be_bytes()))
            }
        }

        impl From<$key> for String {
            fn from(key: $key) -> Self {
                key.to_string()
            }
        }

        impl TryFrom<String> for $key {
            type Error = KeyError;

            fn try_from(text: String) -> Result<Self, KeyError> {
                text.parse()
            }
        }
    };
}

hexadecimal!(ConfigurationKey);
hexadecimal!(TrialKey);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{Norm, NormGroups};
    use crate::sweep::settings::Expand;

    fn unusual() -> Settings {
        let mut settings = Settings::default();
        settings.data.path = Some("data/cifar-10-batches-bin".into());
        settings.model.norm = Norm::Group { groups: NormGroups::Count(8), proxy: true };
        settings.model.group_size = 4;
        settings.model.expand = Expand::Ratio(4.0);
        settings.train.weight_decay = 2e-6;
        settings.train.lr = Some(1.0);
        settings.data.test_resolutions = Some(vec![24, 32]);
        settings.measure.rounds = 7;
        settings.run.threads = 2;
        settings
    }

    #[test]
    fn the_canonical_form_is_what_the_documentation_says() {
        assert_eq!(canonical(&Settings::default()), CONFIGURATION);
        assert_eq!(
            canonical(&unusual()),
            "effsweep configuration 1\n\
             data.path = \"data/cifar-10-batches-bin\"\n\
             model.expand = 4.0\n\
             model.group_size = 4\n\
             model.norm = {\"groups\":8,\"kind\":\"gn+pn\"}\n\
             train.lr = 1.0\n\
             train.weight_decay = 2e-6\n"
        );
    }

    /// Whoever has to change these numbers retrains every trial of every user.
    #[test]
    fn keys_are_the_ones_of_the_first_version() {
        let key = ConfigurationKey::of(&Settings::default());
        assert_eq!(key.to_string(), "a3974f8a98c8680a5ee96419e6a2ed43");
        assert_eq!(key.trial(0).to_string(), "44e31ec409d13e8a24792af6bb3599ad");
        assert_eq!(ConfigurationKey::of(&unusual()).to_string(), "573fa793ad01c339cd6f33519b9827d9");
    }

    #[test]
    fn a_seed_makes_a_trial_of_its_own() {
        let key = ConfigurationKey::of(&Settings::default());
        assert_ne!(key.trial(0), key.trial(1));
        assert_ne!(key.trial(0).to_string(), key.to_string());
    }

    #[test]
    fn a_key_is_read_back_from_its_digits_and_from_nothing_else() {
        let key = ConfigurationKey::of(&unusual());
        assert_eq!(key.to_string().parse(), Ok(key));
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<ConfigurationKey>(&json).unwrap(), key);
        for text in ["", "12", "+0000000000000000000000000000000", &"g".repeat(32), &"0".repeat(33)] {
            assert!(text.parse::<TrialKey>().is_err(), "{text}");
        }
    }
}
