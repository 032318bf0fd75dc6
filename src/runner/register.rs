//! A sweep's configurations as rows of the database, with what each network costs.
//!
//! Networks are counted once per distinct `[model]` and train resolution, image sets opened once per distinct
//! `[data]` as far as it decides on classes: a grid of a hundred thousand points has a few of each.

use std::collections::{HashMap, HashSet};

use super::error::RunError;
use crate::arch::{Cost, Network, Norm, NormGroups};
use crate::data;
use crate::store::{Asked, ConfigurationRow, Key, Point, PointTrial, SweepRow, Test};
use crate::sweep::settings::{Data, Expand, Model, Settings};
use crate::sweep::{Configuration, ConfigurationKey, Sweep, TestResolution, canonical};

/// A key of a sweep as the database has it.
pub fn key(bytes: &[u8; 16]) -> Key {
    Key(u128::from_be_bytes(*bytes))
}

/// What a network costs and how far it is from the one it stands beside.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// Expansion ratio, resolved.
    pub expand_ratio: f64,
    /// Trainable parameters.
    pub parameters: u64,
    /// Multiply-accumulates of one image at the train resolution.
    pub macs: u64,
    /// Activations of one image at the train resolution, bytes.
    pub activation_bytes: u64,
    /// MACs against the depthwise network of ratio 6, as a share.
    pub macs_deviation: f64,
    /// Parameters against the same network.
    pub parameters_deviation: f64,
    /// Channels per group in each block.
    pub effective_group_sizes: Vec<usize>,
    /// Blocks whose group size is not the one asked for.
    pub deviating_blocks: usize,
}

/// Remembers what was counted and opened before.
#[derive(Debug, Default)]
pub struct Register {
    classes: HashMap<String, usize>,
    counted: HashMap<(String, usize, usize), Counted>,
}

impl Register {
    /// Number of classes of the images that these settings name.
    ///
    /// # Errors
    /// If the images cannot be opened.
    pub fn classes(&mut self, data: &Data) -> Result<usize, RunError> {
        // How images are cropped and which are drawn changes no class.
        let Data { set, path, train_images, test_images, test_fraction, .. } = data.clone();
        let named = Data { set, path, train_images, test_images, test_fraction, ..Data::default() };
        let text = json(&named);
        if let Some(classes) = self.classes.get(&text) {
            return Ok(*classes);
        }
        let classes = data::open(&named)?.classes().len();
        self.classes.insert(text, classes);
        Ok(classes)
    }

    /// The costs of the network that these settings describe.
    ///
    /// # Errors
    /// If there can be no such network.
    pub fn count(&mut self, settings: &Settings, classes: usize) -> Result<&Counted, RunError> {
        let resolution = settings.train.resolution;
        let key = (json(&settings.model), resolution, classes);
        match self.counted.entry(key) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(new) => {
                Ok(new.insert(count(&settings.model, resolution, classes)?))
            }
        }
    }

    /// Opens every image set and counts every network that is not `known`, so that [`Register::points`] cannot
    /// fail.
    ///
    /// # Errors
    /// If an image set cannot be opened, or there can be no such network.
    pub(super) fn prepare(&mut self, sweep: &Sweep, known: &HashSet<Key>) -> Result<(), RunError> {
        for configuration in unknown(sweep, known) {
            let classes = self.classes(&configuration.settings.data)?;
            self.count(&configuration.settings, classes)?;
        }
        Ok(())
    }

    /// The sweep's configurations with their trials and tests, in its order, made one at a time. Those that are
    /// `known` go by their keys.
    pub(super) fn points<'a>(
        &'a mut self,
        sweep: &'a Sweep,
        known: &'a HashSet<Key>,
    ) -> impl Iterator<Item = Point> + 'a {
        let fine_tunings: Vec<String> = sweep.fine_tunings().iter().map(ToString::to_string).collect();
        sweep.keys().enumerate().filter_map(move |(index, (configuration, tests))| {
            let asked = match key(configuration.as_bytes()) {
                key if known.contains(&key) => Asked::Known(key),
                // All that can fail was done by `prepare`.
                _ => Asked::New(Box::new(self.row(&sweep.configuration(index)?).ok()?)),
            };
            Some(Point {
                configuration: asked,
                trials: trials(configuration, index, sweep.seeds()),
                tests: accuracies(tests, &fine_tunings),
            })
        })
    }

    fn row(&mut self, configuration: &Configuration) -> Result<ConfigurationRow, RunError> {
        let classes = self.classes(&configuration.settings.data)?;
        let counted = self.count(&configuration.settings, classes)?;
        Ok(row(configuration, classes, counted))
    }
}

