//! `effsweep watch`: a running sweep on the terminal, drawn anew every few seconds.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Cell, Chart, Dataset, Gauge, GraphType, Paragraph, Row, Table};

use super::Context;
use super::exit::Failure;
use super::pareto::{named_sweep, objectives_of};
use super::query::{Database, Numbers};
use crate::report::{Rows, Value, number};
use crate::runner::{Candidate, candidates, front};
use crate::store::{Access, Store};
use crate::sweep::{Metric, Objective};

/// Watch a sweep on the terminal: what runs, how far it is, what came out, and the front so far.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  effsweep watch\n  effsweep watch quickstart --every 10\n\n\
    Reads the database and disturbs nothing; `q` leaves.")]
pub(super) struct Arguments {
    /// The sweep; the one that ran last if absent.
    sweep: Option<String>,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    every: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
    number.ok_or_else(|| "0.1 to 3600 is allowed".to_owned())
}

const STATUS: &str =
    "SELECT trials, planned, running, finished, diverged, failed FROM trial_status WHERE sweep = ?1";

const RUNNING: &str = "
    SELECT substr(t.key, 1, 8) AS trial, c.norm, c.group_size, c.batch_size, c.train_resolution, t.seed,
           (SELECT count(*) FROM epochs AS e WHERE e.trial_id = t.id) AS done, c.epochs,
           (SELECT e.train_loss FROM epochs AS e WHERE e.trial_id = t.id ORDER BY e.epoch DESC LIMIT 1) AS train_loss,
           (julianday('now') - julianday(a.started_at)) * 86400.0 AS elapsed_s
    FROM attempts AS a JOIN trials AS t ON t.id = a.trial_id JOIN configurations AS c ON c.id = t.configuration_id
    WHERE a.state = 'running' ORDER BY a.started_at";

const ENDED: &str = "
    SELECT substr(o.trial_key, 1, 8) AS trial, o.norm, o.group_size, o.batch_size, o.train_resolution, o.seed, o.state,
           (SELECT max(v.top1) FROM evaluations AS v WHERE v.trial_id = o.trial_id) AS top1
    FROM (SELECT t.id FROM sweep_trials AS m JOIN sweeps AS s ON s.id = m.sweep_id JOIN trials AS t ON t.id = m.trial_id
          WHERE s.name = ?1 AND t.ended_at IS NOT NULL ORDER BY t.ended_at DESC LIMIT 12) AS last
    JOIN trial_overview AS o ON o.trial_id = last.id ORDER BY o.ended_at DESC";

const PACE: &str = "
    SELECT avg(t.train_s) FROM sweep_trials AS m JOIN sweeps AS s ON s.id = m.sweep_id JOIN trials AS t ON t.id = m.trial_id
    WHERE s.name = ?1";

/// What is on the screen.
#[derive(Debug, Clone, Default)]
struct Scene {
    sweep: String,
    /// Trials, planned, running, finished, diverged, failed.
    counts: [u64; 6],
    running: Rows,
    ended: Rows,
    /// Time still to go at this pace, seconds.
    left_s: Option<f64>,
    /// The objective across.
    across: Option<Metric>,
    /// That objective and the accuracy of every candidate, and whether it is on the front.
    points: Vec<(f64, f64, bool)>,
}

impl Scene {
    fn look(sweep: &str, context: &Context) -> Result<Self, Failure> {
        let database = Database::open(&context.db)?;
        let store = Store::open(&context.db, Access::Read)?;
        let status = database.ask(STATUS, &[sweep], Numbers::AsStored)?;
        let mut counts = [0; 6];
        for (count, value) in counts.iter_mut().zip(status.iter().next().unwrap_or(&[])) {
            *count = value.as_f64().unwrap_or(0.0) as u64;
        }
        let running = database.ask(RUNNING, &[], Numbers::ByName)?;
        let pace = database.ask(PACE, &[sweep], Numbers::AsStored)?;
        let pace = pace.iter().next().and_then(|row| row.first()).and_then(Value::as_f64);
        let workers = running.len().max(1) as f64;
        let left = (counts[1] + counts[2]) as f64;
        let objectives = objectives_of(&store, sweep)?;
        let candidates = candidates(&store, sweep)?;
        let across = across(&objectives, &candidates);
        let on_front = front(&candidates, &objectives);
        let point = |(candidate, on_front): (&Candidate, bool)| {
            Some((candidate.metric(across?)?, candidate.top1? * 100.0, on_front))
        };
        Ok(Self {
            sweep: sweep.to_owned(),
            counts,
            left_s: pace.filter(|_| left > 0.0).map(|pace| pace * left / workers),
            points: candidates.iter().zip(on_front).filter_map(point).collect(),
            across,
            ended: database.ask(ENDED, &[sweep], Numbers::ByName)?,
            running,
        })
    }
}

