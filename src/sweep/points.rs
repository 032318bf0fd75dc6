//! From a grid and its rules to the configurations that are left: 24 bytes each, whatever their settings.
//!
//! Points that differ in their test resolutions alone, and points in which a switched-off axis was the only
//! difference, have one key and become one configuration with the union of their test resolutions.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::checks::Aliasing;
use super::error::{Fault, Faults};
use super::file::Fixed;
use super::grid::{Grid, MOST_POINTS, Picks};
use super::resolution::TestResolution;
use super::rules::{Exclude, Include};
use super::settings::Setting;
use super::trial::{CONFIGURATION, ConfigurationKey, canonical_line};
use super::validate::Validator;

/// A configuration, small.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compact {
    /// Its key.
    pub key: ConfigurationKey,
    /// Index of its first point: of the grid, and after those, of the included ones.
    pub place: u32,
    /// Index of its test resolutions.
    tests: u32,
}

/// All configurations of a sweep.
#[derive(Debug, Default)]
pub(super) struct Points {
    /// In the order of the grid, included ones last; no key twice.
    pub list: Vec<Compact>,
    tests: TestSets,
}

impl Points {
    /// Expands a grid, checks every point that its rules leave, and adds the included ones.
    pub(super) fn expand(
        grid: &Grid,
        fixed: &Fixed,
        (excludes, includes): (&[Exclude], &[Include]),
        aliasing: Aliasing,
        faults: &mut Faults,
    ) -> Self {
        let mut points = Self::default();
        if grid.len() > MOST_POINTS {
            faults.push(too_many(grid));
            return points;
        }
        let mut validator = Validator::new(grid, fixed, aliasing);
        points.cross(grid, fixed, excludes, &mut validator, faults);
        for (index, include) in includes.iter().enumerate() {
            let (settings, tests) = validator.included(include, faults);
            let place = (grid.len() + index) as u32;
            points.add(ConfigurationKey::of(&settings), place, tests);
        }
        points.merge(grid.len(), includes, faults);
        points
    }

    fn cross(
        &mut self,
        grid: &Grid,
        fixed: &Fixed,
        excludes: &[Exclude],
        validator: &mut Validator<'_>,
        faults: &mut Faults,
    ) {
        let keyer = Keyer::new(grid, fixed);
        let mut picks = vec![None; grid.axes.len()];
        let mut used = vec![false; excludes.len()];
        let (mut form, mut tests) = (String::new(), Vec::new());
        // Doubling would hold three times as much in the end.
        self.list.reserve_exact(grid.len());
        for index in 0..grid.len() {
            grid.pick(index, &mut picks);
            let asked = validator.asked(&picks);
            tests.clear();
            tests.extend_from_slice(asked);
            for (exclude, used) in excludes.iter().zip(&mut used) {
                *used |= exclude.apply(&picks, asked, &mut tests);
            }
            if !tests.is_empty() {
                let tests = validator.crossed(&picks, &tests, faults);
                self.add(keyer.key(grid, &picks, &mut form), index as u32, tests);
            }
            if faults.is_full() {
                return;
            }
        }
        for (exclude, _) in excludes.iter().zip(used).filter(|(_, used)| !used) {
            faults.push(
                Fault::new("this rule leaves nothing out")
                    .at(&exclude.span, &exclude.key)
                    .hint("no point of the grid meets all of its conditions"),
            );
        }
        if self.list.is_empty()
            && let Some(exclude) = excludes.last()
        {
            faults.push(
                Fault::new("the `exclude` rules leave nothing of the grid").at(&exclude.span, &exclude.key),
            );
        }
    }

    fn add(&mut self, key: ConfigurationKey, place: u32, tests: Vec<TestResolution>) {
        let tests = self.tests.index(tests);
        self.list.push(Compact { key, place, tests });
    }

