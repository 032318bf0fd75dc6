//! `effsweep export`: every result as flat rows.

use std::path::PathBuf;

use super::Context;
use super::exit::Failure;
use super::look::Format;
use super::pareto::named_sweep;
use super::query::{Database, Numbers};
use crate::durable::write_atomically;
use crate::report::{csv, json};

/// Write all results as flat rows: one for each trial and test resolution.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    effsweep export > results.csv\n  \
    effsweep export quickstart --format json --output quickstart.json\n\n\
    The columns are those of the view `results`; with a sweep, those of `sweep_results`, where what is still to come\n\
    is empty. docs/database.md explains them.")]
pub(super) struct Arguments {
    /// Only what this sweep asks for.
    sweep: Option<String>,
    /// How to write the rows.
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
    /// Write to a file, which is whole or not there.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let database = Database::open(&context.db)?;
    let rows = match &arguments.sweep {
        Some(name) => {
            let name = named_sweep(context, Some(name))?;
            let of_sweep = "SELECT * FROM sweep_results WHERE sweep = ?1 ORDER BY position, test_resolution";
            database.ask(of_sweep, &[&name], Numbers::ByName)?
        }
        None => {
            let all = "SELECT * FROM results ORDER BY trial_id, test_resolution, fine_tuned";
            database.ask(all, &[], Numbers::ByName)?
        }
    };
    let Some(path) = &arguments.output else {
        return context.look.write(&rows, arguments.format, None);
    };
    let mut bytes = Vec::new();
    match arguments.format {
        Format::Table => bytes.extend(context.look.table(&rows, None).bytes()),
        Format::Csv => csv::write(&rows, &mut bytes)?,
        Format::Json => json::write_array(&rows, &mut bytes)?,
    }
    write_atomically(path, &bytes)?;
    context.look.say(&format!("{} rows in {}", rows.len(), path.display()));
    Ok(())
}
