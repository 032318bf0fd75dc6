//! `effsweep doctor`: whether the database and the files beside it are sound.

use super::Context;
use super::exit::{self, Failure};
use super::look::Format;
use crate::report::{Column, Rows, Value};
use crate::runner::{Severity, examine, mend};
use crate::store::{Company, RunLock};

/// Check the database and the files beside it, and say what to do.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  effsweep doctor\n  effsweep doctor --fix\n  effsweep doctor --format json\n\n\
                        Exit code 1 where results may be lost or wrong. `--fix` does nothing that could lose one."
)]
pub(super) struct Arguments {
    /// Put in order what can be without losing anything.
    #[arg(long)]
    fix: bool,
    /// How to write the rows.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let findings = examine(&context.db)?;
    let mut rows = Rows::new(["severity", "finding", "advice"].map(Column::plain).to_vec());
    for finding in &findings {
        let fixable = if finding.is_mendable() { "; `--fix` does" } else { "" };
        rows.push([
            Value::Text(finding.severity.name().to_owned()),
            Value::Text(finding.what.clone()),
            Value::Text(format!("{}{fixable}", finding.advice)),
        ]);
    }
    if findings.is_empty() && arguments.format == Format::Table {
        context.look.say(&format!("{} is sound", context.db.display()));
    } else {
        context.look.write(&rows, arguments.format, None)?;
    }
    if arguments.fix && findings.iter().any(|finding| finding.is_mendable()) {
        let _lock = RunLock::acquire(&context.db, Company::Alone)?;
        let mended = mend(&context.db, &findings)?;
        context.look.say(&format!("{mended} of {} put in order", findings.len()));
    }
    if findings.iter().any(|finding| finding.severity == Severity::Damage) {
        return Err(Failure::silent(exit::FAILED));
    }
    Ok(())
}
