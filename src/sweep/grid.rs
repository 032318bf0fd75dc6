//! The grid: axes of values, crossed, zipped and conditional, as numbers until a point is asked for.
//!
//! A point is a *pick* of each axis: the index of one of its values, or `None` where a `when` rule switches the axis
//! off, so that its setting keeps the fixed value. Points are numbered in mixed radix over the [`Dimension`]s, in
//! the order of the file, the last axis fastest. Nothing here grows with the number of points.

use std::ops::Range;

use serde_json::Value as Json;
use toml::de::DeValue;

use super::error::{Fault, Faults};
use super::file::{self, Entry, Fixed};
use super::read::{self, TomlValue};
use super::resolution::Pair;
use super::rules::When;
use super::settings::{Setting, Settings};
use super::subject::Subject;
use super::trial::canonical_line;

/// A grid of more points than this is a mistake, whatever the machine.
pub(super) const MOST_POINTS: usize = 10_000_000;

/// Which value of each axis; `None` where the axis is switched off.
pub(super) type Picks = [Option<u32>];

/// One value of an axis, or one of an included point.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    /// The value as it is shown.
    pub label: String,
    /// Its name in messages, such as `grid.norm[2]`.
    pub key: String,
    /// Where it stands.
    pub span: Range<usize>,
    /// What it sets; the one that is part of keys first.
    pub values: Vec<(Setting, Json)>,
    /// Its line of the canonical form; empty at the default.
    pub line: String,
}

impl Choice {
    /// Reads a value of `subject`, called `name` and placed at `key` in messages.
    pub(super) fn read(
        subject: Subject,
        value: &TomlValue<'_>,
        name: &str,
        key: String,
    ) -> Result<Self, Fault> {
        let (label, values) = match subject {
            Subject::Setting(setting) => {
                let value = read::setting(setting, value, &key)?;
                (label(setting, &value), vec![(setting, value)])
            }
            Subject::Resolution => {
                let pair: Pair = read::value(value, name, &key)?;
                let label = pair.label();
                let Some(train) = pair.train else {
                    return Err(Fault::new("a `resolution` without `train`")
                        .at(&value.span(), key)
                        .allowed("a side such as 32, or { train = 24, test = [24, 32] }"));
                };
                let mut values = vec![(Setting::TRAIN_RESOLUTION, Json::from(train))];
                values.extend(pair.test.map(|test| (Setting::TEST_RESOLUTIONS, Json::from(test))));
                (label, values)
            }
        };
        let line = values.first().map(|(setting, value)| canonical_line(*setting, value)).unwrap_or_default();
        Ok(Self { label, key, span: value.span(), values, line })
    }

    /// What it sets `setting` to, if it does.
    pub(super) fn value(&self, setting: Setting) -> Option<&Json> {
        self.values.iter().find(|(set, _)| *set == setting).map(|(_, value)| value)
    }
}

/// A value as tables and messages show it.
fn label(setting: Setting, value: &Json) -> String {
    match (value, value.get("kind"), value.get("groups")) {
        (Json::String(text), ..) => text.clone(),
        (_, Some(Json::String(kind)), Some(groups)) if setting == Setting::NORM => {
            format!("{kind}({groups})")
        }
        _ => value.to_string(),
    }
}

/// One key of the grid with its values.
#[derive(Debug)]
pub(super) struct Axis {
    /// The key as it stands in the file.
    pub name: String,
    /// Where the key stands.
    pub span: Range<usize>,
    /// What it sets.
    pub subject: Subject,
    /// Its values, all different.
    pub choices: Vec<Choice>,
}

impl Axis {
    fn read(entry: &Entry<'_>, faults: &mut Faults) -> Option<Self> {
        let key = format!("grid.{}", entry.name);
        let subject =
            faults.keep(Subject::named(&entry.name).map_err(|fault| fault.at(&entry.span, &key)))?;
        let DeValue::Array(items) = entry.value.get_ref() else {
            faults.push(
                Fault::new(format!("`{}` is no list", entry.name))
                    .at(&entry.value.span(), &key)
                    .allowed("a list of values")
                    .hint("a setting with one value for all trials stands in its section"),
            );
            return None;
        };
        if items.is_empty() {
            faults.push(
                Fault::new(format!("axis `{}` is empty", entry.name))
                    .at(&entry.value.span(), &key)
                    .allowed("at least one value"),
            );
            return None;
        }
        let mut choices: Vec<Choice> = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let choice = Choice::read(subject, item, last_part(&entry.name), format!("{key}[{index}]"));
            choices.extend(faults.keep(choice));
        }
        refuse_duplicates(&entry.name, &choices, faults);
        Some(Self { name: entry.name.clone(), span: entry.span.clone(), subject, choices })
    }

    /// Whether it sets `setting`.
    pub(super) fn sets(&self, setting: Setting) -> bool {
        self.subject.settings().contains(&setting)
    }
}