/// What accuracy is drawn against: the first other objective that is known.
fn across(objectives: &[Objective], candidates: &[Candidate]) -> Option<Metric> {
    let others = objectives.iter().map(|objective| objective.metric).filter(|metric| *metric != Metric::Top1);
    let known = |metric: &Metric| candidates.iter().any(|candidate| candidate.metric(*metric).is_some());
    others.chain([Metric::Macs]).find(known)
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let sweep = named_sweep(context, arguments.sweep.as_deref())?;
    if !io::stdout().is_terminal() {
        return Err(Failure::user("`watch` draws on a terminal, and this is none")
            .hint("`effsweep status` says the same once"));
    }
    let mut scene = Scene::look(&sweep, context)?;
    let every = Duration::from_secs_f64(arguments.every);
    let mut terminal = ratatui::try_init()?;
    let mut looked = Instant::now();
    let watched = loop {
        if let Err(error) = terminal.draw(|frame| draw(frame, &scene)) {
            break Err(error.into());
        }
        match leave(every.saturating_sub(looked.elapsed()).min(Duration::from_millis(250))) {
            Ok(true) => break Ok(()),
            Ok(false) => {}
            Err(error) => break Err(error.into()),
        }
        if looked.elapsed() >= every {
            match Scene::look(&sweep, context) {
                Ok(new) => scene = new,
                Err(failure) => break Err(failure),
            }
            looked = Instant::now();
        }
    };
    ratatui::restore();
    watched
}

/// Waits that long for a key; whether it says to leave.
fn leave(wait: Duration) -> io::Result<bool> {
    if !event::poll(wait)? {
        return Ok(false);
    }
    Ok(match event::read()? {
        Event::Key(key) if key.kind == KeyEventKind::Press => match key.code {
            KeyCode::Char('q') | KeyCode::Esc => true,
            KeyCode::Char('c') => key.modifiers.contains(KeyModifiers::CONTROL),
            _ => false,
        },
        _ => false,
    })
}

fn draw(frame: &mut Frame<'_>, scene: &Scene) {
    let running = scene.running.len().clamp(1, 12) as u16 + 3;
    let [head, now, rest, foot] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(running),
        Constraint::Min(6),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let [ended, front] = Layout::horizontal([Constraint::Length(66), Constraint::Min(30)]).areas(rest);
    progress(frame, head, scene);
    table(frame, now, " running ", &scene.running);
    table(frame, ended, " ended last ", &scene.ended);
    points(frame, front, scene);
    frame.render_widget(Paragraph::new(Line::from(" q leaves; the sweep goes on").dim()), foot);
}

fn progress(frame: &mut Frame<'_>, area: Rect, scene: &Scene) {
    let [trials, planned, running, finished, diverged, failed] = scene.counts;
    let done = finished + diverged + failed;
    let mut words = vec![format!("{done} of {trials}")];
    let counts = [(running, "running"), (planned, "planned"), (diverged, "diverged"), (failed, "failed")];
    words
        .extend(counts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")));
    words.extend(scene.left_s.map(|left| format!("about {} to go", number::duration(left))));
    let ratio = if trials == 0 { 0.0 } else { (done as f64 / trials as f64).clamp(0.0, 1.0) };
    let gauge = Gauge::default()
        .block(Block::bordered().title(format!(" {} ", scene.sweep)))
        .gauge_style(Style::new().fg(Color::Green))
        .ratio(ratio)
        .label(words.join(", "));
    frame.render_widget(gauge, area);
}

fn table(frame: &mut Frame<'_>, area: Rect, title: &str, rows: &Rows) {
    let shown: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let cells = rows.columns().iter().zip(row);
            cells.map(|(column, value)| crate::report::table::shown(column.kind, value)).collect()
        })
        .collect();
    let heading = |name: &str| match name {
        "group_size" => "G".to_owned(),
        "batch_size" => "batch".to_owned(),
        "train_resolution" => "px".to_owned(),
        "train_loss" => "loss".to_owned(),
        other => other.trim_end_matches("_s").replace('_', " "),
    };
    let headings: Vec<String> = rows.columns().iter().map(|column| heading(&column.name)).collect();
    let width = |index: usize| {
        let cells = shown.iter().filter_map(|row| row.get(index)).chain(headings.get(index));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0) as u16
    };
    let widths: Vec<Constraint> = (0..headings.len()).map(|index| Constraint::Length(width(index))).collect();
    let body = shown.into_iter().map(|row| Row::new(row.into_iter().map(Cell::from)));
    let widget = Table::new(body, widths)
        .header(Row::new(headings).style(Style::new().dim()))
        .column_spacing(2)
        .block(Block::bordered().title(title.to_owned()));
    frame.render_widget(widget, area);
}

