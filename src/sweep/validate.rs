//! Every point of a grid past the checks, up to millions of them.
//!
//! What the checks look at is read out of each axis once ([`Column`]), and a network is resolved once for each
//! shape that occurs ([`Shapes`]). Points that a rule leaves out are not looked at.

use std::collections::HashMap;

use super::checks::{Aliasing, Facts, Place, Point, Shape, check, shapes};
use super::error::Faults;
use super::file::Fixed;
use super::grid::{Grid, Picks};
use super::resolution::TestResolution;
use super::rules::Include;
use super::settings::{FineTune, ImageSet, Model, Setting, Settings};
use crate::arch::Norm;

/// One typed value for each value of an axis.
struct Column<T> {
    axis: Option<usize>,
    values: Vec<T>,
    fixed: T,
}

impl<T> Column<T> {
    fn new(setting: Setting, grid: &Grid, fixed: &Fixed, read: impl Fn(&Settings) -> T) -> Self {
        let axis = grid.axis_of(setting);
        let choices = axis.map(|axis| grid.axes[axis].choices.as_slice()).unwrap_or_default();
        let values = choices.iter().map(|choice| read(&fixed.with([choice]))).collect();
        Self { axis, values, fixed: read(&fixed.with([])) }
    }

    fn at(&self, picks: &Picks) -> &T {
        let pick = self.axis.and_then(|axis| picks[axis]);
        pick.map_or(&self.fixed, |value| &self.values[value as usize])
    }
}

/// The columns that the checks look at.
struct Columns {
    norm: Column<Norm>,
    batch_size: Column<usize>,
    train: Column<usize>,
    test: Column<Option<Vec<usize>>>,
    train_images: Column<Option<usize>>,
    set: Column<ImageSet>,
    place: Column<Option<Place>>,
}

/// The shapes of a grid, each resolved when its first point comes by.
struct Shapes {
    /// The axes that shape the network.
    axes: Vec<usize>,
    /// Index of the shape of each combination of their picks.
    known: HashMap<Box<Picks>, usize>,
    list: Vec<Shape>,
    picks: Vec<Option<u32>>,
}

impl Shapes {
    fn new(grid: &Grid) -> Self {
        let shaping = |axis: &usize| grid.axes[*axis].subject.settings().into_iter().any(shapes);
        let axes = (0..grid.axes.len()).filter(shaping).collect();
        Self { axes, known: HashMap::new(), list: Vec::new(), picks: Vec::new() }
    }

    /// The shape of a point.
    fn at(&mut self, picks: &Picks, model: impl FnOnce() -> Model) -> &mut Shape {
        self.picks.clear();
        self.picks.extend(self.axes.iter().map(|axis| picks[*axis]));
        let index = match self.known.get(self.picks.as_slice()) {
            Some(index) => *index,
            None => {
                self.known.insert(self.picks.as_slice().into(), self.list.len());
                self.list.push(Shape::new(model()));
                self.list.len() - 1
            }
        };
        &mut self.list[index]
    }
}

/// Checks points one after the other.
pub(super) struct Validator<'a> {
    grid: &'a Grid,
    fixed: &'a Fixed,
    aliasing: Aliasing,
    columns: Columns,
    shapes: Shapes,
    fine_tune: FineTune,
}

impl<'a> Validator<'a> {
    pub(super) fn new(grid: &'a Grid, fixed: &'a Fixed, aliasing: Aliasing) -> Self {
        let columns = Columns {
            norm: Column::new(Setting::NORM, grid, fixed, |settings| settings.model.norm),
            batch_size: Column::new(Setting::BATCH_SIZE, grid, fixed, |settings| settings.train.batch_size),
            train: Column::new(Setting::TRAIN_RESOLUTION, grid, fixed, |settings| settings.train.resolution),
            test: Column::new(Setting::TEST_RESOLUTIONS, grid, fixed, |settings| {
                settings.data.test_resolutions.clone()
            }),
            train_images: Column::new(Setting::TRAIN_IMAGES, grid, fixed, |settings| {
                settings.data.train_images
            }),
            set: Column::new(Setting::IMAGE_SET, grid, fixed, |settings| settings.data.set),
            place: Column::new(Setting::PATH, grid, fixed, Place::of),
        };
        let fine_tune = fixed.with([]).fine_tune;
        Self { grid, fixed, aliasing, columns, shapes: Shapes::new(grid), fine_tune }
    }

    /// The test resolutions that a point of the grid asks for, before any rule.
    pub(super) fn asked(&self, picks: &Picks) -> &[usize] {
        match self.columns.test.at(picks) {
            Some(test) => test,
            None => std::slice::from_ref(self.columns.train.at(picks)),
        }
    }

    /// Checks a point of the grid and marks which of its test resolutions are aliased.
    pub(super) fn crossed(
        &mut self,
        picks: &Picks,
        tests: &[usize],
        faults: &mut Faults,
    ) -> Vec<TestResolution> {
        let facts = Facts {
            norm: *self.columns.norm.at(picks),
            batch_size: *self.columns.batch_size.at(picks),
            train: *self.columns.train.at(picks),
            train_images: *self.columns.train_images.at(picks),
            set: *self.columns.set.at(picks),
            place: self.columns.place.at(picks).as_ref(),
            fine_tune: &self.fine_tune,
            tests,
        };
        let (grid, fixed) = (self.grid, self.fixed);
        let shape = self.shapes.at(picks, || fixed.with(grid.choices(picks)).model);
        let point = Point::Crossed(grid, picks);
        check(&point, &facts, shape, self.aliasing, fixed, faults)
    }

    /// Checks an included point, as [`Validator::crossed`].
    pub(super) fn included(&self, include: &Include, faults: &mut Faults) -> (Settings, Vec<TestResolution>) {
        let settings = self.fixed.with(&include.choices);
        let place = Place::of(&settings);
        let asked = settings.data.test_resolutions.clone().unwrap_or(vec![settings.train.resolution]);
        let facts = Facts {
            norm: settings.model.norm,
            batch_size: settings.train.batch_size,
            train: settings.train.resolution,
            train_images: settings.data.train_images,
            set: settings.data.set,
            place: place.as_ref(),
            fine_tune: &self.fine_tune,
            tests: &asked,
        };
        let mut shape = Shape::new(settings.model.clone());
        let point = Point::Included(include);
        let tests = check(&point, &facts, &mut shape, self.aliasing, self.fixed, faults);
        (settings, tests)
    }
}
