//! `effsweep show --signals`: what the layers of trials send on, side by side.

use std::collections::BTreeSet;

use super::Context;
use super::exit::Failure;
use super::look::Format;
use super::query::{Database, Numbers};
use super::summary::short;
use crate::report::{Column, Kind, Rows, Value};

/// Trials of a key, a configuration's by seed; `label` is what stands above their columns.
const TRIALS: &str = "
    SELECT t.key, c.norm || coalesce('(' || nullif(c.norm_groups, 4) || ')', '') || ' G' || c.group_size
           || ' s' || t.seed AS label
    FROM trials AS t JOIN configurations AS c ON c.id = t.configuration_id
    WHERE ?1 IN (c.key, t.key) ORDER BY t.seed";

const EPOCHS: &str = "
    SELECT DISTINCT l.finished_epochs
    FROM layer_signals AS l JOIN trials AS t ON t.id = l.trial_id
    WHERE t.key = ?1 ORDER BY l.finished_epochs";

/// All rows of a trial; with a second value, those after that many epochs.
const SIGNALS: &str = "
    SELECT * FROM signals
    WHERE trial_key = ?1 AND (?2 = '' OR finished_epochs = CAST(?2 AS INTEGER))
    ORDER BY finished_epochs, layer, place DESC";

/// The two numbers that the table shows, of a trial after that many epochs.
const LAYERS: &str = "
    SELECT name, max(images),
           max(CASE place WHEN 'pre' THEN channel_collapse END) AS collapse,
           max(CASE place WHEN 'post' THEN instance_variability END) AS variability
    FROM signals
    WHERE trial_key = ?1 AND finished_epochs = CAST(?2 AS INTEGER)
    GROUP BY layer, name ORDER BY layer";

/// What the table's columns say.
const LEGEND: &str = "\
collapse: share of the power before the activation that lies in channels' means; at 1 every channel is constant
variability: share of the power after it by which images differ in their channels' means and deviations; at 0 no image does";

/// A trial with signals.
struct Trial {
    key: String,
    label: String,
    /// Numbers of finished epochs after which they were recorded.
    epochs: BTreeSet<i64>,
}

impl Trial {
    /// `ln G1 s0 (3f9c21ab)`.
    fn name(&self) -> String {
        format!("{} ({})", self.label, short(&self.key))
    }

    /// `0, 1 and 5`.
    fn recorded(&self) -> String {
        let epochs: Vec<String> = self.epochs.iter().map(ToString::to_string).collect();
        match epochs.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => "none".to_owned(),
        }
    }
}

/// Shows the signals of the trials of these whole keys, after `epoch` epochs: by default, in a table the last that
/// all have, as CSV and JSON all there are.
pub(super) fn show(
    database: &Database,
    keys: &[String],
    epoch: Option<u32>,
    format: Format,
    context: &Context,
) -> Result<(), Failure> {
    let trials = trials(database, keys)?;
    let epoch = epoch.map(i64::from);
    let lacks = |epoch| trials.iter().find(|trial| !has(trial, epoch)).map(|trial| (trial, epoch));
    if let Some((trial, epoch)) = epoch.and_then(lacks) {
        let (name, moment, recorded) = (trial.name(), moment(epoch), trial.recorded());
        return Err(Failure::user(format_args!(
            "{name} has no signals {moment}; it has some after {recorded}"
        )));
    }
    match format {
        Format::Table => {
            let epoch = epoch.map_or_else(|| last_of_all(&trials), Ok)?;
            table(database, &trials, epoch, context)
        }
        Format::Csv | Format::Json => {
            let epoch = epoch.map(|epoch| epoch.to_string()).unwrap_or_default();
            let mut all: Option<Rows> = None;
            for trial in &trials {
                let rows = database.ask(SIGNALS, &[&trial.key, &epoch], Numbers::ByName)?;
                let all = all.get_or_insert_with(|| Rows::new(rows.columns().to_vec()));
                rows.iter().for_each(|row| all.push(row.to_vec()));
            }
            context.look.write(&all.unwrap_or_default(), format, None)
        }
    }
}

/// `before training`, `after 5 epochs`.
fn moment(finished_epochs: i64) -> String {
    match finished_epochs {
        0 => "before training".to_owned(),
        1 => "after 1 epoch".to_owned(),
        epochs => format!("after {epochs} epochs"),
    }
}

fn has(trial: &Trial, epoch: i64) -> bool {
    trial.epochs.contains(&epoch)
}

/// The trials of these keys, each once; of a configuration, those that have signals.
fn trials(database: &Database, keys: &[String]) -> Result<Vec<Trial>, Failure> {
    let mut trials: Vec<Trial> = Vec::new();
    for key in keys {
        let of_key = trials_of(database, key)?;
        if of_key.iter().all(|trial| trial.epochs.is_empty()) {
            let name = of_key.first().map_or_else(|| short(key), Trial::name);
            return Err(Failure::user(format_args!("no signals of {name} are recorded")).hint(
                "a trial records them while it trains, if `effsweep run FILE --signals 0,5` or `signals = [0, 5]` \
                 in the file's `[run]` asks for it; one that is finished trains no more",
            ));
        }
        for trial in of_key.into_iter().filter(|trial| !trial.epochs.is_empty()) {
            if trials.iter().all(|known| known.key != trial.key) {
                trials.push(trial);
            }
        }
    }
    Ok(trials)
}

