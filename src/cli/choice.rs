//! Choosing trials on the command line, showing what was chosen, and asking before something is done with them.

use std::io::{self, BufRead, IsTerminal};

use super::Context;
use super::exit::Failure;
use super::look::Format;
use super::query::{Database, Numbers};
use crate::protocol::Cause;
use crate::store::{Access, Choice, Chosen, Store, TrialState};

/// Chosen trials that are listed before a question.
const LISTED: usize = 20;

/// Which trials are meant: those that meet every condition.
#[derive(Debug, clap::Args)]
pub(super) struct Choosing {
    /// The beginnings of trials' keys.
    #[arg(value_name = "KEY")]
    keys: Vec<String>,
    /// Trials that this sweep asks for.
    #[arg(long, value_name = "NAME")]
    pub(super) sweep: Option<String>,
    /// Trials in one of these states: planned, finished, diverged, failed.
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = state)]
    state: Vec<TrialState>,
    /// Trials whose last attempt failed for this cause: oom, timeout, hung, killed, panic, bad_config, io, exit.
    #[arg(long, value_name = "CAUSE", value_parser = cause)]
    cause: Option<Cause>,
    /// Trials that no sweep asks for any more.
    #[arg(long)]
    orphaned: bool,
}

fn state(word: &str) -> Result<TrialState, String> {
    let found = TrialState::ALL.iter().copied().find(|state| state.name() == word);
    found.filter(|state| *state != TrialState::Running).ok_or_else(|| {
        "planned, finished, diverged or failed is allowed; a running trial belongs to its run".to_owned()
    })
}

fn cause(word: &str) -> Result<Cause, String> {
    let words = || Cause::ALL.iter().map(|cause| cause.name()).collect::<Vec<_>>().join(", ");
    let found = Cause::ALL.iter().copied().find(|cause| cause.name() == word);
    found.ok_or_else(|| format!("one of {} is allowed", words()))
}

impl Choosing {
    /// Whether nothing was said, so that all trials would be meant.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
            && self.sweep.is_none()
            && self.state.is_empty()
            && self.cause.is_none()
            && !self.orphaned
    }

    /// The trials that are meant, but for running ones. Where no state is named, those of `states` are; all if there
    /// are none.
    pub(super) fn trials(&self, store: &Store, states: &[TrialState]) -> Result<Vec<Chosen>, Failure> {
        let sweep = self.sweep.as_deref().map(|name| store.sweep(name)).transpose()?;
        let choice = Choice {
            keys: self.keys.clone(),
            sweep: sweep.map(|(id, _)| id),
            states: if self.state.is_empty() { states.to_vec() } else { self.state.clone() },
            cause: self.cause.map(|cause| cause.name().to_owned()),
            orphaned: self.orphaned,
        };
        let mut chosen = store.choose(&choice)?;
        chosen.retain(|trial| trial.state != TrialState::Running);
        Ok(chosen)
    }
}

/// Opens the database that is there, to change it.
pub(super) fn open(context: &Context) -> Result<Store, Failure> {
    // Opening to write would make it.
    drop(Store::open(&context.db, Access::Read)?);
    Ok(Store::open(&context.db, Access::Write)?)
}

const LIST: &str = "
    SELECT substr(o.trial_key, 1, 8) AS trial, o.state,
           (SELECT a.cause FROM attempts AS a WHERE a.trial_id = o.trial_id ORDER BY a.number DESC LIMIT 1) AS cause,
           o.norm, o.group_size, o.batch_size, o.train_resolution, o.seed, o.attempts
    FROM json_each(?1) AS j JOIN trial_overview AS o ON o.trial_id = j.value ORDER BY j.key";

/// The chosen trials, listed and agreed to: none if there are none, or if whoever was asked said no, which is then said.
pub(super) fn agreed(
    what: &str,
    choosing: &Choosing,
    yes: bool,
    store: &Store,
    context: &Context,
) -> Result<Vec<Chosen>, Failure> {
    let chosen = choosing.trials(store, &[])?;
    if chosen.is_empty() {
        context.look.say("there are no such trials");
        return Ok(chosen);
    }
    Ok(if confirm(what, &chosen, yes, context)? { chosen } else { Vec::new() })
}

/// Lists the trials and asks whether `what` is to be done with them; `yes` answers beforehand.
pub(super) fn confirm(what: &str, trials: &[Chosen], yes: bool, context: &Context) -> Result<bool, Failure> {
    let listed: Vec<i64> = trials.iter().take(LISTED).map(|trial| trial.id.0).collect();
    let ids = serde_json::json!(listed).to_string();
    let rows = Database::open(&context.db)?.ask(LIST, &[&ids], Numbers::ByName)?;
    context.look.write(&rows, Format::Table, None)?;
    if trials.len() > LISTED {
        context.look.say(&format!("… and {} more", trials.len() - LISTED));
    }
    let plural = if trials.len() == 1 { "" } else { "s" };
    let question = format!("{what} {} trial{plural}?", trials.len());
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        let failure = Failure::user(format_args!("{question} nobody is there to answer"));
        return Err(failure.hint("`--yes` answers beforehand"));
    }
    anstream::eprint!("{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let agreed = matches!(answer.trim(), "y" | "Y" | "yes");
    if !agreed {
        context.look.say("nothing was changed");
    }
    Ok(agreed)
}
