//! Names in the grid and in rules: short ones, dotted ones, and what they speak of.

use super::error::Fault;
use super::settings::Setting;

/// Axes that have names of their own, beside every setting's dotted one.
const SHORT_NAMES: [(&str, Subject); 4] = [
    ("group_size", Subject::Setting(Setting::GROUP_SIZE)),
    ("norm", Subject::Setting(Setting::NORM)),
    ("batch_size", Subject::Setting(Setting::BATCH_SIZE)),
    ("resolution", Subject::Resolution),
];

/// What a name in the grid or in a rule speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// One setting.
    Setting(Setting),
    /// Train and test resolutions together.
    Resolution,
}

impl Subject {
    /// The settings it sets, the one that is part of keys first.
    pub(super) fn settings(self) -> Vec<Setting> {
        match self {
            Self::Setting(setting) => vec![setting],
            Self::Resolution => vec![Setting::TRAIN_RESOLUTION, Setting::TEST_RESOLUTIONS],
        }
    }

    /// What `name` speaks of, if a trial has such a thing.
    pub(super) fn named(name: &str) -> Result<Self, Fault> {
        if let Some((_, subject)) = SHORT_NAMES.iter().find(|(short, _)| *short == name) {
            return Ok(*subject);
        }
        let setting = name.split_once('.').and_then(|(section, key)| Setting::find(section, key));
        match setting {
            Some(Setting::TEST_RESOLUTIONS) => Err(Fault::new("test resolutions are no axis of their own")
                .hint("write `resolution = [{ train = 32, test = [32, 40] }]`")),
            Some(setting) if setting.makes_a_trial() => Ok(Self::Setting(setting)),
            Some(_) => Err(Fault::new(format!("`{name}` is no part of a trial"))
                .hint("`[fine_tune]`, `[measure]` and `[run]` hold for the whole sweep")),
            None if matches!(name, "seed" | "seeds") => Err(Fault::new(format!("`{name}` is no axis"))
                .hint("seeds stand in `[sweep]`: `seeds = [0, 1, 2]`")),
            None => Err(unknown_name(name)),
        }
    }
}

fn unknown_name(name: &str) -> Fault {
    let dotted: Vec<String> =
        Setting::all().iter().filter(|setting| setting.makes_a_trial()).map(Setting::to_string).collect();
    let names = SHORT_NAMES.iter().map(|(name, _)| *name).chain(dotted.iter().map(String::as_str));
    Fault::new(format!("unknown setting `{name}`"))
        .allowed("group_size, norm, batch_size, resolution, or a setting such as train.lr")
        .did_you_mean(name, names)
}