/// The trial of that key, or the trials of the configuration of that key.
fn trials_of(database: &Database, key: &str) -> Result<Vec<Trial>, Failure> {
    let mut trials = Vec::new();
    for row in database.ask(TRIALS, &[key], Numbers::AsStored)?.iter() {
        let [Value::Text(key), Value::Text(label)] = row else { continue };
        let recorded = database.ask(EPOCHS, &[key], Numbers::AsStored)?;
        let epochs = recorded.iter().filter_map(|row| match row {
            [Value::Integer(epochs)] => Some(*epochs),
            _ => None,
        });
        trials.push(Trial { key: key.clone(), label: label.clone(), epochs: epochs.collect() });
    }
    Ok(trials)
}

/// The largest number of epochs after which all trials have signals.
fn last_of_all(trials: &[Trial]) -> Result<i64, Failure> {
    let first = trials.first().map(|trial| trial.epochs.clone()).unwrap_or_default();
    let of_all = first.into_iter().rfind(|epoch| trials.iter().all(|trial| has(trial, *epoch)));
    of_all.ok_or_else(|| {
        let recorded: Vec<String> =
            trials.iter().map(|trial| format!("{} after {}", trial.name(), trial.recorded())).collect();
        Failure::user(format_args!(
            "the trials have signals after different numbers of epochs: {}",
            recorded.join("; ")
        ))
    })
}

/// One row a layer, two columns a trial.
fn table(database: &Database, trials: &[Trial], epoch: i64, context: &Context) -> Result<(), Failure> {
    let mut columns = vec![Column::plain("\nlayer")];
    let mut layers: Vec<String> = Vec::new();
    let mut shown: Vec<Rows> = Vec::new();
    for trial in trials {
        columns.push(Column::new(format!("{}\ncollapse", trial.label), Kind::Bar));
        columns.push(Column::new(format!("{}\nvariability", short(&trial.key)), Kind::Bar));
        let rows = database.ask(LAYERS, &[&trial.key, &epoch.to_string()], Numbers::AsStored)?;
        merge(&mut layers, rows.iter().filter_map(name));
        shown.push(rows);
    }
    let mut rows = Rows::new(columns);
    for layer in &layers {
        let of_layer = |trial: &Rows| match trial.iter().find(|row| name(row) == Some(layer)) {
            Some([_, _, collapse, variability]) => [collapse.clone(), variability.clone()],
            _ => [Value::Null, Value::Null],
        };
        rows.push(std::iter::once(layer.as_str().into()).chain(shown.iter().flat_map(of_layer)));
    }
    let images = shown.first().and_then(|rows| rows.iter().next()?.get(1)?.as_f64()).unwrap_or(0.0);
    let moment = moment(epoch);
    context.look.print(&format!("signals {moment}, over {images} training images\n\n"))?;
    context.look.write(&rows, Format::Table, None)?;
    context.look.say(&format!("\n{LEGEND}"));
    Ok(())
}

fn name(row: &[Value]) -> Option<&String> {
    match row.first() {
        Some(Value::Text(name)) => Some(name),
        _ => None,
    }
}

/// Puts each name that is not yet in `order` behind the one before it: networks of different depth keep their order.
fn merge<'a>(order: &mut Vec<String>, names: impl Iterator<Item = &'a String>) {
    let mut next = 0;
    for name in names {
        match order.iter().position(|known| known == name) {
            Some(at) => next = at + 1,
            None => {
                order.insert(next, name.clone());
                next += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_different_depth_are_laid_side_by_side() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<String>>();
        let mut order = Vec::new();
        for one in ["stem 0.spatial 1.spatial top", "stem 0.spatial 1.expand 1.spatial 2.spatial top"] {
            merge(&mut order, names(one).iter());
        }
        assert_eq!(order, names("stem 0.spatial 1.expand 1.spatial 2.spatial top"));
    }

    #[test]
    fn the_last_moment_is_one_that_all_trials_have() {
        let trial = |key: &str, epochs: &[i64]| Trial {
            key: key.repeat(8),
            label: "ln G1 s0".to_owned(),
            epochs: epochs.iter().copied().collect(),
        };
        assert_eq!(last_of_all(&[trial("aaaa", &[0, 1, 5]), trial("bbbb", &[1, 0, 6])]).unwrap(), 1);
        assert!(last_of_all(&[trial("aaaa", &[0]), trial("bbbb", &[1])]).is_err());
        assert_eq!(trial("aaaa", &[5, 0, 1]).recorded(), "0, 1 and 5");
    }
}
