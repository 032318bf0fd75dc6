//! What a user asks for: the sweep file, its settings, its grid, and the keys of its trials.
//!
//! [`Sweep::load`] reads a file and checks it whole: every setting, every rule, every point. What it returns can be
//! run; what cannot be run is a [`SweepError`] that says why, with line and key. Points stay numbers until a
//! [`Configuration`] is asked for, so a grid of a million costs what its keys cost.
//!
//! `docs/sweep-file.md` is the reference of the file; the test beside it keeps it complete.
//!
//! *Architecture invariant*: imports `arch` only. A whole grid is checked here, before anything starts,
//! without a tensor, an image or a database.

mod checks;
mod error;
mod file;
mod fine_tuning;
mod grid;
mod header;
mod moments;
mod objective;
mod points;
mod read;
mod resolution;
mod rules;
pub mod settings;
mod subject;
#[cfg(test)]
mod tests;
mod trial;
mod validate;

pub use error::{InvalidSweep, SweepError};
pub use fine_tuning::FineTuning;
pub use objective::{Direction, Metric, Objective, ObjectiveError};
pub use resolution::TestResolution;
pub use settings::Settings;
pub use trial::{ConfigurationKey, KeyError, TrialKey, canonical};

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use self::checks::Aliasing;
use self::error::Faults;
use self::file::{File, Fixed};
use self::grid::Grid;
use self::header::Header;
use self::points::{Compact, Points};
use self::rules::{Exclude, Include, When};
use self::settings::Setting;

/// A sweep file, read and found valid.
#[derive(Debug)]
pub struct Sweep {
    path: PathBuf,
    text: String,
    name: String,
    header: Header,
    fixed: Fixed,
    grid: Grid,
    includes: Vec<Include>,
    points: Points,
}

/// One point of a sweep, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// Its key.
    pub key: ConfigurationKey,
    /// All its settings; its test resolutions are not among them, as the key knows none.
    pub settings: Settings,
    /// Where its networks are tested, in ascending order.
    pub test_resolutions: Vec<TestResolution>,
}

impl Sweep {
    /// Reads and checks a sweep file.
    ///
    /// # Errors
    /// [`SweepError::Read`] if the file cannot be read, otherwise as [`Sweep::parse`].
    pub fn load(path: &Path) -> Result<Self, SweepError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SweepError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Reads and checks the text of a sweep file; `path` names it in messages, and the sweep where it has no name.
    ///
    /// # Errors
    /// [`SweepError::Invalid`] with everything that is wrong.
    pub fn parse(text: &str, path: &Path) -> Result<Self, SweepError> {
        let mut faults = Faults::default();
        let sweep = Self::read(text, path, &mut faults);
        match sweep {
            Some(sweep) if faults.is_empty() => Ok(sweep),
            _ => Err(SweepError::Invalid(Box::new(InvalidSweep::new(
                path.to_owned(),
                text.to_owned(),
                faults,
            )))),
        }
    }

    /// The sweep; unfit for use if there are faults, and `None` if they left nothing to go on with.
    fn read(text: &str, path: &Path, faults: &mut Faults) -> Option<Self> {
        let document = faults.keep(file::parse(text))?;
        let File { header, fixed, axes, zip, when, exclude, include } =
            File::read(document.get_ref(), faults);
        let mut grid = Grid::read(&axes, faults);
        let includes = Include::read_all(&include, faults);
        if !faults.is_empty() {
            // A rule that names a broken axis would be blamed for it.
            return None;
        }
        rules::zip(&zip, &mut grid, faults);
        When::read_all(&when, &mut grid, &fixed, faults);
        let excludes = Exclude::read_all(&exclude, &grid, &fixed, faults);
        if !faults.is_empty() {
            return None;
        }
        faults.keep(moments::within_training(&grid, &fixed, &includes));
        let aliasing = if header.allow_aliasing { Aliasing::Allowed } else { Aliasing::Refused };
        let points = Points::expand(&grid, &fixed, (&excludes, &includes), aliasing, faults);
        let stem = path.file_stem().map_or("sweep".into(), |stem| stem.to_string_lossy());
        let name = header.name.clone().unwrap_or(stem.into_owned());
        let (path, text) = (path.to_owned(), text.to_owned());
        Some(Self { path, text, name, header, fixed, grid, includes, points })
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file as it was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The sweep's name; the file's without its extension if it says none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the sweep is for, in its author's words.
    pub fn description(&self) -> Option<&str> {
        self.header.description.as_deref()
    }

    /// The seeds that every configuration is trained with.
    pub fn seeds(&self) -> &[u64] {
        &self.header.seeds
    }

    /// What the Pareto front is drawn over; two or more.
    pub fn objectives(&self) -> &[Objective] {
        &self.header.objectives
    }

    /// The fixed settings, defaults filled in.
    pub fn settings(&self) -> Settings {
        self.fixed.with([])
    }

    /// The fine-tunings that every configuration is tested after, at each of its test resolutions; [`Part::None`](settings::Part::None) is
    /// the test of the network as it is.
    pub fn fine_tunings(&self) -> Vec<FineTuning> {
        let settings = self.settings().fine_tune;
        settings.trained.iter().map(|part| FineTuning::of(&settings, *part)).collect()
    }

    /// The axes in the order of the file: their names with the labels of their values.
    pub fn axes(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.grid.axes.iter().map(|axis| {
            (axis.name.as_str(), axis.choices.iter().map(|choice| choice.label.as_str()).collect())
        })
    }

    /// Number of distinct configurations.
    #[expect(clippy::len_without_is_empty, reason = "a valid sweep has a point")]
    pub fn len(&self) -> usize {
        self.points.list.len()
    }

    /// Number of trials: configurations times seeds.
    pub fn trial_count(&self) -> usize {
        self.len() * self.header.seeds.len()
    }

    /// The most epochs that a trial may have; cheap, whatever the number of points.
    pub fn most_epochs(&self) -> usize {
        moments::most_epochs(&self.grid, &self.fixed, &self.includes)
    }

    /// Key and test resolutions of every configuration, in the order of the grid; cheap.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = (ConfigurationKey, &[TestResolution])> {
        self.points.list.iter().map(|point| (point.key, self.points.tests(point)))
    }

