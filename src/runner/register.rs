//! A sweep's configurations as rows of the database, with what each network costs.
//!
//! Networks are counted once per distinct `[model]` and train resolution, image sets opened once per distinct
//! `[data]` as far as it decides on classes: a grid of a hundred thousand points has a few of each.

use std::collections::HashMap;

use super::error::RunError;
use crate::arch::{Cost, Network, Norm};
use crate::data;
use crate::store::{ConfigurationRow, Key, Point, PointTrial, SweepRow, TestResolution};
use crate::sweep::settings::{Data, Expand, Model, Settings};
use crate::sweep::{Configuration, Sweep, canonical};

/// A key of a sweep as the database has it.
pub(super) fn key(bytes: &[u8; 16]) -> Key {
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

    /// Opens every image set and counts every network of the sweep, so that [`Register::point`] cannot fail.
    ///
    /// # Errors
    /// If an image set cannot be opened, or there can be no such network.
    pub fn prepare(&mut self, sweep: &Sweep) -> Result<(), RunError> {
        for configuration in sweep.configurations() {
            let classes = self.classes(&configuration.settings.data)?;
            self.count(&configuration.settings, classes)?;
        }
        Ok(())
    }

    /// The configuration with its trials and tests; positions follow from its `index` in the sweep.
    ///
    /// # Errors
    /// If its images cannot be opened, or there can be no such network.
    pub fn point(
        &mut self,
        index: usize,
        configuration: &Configuration,
        seeds: &[u64],
    ) -> Result<Point, RunError> {
        let classes = self.classes(&configuration.settings.data)?;
        let counted = self.count(&configuration.settings, classes)?;
        let position = |nth: usize| (index * seeds.len() + nth) as u64;
        let trials = seeds.iter().enumerate().map(|(nth, &seed)| PointTrial {
            key: key(configuration.key.trial(seed).as_bytes()),
            seed,
            position: position(nth),
        });
        let tests = configuration
            .test_resolutions
            .iter()
            .map(|test| TestResolution { resolution: number(test.side), aliased: test.aliased });
        Ok(Point {
            trials: trials.collect(),
            tests: tests.collect(),
            configuration: row(configuration, classes, counted),
        })
    }
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
            Norm::Group { groups, .. } => Some(number(groups)),
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
        let mut register = Register::default();
        let point = |(index, configuration)| register.point(index, &configuration, sweep.seeds()).unwrap();
        sweep.configurations().enumerate().map(point).collect()
    }

    #[test]
    fn a_row_mirrors_its_settings() {
        let points = points(
            "[sweep]\nseeds = [1, 2]\n[grid]\ngroup_size = [1, 4]\nnorm = [{ kind = \"gn\", groups = 8 }]\n\
             resolution = [{ train = 32, test = [32, 40] }]\n",
        );
        let (first, second) = (&points[0], &points[1]);
        let row = &second.configuration;
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
        assert_eq!(
            (first.configuration.macs_deviation, first.configuration.parameters_deviation),
            (0.0, 0.0)
        );
        assert_eq!(first.configuration.expand_ratio, 6.0);
        assert!(row.macs_deviation.abs() < 0.2 && row.expand_ratio < 6.0, "{row:?}");
    }

    #[test]
    fn settings_of_a_row_are_read_back_as_they_were() {
        let text = "[train]\nlr = 0.5\n[grid]\nnorm = [\"ln+pn\"]\n";
        let sweep = Sweep::parse(text, Path::new("a.toml")).unwrap();
        let configuration = sweep.configuration(0).unwrap();
        let settings: Settings = serde_json::from_str(&points(text)[0].configuration.settings).unwrap();
        assert_eq!(
            (settings.model, settings.train),
            (configuration.settings.model, configuration.settings.train)
        );
    }

    #[test]
    fn a_raised_group_size_alone_costs_more() {
        let points = points("[model]\nexpand = 6.0\nround_to_group = true\n[grid]\ngroup_size = [16]\n");
        let row = &points[0].configuration;
        assert!(row.macs_deviation > 0.2 && row.parameters_deviation > 0.1, "{row:?}");
    }
}
