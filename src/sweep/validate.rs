//! Whether the settings of each point go together: norm with batch size, channels with groups, test with train
//! resolution, images with their place.
//!
//! Single values were checked as they were read. Here every point of a grid passes by, up to millions, so what the
//! checks look at is read out of each axis once ([`Column`]), and a network is resolved once for each shape that
//! occurs ([`Shapes`]). Points that a rule leaves out are not looked at.

use std::collections::HashMap;
use std::path::PathBuf;

use super::error::{Fault, Faults};
use super::file::Fixed;
use super::grid::{Choice, Grid, Picks};
use super::resolution::TestResolution;
use super::rules::Include;
use super::settings::{ImageSet, Model, RESOLUTIONS, Section, Setting, Settings};
use crate::arch::{ArchError, Network, Norm, aligned, nearest_aligned};

/// The alignment rule, strides and group sizes do not depend on the number of classes, which is known only once
/// the images are open.
const ANY_CLASSES: usize = 10;

/// Whether test resolutions that break the alignment rule are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aliasing {
    /// Kept and marked.
    Allowed,
    /// A fault.
    Refused,
}

/// A point with its values, for messages.
pub(super) enum Point<'a> {
    /// Of the grid.
    Crossed(&'a Grid, &'a Picks),
    /// An extra one.
    Included(&'a Include),
}

impl<'a> Point<'a> {
    fn choices(&self) -> Vec<&'a Choice> {
        match self {
            Self::Crossed(grid, picks) => grid.choices(picks).collect(),
            Self::Included(include) => include.choices.iter().collect(),
        }
    }

    /// `fault` at the first of these settings that the file sets for this point.
    fn place(&self, fault: Fault, settings: &[Setting], fixed: &Fixed) -> Fault {
        let choices = self.choices();
        for setting in settings {
            if let Some(choice) = choices.iter().find(|choice| choice.value(*setting).is_some()) {
                return fault.at(&choice.span, &choice.key);
            }
            if let Some(span) = fixed.spans.get(setting) {
                return fault.at(span, setting.to_string());
            }
        }
        match self {
            Self::Included(include) => fault.at(&include.span, &include.key),
            Self::Crossed(..) => fault,
        }
    }

    /// The point's choices of the network's shape, ` (group_size = 64, expand = 3.0)`.
    fn shape_in_words(&self) -> String {
        let choices = self.choices().into_iter();
        let of_shape = choices.filter_map(|choice| {
            let (setting, _) = choice.values.first()?;
            shapes(*setting).then(|| format!("{} = {}", setting.key, choice.label))
        });
        let words: Vec<String> = of_shape.collect();
        if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
    }
}

/// Whether the network's shape depends on a setting.
fn shapes(setting: Setting) -> bool {
    setting.section == Model::NAME && !Model::SHAPELESS.contains(&setting.key)
}

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

/// Where the images lie, and whether anything is there.
#[derive(Debug, Clone)]
struct Place {
    path: PathBuf,
    exists: bool,
}

impl Place {
    fn of(settings: &Settings) -> Option<Self> {
        settings.data.path.clone().map(|path| Self { exists: path.exists(), path })
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

/// One point as the checks see it.
struct Facts<'a> {
    norm: Norm,
    batch_size: usize,
    train: usize,
    train_images: Option<usize>,
    set: ImageSet,
    place: Option<&'a Place>,
}

/// A network as far as the checks need it.
struct Shape {
    model: Model,
    network: Result<Network, ArchError>,
    halvings: u32,
    /// Norm groups looked at, with what is wrong with them.
    norm_groups: HashMap<usize, Option<ArchError>>,
}

impl Shape {
    fn new(model: Model) -> Self {
        let network = model.shape(ANY_CLASSES);
        let halvings = network.as_ref().map_or(0, Network::halvings);
        Self { model, network, halvings, norm_groups: HashMap::new() }
    }

