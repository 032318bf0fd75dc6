//! `effsweep completions`: what a shell needs to complete commands.

use std::io::{self, Write};

use clap_complete::Shell;

use super::exit::Failure;

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  effsweep completions bash > ~/.local/share/bash-completion/completions/effsweep\n  \
                        effsweep completions zsh > ~/.zfunc/_effsweep\n  \
                        effsweep completions fish > ~/.config/fish/completions/effsweep.fish"
)]
pub(super) struct Arguments {
    /// Which shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments, command: &mut clap::Command) -> Result<(), Failure> {
    // Into memory first: the generator panics where a pipe is closed.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, command, "effsweep", &mut script);
    Ok(io::stdout().lock().write_all(&script)?)
}
