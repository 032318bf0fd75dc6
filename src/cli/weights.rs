//! `effsweep weights`: trained networks as files, from here to PyTorch and back.

use std::path::{Path, PathBuf};

use clap::ArgGroup;
use clap::builder::PossibleValuesParser;

use super::exit::Failure;
use super::{Context, network};
use crate::store::{Access, Store};
use crate::sweep::Sweep;
use crate::sweep::settings::{Model, RESOLUTIONS};
use crate::weights::{TIMM_MODELS, TrainedNetwork, import};

/// Write a trial's weights to a file, or give those of another program a description.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    effsweep weights export 3f9c21ab --output nano.safetensors\n  \
    effsweep weights import model.safetensors --model efficientnet_b0_gn --output b0_gn.safetensors\n  \
    effsweep weights import model.safetensors --sweep sweeps/mine.toml --at 51d0 --output mine.safetensors\n\n\
    Weights are safetensors with timm's names and layouts: in PyTorch, `safetensors.torch.load_file(FILE)` is the state\n\
    dict. docs/weights.md tells what else is in them.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Write the final weights of a trial to a file.
    Export(Export),
    /// Read a timm state dict, check it against a network, and write it with that network's description.
    Import(Box<Import>),
}

#[derive(Debug, clap::Args)]
struct Export {
    /// The beginning of the trial's key.
    #[arg(value_name = "KEY")]
    key: String,
    /// Where to write; the file is whole or not there.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("network").args(["model", "sweep"]).required(true)))]
struct Import {
    /// The state dict, as safetensors.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The network, by its name in timm.
    #[arg(long, value_name = "NAME", value_parser = names())]
    model: Option<String>,
    /// The network, as the first configuration of a sweep file, or that of `--at`.
    #[arg(long, value_name = "FILE")]
    sweep: Option<PathBuf>,
    /// The beginning of a configuration's key.
    #[arg(long, value_name = "KEY", requires = "sweep", conflicts_with = "model")]
    at: Option<String>,
    /// A text file with the name of a class on each line; without it classes are called by their numbers.
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    /// Side that images are shown at, pixels [default: the model's own, or the sweep's train resolution].
    #[arg(long, value_name = "PIXELS")]
    resolution: Option<usize>,
    /// Side of the centre crop over the image's shorter side [default: 0.875, or the sweep's].
    #[arg(long, value_name = "RATIO")]
    crop_ratio: Option<f64>,
    /// Where to write; the file is whole or not there.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

/// The papers' share of an image that evaluation looks at.
const CROP_RATIO: f64 = 0.875;

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(TIMM_MODELS.map(|model| model.name))
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let (trained, output) = match &arguments.verb {
        Verb::Export(export) => (of_trial(&export.key, context)?, &export.output),
        Verb::Import(arguments) => (imported(arguments)?, &arguments.output),
    };
    trained.write(output)?;
    let (count, classes) = (trained.parameters.trained_count(), trained.description.classes.len());
    context.look.say(&format!("{count} parameters, {classes} classes in {}", output.display()));
    Ok(())
}

/// The network that a trial came to.
pub(super) fn of_trial(key: &str, context: &Context) -> Result<TrainedNetwork, Failure> {
    let record = Store::open(&context.db, Access::Read)?.trial(key)?;
    let trial = record.trial;
    let Some(path) = trial.weights_path else {
        let key = trial.key;
        return Err(Failure::user(format_args!("trial {key} is {}, without weights", trial.state.name()))
            .hint("weights are there once a trial has finished; `run.keep` says whose stay"));
    };
    let beside = context.db.parent().unwrap_or(Path::new(""));
    let (trained, checksum) = TrainedNetwork::read(&beside.join(&path))?;
    if trial.weights_checksum.is_some_and(|known| known != checksum) {
        return Err(Failure::user(format_args!("`{path}` is not the file that the trial left")));
    }
    Ok(trained)
}

fn imported(arguments: &Import) -> Result<TrainedNetwork, Failure> {
    let (model, resolution, crop_ratio) = asked(arguments)?;
    let resolution = arguments.resolution.unwrap_or(resolution);
    let crop_ratio = arguments.crop_ratio.unwrap_or(crop_ratio);
    checked(resolution, crop_ratio)?;
    let classes = arguments.classes.as_deref().map(lines).transpose()?;
    Ok(import(&arguments.file, model, classes, resolution, crop_ratio)?)
}

/// The network that is asked for, its resolution and its crop.
fn asked(arguments: &Import) -> Result<(Model, usize, f64), Failure> {
    if let Some(file) = &arguments.sweep {
        let settings = network::configuration(&Sweep::load(file)?, arguments.at.as_deref())?.settings;
        return Ok((settings.model, settings.train.resolution, settings.data.test_crop_ratio));
    }
    let named = TIMM_MODELS.iter().find(|timm| Some(timm.name) == arguments.model.as_deref());
    let named = named.ok_or_else(|| Failure::user("name the network with `--model` or `--sweep`"))?;
    Ok((named.model(), named.resolution(), CROP_RATIO))
}

/// Refuses sides and crops that no image can have.
pub(super) fn checked(resolution: usize, crop_ratio: f64) -> Result<(), Failure> {
    if !RESOLUTIONS.contains(&resolution) {
        let (least, most) = RESOLUTIONS.into_inner();
        return Err(Failure::user(format_args!(
            "the resolution cannot be {resolution}: {least} to {most} pixels are allowed"
        )));
    }
    if !(crop_ratio > 0.0 && crop_ratio <= 1.0) {
        return Err(Failure::user(format_args!(
            "the crop ratio cannot be {crop_ratio}: it lies above 0 and is at most 1"
        )));
    }
    Ok(())
}

fn lines(file: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::user_because(format_args!("failed to read the classes `{}`", file.display()), &error)
    })?;
    Ok(text.lines().map(str::to_owned).collect())
}