    fn error(&mut self, norm: Norm) -> Option<ArchError> {
        match (&self.network, norm) {
            (Err(error), _) => Some(error.clone()),
            (Ok(network), Norm::Group { groups, .. }) => self
                .norm_groups
                .entry(groups)
                .or_insert_with(|| network.check_norm_groups(groups).err())
                .clone(),
            _ => None,
        }
    }
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
        Self { grid, fixed, aliasing, columns, shapes: Shapes::new(grid) }
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
        };
        let (grid, fixed) = (self.grid, self.fixed);
        let shape = self.shapes.at(picks, || fixed.with(grid.choices(picks)).model);
        let point = Point::Crossed(grid, picks);
        check(&point, &facts, shape, tests, self.aliasing, fixed, faults)
    }

    /// Checks an included point, as [`Validator::crossed`].
    pub(super) fn included(&self, include: &Include, faults: &mut Faults) -> (Settings, Vec<TestResolution>) {
        let settings = self.fixed.with(&include.choices);
        let place = Place::of(&settings);
        let facts = Facts {
            norm: settings.model.norm,
            batch_size: settings.train.batch_size,
            train: settings.train.resolution,
            train_images: settings.data.train_images,
            set: settings.data.set,
            place: place.as_ref(),
        };
        let tests = settings.data.test_resolutions.clone().unwrap_or(vec![facts.train]);
        let mut shape = Shape::new(settings.model.clone());
        let point = Point::Included(include);
        let tests = check(&point, &facts, &mut shape, &tests, self.aliasing, self.fixed, faults);
        (settings, tests)
    }
}

/// Runs every check on one point; its test resolutions, marked.
fn check(
    point: &Point<'_>,
    facts: &Facts<'_>,
    shape: &mut Shape,
    tests: &[usize],
    aliasing: Aliasing,
    fixed: &Fixed,
    faults: &mut Faults,
) -> Vec<TestResolution> {
    let mut report = |settings: &[Setting], fault: Option<Fault>| {
        if let Some(fault) = fault {
            faults.push(point.place(fault, settings, fixed));
        }
    };
    report(&[Setting::BATCH_SIZE, Setting::NORM], batch_norm_alone(facts));
    report(&[Setting::BATCH_SIZE, Setting::TRAIN_IMAGES], batch_beyond_images(facts));
    report(&[Setting::PATH, Setting::IMAGE_SET], images_nowhere(facts));
    if let Some(error) = shape.error(facts.norm) {
        let (settings, fault) = impossible_network(&error, shape, &point.shape_in_words());
        report(&settings, Some(fault));
        return Vec::new();
    }
    report(&[Setting::TRAIN_RESOLUTION], too_small(facts.train, facts.norm, shape.halvings));
    let marked = tests.iter().map(|&side| {
        let test_settings = [Setting::TEST_RESOLUTIONS, Setting::TRAIN_RESOLUTION];
        let aliased = !aligned(facts.train, side, shape.halvings);
        if aliased && aliasing == Aliasing::Refused {
            report(&test_settings, Some(misaligned(facts.train, side, shape.halvings)));
        }
        if side != facts.train {
            report(&test_settings, too_small(side, facts.norm, shape.halvings));
        }
        TestResolution { side, aliased }
    });
    marked.collect()
}

fn batch_norm_alone(facts: &Facts<'_>) -> Option<Fault> {
    (facts.norm.depends_on_batch() && facts.batch_size == 1).then(|| {
        Fault::new("batch norm at batch size 1 normalizes each image by itself")
            .allowed("at least 2 with `norm = \"bn\"`")
            .hint("leave it out with `[[exclude]]` `norm = \"bn\"` `batch_size = 1`")
    })
}

fn batch_beyond_images(facts: &Facts<'_>) -> Option<Fault> {
    let images = facts.train_images.filter(|images| facts.batch_size > *images)?;
    let text = format!("a batch of {} from {images} training images", facts.batch_size);
    Some(Fault::new(text).allowed(format!("at most {images}, `data.train_images`")))
}

