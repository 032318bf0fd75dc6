//! Rules over the grid: axes that move together (`zip`), axes that matter only somewhere (`when`), points left out
//! (`exclude`) and points added (`include`).
//!
//! A condition names a setting and the values that it asks for; it looks at what a point really has, so an axis that
//! a `when` rule switched off counts with its fixed value. All conditions of a rule must hold. A test resolution in
//! an `exclude` takes that test away and leaves the training run to its other tests.

use std::ops::Range;

use serde_json::Value as Json;
use toml::de::DeValue;

use super::error::{Fault, Faults};
use super::file::{Entry, Fixed, Rule};
use super::grid::{Choice, Grid, Picks, last_part};
use super::read::{self, TomlValue};
use super::resolution::Pair;
use super::settings::Setting;
use super::subject::Subject;

/// Whether a setting has one of some values.
#[derive(Debug)]
struct Condition {
    /// The axis that sets it.
    axis: Option<usize>,
    /// For each value of that axis, whether it is asked for.
    matches: Vec<bool>,
    /// Whether the fixed value is.
    fixed: bool,
}

impl Condition {
    fn new(setting: Setting, asked: &[Json], grid: &Grid, fixed: &Fixed) -> Self {
        let fixed = asked.contains(setting.of(&fixed.tree));
        let axis = grid.axis_of(setting);
        let choices = axis.map(|axis| grid.axes[axis].choices.as_slice()).unwrap_or_default();
        let matches =
            choices.iter().map(|choice| choice.value(setting).map_or(fixed, |value| asked.contains(value)));
        Self { axis, matches: matches.collect(), fixed }
    }

    fn holds(&self, picks: &Picks) -> bool {
        let pick = self.axis.and_then(|axis| picks[axis]);
        pick.map_or(self.fixed, |value| self.matches[value as usize])
    }
}

/// What the entries of a rule ask for.
struct Conditions {
    all: Vec<Condition>,
    /// Test resolutions, where `resolution` names some.
    tests: Option<Vec<usize>>,
}

impl Conditions {
    /// Reads the entries of rule `key`.
    fn read(key: &str, entries: &[Entry<'_>], grid: &Grid, fixed: &Fixed) -> Result<Self, Fault> {
        let mut conditions = Self { all: Vec::new(), tests: None };
        for entry in entries {
            let key = format!("{key}.{}", entry.name);
            match Subject::named(&entry.name).map_err(|fault| fault.at(&entry.span, &key))? {
                Subject::Setting(setting) => {
                    let asked = asked(entry.value, &key, |value, key| read::setting(setting, value, key))?;
                    conditions.all.push(Condition::new(setting, &asked, grid, fixed));
                }
                Subject::Resolution => {
                    let pairs =
                        asked(entry.value, &key, |value, key| read::value::<Pair>(value, "resolution", key))?;
                    conditions
                        .ask_for(pairs, grid, fixed)
                        .map_err(|fault| fault.at(&entry.value.span(), &key))?;
                }
            }
        }
        Ok(conditions)
    }

    fn ask_for(&mut self, pairs: Vec<Pair>, grid: &Grid, fixed: &Fixed) -> Result<(), Fault> {
        if pairs.len() > 1 && pairs.iter().any(|pair| pair.test.is_some()) {
            return Err(Fault::new("a list of resolutions with `test`")
                .allowed("sides such as [24, 32], or one { train = 24, test = 32 }")
                .hint("give each pair a rule of its own"));
        }
        let train: Vec<Json> = pairs.iter().filter_map(|pair| pair.train).map(Json::from).collect();
        if !train.is_empty() {
            self.all.push(Condition::new(Setting::TRAIN_RESOLUTION, &train, grid, fixed));
        }
        self.tests = pairs.into_iter().find_map(|pair| pair.test);
        Ok(())
    }
}

/// One value or a list of them. A list that is one value as a whole, such as strides, is that value.
fn asked<T>(
    value: &TomlValue<'_>,
    key: &str,
    read: impl Fn(&TomlValue<'_>, &str) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    match value.get_ref() {
        DeValue::Array(items) if read(value, key).is_err() => {
            if items.is_empty() {
                return Err(Fault::new("an empty list asks for nothing").at(&value.span(), key));
            }
            items.iter().enumerate().map(|(index, item)| read(item, &format!("{key}[{index}]"))).collect()
        }
        _ => Ok(vec![read(value, key)?]),
    }
}

/// An axis that matters only where some conditions hold.
#[derive(Debug)]
pub(super) struct When {
    /// The axis.
    pub axis: usize,
    /// Any of these rules switches it on.
    any: Vec<Vec<Condition>>,
}

impl When {
    /// Whether the axis matters at a point.
    pub(super) fn holds(&self, picks: &Picks) -> bool {
        self.any.iter().any(|all| all.iter().all(|condition| condition.holds(picks)))
    }

