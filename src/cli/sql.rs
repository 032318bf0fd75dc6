//! `effsweep sql`: one question to the database, in SQL.

use std::path::PathBuf;

use super::Context;
use super::exit::Failure;
use super::look::Format;
use super::query::{Database, Numbers};

/// Ask the database in SQL; it is only read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    effsweep sql \"SELECT norm, avg(top1) FROM results GROUP BY norm\"\n  \
    effsweep sql --format csv \"SELECT * FROM results WHERE top1 > 0.8\" > best.csv\n  \
    effsweep sql --file question.sql\n\n\
    The views to know are `results` (one row for each accuracy), `sweep_results` (the same, for each sweep),\n\
    `throughput` and `signals`; docs/database.md explains every table and column.")]
pub(super) struct Arguments {
    /// One SELECT statement.
    #[arg(value_name = "SELECT", required_unless_present = "file", conflicts_with = "file")]
    statement: Option<String>,
    /// Read the statement from a file; `-` is standard input.
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// How to write the rows.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let statement = match (&arguments.statement, &arguments.file) {
        (Some(statement), _) => statement.clone(),
        (None, Some(file)) => read(file)?,
        (None, None) => String::new(),
    };
    let rows = Database::open(&context.db)?.ask(&statement, &[], Numbers::AsStored)?;
    context.look.write(&rows, arguments.format, None)
}

fn read(file: &PathBuf) -> Result<String, Failure> {
    let text = match file.as_os_str().to_str() {
        Some("-") => std::io::read_to_string(std::io::stdin()),
        _ => std::fs::read_to_string(file),
    };
    text.map_err(|error| Failure::user_because(format_args!("failed to read `{}`", file.display()), &error))
}