fn images_nowhere(facts: &Facts<'_>) -> Option<Fault> {
    let name = facts.set.name();
    match (facts.set, facts.place) {
        (ImageSet::Shapes, None) => None,
        (ImageSet::Shapes, Some(_)) => Some(
            Fault::new("`shapes` are drawn, not read from a path")
                .hint("leave `data.path` out, or name the image set: `data.set = \"folder\"`"),
        ),
        (_, None) => Some(
            Fault::new(format!("`{name}` needs a path"))
                .hint("say where the images lie: `data.path = \"..\"`"),
        ),
        (_, Some(place)) => (!place.exists).then(|| {
            Fault::new(format!("nothing lies at `{}`", place.path.display()))
                .allowed(format!("where the files of `{name}` lie"))
                .hint("a relative path starts at the working directory, not at the sweep file")
        }),
    }
}

/// The fault of a network that cannot be, and the settings that can be blamed for it.
fn impossible_network(error: &ArchError, shape: &Shape, words: &str) -> (Vec<Setting>, Fault) {
    let model = |key| Setting::new(Model::NAME, key);
    let fault = Fault::new(format!("{error}{words}"));
    match error {
        ArchError::Indivisible { group_size, .. } => {
            let valid = nearest_valid(*group_size, |group_size| {
                Model { group_size, ..shape.model.clone() }.shape(ANY_CLASSES).is_ok()
            });
            let fault = fault.allowed(format!("with this expansion, such as {valid}")).hint(
                "`model.round_to_group = true` rounds the channels, `model.expand = \"auto\"` looks for a ratio, \
                 `[[exclude]]` leaves the combination out",
            );
            (vec![Setting::GROUP_SIZE, model("expand"), model("width"), model("preset")], fault)
        }
        ArchError::NormGroups { groups, .. } => {
            let network = shape.network.as_ref();
            let valid = nearest_valid(*groups, |groups| {
                network.is_ok_and(|network| network.check_norm_groups(groups).is_ok())
            });
            let fault = fault.allowed(format!("groups that divide all channels, such as {valid}"));
            (
                vec![Setting::NORM, Setting::GROUP_SIZE, model("expand"), model("width"), model("preset")],
                fault,
            )
        }
    }
}

/// The valid numbers next to `value`, below and above, in words.
fn nearest_valid(value: usize, valid: impl Fn(usize) -> bool) -> String {
    let below = (1..value).rev().find(|number| valid(*number));
    let above = (value + 1..=2 * value).find(|number| valid(*number));
    let found: Vec<String> = below.into_iter().chain(above).map(|number| number.to_string()).collect();
    found.join(" or ")
}

fn too_small(side: usize, norm: Norm, halvings: u32) -> Option<Fault> {
    let least = (1usize << halvings.saturating_sub(1)) + usize::from(halvings > 0);
    if side < least {
        let text = format!(
            "resolution {side} has shrunk to one pixel before the last of {halvings} stride-2 layers"
        );
        return Some(
            Fault::new(text).allowed(format!("at least {least}")).hint("or lower `model.stage_strides`"),
        );
    }
    (norm == Norm::Instance && side <= 1 << halvings).then(|| {
        Fault::new(format!("instance norm of one pixel is zero, and resolution {side} ends as one"))
            .allowed(format!("at least {} with `norm = \"in\"`", (1 << halvings) + 1))
    })
}

fn misaligned(train: usize, side: usize, halvings: u32) -> Fault {
    let (below, above) = nearest_aligned(train, side, halvings);
    let nearest: Vec<String> = below
        .into_iter()
        .chain([above])
        .filter(|side| RESOLUTIONS.contains(side))
        .map(|side| side.to_string())
        .collect();
    let modulus = 1usize << halvings;
    Fault::new(format!("test resolution {side} is not aligned with train resolution {train}"))
        .allowed(format!("{train} plus or minus multiples of {modulus}, for {halvings} stride-2 layers"))
        .hint(format!(
            "the nearest are {}; `sweep.allow_aliasing = true` keeps {side} as a labelled control",
            nearest.join(" and ")
        ))
}
