//! `[sweep]`: what the sweep is called, which seeds it has and what its front is drawn over.

use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::error::{Fault, Faults};
use super::file::Entry;
use super::objective::{Direction, Metric, Objective};
use super::read::{self, TomlValue};

/// The `[sweep]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Header {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub seeds: Vec<u64>,
    pub objectives: Vec<Objective>,
    pub allow_aliasing: bool,
}

impl Default for Header {
    fn default() -> Self {
        let max = |metric| Objective { direction: Direction::Max, metric };
        Self {
            name: None,
            description: None,
            seeds: vec![0],
            objectives: vec![max(Metric::Top1), max(Metric::TrainImagesPerS)],
            allow_aliasing: false,
        }
    }
}

impl Header {
    /// Its keys.
    pub(super) const KEYS: [&'static str; 5] =
        ["name", "description", "seeds", "objectives", "allow_aliasing"];

    /// Reads the entries of `[sweep]`.
    pub(super) fn read(entries: &[Entry<'_>], faults: &mut Faults) -> Self {
        let mut header = Self::default();
        for entry in entries {
            let result = header.set(entry, &format!("sweep.{}", entry.name));
            faults.keep(result);
        }
        header
    }

    fn set(&mut self, entry: &Entry<'_>, key: &str) -> Result<(), Fault> {
        let (name, span) = (entry.name.as_str(), entry.value.span());
        match name {
            "name" => {
                self.name = Some(read::value(entry.value, name, key).and_then(|name: String| {
                    let fits =
                        !name.is_empty() && !name.contains(|c: char| c.is_control() || "/\\".contains(c));
                    let unfit = || {
                        Fault::new("a sweep's name names files")
                            .at(&span, key)
                            .allowed("any text without `/`")
                    };
                    fits.then_some(name).ok_or_else(unfit)
                })?)
            }
            "description" => self.description = Some(read::value(entry.value, name, key)?),
            "seeds" => self.seeds = distinct(entry.value, "seed", key)?,
            "objectives" => {
                self.objectives = distinct(entry.value, "objective", key)?;
                if self.objectives.len() < 2 {
                    return Err(Fault::new("a front needs at least two objectives")
                        .at(&span, key)
                        .allowed("two or more, such as [\"max top1\", \"min macs\"]"));
                }
            }
            "allow_aliasing" => self.allow_aliasing = read::value(entry.value, name, key)?,
            _ => {
                return Err(Fault::new(format!("unknown key `{name}` in `[sweep]`"))
                    .at(&entry.span, key)
                    .allowed(Self::KEYS.join(", "))
                    .did_you_mean(name, Self::KEYS));
            }
        }
        Ok(())
    }
}

/// A list of at least one value, each called `name` in messages, none of them twice.
fn distinct<T>(list: &TomlValue<'_>, name: &str, key: &str) -> Result<Vec<T>, Fault>
where
    T: PartialEq + Serialize + serde::de::DeserializeOwned,
{
    let DeValue::Array(items) = list.get_ref() else {
        return Err(Fault::new(format!("`{name}s` is a list")).at(&list.span(), key).allowed("[.., ..]"));
    };
    let mut values = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let key = format!("{key}[{index}]");
        let value: T = read::value(item, name, &key)?;
        if values.contains(&value) {
            let shown = serde_json::json!(value);
            return Err(Fault::new(format!("{name} `{shown}` stands here twice")).at(&item.span(), key));
        }
        values.push(value);
    }
    if values.is_empty() {
        return Err(Fault::new(format!("no {name} at all")).at(&list.span(), key).allowed("at least one"));
    }
    Ok(values)
}
