//! `effsweep plot`: a figure of a report as SVG or PNG.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Value as Json, json};

use super::Context;
use super::account::account;
use super::exit::Failure;
use super::pareto::{named_sweep, objectives, objectives_of};
use crate::durable::write_atomically;
use crate::report::drawing::{DrawError, Figure, Size, png, svg};
use crate::store::{Access, Store};
use crate::sweep::Metric;

/// Draw a figure of a sweep as SVG or PNG.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    effsweep plot front\n  \
    effsweep plot front quickstart --x inference_images_per_s --colour norm --output front.png\n  \
    effsweep plot effects quickstart --metric train_images_per_s --output effects.svg\n\n\
    The same figures as in `effsweep report`. The ending of the file says what it is: .svg, or .png at three times the\n\
    size, which takes a font from this machine.")]
pub(super) struct Arguments {
    /// Which figure.
    figure: Named,
    /// The sweep; the one that ran last if absent.
    sweep: Option<String>,
    /// Where to write [default: `<sweep>-<figure>.svg` beside the database].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What the front is drawn over; the sweep's own objectives if absent.
    #[arg(long, value_name = "LIST")]
    objectives: Option<String>,
    /// `front`: the metric across.
    #[arg(long, value_name = "METRIC", value_parser = metric)]
    x: Option<Metric>,
    /// `front`: the metric up.
    #[arg(long, value_name = "METRIC", value_parser = metric)]
    y: Option<Metric>,
    /// `effects`, `interactions` and `grid`: of which metric.
    #[arg(long, value_name = "METRIC", value_parser = metric)]
    metric: Option<Metric>,
    /// `front` and `curves`: the axis that colours tell apart.
    #[arg(long, value_name = "AXIS")]
    colour: Option<String>,
    /// `front`: a logarithmic scale across.
    #[arg(long)]
    log: bool,
    /// Light on dark.
    #[arg(long)]
    dark: bool,
    /// Width, pixels.
    #[arg(long, default_value_t = 800, value_parser = clap::value_parser!(u32).range(100..=10_000))]
    width: u32,
    /// Height, pixels.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(100..=10_000))]
    height: u32,
}

/// The figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Named {
    /// Accuracy against a cost, with the front.
    Front,
    /// What each value of each axis does at equal everything else.
    Effects,
    /// Whether the effect of one axis depends on another.
    Interactions,
    /// One line a configuration through all axes.
    Parallel,
    /// How each trial learned.
    Curves,
    /// The whole grid, what is missing included.
    Grid,
}

/// Pixels of a PNG for each of the figure's own.
const SCALE: f32 = 3.0;

fn metric(name: &str) -> Result<Metric, String> {
    Metric::from_name(name).ok_or_else(|| format!("there are {}", Metric::NAMES.join(", ")))
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let figure = match arguments.figure {
        Named::Front => Figure::Front,
        Named::Effects => Figure::Effects,
        Named::Interactions => Figure::Interactions,
        Named::Parallel => Figure::Parallel,
        Named::Curves => Figure::Curves,
        Named::Grid => Figure::Grid,
    };
    let asked = arguments.objectives.as_deref().map(objectives).transpose()?;
    let store = Store::open(&context.db, Access::Read)?;
    let sweep = named_sweep(context, arguments.sweep.as_deref())?;
    let objectives = match asked {
        Some(objectives) => objectives,
        None => objectives_of(&store, &sweep)?,
    };
    drop(store);
    let path = arguments
        .output
        .clone()
        .unwrap_or_else(|| context.db.with_file_name(format!("{sweep}-{}.svg", figure.name())));
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    if !["svg", "png"].contains(&ending.as_str()) {
        return Err(Failure::user(format_args!("{} is neither .svg nor .png", path.display())));
    }
    let account = account(&sweep, &objectives, context)?;
    if let Some(colour) = &arguments.colour {
        let axes: Vec<&str> = account
            .get("axes")
            .and_then(Json::as_array)
            .map(|axes| axes.iter().filter_map(|axis| axis.get("name").and_then(Json::as_str)).collect())
            .unwrap_or_default();
        if !axes.contains(&colour.as_str()) {
            return Err(Failure::user(format_args!(
                "the sweep's configurations do not differ in `{colour}`"
            ))
            .hint(format!("they do in {}", axes.join(", "))));
        }
    }
    let named = |metric: Option<Metric>| metric.map(Metric::name);
    let choice = json!({
        "titled": true,
        "background": if arguments.dark { "#161616" } else { "#ffffff" },
        "dark": arguments.dark,
        "log": arguments.log,
        "x": named(arguments.x),
        "y": named(arguments.y),
        "metric": named(arguments.metric),
        "colour": arguments.colour,
    });
    let size = Size { width: arguments.width, height: arguments.height };
    let drawn = svg(figure, &account, &choice, size)?;
    let bytes = if ending == "svg" { drawn.into_bytes() } else { png(&drawn, SCALE)? };
    write_atomically(&path, &bytes)?;
    context.look.say(&format!("{}", path.display()));
    Ok(())
}

impl From<DrawError> for Failure {
    fn from(error: DrawError) -> Self {
        let failure = Failure::failed(&error);
        match error {
            DrawError::NoFont => {
                failure.hint("a package such as fonts-dejavu-core has some; an .svg needs none")
            }
            _ => failure,
        }
    }
}
