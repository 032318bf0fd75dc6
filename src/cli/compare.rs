//! `effsweep compare`: whether one thing is better than another at equal everything else.

use super::Context;
use super::exit::Failure;
use super::look::Format;
use super::pareto::named_sweep;
use super::query::kind;
use super::summary::tested;
use crate::report::{Column, Kind, Rows, Value, table};
use crate::runner::comparing::{Compared, Ignored, Judgement, Over, compare, pairs, tested_alike};
use crate::runner::{Candidate, candidates};
use crate::store::{Access, Store, UNTUNED};
use crate::sweep::Metric;
use crate::sweep::settings::Setting;

/// Say whether one configuration, or one value of a setting, is better than another, and how sure that is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    effsweep compare 3f9c21ab 8be01f77\n  \
    effsweep compare norm=ln+pn norm=bn\n  \
    effsweep compare fine_tuning=top fine_tuning=none\n  \
    effsweep compare norm=ln+pn,group_size=16 norm=bn,group_size=1 --sweep paper\n\n\
    Configurations are compared seed by seed; values of settings over all pairs of the sweep's configurations that\n\
    differ in nothing else. Better, worse and undecided are by the 95 % interval of the mean difference (Student's);\n\
    for what is undecided, `more` is how many more seeds, or pairs, would decide if nothing else changed.")]
pub(super) struct Arguments {
    /// The beginning of a configuration's key, or settings with their values: `norm=bn,group_size=4`.
    #[arg(value_name = "A")]
    a: String,
    /// What it is compared with.
    #[arg(value_name = "B")]
    b: String,
    /// The sweep; the one that ran last if absent.
    #[arg(long, value_name = "NAME")]
    sweep: Option<String>,
    /// How to write the rows.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// What a side can have a value of.
#[derive(Clone, Copy, PartialEq)]
enum Subject {
    Setting(Setting),
    FineTuning,
}

/// What one side of a comparison names.
enum Side {
    Key(String),
    Values(Vec<(Subject, String)>),
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let (a, b) = (side(&arguments.a)?, side(&arguments.b)?);
    let store = Store::open(&context.db, Access::Read)?;
    let sweep = named_sweep(context, arguments.sweep.as_deref())?;
    let all = candidates(&store, &sweep)?;
    let (left, right) = (chosen(&all, &a, &arguments.a)?, chosen(&all, &b, &arguments.b)?);
    let pairs = match (&a, &b) {
        (Side::Key(_), Side::Key(_)) => tested_alike(&left, &right),
        _ => {
            let settings: Vec<Setting> = named(&a).chain(named(&b)).filter_map(setting).collect();
            let fine_tuning = named(&a).chain(named(&b)).any(|subject| subject == Subject::FineTuning);
            pairs(&left, &right, Ignored { settings: &settings, fine_tuning })
        }
    };
    if pairs.is_empty() {
        return Err(Failure::user(format_args!(
            "no configuration of `{}` stands beside one of `{}` at equal everything else",
            arguments.a, arguments.b
        ))
        .hint("`effsweep pareto --all` lists what the sweep has"));
    }
    // A configuration at several test resolutions is several comparisons, not several pairs of one.
    let compared: Vec<(Option<&Candidate>, Compared)> = match (&a, &b) {
        (Side::Key(_), Side::Key(_)) => pairs
            .iter()
            .flat_map(|pair| {
                let each = Metric::ALL.into_iter().filter_map(|metric| compare(&[*pair], metric));
                each.map(|one| (Some(pair.0), one))
            })
            .collect(),
        _ => Metric::ALL
            .into_iter()
            .filter_map(|metric| compare(&pairs, metric))
            .map(|one| (None, one))
            .collect(),
    };
    if compared.is_empty() {
        return Err(Failure::user("nothing is known of either yet"));
    }
    match arguments.format {
        Format::Table => {
            context.look.write(&table_of(&compared, &arguments.a, &arguments.b), Format::Table, None)?;
            for (tested, one) in &compared {
                if let Some(said) = sentence(one, *tested, arguments) {
                    context.look.say(&said);
                }
            }
        }
        format => context.look.write(&exact(&compared), format, None)?,
    }
    Ok(())
}

/// Reads `norm=bn,group_size=4`, or a key.
fn side(text: &str) -> Result<Side, Failure> {
    if !text.contains('=') {
        return match text.chars().all(|c| c.is_ascii_hexdigit()) && !text.is_empty() {
            true => Ok(Side::Key(text.to_ascii_lowercase())),
            false => {
                Err(Failure::user(format_args!("`{text}` is neither a key nor a setting with its value"))
                    .hint("such as `3f9c21ab` or `norm=bn`"))
            }
        };
    }
    let value = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if name.trim() == "fine_tuning" {
            return Ok((Subject::FineTuning, value.trim().to_owned()));
        }
        let name = if name == "resolution" { "train.resolution" } else { name.trim() };
        let named = |one: &&Setting| one.makes_a_trial() && (one.to_string() == name || one.key == name);
        let setting = Setting::all().iter().find(named).copied();
        let setting = setting.ok_or_else(|| {
            Failure::user(format_args!("there is no setting `{name}` that makes a trial"))
                .hint("docs/sweep-file.md lists them")
        })?;
        Ok((Subject::Setting(setting), value.trim().to_owned()))
    };
    Ok(Side::Values(text.split(',').map(value).collect::<Result<_, Failure>>()?))
}

