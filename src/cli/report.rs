//! `effsweep report`: a sweep as a page.

use std::path::PathBuf;

use super::Context;
use super::account::account;
use super::exit::Failure;
use super::pareto::{named_sweep, objectives, objectives_of};
use crate::durable::write_atomically;
use crate::report::{number, page};
use crate::store::{Access, Store};

/// Write a sweep as one HTML file that needs no network: front, effects, curves, grid, every trial.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    effsweep report\n  \
    effsweep report quickstart --output quickstart.html\n  \
    effsweep report quickstart --objectives \"max top1, max inference_images_per_s\"\n\n\
    The page opens from the disk in any browser and holds all its data; docs/reports.md says what it shows.")]
pub(super) struct Arguments {
    /// The sweep; the one that ran last if absent.
    sweep: Option<String>,
    /// What the front is drawn over; the sweep's own objectives if absent.
    #[arg(long, value_name = "LIST")]
    objectives: Option<String>,
    /// Where to write [default: `<sweep>-report.html` beside the database].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let asked = arguments.objectives.as_deref().map(objectives).transpose()?;
    let store = Store::open(&context.db, Access::Read)?;
    let sweep = named_sweep(context, arguments.sweep.as_deref())?;
    let objectives = match asked {
        Some(objectives) => objectives,
        None => objectives_of(&store, &sweep)?,
    };
    drop(store);
    let page = page::page(&sweep, &account(&sweep, &objectives, context)?);
    let path =
        arguments.output.clone().unwrap_or_else(|| context.db.with_file_name(format!("{sweep}-report.html")));
    write_atomically(&path, page.as_bytes())?;
    context.look.say(&format!("{} in {}", number::bytes(page.len() as f64), path.display()));
    Ok(())
}