    /// Makes points with one key one configuration.
    fn merge(&mut self, crossed: usize, includes: &[Include], faults: &mut Faults) {
        self.list.sort_unstable_by_key(|point| (point.key, point.place));
        let tests = &mut self.tests;
        self.list.dedup_by(|later, first| {
            if later.key != first.key {
                return false;
            }
            let union = tests.union(first.tests, later.tests);
            let include = (later.place as usize).checked_sub(crossed).and_then(|index| includes.get(index));
            if let Some(include) = include.filter(|_| union == first.tests) {
                faults.push(
                    Fault::new("this point is in the sweep already")
                        .at(&include.span, &include.key)
                        .hint("`include` adds points that the grid does not have"),
                );
            }
            first.tests = union;
            true
        });
        self.list.sort_unstable_by_key(|point| point.place);
        self.list.shrink_to_fit();
    }

    /// The test resolutions of a configuration, in ascending order.
    pub(super) fn tests(&self, point: &Compact) -> &[TestResolution] {
        self.tests.sets.get(point.tests as usize).map(Vec::as_slice).unwrap_or_default()
    }
}

fn too_many(grid: &Grid) -> Fault {
    let axes: Vec<String> =
        grid.axes.iter().map(|axis| format!("{} × {}", axis.choices.len(), axis.name)).collect();
    let fault = Fault::new(format!("the grid has more than {} million points", MOST_POINTS / 1_000_000))
        .hint(axes.join(", "));
    match grid.axes.first() {
        Some(axis) => fault.at(&axis.span, "grid"),
        None => fault,
    }
}

/// The sets of test resolutions that occur, each once.
#[derive(Debug, Default)]
struct TestSets {
    sets: Vec<Vec<TestResolution>>,
    known: HashMap<Vec<TestResolution>, u32>,
}

impl TestSets {
    fn index(&mut self, mut tests: Vec<TestResolution>) -> u32 {
        tests.sort_unstable();
        if let Some(index) = self.known.get(&tests) {
            return *index;
        }
        let index = self.sets.len() as u32;
        self.sets.push(tests.clone());
        self.known.insert(tests, index);
        index
    }

    fn union(&mut self, one: u32, other: u32) -> u32 {
        if one == other {
            return one;
        }
        let mut union = [self.sets[one as usize].as_slice(), &self.sets[other as usize]].concat();
        union.sort_unstable();
        union.dedup();
        self.index(union)
    }
}

/// Writes canonical forms from parts: the same as [`canonical`](super::trial::canonical) makes of the point's
/// settings, without the settings.
struct Keyer {
    pieces: Vec<Piece>,
}

/// A part of every canonical form of a grid.
enum Piece {
    /// Lines that all points share.
    Fixed(String),
    /// The line of an axis, and the one that stands there where the axis is switched off.
    Axis(usize, String),
}

impl Keyer {
    fn new(grid: &Grid, fixed: &Fixed) -> Self {
        let mut settings: Vec<Setting> = Setting::all().to_vec();
        settings.sort_unstable();
        let mut pieces = vec![Piece::Fixed(CONFIGURATION.to_owned())];
        for setting in settings {
            let value: &Json = setting.of(&fixed.tree);
            let line = canonical_line(setting, value);
            match (
                grid.axes.iter().position(|axis| axis.subject.settings().first() == Some(&setting)),
                pieces.last_mut(),
            ) {
                (Some(axis), _) => pieces.push(Piece::Axis(axis, line)),
                (None, Some(Piece::Fixed(lines))) => lines.push_str(&line),
                (None, _) => pieces.push(Piece::Fixed(line)),
            }
        }
        Self { pieces }
    }

    fn key(&self, grid: &Grid, picks: &Picks, form: &mut String) -> ConfigurationKey {
        form.clear();
        for piece in &self.pieces {
            form.push_str(match piece {
                Piece::Fixed(lines) => lines,
                Piece::Axis(axis, fixed) => match picks[*axis] {
                    Some(value) => &grid.axes[*axis].choices[value as usize].line,
                    None => fixed,
                },
            });
        }
        ConfigurationKey::of_canonical(form)
    }
}