/// What a side names; a key names its configuration whole.
fn named(side: &Side) -> impl Iterator<Item = Subject> {
    let values = match side {
        Side::Key(_) => [].as_slice(),
        Side::Values(values) => values.as_slice(),
    };
    values.iter().map(|(subject, _)| *subject)
}

fn setting(subject: Subject) -> Option<Setting> {
    match subject {
        Subject::Setting(setting) => Some(setting),
        Subject::FineTuning => None,
    }
}

fn chosen<'a>(all: &'a [Candidate], side: &Side, text: &str) -> Result<Vec<&'a Candidate>, Failure> {
    let found: Vec<&Candidate> = match side {
        Side::Key(key) => {
            all.iter().filter(|one| one.configuration.to_string().starts_with(key.as_str())).collect()
        }
        Side::Values(values) => all.iter().filter(|one| has(one, values)).collect(),
    };
    if found.is_empty() {
        return Err(Failure::user(format_args!("the sweep has no configuration `{text}`"))
            .hint("`effsweep pareto --all` lists what it has"));
    }
    Ok(found)
}

fn has(candidate: &Candidate, values: &[(Subject, String)]) -> bool {
    let tree = candidate.settings.to_json();
    values.iter().all(|(subject, value)| match setting(*subject).map(|setting| setting.of(&tree)) {
        None => candidate.fine_tuning == *value,
        Some(serde_json::Value::String(text)) => text == value,
        Some(other) => serde_json::from_str::<serde_json::Value>(value)
            .is_ok_and(|value| value == *other || other.is_number() && value.as_f64() == other.as_f64()),
    })
}

fn table_of(compared: &[(Option<&Candidate>, Compared)], a: &str, b: &str) -> Rows {
    let resolutions = compared.iter().any(|(tested, _)| tested.is_some());
    let mut columns: Vec<Column> = resolutions.then(|| Column::plain("test")).into_iter().collect();
    columns.extend(["metric", a, b, "A against B (95 %)", "pairs", "verdict", "more"].map(Column::plain));
    let mut rows = Rows::new(columns);
    for (tested, one) in compared {
        let number = |value: f64| Value::from(table::shown(kind(one.metric.name()), &Value::Real(value)));
        let mut row: Vec<Value> = resolutions.then(|| tested.map(test).into()).into_iter().collect();
        row.extend([one.metric.name().into(), number(one.a), number(one.b), apart(one).into()]);
        row.push(pairs_told(one).into());
        row.push(word(one.verdict).into());
        row.push(one.more.and_then(|more| i64::try_from(more).ok()).into());
        rows.push(row);
    }
    rows
}

/// `32`, or `32/top`.
fn test(candidate: &Candidate) -> String {
    tested("", candidate).trim_start_matches('@').to_owned()
}