    /// Configuration `index`, in the order of [`Sweep::keys`].
    pub fn configuration(&self, index: usize) -> Option<Configuration> {
        self.points.list.get(index).map(|point| self.resolve(point))
    }

    /// Every configuration, in the order of [`Sweep::keys`], each made when it is asked for.
    pub fn configurations(&self) -> impl ExactSizeIterator<Item = Configuration> {
        self.points.list.iter().map(|point| self.resolve(point))
    }

    /// Indices of configurations, one for each combination of network, norm, train resolution and images that
    /// occurs: all that parameters and multiply-accumulates depend on. Cheap, whatever the number of points.
    pub fn networks(&self) -> Vec<usize> {
        let costs = |setting: Setting| {
            checks::shapes(setting)
                || [Setting::NORM, Setting::TRAIN_RESOLUTION, Setting::IMAGE_SET, Setting::PATH]
                    .contains(&setting)
        };
        let costing = |axis: &usize| self.grid.axes[*axis].subject.settings().into_iter().any(costs);
        let axes: Vec<usize> = (0..self.grid.axes.len()).filter(costing).collect();
        let mut seen = HashSet::new();
        let mut picks = vec![None; self.grid.axes.len()];
        let mut is_new = |point: &Compact| {
            if point.place as usize >= self.grid.len() {
                return true;
            }
            self.grid.pick(point.place as usize, &mut picks);
            seen.insert(axes.iter().map(|axis| picks[*axis]).collect::<Vec<_>>())
        };
        let points = self.points.list.iter().enumerate();
        points.filter_map(|(index, point)| is_new(point).then_some(index)).collect()
    }

    fn resolve(&self, point: &Compact) -> Configuration {
        let place = point.place as usize;
        let mut settings = match place.checked_sub(self.grid.len()).and_then(|index| self.includes.get(index))
        {
            Some(include) => self.fixed.with(&include.choices),
            None => {
                let mut picks = vec![None; self.grid.axes.len()];
                self.grid.pick(place, &mut picks);
                self.fixed.with(self.grid.choices(&picks))
            }
        };
        settings.data.test_resolutions = None;
        Configuration { key: point.key, settings, test_resolutions: self.points.tests(point).to_vec() }
    }

    /// `[sweep]` and all fixed settings as TOML, defaults written out; what is not set is a comment that says what
    /// holds instead.
    pub fn resolved_toml(&self) -> String {
        let header = Header { name: Some(self.name.clone()), ..self.header.clone() };
        let mut text = format!("[sweep]\n{}", toml::to_string(&header).unwrap_or_default());
        for section in Setting::SECTIONS {
            text += &format!("\n[{section}]\n");
            for setting in Setting::all().iter().filter(|setting| setting.section == section) {
                text += &match setting.absent() {
                    Some(absent) if setting.of(&self.fixed.tree).is_null() => {
                        format!("# {}: {absent}\n", setting.key)
                    }
                    _ => format!("{} = {}\n", setting.key, toml_value(setting.of(&self.fixed.tree))),
                };
            }
        }
        text
    }
}

/// A setting's value as it would stand in a sweep file.
fn toml_value(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(table) => {
            let entries: Vec<String> =
                table.iter().map(|(key, value)| format!("{key} = {}", toml_value(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        // Texts, numbers, truth values and lists of them are written alike.
        other => other.to_string(),
    }
}