/// Configurations of the sweep that the database does not have.
fn unknown(sweep: &Sweep, known: &HashSet<Key>) -> impl Iterator<Item = Configuration> {
    let new = sweep.keys().enumerate().filter(|(_, (of, _))| !known.contains(&key(of.as_bytes())));
    new.filter_map(|(index, _)| sweep.configuration(index))
}

fn trials(configuration: ConfigurationKey, index: usize, seeds: &[u64]) -> Vec<PointTrial> {
    let first = index * seeds.len();
    let trial = |(nth, &seed)| PointTrial {
        key: key(configuration.trial(seed).as_bytes()),
        seed,
        position: (first + nth) as u64,
    };
    seeds.iter().enumerate().map(trial).collect()
}

/// Every fine-tuning at every test resolution.
fn accuracies(tests: &[TestResolution], fine_tunings: &[String]) -> Vec<Test> {
    let at = |test: &TestResolution| {
        let (resolution, aliased) = (number(test.side), test.aliased);
        fine_tunings.iter().map(move |name| Test { resolution, fine_tuning: name.clone(), aliased })
    };
    tests.iter().flat_map(at).collect()
}

/// The sweep's own row.
pub fn sweep_row(sweep: &Sweep) -> SweepRow {
    let objectives: Vec<String> = sweep.objectives().iter().map(ToString::to_string).collect();
    SweepRow {
        name: sweep.name().to_owned(),
        description: sweep.description().map(str::to_owned),
        path: Some(sweep.path().display().to_string()),
        text: sweep.text().to_owned(),
        objectives: json(&objectives),
    }
}

fn row(configuration: &Configuration, classes: usize, counted: &Counted) -> ConfigurationRow {
    let Settings { data, model, train, .. } = &configuration.settings;
    ConfigurationRow {
        key: key(configuration.key.as_bytes()),
        preset: model.preset.name().to_owned(),
        norm: model.norm.kind().to_owned(),
        norm_groups: match model.norm {
            Norm::Group { groups: NormGroups::Count(count), .. } => Some(number(count)),
            _ => None,
        },
        group_size: number(model.group_size),
        expand_ratio: counted.expand_ratio,
        batch_size: number(train.batch_size),
        train_resolution: number(train.resolution),
        epochs: number(train.epochs),
        optimizer: word(&train.optimizer),
        learning_rate: train.peak_rate(),
        image_set: word(&data.set),
        canonical: canonical(&configuration.settings),
        settings: trial_settings(&configuration.settings),
        classes: number(classes),
        parameters: counted.parameters,
        macs: counted.macs,
        activation_bytes: counted.activation_bytes,
        macs_deviation: counted.macs_deviation,
        parameters_deviation: counted.parameters_deviation,
        effective_group_sizes: json(&counted.effective_group_sizes),
        deviating_blocks: number(counted.deviating_blocks),
    }
}

/// The settings that make a trial; how it is run and measured is not part of it.
fn trial_settings(settings: &Settings) -> String {
    let mut tree = settings.to_json();
    if let Some(sections) = tree.as_object_mut() {
        sections.retain(|section, _| matches!(section.as_str(), "data" | "model" | "train"));
    }
    tree.to_string()
}

