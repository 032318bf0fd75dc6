//! The face: commands, what they print, and how they end.
//!
//! Standard output is data, standard error is talk. A command is one file with its arguments and what it does;
//! an error becomes a message and an exit code in `exit`, a row becomes a table, CSV or JSON in `look`, and a
//! running sweep is drawn in `progress`.
//!
//! *Architecture invariant*: nothing below knows a terminal, an argument or an exit code.

mod account;
mod archive;
mod cancel;
mod choice;
mod collect;
mod compare;
mod completions;
mod course;
mod doctor;
mod exit;
mod export;
mod forget;
mod hand;
mod look;
mod measure;
mod merge;
mod network;
mod pareto;
mod plan;
mod plot;
mod predict;
mod progress;
mod query;
mod report;
mod retry;
mod run;
mod show;
mod signals;
mod sql;
mod status;
mod submit;
mod summary;
mod watch;
mod weights;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::look::{Colours, Look};

/// Trains every configuration of a sweep file and tells which buys the most accuracy per unit of throughput.
#[derive(Debug, Parser)]
#[command(
    name = "effsweep",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 110,
    after_help = "A first sweep, in a few minutes:\n  effsweep run sweeps/quickstart.toml\n\n\
                  `effsweep COMMAND --help` has examples of each command.\n\
                  Exit codes: 0 done, 1 failed, 2 asked for something that cannot be, 130 stopped by Ctrl-C."
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
struct Global {
    /// The results database.
    #[arg(
        long,
        global = true,
        env = "EFFSWEEP_DB",
        value_name = "PATH",
        default_value = "results/effsweep.db",
        hide_env_values = true
    )]
    db: PathBuf,
    /// When to colour; `auto` is on terminals, unless NO_COLOR is set.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    color: Colours,
    /// No talk on standard error but errors.
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Arguments),
    Measure(measure::Arguments),
    Plan(plan::Arguments),
    Status(status::Arguments),
    Watch(watch::Arguments),
    Show(show::Arguments),
    Sql(sql::Arguments),
    Pareto(pareto::Arguments),
    Compare(compare::Arguments),
    Report(report::Arguments),
    Plot(plot::Arguments),
    Export(export::Arguments),
    Weights(weights::Arguments),
    Predict(predict::Arguments),
    Retry(retry::Arguments),
    Forget(forget::Arguments),
    Archive(archive::Arguments),
    Doctor(doctor::Arguments),
    Submit(submit::Arguments),
    Collect(collect::Arguments),
    Cancel(cancel::Arguments),
    Merge(merge::Arguments),
    Completions(completions::Arguments),
    #[command(hide = true)]
    Work(work::Arguments),
    /// Do one job that a runner hands over.
    #[command(hide = true)]
    Worker,
}

/// Where a command finds results and how it shows them.
struct Context {
    db: PathBuf,
    look: Look,
}

/// Does what the command line asks for.
pub fn run() -> ExitCode {
    let Cli { global, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // To a closed pipe there is nothing to say.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USER } else { exit::DONE });
        }
    };
    let context = Context { db: global.db, look: Look::new(global.color, global.quiet) };
    let done = match command {
        Command::Run(arguments) => run::run(&arguments, &context),
        Command::Measure(arguments) => measure::run(&arguments, &context),
        Command::Plan(arguments) => plan::run(&arguments, &context),
        Command::Status(arguments) => status::run(&arguments, &context),
        Command::Watch(arguments) => watch::run(&arguments, &context),
        Command::Show(arguments) => show::run(&arguments, &context),
        Command::Sql(arguments) => sql::run(&arguments, &context),
        Command::Pareto(arguments) => pareto::run(&arguments, &context),
        Command::Compare(arguments) => compare::run(&arguments, &context),
        Command::Report(arguments) => report::run(&arguments, &context),
        Command::Plot(arguments) => plot::run(&arguments, &context),
        Command::Export(arguments) => export::run(&arguments, &context),
        Command::Weights(arguments) => weights::run(&arguments, &context),
        Command::Predict(arguments) => predict::run(&arguments, &context),
        Command::Retry(arguments) => retry::run(&arguments, &context),
        Command::Forget(arguments) => forget::run(&arguments, &context),
        Command::Archive(arguments) => archive::run(&arguments, &context),
        Command::Doctor(arguments) => doctor::run(&arguments, &context),
        Command::Submit(arguments) => submit::run(&arguments, &context),
        Command::Collect(arguments) => collect::run(&arguments, &context),
        Command::Cancel(arguments) => cancel::run(&arguments, &context),
        Command::Merge(arguments) => merge::run(&arguments, &context),
        Command::Work(arguments) => work::run(&arguments, &context),
        Command::Completions(arguments) => completions::run(&arguments, &mut Cli::command()),
        Command::Worker => return crate::worker::run(),
    };
    done.map_or_else(|failure| failure.report(), |()| ExitCode::from(exit::DONE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        let command = Cli::command();
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let examples = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.contains("\n  effsweep "), "{}: {examples}", verb.get_name());
        }
    }
}
