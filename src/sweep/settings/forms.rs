//! Serde forms of the values that a user may write in more than one way.

/// `"bn"`, `"ln+pn"`, `{ kind = "gn", groups = 8 }` or `{ kind = "gn", group_size = 16 }`.
pub(super) mod norm {
    use std::fmt;

    use serde::de::{self, MapAccess, Visitor};
    use serde::ser::SerializeMap;
    use serde::{Deserializer, Serializer};

    use crate::arch::{Norm, NormGroups};

    pub fn serialize<S: Serializer>(norm: &Norm, serializer: S) -> Result<S::Ok, S::Error> {
        match norm {
            Norm::Group { groups, .. } if Norm::from_name(norm.kind()) != Some(*norm) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("kind", norm.kind())?;
                match groups {
                    NormGroups::Count(count) => map.serialize_entry("groups", count)?,
                    NormGroups::Size(size) => map.serialize_entry("group_size", size)?,
                }
                map.end()
            }
            _ => serializer.serialize_str(norm.kind()),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Norm, D::Error> {
        deserializer.deserialize_any(NormVisitor)
    }

    struct NormVisitor;

    impl<'de> Visitor<'de> for NormVisitor {
        type Value = Norm;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{} or {{ kind = \"gn\", groups = 4 }}", Norm::NAMES.join(", "))
        }

        fn visit_str<E: de::Error>(self, name: &str) -> Result<Norm, E> {
            Norm::from_name(name).ok_or_else(|| E::unknown_variant(name, &Norm::NAMES))
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Norm, A::Error> {
            let (mut kind, mut groups) = (None::<String>, None::<NormGroups>);
            while let Some(key) = map.next_key::<String>()? {
                let division = match key.as_str() {
                    "kind" => {
                        kind = Some(map.next_value()?);
                        continue;
                    }
                    "groups" => NormGroups::Count(map.next_value()?),
                    "group_size" => NormGroups::Size(map.next_value()?),
                    _ => return Err(de::Error::unknown_field(&key, &["kind", "groups", "group_size"])),
                };
                if groups.replace(division).is_some() {
                    return Err(de::Error::custom(
                        "`groups` and `group_size` say the same thing: one will do",
                    ));
                }
            }
            let norm: Norm = self.visit_str(&kind.ok_or_else(|| de::Error::missing_field("kind"))?)?;
            match (norm, groups) {
                (norm, None) => Ok(norm),
                (Norm::Group { proxy, .. }, Some(groups)) => Ok(Norm::Group { groups, proxy }),
                (norm, Some(groups)) => {
                    let key = if matches!(groups, NormGroups::Count(_)) { "groups" } else { "group_size" };
                    Err(de::Error::custom(format_args!("`{key}` belongs to gn and gn+pn, not to {norm}")))
                }
            }
        }
    }
}

/// `"auto"` or a positive number.
pub(super) mod expand {
    use std::fmt;

    use serde::de::{self, Visitor};
    use serde::{Deserializer, Serializer};

    use super::super::model::Expand;

    pub fn serialize<S: Serializer>(expand: &Expand, serializer: S) -> Result<S::Ok, S::Error> {
        match expand {
            Expand::Auto => serializer.serialize_str("auto"),
            Expand::Ratio(ratio) => serializer.serialize_f64(*ratio),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Expand, D::Error> {
        deserializer.deserialize_any(ExpandVisitor)
    }

    struct ExpandVisitor;

    impl Visitor<'_> for ExpandVisitor {
        type Value = Expand;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("\"auto\" or a ratio such as 6 or 4.5")
        }

        fn visit_str<E: de::Error>(self, name: &str) -> Result<Expand, E> {
            if name == "auto" {
                Ok(Expand::Auto)
            } else {
                Err(E::invalid_value(de::Unexpected::Str(name), &self))
            }
        }

        fn visit_f64<E: de::Error>(self, ratio: f64) -> Result<Expand, E> {
            Ok(Expand::Ratio(ratio))
        }

        fn visit_i64<E: de::Error>(self, ratio: i64) -> Result<Expand, E> {
            Ok(Expand::Ratio(ratio as f64))
        }

        fn visit_u64<E: de::Error>(self, ratio: u64) -> Result<Expand, E> {
            Ok(Expand::Ratio(ratio as f64))
        }
    }
}

/// A path without what does not change it (`./`, a slash at the end), so that two spellings of one folder
/// are one setting.
pub(super) mod path {
    use std::path::{Component, PathBuf};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        path.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        let path = Option::<PathBuf>::deserialize(deserializer)?;
        Ok(path.map(|path| {
            let parts: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
            if parts.as_os_str().is_empty() { PathBuf::from(".") } else { parts }
        }))
    }
}

/// A preset by its name.
pub(super) mod preset {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::arch::Preset;

    const NAMES: [&str; 7] = ["nano", "b0", "b1", "b2", "b3", "b4", "b5"];

    pub fn serialize<S: Serializer>(preset: &Preset, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(preset.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Preset, D::Error> {
        let name = String::deserialize(deserializer)?;
        Preset::from_name(&name).ok_or_else(|| de::Error::unknown_variant(&name, &NAMES))
    }
}

/// `"same"` or `"symmetric"`.
pub(super) mod padding {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::arch::Padding;

    pub fn serialize<S: Serializer>(padding: &Padding, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match padding {
            Padding::Same => "same",
            Padding::Symmetric => "symmetric",
        })
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Padding, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "same" => Ok(Padding::Same),
            "symmetric" => Ok(Padding::Symmetric),
            other => Err(de::Error::unknown_variant(other, &["same", "symmetric"])),
        }
    }
}