fn count(model: &Model, resolution: usize, classes: usize) -> Result<Counted, RunError> {
    let network = model.network(classes)?;
    let depthwise = Model { group_size: 1, expand: Expand::Ratio(6.0), ..model.clone() }.shape(classes)?;
    let cost = |network: &Network| Cost::of(network, model.norm, resolution);
    let (cost, reference) = (cost(&network), cost(&depthwise));
    let deviation = |of: fn(&Cost) -> u64| of(&cost) as f64 / of(&reference) as f64 - 1.0;
    Ok(Counted {
        expand_ratio: network.expand_ratio,
        parameters: cost.parameters(),
        macs: cost.macs(),
        activation_bytes: cost.activation_bytes(),
        macs_deviation: deviation(Cost::macs),
        parameters_deviation: deviation(Cost::parameters),
        effective_group_sizes: network.blocks.iter().map(|block| block.effective_group_size()).collect(),
        deviating_blocks: network.deviating_blocks(model.group_size),
    })
}

/// A number that the sweep's validation keeps far below the limit of 32 bits.
pub(super) fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// An enum's word in sweep files.
fn word<T: serde::Serialize>(value: &T) -> String {
    json(value).trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn points(text: &str) -> Vec<Point> {
        let sweep = Sweep::parse(text, Path::new("a.toml")).unwrap();
        let known = HashSet::new();
        let mut register = Register::default();
        register.prepare(&sweep, &known).unwrap();
        register.points(&sweep, &known).collect()
    }

    fn row(point: &Point) -> &ConfigurationRow {
        match &point.configuration {
            Asked::New(row) => row,
            Asked::Known(key) => panic!("{key} is not known"),
        }
    }

    #[test]
    fn a_row_mirrors_its_settings() {
        let points = points(
            "[sweep]\nseeds = [1, 2]\n[grid]\ngroup_size = [1, 4]\nnorm = [{ kind = \"gn\", groups = 8 }]\n\
             resolution = [{ train = 32, test = [32, 40] }]\n",
        );
        let (first, second) = (row(&points[0]), &points[1]);
        let row = row(second);
        assert_eq!((row.preset.as_str(), row.norm.as_str(), row.norm_groups), ("nano", "gn", Some(8)));
        assert_eq!((row.group_size, row.train_resolution, row.classes), (4, 32, 10));
        assert_eq!((row.optimizer.as_str(), row.image_set.as_str()), ("rmsprop", "shapes"));
        assert!(
            row.settings.contains("\"group_size\":4") && !row.settings.contains("\"run\""),
            "{}",
            row.settings
        );
        let positions: Vec<u64> = second.trials.iter().map(|trial| trial.position).collect();
        assert_eq!(positions, [2, 3]);
        assert_eq!(second.tests.len(), 2);
        assert_eq!((first.macs_deviation, first.parameters_deviation), (0.0, 0.0));
        assert_eq!(first.expand_ratio, 6.0);
        assert!(row.macs_deviation.abs() < 0.2 && row.expand_ratio < 6.0, "{row:?}");
    }

    #[test]
    fn settings_of_a_row_are_read_back_as_they_were() {
        let text = "[train]\nlr = 0.5\n[grid]\nnorm = [\"ln+pn\"]\n";
        let sweep = Sweep::parse(text, Path::new("a.toml")).unwrap();
        let configuration = sweep.configuration(0).unwrap();
        let settings: Settings = serde_json::from_str(&row(&points(text)[0]).settings).unwrap();
        assert_eq!(
            (settings.model, settings.train),
            (configuration.settings.model, configuration.settings.train)
        );
    }

    #[test]
    fn a_raised_group_size_alone_costs_more() {
        let points = points("[model]\nexpand = 6.0\nround_to_group = true\n[grid]\ngroup_size = [16]\n");
        let row = row(&points[0]);
        assert!(row.macs_deviation > 0.2 && row.parameters_deviation > 0.1, "{row:?}");
    }

    #[test]
    fn what_is_known_needs_no_row() {
        let sweep = Sweep::parse("[grid]\ngroup_size = [1, 4]\n", Path::new("a.toml")).unwrap();
        let first = key(sweep.keys().next().unwrap().0.as_bytes());
        let known = HashSet::from([first]);
        let mut register = Register::default();
        register.prepare(&sweep, &known).unwrap();
        assert_eq!(register.counted.len(), 1);
        let points: Vec<Point> = register.points(&sweep, &known).collect();
        assert_eq!(points[0].configuration, Asked::Known(first));
        assert_eq!(row(&points[1]).group_size, 4);
    }
}
