//! What answers look like: a table, CSV or JSON on standard output, with the terminal's width and colours.

use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use clap::ValueEnum;

use super::exit::Failure;
use crate::report::table::{self, Colour};
use crate::report::{Rows, csv, json};

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Colours {
    /// On terminals, unless NO_COLOR is set.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people: aligned and rounded.
    Table,
    /// Every value as it is stored, under a header.
    Csv,
    /// An array of objects, every value as it is stored.
    Json,
}

/// Where answers go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    colour: Colour,
    width: Option<u16>,
    quiet: bool,
}

impl Look {
    /// Looks at the terminal, if there is one.
    pub(super) fn new(colours: Colours, quiet: bool) -> Self {
        match colours {
            Colours::Auto => ColorChoice::Auto,
            Colours::Always => ColorChoice::Always,
            Colours::Never => ColorChoice::Never,
        }
        .write_global();
        let stdout = io::stdout();
        let colour = match AutoStream::choice(&stdout) {
            ColorChoice::Never => Colour::Off,
            _ => Colour::On,
        };
        let width = stdout
            .is_terminal()
            .then(|| rustix::termios::tcgetwinsize(&stdout).map_or(80, |size| size.ws_col))
            .filter(|columns| *columns > 0);
        Self { colour, width, quiet }
    }

    /// `rows` as a table, those of `front` marked.
    pub(super) fn table(&self, rows: &Rows, front: Option<&[bool]>) -> String {
        table::table(rows, &table::Look { width: self.width, colour: self.colour, front })
    }

    /// Writes `rows` to standard output.
    pub(super) fn write(&self, rows: &Rows, format: Format, front: Option<&[bool]>) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match format {
            Format::Table => out.write_all(self.table(rows, front).as_bytes())?,
            Format::Csv => csv::write(rows, &mut out)?,
            Format::Json => json::write_array(rows, &mut out)?,
        }
        Ok(out.flush()?)
    }

    /// Writes text to standard output.
    pub(super) fn print(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// Says a line on standard error, unless it is to be quiet.
    pub(super) fn say(&self, line: &str) {
        if !self.quiet {
            anstream::eprintln!("{line}");
        }
    }

    /// Whether nothing but errors is to be said.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }
}