/// The difference or factor with its interval.
fn apart(one: &Compared) -> String {
    let kind = match one.metric {
        Metric::TestLoss => Kind::Rounded,
        metric if metric.is_difference() => Kind::Points,
        _ => Kind::Factor,
    };
    let shown = |value: f64| table::shown(kind, &Value::Real(value));
    match one.interval {
        Some(interval) if interval.low < interval.high => {
            format!("{} ({} to {})", shown(one.relative), shown(interval.low), shown(interval.high))
        }
        _ => shown(one.relative),
    }
}

fn pairs_told(one: &Compared) -> String {
    match one.over {
        Over::Seeds => format!("{} of {} seeds better", one.better, one.pairs),
        Over::Configurations => format!("{} of {} pairs better", one.better, one.pairs),
        Over::Measurements => "one measurement each".to_owned(),
        Over::Nothing if one.verdict == Judgement::Undecided => "one value each".to_owned(),
        Over::Nothing => "exact".to_owned(),
    }
}

fn word(verdict: Judgement) -> &'static str {
    match verdict {
        Judgement::Better => "better",
        Judgement::Worse => "worse",
        Judgement::Equal => "equal",
        Judgement::Undecided => "undecided",
    }
}

/// What accuracy comes to, in a sentence.
fn sentence(one: &Compared, tested: Option<&Candidate>, arguments: &Arguments) -> Option<String> {
    if one.metric != Metric::Top1 {
        return None;
    }
    let (a, b) = (&arguments.a, &arguments.b);
    let at = match tested {
        Some(one) if one.fine_tuning == UNTUNED => format!(" at {} px", one.test_resolution),
        Some(one) => format!(" at {} px after fine-tuning {}", one.test_resolution, one.fine_tuning),
        None => String::new(),
    };
    let units = match (one.over, one.more) {
        (Over::Seeds, Some(1)) => "seed",
        (Over::Seeds, _) => "seeds",
        (_, Some(1)) => "pair",
        _ => "pairs",
    };
    Some(match (one.verdict, one.more) {
        (Judgement::Better, _) => format!("{a} is more accurate than {b}{at}"),
        (Judgement::Worse, _) => format!("{a} is less accurate than {b}{at}"),
        (Judgement::Equal, _) => format!("{a} is as accurate as {b}{at}"),
        (Judgement::Undecided, Some(more)) => {
            format!("not decided yet which is more accurate{at}; about {more} more {units} would decide")
        }
        (Judgement::Undecided, None) if one.pairs == 1 => format!(
            "not decided{at}: one seed does not say how far seeds lie apart; add `seeds` to the sweep file"
        ),
        (Judgement::Undecided, None) => {
            format!("not decided{at}, and a thousand more {units} would not decide")
        }
    })
}

fn exact(compared: &[(Option<&Candidate>, Compared)]) -> Rows {
    let columns = [
        "test_resolution",
        "fine_tuning",
        "metric",
        "a",
        "b",
        "relative",
        "relative_low",
        "relative_high",
        "over",
        "pairs",
        "better",
        "worse",
        "verdict",
        "more",
    ];
    let mut rows = Rows::new(columns.map(Column::plain).to_vec());
    let count = |count: usize| Value::from(i64::try_from(count).ok());
    for (tested, one) in compared {
        let over = match one.over {
            Over::Seeds => "seeds",
            Over::Configurations => "configurations",
            Over::Measurements => "measurements",
            Over::Nothing => "nothing",
        };
        rows.push([
            tested.map(|one| i64::from(one.test_resolution)).into(),
            tested.map(|one| one.fine_tuning.clone()).into(),
            one.metric.name().into(),
            one.a.into(),
            one.b.into(),
            one.relative.into(),
            one.interval.map(|interval| interval.low).into(),
            one.interval.map(|interval| interval.high).into(),
            over.into(),
            count(one.pairs),
            count(one.better),
            count(one.worse),
            word(one.verdict).into(),
            one.more.and_then(|more| i64::try_from(more).ok()).into(),
        ]);
    }
    rows
}