fn points(frame: &mut Frame<'_>, area: Rect, scene: &Scene) {
    let block = Block::bordered().title(" front ");
    let Some(across) = scene.across.filter(|_| !scene.points.is_empty()) else {
        frame.render_widget(Paragraph::new("no accuracy yet").dim().block(block), area);
        return;
    };
    let chosen = |front: bool| -> Vec<(f64, f64)> {
        scene.points.iter().filter(|point| point.2 == front).map(|(x, y, _)| (*x, *y)).collect()
    };
    let (others, mut members) = (chosen(false), chosen(true));
    members.sort_by(|a, b| a.0.total_cmp(&b.0));
    let bounds = |value: fn(&(f64, f64, bool)) -> f64| {
        let values = scene.points.iter().map(value);
        let (low, high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        let margin = ((high - low) * 0.05).max(high.abs() * 1e-3);
        [low - margin, high + margin]
    };
    let (x, y) = (bounds(|point| point.0), bounds(|point| point.1));
    let set = |name: &'static str, marker, colour, data| {
        Dataset::default()
            .name(name)
            .marker(marker)
            .graph_type(GraphType::Scatter)
            .style(Style::new().fg(colour))
            .data(data)
    };
    let told = |value: f64| if value >= 1e5 { number::count(value) } else { number::rate(value) };
    let chart = Chart::new(vec![
        set("others", Marker::Braille, Color::Gray, &others),
        set("on the front", Marker::Dot, Color::Green, &members),
    ])
    .block(block)
    .x_axis(Axis::default().title(across.name()).bounds(x).labels(x.map(told)))
    .y_axis(Axis::default().title("top-1 %").bounds(y).labels(y.map(|value| format!("{value:.1}"))));
    frame.render_widget(chart, area);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::report::Column;
    use crate::report::rows::Kind;

    fn scene() -> Scene {
        let columns = ["trial", "norm", "group_size", "seed", "done", "epochs"].map(Column::plain);
        let mut running =
            Rows::new(columns.into_iter().chain([Column::new("elapsed_s", Kind::Seconds)]).collect());
        running.push([
            "3f9c21ab".into(),
            "ln+pn".into(),
            16.into(),
            0.into(),
            4.into(),
            6.into(),
            72.0.into(),
        ]);
        let mut ended = Rows::new(vec![Column::plain("trial"), Column::new("top1", Kind::Share)]);
        ended.push(["8be01f77".into(), 0.805.into()]);
        Scene {
            sweep: "quickstart".to_owned(),
            counts: [16, 9, 1, 5, 0, 1],
            running,
            ended,
            left_s: Some(130.0),
            across: Some(Metric::TrainImagesPerS),
            points: vec![(900.0, 80.0, true), (1000.0, 60.0, true), (800.0, 50.0, false)],
        }
    }

    fn screen(scene: &Scene) -> String {
        let mut terminal = Terminal::new(TestBackend::new(80, 20)).unwrap();
        terminal.draw(|frame| draw(frame, scene)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn the_screen_shows_progress_what_runs_what_ended_and_the_front() {
        let screen = screen(&scene());
        for words in [
            "quickstart",
            "6 of 16, 1 running, 9 planned, 1 failed, about 2 m 10 s to go",
            "3f9c21ab  ln+pn  16",
            "1 m 12 s",
            "8be01f77  80.5 %",
            "train_images_per_s",
            "q leaves",
        ] {
            assert!(screen.contains(words), "{words}\n{screen}");
        }
    }

    #[test]
    fn an_empty_sweep_is_no_mistake() {
        assert!(screen(&Scene::default()).contains("no accuracy yet"));
    }
}