/// `lr` of `train.lr`.
pub(super) fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn refuse_duplicates(name: &str, choices: &[Choice], faults: &mut Faults) {
    let mut seen = std::collections::HashMap::new();
    for choice in choices {
        if let Some(first) = seen.insert(format!("{:?}", choice.values), &choice.key) {
            faults.push(
                Fault::new(format!("`{}` stands twice in axis `{name}`", choice.label))
                    .at(&choice.span, &choice.key)
                    .hint(format!("it is `{first}` already")),
            );
        }
    }
}

/// One axis, or several that move together.
#[derive(Debug)]
pub(super) struct Dimension {
    /// Their indices.
    pub axes: Vec<usize>,
    /// Their number of values.
    pub len: usize,
    /// Points until the next value.
    stride: usize,
}

/// All axes of a sweep.
#[derive(Debug)]
pub(super) struct Grid {
    /// In the order of the file.
    pub axes: Vec<Axis>,
    /// What is crossed.
    dimensions: Vec<Dimension>,
    /// Where axes matter; in an order in which each rule finds what it looks at decided.
    pub when: Vec<When>,
}

impl Grid {
    /// Reads the axes, as yet all crossed and always on.
    pub(super) fn read(entries: &[Entry<'_>], faults: &mut Faults) -> Self {
        let mut axes: Vec<Axis> = Vec::new();
        for entry in entries {
            let Some(axis) = Axis::read(entry, faults) else { continue };
            let double =
                axes.iter().find(|other| axis.subject.settings().iter().any(|setting| other.sets(*setting)));
            match double {
                Some(first) => faults.push(
                    Fault::new(format!("axes `{}` and `{}` set the same", first.name, axis.name))
                        .at(&axis.span, format!("grid.{}", axis.name))
                        .hint("merge their values into one list"),
                ),
                None => axes.push(axis),
            }
        }
        let mut grid = Self { axes, dimensions: Vec::new(), when: Vec::new() };
        grid.cross(&[]);
        grid
    }

    /// Crosses all axes, those of each group in step; a group's axes have equally many values.
    pub(super) fn cross(&mut self, groups: &[Vec<usize>]) {
        let mut dimensions: Vec<Dimension> = Vec::new();
        for axis in 0..self.axes.len() {
            let group = groups.iter().find(|group| group.contains(&axis));
            match dimensions
                .iter_mut()
                .find(|dimension| group.is_some_and(|group| group.contains(&dimension.axes[0])))
            {
                Some(together) => together.axes.push(axis),
                None => dimensions.push(Dimension {
                    axes: vec![axis],
                    len: self.axes[axis].choices.len(),
                    stride: 1,
                }),
            }
        }
        let mut stride = 1usize;
        for dimension in dimensions.iter_mut().rev() {
            dimension.stride = stride;
            stride = stride.saturating_mul(dimension.len);
        }
        self.dimensions = dimensions;
    }

    /// Number of points, before any rule; `usize::MAX` if it is larger than that.
    pub(super) fn len(&self) -> usize {
        self.dimensions.iter().fold(1, |points: usize, dimension| points.saturating_mul(dimension.len))
    }

    /// Writes the picks of point `index`, one for each axis.
    pub(super) fn pick(&self, index: usize, picks: &mut Picks) {
        for dimension in &self.dimensions {
            let value = (index / dimension.stride % dimension.len) as u32;
            for axis in &dimension.axes {
                picks[*axis] = Some(value);
            }
        }
        for when in &self.when {
            if !when.holds(picks) {
                picks[when.axis] = None;
            }
        }
    }

    /// The axis that sets `setting`.
    pub(super) fn axis_of(&self, setting: Setting) -> Option<usize> {
        self.axes.iter().position(|axis| axis.sets(setting))
    }

    /// The axis of that name, short or dotted.
    pub(super) fn axis_named(&self, name: &str) -> Option<usize> {
        let subject = Subject::named(name).ok()?;
        self.axes.iter().position(|axis| axis.subject == subject)
    }

    /// The values picked.
    pub(super) fn choices<'a>(&'a self, picks: &'a Picks) -> impl Iterator<Item = &'a Choice> {
        self.axes.iter().zip(picks).filter_map(|(axis, pick)| axis.choices.get((*pick)? as usize))
    }
}

impl Fixed {
    /// The fixed settings with these choices in their place.
    pub(super) fn with<'a>(&self, choices: impl IntoIterator<Item = &'a Choice>) -> Settings {
        let mut tree = self.tree.clone();
        for (setting, value) in choices.into_iter().flat_map(|choice| &choice.values) {
            file::set(&mut tree, *setting, value.clone());
        }
        #[expect(clippy::expect_used, reason = "each value came out of its own section's type")]
        serde_json::from_value(tree).expect("read settings are settings")
    }
}
