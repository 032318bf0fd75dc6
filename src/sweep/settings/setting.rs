//! A setting by name, and the list of all of them.

use std::fmt;
use std::sync::LazyLock;

use serde::de::value::Error as NoValue;
use serde::de::{Deserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value as Json;

use super::{Data, FineTune, Measure, Model, Run, Section, Settings, Train};

/// One setting, such as `train.lr`. Ordered by its dotted name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Setting {
    /// Its section.
    pub section: &'static str,
    /// Its key within the section.
    pub key: &'static str,
}

impl Setting {
    /// Channels per group.
    pub const GROUP_SIZE: Self = Self::new(Model::NAME, "group_size");
    /// Normalization.
    pub const NORM: Self = Self::new(Model::NAME, "norm");
    /// Images per step.
    pub const BATCH_SIZE: Self = Self::new(Train::NAME, "batch_size");
    /// Side of training images.
    pub const TRAIN_RESOLUTION: Self = Self::new(Train::NAME, "resolution");
    /// Passes over the training images.
    pub const EPOCHS: Self = Self::new(Train::NAME, "epochs");
    /// Sides of test images.
    pub const TEST_RESOLUTIONS: Self = Self::new(Data::NAME, "test_resolutions");
    /// Kind of image set.
    pub const IMAGE_SET: Self = Self::new(Data::NAME, "set");
    /// Where the images lie.
    pub const PATH: Self = Self::new(Data::NAME, "path");
    /// Training images to use at most.
    pub const TRAIN_IMAGES: Self = Self::new(Data::NAME, "train_images");

    /// Parts of the network that are fine-tuned.
    pub const FINE_TUNED: Self = Self::new(FineTune::NAME, "trained");
    /// Images per step of fine-tuning.
    pub const FINE_TUNE_BATCH_SIZE: Self = Self::new(FineTune::NAME, "batch_size");

    /// Moments at which signals are recorded.
    pub const SIGNALS: Self = Self::new(Run::NAME, "signals");

    /// Names of the sections, in the order of the file.
    pub const SECTIONS: [&'static str; 6] =
        [Data::NAME, Model::NAME, Train::NAME, FineTune::NAME, Measure::NAME, Run::NAME];

    pub(crate) const fn new(section: &'static str, key: &'static str) -> Self {
        Self { section, key }
    }

    /// Every setting, section by section in the order of the file.
    pub fn all() -> &'static [Self] {
        static ALL: LazyLock<Vec<Setting>> = LazyLock::new(|| {
            [
                keys::<Data>(),
                keys::<Model>(),
                keys::<Train>(),
                keys::<FineTune>(),
                keys::<Measure>(),
                keys::<Run>(),
            ]
            .concat()
        });
        &ALL
    }

    /// The setting of that section and key.
    pub fn find(section: &str, key: &str) -> Option<Self> {
        Self::all().iter().copied().find(|setting| setting.section == section && setting.key == key)
    }

    /// Whether it says what a trial computes, and so may stand in a grid and has a part in keys.
    pub fn makes_a_trial(self) -> bool {
        [Data::NAME, Model::NAME, Train::NAME].contains(&self.section)
    }

    /// Its value in `settings` that were serialized as a whole; `null` where it is not set.
    pub fn of(self, settings: &Json) -> &Json {
        settings.get(self.section).and_then(|section| section.get(self.key)).unwrap_or(&Json::Null)
    }

    /// What holds where it is not set and has no default value of its own.
    pub fn absent(self) -> Option<&'static str> {
        Some(match (self.section, self.key) {
            ("data", "path") => "none",
            ("data", "train_images" | "test_images") => "the whole set",
            ("data", "test_resolutions") => "the train resolution",
            ("model", "width" | "depth" | "stem_stride" | "stage_strides" | "dropout") => "the preset's",
            ("train", "lr") => "lr_per_image × batch_size",
            ("train", "resize_from") => "half of the resolution",
            ("train", "rmsprop_decay") => "1 − batch_size × 2⁻¹⁴",
            ("fine_tune", "lr") => "lr_per_image × batch_size",
            ("measure", "threads") => "all of the machine's",
            ("run", "workers") => "one per core",
            ("run", "memory_mib") => "nine tenths of what is free",
            ("run", "timeout_min") => "no limit",
            _ => return None,
        })
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.section, self.key)
    }
}

impl Settings {
    /// These settings as one tree, by section and key; settings that are not set are not in it.
    pub fn to_json(&self) -> Json {
        #[expect(
            clippy::expect_used,
            reason = "numbers, names and a path; the path was UTF-8 in its sweep file or message"
        )]
        serde_json::to_value(self).expect("settings are UTF-8")
    }

    /// All settings at their defaults, as one tree.
    pub fn defaults() -> &'static Json {
        static DEFAULTS: LazyLock<Json> = LazyLock::new(|| Settings::default().to_json());
        &DEFAULTS
    }
}

/// The settings of a section, as its derived `Deserialize` names them.
fn keys<S: Section>() -> Vec<Setting> {
    let mut keys: &[&str] = &[];
    // The section hands over its fields and gets nothing: an error is how this always ends.
    let _ = S::deserialize(FieldNames(&mut keys));
    keys.iter().map(|key| Setting::new(S::NAME, key)).collect()
}

/// A deserializer that has no data and only notes which fields it is asked for.
struct FieldNames<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = NoValue;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NoValue> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NoValue> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_names_its_settings() {
        let names: Vec<String> = Setting::all().iter().map(Setting::to_string).collect();
        for name in ["data.set", "model.group_size", "train.lr", "measure.rounds", "run.keep"] {
            assert!(names.iter().any(|known| known == name), "{name} in {names:?}");
        }
    }

    #[test]
    fn a_setting_has_a_default_or_says_what_holds_without_one() {
        for setting in Setting::all() {
            let default = setting.of(Settings::defaults());
            assert_eq!(default.is_null(), setting.absent().is_some(), "{setting}");
        }
    }

    #[test]
    fn every_default_is_within_its_limits() {
        fn check<S: Section>() {
            for limit in S::default().limits() {
                assert!(limit.holds, "{}.{} is {}", S::NAME, limit.key, limit.allowed);
                assert!(Setting::find(S::NAME, limit.key).is_some(), "{}", limit.key);
            }
        }
        check::<Data>();
        check::<Model>();
        check::<Train>();
        check::<FineTune>();
        check::<Measure>();
        check::<Run>();
    }

    #[test]
    fn shapeless_settings_exist() {
        for key in Model::SHAPELESS {
            assert!(Setting::find(Model::NAME, key).is_some(), "{key}");
        }
    }
}
