//! The sweep file as TOML: its sections, its fixed settings and its lists of rules.
//!
//! TOML lets a dotted name such as `train.lr` be a quoted key, a dotted key or a table; all arrive as one [`Entry`].

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Fault, Faults, nearest};
use super::header::Header;
use super::read::{self, TomlValue};
use super::settings::{Setting, Settings};

/// What may stand at the top of a sweep file.
const TABLES: [&str; 12] = [
    "sweep",
    "data",
    "model",
    "train",
    "fine_tune",
    "measure",
    "run",
    "grid",
    "zip",
    "when",
    "exclude",
    "include",
];

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
        let header = table(root, "sweep", faults).map(entries).unwrap_or_default();
        let axes = table(root, "grid", faults).map(dotted_entries).unwrap_or_default();
        Self {
            header: Header::read(&header, faults),
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

/// The fixed settings: what the six sections say, and the defaults.
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