    fn looks_at(&self, axis: usize) -> bool {
        self.any.iter().flatten().any(|condition| condition.axis == Some(axis))
    }

    /// Reads `[[when]]` into the grid.
    pub(super) fn read_all(rules: &[Rule<'_>], grid: &mut Grid, fixed: &Fixed, faults: &mut Faults) {
        let mut whens: Vec<Self> = Vec::new();
        for rule in rules {
            let Some((axis, all)) = faults.keep(Self::read(rule, grid, fixed)) else { continue };
            match whens.iter_mut().find(|when| when.axis == axis) {
                Some(when) => when.any.push(all),
                None => whens.push(Self { axis, any: vec![all] }),
            }
        }
        // Each rule after those that decide what it looks at.
        while !whens.is_empty() {
            let ready = whens.iter().position(|when| !whens.iter().any(|other| when.looks_at(other.axis)));
            let Some(ready) = ready else {
                let axis = &grid.axes[whens[0].axis];
                let text = format!("whether axis `{}` matters depends on itself", axis.name);
                return faults.push(Fault::new(text).at(&axis.span, format!("grid.{}", axis.name)));
            };
            grid.when.push(whens.remove(ready));
        }
    }

    fn read(rule: &Rule<'_>, grid: &Grid, fixed: &Fixed) -> Result<(usize, Vec<Condition>), Fault> {
        let (axis, conditions) = split(rule, "axis")?;
        let name: String = read::value(axis.value, "axis", &format!("{}.axis", rule.key))?;
        let axis = find_axis(grid, &name)
            .map_err(|fault| fault.at(&axis.value.span(), format!("{}.axis", rule.key)))?;
        let conditions = Conditions::read(&rule.key, &conditions, grid, fixed)?;
        if conditions.tests.is_some() {
            return Err(Fault::new("a test resolution cannot decide how a network is trained")
                .at(&rule.span, &rule.key)
                .allowed("conditions on settings, and `resolution = { train = .. }`"));
        }
        if conditions.all.is_empty() {
            return Err(Fault::new("a `when` rule without conditions")
                .at(&rule.span, &rule.key)
                .hint(format!("say where `{name}` matters, such as `norm = [\"ln\", \"ln+pn\"]`")));
        }
        Ok((axis, conditions.all))
    }
}

/// The entry `name` of a rule, and the others.
fn split<'a>(rule: &Rule<'a>, name: &str) -> Result<(Entry<'a>, Vec<Entry<'a>>), Fault> {
    let (mut named, others): (Vec<_>, Vec<_>) =
        rule.entries.iter().cloned().partition(|entry| entry.name == name);
    let missing = || Fault::new(format!("a rule without `{name}`")).at(&rule.span, &rule.key);
    Ok((named.pop().ok_or_else(missing)?, others))
}

fn find_axis(grid: &Grid, name: &str) -> Result<usize, Fault> {
    let names = || grid.axes.iter().map(|axis| axis.name.as_str());
    grid.axis_named(name).ok_or_else(|| {
        Fault::new(format!("the grid has no axis `{name}`"))
            .allowed(if grid.axes.is_empty() {
                "no axis: the grid is empty".to_owned()
            } else {
                names().collect::<Vec<_>>().join(", ")
            })
            .did_you_mean(name, names())
    })
}

/// Reads `[[zip]]` and crosses the grid accordingly.
pub(super) fn zip(rules: &[Rule<'_>], grid: &mut Grid, faults: &mut Faults) {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for rule in rules {
        let group = zip_group(rule, grid, &groups);
        groups.extend(faults.keep(group));
    }
    grid.cross(&groups);
}

fn zip_group(rule: &Rule<'_>, grid: &Grid, groups: &[Vec<usize>]) -> Result<Vec<usize>, Fault> {
    let (axes, others) = split(rule, "axes")?;
    let key = format!("{}.axes", rule.key);
    if let Some(other) = others.first() {
        return Err(Fault::new(format!("unknown key `{}` in a `zip` rule", other.name))
            .at(&other.span, format!("{}.{}", rule.key, other.name))
            .allowed("axes"));
    }
    let mut group = Vec::new();
    for (index, item) in axes.value.get_ref().as_array().into_iter().flatten().enumerate() {
        let key = format!("{key}[{index}]");
        let name: String = read::value(item, "axes", &key)?;
        let axis = find_axis(grid, &name).map_err(|fault| fault.at(&item.span(), &key))?;
        if group.contains(&axis) || groups.iter().flatten().any(|taken| *taken == axis) {
            return Err(Fault::new(format!("axis `{name}` is zipped twice")).at(&item.span(), key));
        }
        let (len, first) =
            (grid.axes[axis].choices.len(), grid.axes[*group.first().unwrap_or(&axis)].choices.len());
        if len != first {
            return Err(Fault::new(format!(
                "axis `{name}` has {}, the one it is zipped with {first}",
                values(len)
            ))
            .at(&item.span(), key)
            .allowed("axes with equally many values"));
        }
        group.push(axis);
    }
    if group.len() < 2 {
        return Err(Fault::new("a `zip` of fewer than two axes")
            .at(&axes.value.span(), key)
            .allowed("a list of axis names"));
    }
    Ok(group)
}

fn values(count: usize) -> String {
    if count == 1 { "1 value".to_owned() } else { format!("{count} values") }
}

/// Points or tests that are left out.
#[derive(Debug)]
pub(super) struct Exclude {
    /// Its name in messages.
    pub key: String,
    /// Where it stands.
    pub span: Range<usize>,
    all: Vec<Condition>,
    tests: Option<Vec<usize>>,
}

impl Exclude {
    /// Reads `[[exclude]]`.
    pub(super) fn read_all(rules: &[Rule<'_>], grid: &Grid, fixed: &Fixed, faults: &mut Faults) -> Vec<Self> {
        let mut excludes = Vec::new();
        for rule in rules {
            let Some(conditions) = faults.keep(Conditions::read(&rule.key, &rule.entries, grid, fixed))
            else {
                continue;
            };
            if rule.entries.is_empty() {
                faults.push(Fault::new("an `exclude` rule without conditions").at(&rule.span, &rule.key));
                continue;
            }
            let Conditions { all, tests } = conditions;
            excludes.push(Self { key: rule.key.clone(), span: rule.span.clone(), all, tests });
        }
        excludes
    }

    /// Takes what the rule leaves out of the tests of a point; whether it left out anything.
    pub(super) fn apply(&self, picks: &Picks, asked: &[usize], tests: &mut Vec<usize>) -> bool {
        if !self.all.iter().all(|condition| condition.holds(picks)) {
            return false;
        }
        match &self.tests {
            None => {
                tests.clear();
                true
            }
            Some(out) => {
                tests.retain(|side| !out.contains(side));
                asked.iter().any(|side| out.contains(side))
            }
        }
    }
}

/// A point beside the grid: the fixed settings with these values.
#[derive(Debug)]
pub(super) struct Include {
    /// Its name in messages.
    pub key: String,
    /// Where it stands.
    pub span: Range<usize>,
    /// Its values.
    pub choices: Vec<Choice>,
}

impl Include {
    /// Reads `[[include]]`.
    pub(super) fn read_all(rules: &[Rule<'_>], faults: &mut Faults) -> Vec<Self> {
        let mut includes = Vec::new();
        for rule in rules {
            let choices = rule.entries.iter().map(|entry| {
                let key = format!("{}.{}", rule.key, entry.name);
                let subject = Subject::named(&entry.name).map_err(|fault| fault.at(&entry.span, &key))?;
                Choice::read(subject, entry.value, last_part(&entry.name), key)
            });
            let choices: Vec<Choice> = choices.filter_map(|choice| faults.keep(choice)).collect();
            faults.keep(refuse_double(&choices));
            includes.push(Self { key: rule.key.clone(), span: rule.span.clone(), choices });
        }
        includes
    }
}

/// A point has one value of each setting, whatever names it is given under.
fn refuse_double(choices: &[Choice]) -> Result<(), Fault> {
    let mut set: Vec<Setting> = Vec::new();
    for choice in choices {
        for (setting, _) in &choice.values {
            if set.contains(setting) {
                return Err(Fault::new(format!("`{setting}` is set twice")).at(&choice.span, &choice.key));
            }
            set.push(*setting);
        }
    }
    Ok(())
}
