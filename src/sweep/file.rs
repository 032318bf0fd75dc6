//! The sweep file as TOML: its sections, its fixed settings, and names in every form in which a user may write them.
//!
//! Settings have short names (`norm`) and dotted ones (`model.norm`), and TOML lets a dotted one be a quoted key, a
//! dotted key or a table; they all arrive here as one [`Entry`].

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Fault, Faults, nearest};
use super::objective::{Direction, Metric, Objective};
use super::read::{self, TomlValue};
use super::settings::{Setting, Settings};

/// What may stand at the top of a sweep file.
const TABLES: [&str; 11] =
    ["sweep", "data", "model", "train", "measure", "run", "grid", "zip", "when", "exclude", "include"];

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
                .hint("`[measure]` and `[run]` hold for the whole sweep")),
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

/// A key with its value, the key in its dotted form.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    /// The key.
    pub name: String,
    /// Where the key stands.
    pub span: Range<usize>,
    /// The value.
    pub value: &'a TomlValue<'a>,
}

/// The entries of a table in the order of the file.
fn entries<'a>(table: &'a DeTable<'a>) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = table
        .iter()
        .map(|(key, value)| Entry { name: key.get_ref().to_string(), span: key.span(), value })
        .collect();
    entries.sort_by_key(|entry| entry.span.start);
    entries
}

/// As [`entries`], with `train.lr` wherever it is `lr` in a table `train`.
pub(super) fn dotted_entries<'a>(table: &'a DeTable<'a>) -> Vec<Entry<'a>> {
    let mut dotted: Vec<Entry<'a>> = entries(table)
        .into_iter()
        .flat_map(|entry| match entry.value.get_ref() {
            DeValue::Table(section) if Setting::SECTIONS.contains(&entry.name.as_str()) => entries(section)
                .into_iter()
                .map(|inner| Entry { name: format!("{}.{}", entry.name, inner.name), ..inner })
                .collect(),
            _ => vec![entry],
        })
        .collect();
    dotted.sort_by_key(|entry| entry.span.start);
    dotted
}

/// One table of a list such as `[[exclude]]`.
#[derive(Debug, Clone)]
pub(super) struct Rule<'a> {
    /// Its name in messages, such as `exclude[0]`.
    pub key: String,
    /// Where it begins.
    pub span: Range<usize>,
    /// Its entries.
    pub entries: Vec<Entry<'a>>,
}

/// Everything that a sweep file says, the grid and the rules as yet unread.
#[derive(Debug)]
pub(super) struct File<'a> {
    pub header: Header,
    pub fixed: Fixed,
    pub axes: Vec<Entry<'a>>,
    pub zip: Vec<Rule<'a>>,
    pub when: Vec<Rule<'a>>,
    pub exclude: Vec<Rule<'a>>,
    pub include: Vec<Rule<'a>>,
}

impl<'a> File<'a> {
    /// Reads what does not depend on the grid.
    pub(super) fn read(root: &'a DeTable<'a>, faults: &mut Faults) -> Self {
        for entry in entries(root) {
            if !TABLES.contains(&entry.name.as_str()) {
                faults.push(unknown_table(&entry));
            }
        }
        let mut rules = |name: &str| match root.get(name) {
            Some(value) => tables(name, value, faults),
            None => Vec::new(),
        };
        let (zip, when) = (rules("zip"), rules("when"));
        let (exclude, include) = (rules("exclude"), rules("include"));
        let axes = table(root, "grid", faults).map(dotted_entries).unwrap_or_default();
        Self {
            header: Header::read(root, faults),
            fixed: Fixed::read(root, faults),
            axes,
            zip,
            when,
            exclude,
            include,
        }
    }
}

fn unknown_table(entry: &Entry<'_>) -> Fault {
    let fault = Fault::new(format!("unknown section `{}`", entry.name))
        .at(&entry.span, &entry.name)
        .allowed(TABLES.join(", "));
    let setting = Setting::all().iter().find(|setting| setting.key == entry.name);
    match (nearest(&entry.name, TABLES), setting) {
        (Some(table), _) => fault.hint(format!("did you mean `{table}`?")),
        (None, Some(setting)) => {
            fault.hint(format!("`{}` belongs into `[{}]`", setting.key, setting.section))
        }
        (None, None) => fault,
    }
}

/// The table of that name at the top, if there is one.
fn table<'a>(root: &'a DeTable<'a>, name: &str, faults: &mut Faults) -> Option<&'a DeTable<'a>> {
    let (key, value) = root.get_key_value(name)?;
    if value.get_ref().is_table() {
        return value.get_ref().as_table();
    }
    faults.push(Fault::new(format!("`{name}` is a section: `[{name}]`")).at(&key.span(), name));
    None
}

