//! Whether the settings of one point go together: norm with batch size, channels with groups, test with train
//! resolution, images with their place.
//!
//! Single values were checked as they were read. A fault is placed at the value that can best be changed.

use std::collections::HashMap;
use std::path::PathBuf;

use super::error::{Fault, Faults};
use super::file::Fixed;
use super::grid::{Choice, Grid, Picks};
use super::resolution::TestResolution;
use super::rules::Include;
use super::settings::{FineTune, ImageSet, Model, Part, RESOLUTIONS, Section, Setting, Settings};
use crate::arch::{ArchError, Network, Norm, NormGroups, aligned, nearest_aligned};

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
pub(super) fn shapes(setting: Setting) -> bool {
    setting.section == Model::NAME && !Model::SHAPELESS.contains(&setting.key)
}

/// Where the images lie, and whether anything is there.
#[derive(Debug, Clone)]
pub(super) struct Place {
    path: PathBuf,
    exists: bool,
}

impl Place {
    pub(super) fn of(settings: &Settings) -> Option<Self> {
        settings.data.path.clone().map(|path| Self { exists: path.exists(), path })
    }
}

/// One point as the checks see it.
pub(super) struct Facts<'a> {
    pub norm: Norm,
    pub batch_size: usize,
    pub train: usize,
    pub tests: &'a [usize],
    pub train_images: Option<usize>,
    pub set: ImageSet,
    pub place: Option<&'a Place>,
    pub fine_tune: &'a FineTune,
}

/// A network as far as the checks need it.
pub(super) struct Shape {
    model: Model,
    network: Result<Network, ArchError>,
    halvings: u32,
    /// Norm groups looked at, with what is wrong with them.
    norm_groups: HashMap<NormGroups, Option<ArchError>>,
}

impl Shape {
    pub(super) fn new(model: Model) -> Self {
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

/// Runs every check on one point; its test resolutions, marked.
pub(super) fn check(
    point: &Point<'_>,
    facts: &Facts<'_>,
    shape: &mut Shape,
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
    report(&[Setting::FINE_TUNED], no_such_block(facts.fine_tune, shape));
    report(&[Setting::FINE_TUNE_BATCH_SIZE], fine_tuning_alone(facts));
    report(&[Setting::TRAIN_RESOLUTION], too_small(facts.train, facts.norm, shape.halvings));
    let marked = facts.tests.iter().map(|&side| {
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
            .hint("`[[exclude]]` with `norm = \"bn\"` and `batch_size = 1` leaves it out")
    })
}

fn fine_tuning_alone(facts: &Facts<'_>) -> Option<Fault> {
    let normalizes = |part: &Part| !matches!(part, Part::None | Part::Head);
    (facts.norm.depends_on_batch()
        && facts.fine_tune.batch_size == 1
        && facts.fine_tune.trained.iter().any(normalizes))
    .then(|| {
        Fault::new("batch norm at batch size 1 normalizes each image by itself")
            .allowed("at least 2 where norms are fine-tuned, with `norm = \"bn\"`")
    })
}

fn no_such_block(fine_tune: &FineTune, shape: &Shape) -> Option<Fault> {
    let blocks = shape.network.as_ref().map_or(0, |network| network.blocks.len());
    let beyond = |part: &&Part| matches!(part, Part::Block(index) if *index >= blocks);
    let part = fine_tune.trained.iter().find(beyond)?;
    Some(
        Fault::new(format!("the network has no block `{part}`"))
            .allowed(format!("blocks.0 to blocks.{}", blocks.saturating_sub(1))),
    )
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
            let fault = fault.allowed(format!("group sizes that divide all channels, such as {valid}")).hint(
                "`model.round_to_group = true` rounds the channels, `model.expand = \"auto\"` looks for a ratio, \
                 `[[exclude]]` leaves the combination out",
            );
            (vec![Setting::GROUP_SIZE, model("expand"), model("width"), model("preset")], fault)
        }
        ArchError::NormGroups { groups, .. } => {
            let network = shape.network.as_ref();
            let (asked, of): (usize, fn(usize) -> NormGroups) = match *groups {
                NormGroups::Count(count) => (count, NormGroups::Count),
                NormGroups::Size(size) => (size, NormGroups::Size),
            };
            let valid = nearest_valid(asked, |number| {
                network.is_ok_and(|network| network.check_norm_groups(of(number)).is_ok())
            });
            let what = if of(asked) == NormGroups::Count(asked) { "groups" } else { "sizes" };
            let fault = fault.allowed(format!("{what} that divide all channels, such as {valid}"));
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
        let text =
            format!("resolution {side} shrinks to one pixel before the last of {halvings} stride-2 layers");
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