/// The tables of a list such as `[[exclude]]`.
fn tables<'a>(name: &str, value: &'a TomlValue<'a>, faults: &mut Faults) -> Vec<Rule<'a>> {
    let wrong = |span: Range<usize>| {
        Fault::new(format!("`{name}` is a list of tables"))
            .at(&span, name)
            .hint(format!("write `[[{name}]]`"))
    };
    let DeValue::Array(items) = value.get_ref() else {
        faults.push(wrong(value.span()));
        return Vec::new();
    };
    let mut rules = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match item.get_ref().as_table() {
            Some(table) => {
                rules.push(Rule {
                    key: format!("{name}[{index}]"),
                    span: item.span(),
                    entries: dotted_entries(table),
                });
            }
            None => faults.push(wrong(item.span())),
        }
    }
    rules
}

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

    fn read(root: &DeTable<'_>, faults: &mut Faults) -> Self {
        let mut header = Self::default();
        for entry in table(root, "sweep", faults).map(entries).unwrap_or_default() {
            let result = header.set(&entry, &format!("sweep.{}", entry.name));
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
            "seeds" => self.seeds = distinct(entry.value, name, key)?,
            "objectives" => {
                self.objectives = distinct(entry.value, name, key)?;
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

/// A list of at least one value, none of them twice.
fn distinct<T>(list: &TomlValue<'_>, name: &str, key: &str) -> Result<Vec<T>, Fault>
where
    T: PartialEq + serde::de::DeserializeOwned,
{
    let DeValue::Array(items) = list.get_ref() else {
        return Err(Fault::new(format!("`{name}` is a list")).at(&list.span(), key).allowed("[.., ..]"));
    };
    let mut values = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let key = format!("{key}[{index}]");
        let value: T = read::value(item, name, &key)?;
        if values.contains(&value) {
            return Err(Fault::new(format!("a value stands twice in `{name}`")).at(&item.span(), key));
        }
        values.push(value);
    }
    if values.is_empty() {
        return Err(Fault::new(format!("`{name}` is empty")).at(&list.span(), key).allowed("at least one"));
    }
    Ok(values)
}

/// The fixed settings: what the five sections say, and the defaults.
#[derive(Debug)]
pub(super) struct Fixed {
    /// As one tree, by section and key; settings that are not set and have no default are not in it.
    pub tree: Json,
    /// Where the file sets what.
    pub spans: BTreeMap<Setting, Range<usize>>,
}

impl Fixed {
    fn read(root: &DeTable<'_>, faults: &mut Faults) -> Self {
        let mut fixed = Self { tree: Settings::defaults().clone(), spans: BTreeMap::new() };
        for section in Setting::SECTIONS {
            for entry in table(root, section, faults).map(entries).unwrap_or_default() {
                let key = format!("{section}.{}", entry.name);
                let result = match Setting::find(section, &entry.name) {
                    Some(setting) => read::setting(setting, entry.value, &key).map(|value| {
                        set(&mut fixed.tree, setting, value);
                        fixed.spans.insert(setting, entry.value.span());
                    }),
                    None => Err(unknown_key(section, &entry, &key)),
                };
                faults.keep(result);
            }
        }
        fixed
    }
}

/// Puts a value that [`read::setting`] made into a tree of settings.
pub(super) fn set(tree: &mut Json, setting: Setting, value: Json) {
    if let Some(section) = tree.get_mut(setting.section).and_then(Json::as_object_mut) {
        section.insert(setting.key.to_owned(), value);
    }
}

fn unknown_key(section: &str, entry: &Entry<'_>, key: &str) -> Fault {
    let here: Vec<&str> = Setting::all()
        .iter()
        .filter(|setting| setting.section == section)
        .map(|setting| setting.key)
        .collect();
    let fault = Fault::new(format!("unknown key `{}` in `[{section}]`", entry.name))
        .at(&entry.span, key)
        .allowed(here.join(", "));
    let elsewhere = Setting::all().iter().find(|setting| setting.key == entry.name);
    match (nearest(&entry.name, here.iter().copied()), elsewhere) {
        (Some(name), _) => fault.hint(format!("did you mean `{name}`?")),
        (None, Some(setting)) => {
            fault.hint(format!("`{}` belongs into `[{}]`", setting.key, setting.section))
        }
        (None, None) => fault,
    }
}

/// Parses TOML; a syntax error is the only fault then.
pub(super) fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, Fault> {
    DeTable::parse(text).map_err(|error| {
        let end = text.len();
        Fault::new(format!("not TOML: {}", error.message())).at(&error.span().unwrap_or(end..end), "")
    })
}
