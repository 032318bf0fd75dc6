//! A running sweep on standard error: bars on a terminal, lines elsewhere. The only file that names indicatif.

use std::collections::HashMap;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::course::Course;
use super::look::Look;
use crate::runner::Event;

/// Least time between two lines about the epochs of one trial.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Parts into which a bar divides its length.
const PARTS: u64 = 1000;

/// Draws a run.
pub(super) struct Progress {
    course: Course,
    drawing: Drawing,
}

enum Drawing {
    Nothing,
    Lines {
        /// When a trial was last spoken of.
        said: HashMap<String, Instant>,
    },
    Bars(Box<Bars>),
}

struct Bars {
    all: MultiProgress,
    sweep: ProgressBar,
    trials: HashMap<String, ProgressBar>,
    measuring: Option<ProgressBar>,
}

impl Progress {
    /// Of the sweep of that name.
    pub(super) fn new(sweep: &str, look: &Look) -> Self {
        let drawing = if look.is_quiet() {
            Drawing::Nothing
        } else if io::stderr().is_terminal() {
            Drawing::Bars(Box::new(Bars::new(sweep)))
        } else {
            Drawing::Lines { said: HashMap::new() }
        };
        Self { course: Course::default(), drawing }
    }

    /// Shows what happened.
    pub(super) fn on(&mut self, event: &Event) {
        let now = Instant::now();
        let line = self.course.on(event, now);
        match &mut self.drawing {
            Drawing::Nothing => {}
            Drawing::Lines { said } => {
                if let Some(line) = line.or_else(|| epoch_line(event, &self.course, said, now)) {
                    anstream::eprintln!("{line}");
                }
            }
            Drawing::Bars(bars) => bars.on(event, line, &self.course, now),
        }
    }
}

/// What to say at the end of an epoch, if the trial was not spoken of lately.
fn epoch_line(
    event: &Event,
    course: &Course,
    said: &mut HashMap<String, Instant>,
    now: Instant,
) -> Option<String> {
    let Event::Epoch { trial, .. } = event else { return None };
    let silent = |last: &Instant| now.saturating_duration_since(*last) < LINE_EVERY;
    if said.get(&trial.key).is_some_and(silent) {
        return None;
    }
    said.insert(trial.key.clone(), now);
    let running = course.running.get(&trial.key)?;
    Some(format!("{trial}: {} ({})", running.state(now), course.counted()))
}

impl Bars {
    fn new(sweep: &str) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        let bar = all.add(ProgressBar::new(PARTS));
        bar.set_style(style("{prefix:.bold} {wide_bar:.cyan/dim} {msg}"));
        bar.set_prefix(sweep.to_owned());
        Self { all, sweep: bar, trials: HashMap::new(), measuring: None }
    }

    fn on(&mut self, event: &Event, line: Option<String>, course: &Course, now: Instant) {
        if let Some(line) = line.filter(|_| deserves_a_line(event)) {
            // A terminal that is gone is noticed by the signal it sends.
            let _ = self.all.println(line);
        }
        self.trials.retain(|key, bar| {
            let runs = course.running.contains_key(key);
            if !runs {
                bar.finish_and_clear();
            }
            runs
        });
        for (key, running) in &course.running {
            let bar = self.trials.entry(key.clone()).or_insert_with(|| {
                let bar = self.all.add(ProgressBar::new(PARTS));
                bar.set_style(style("  {prefix} {bar:16.green/dim} {msg}"));
                bar.set_prefix(running.label.clone());
                bar
            });
            bar.set_position(parts(running.share()));
            bar.set_message(running.state(now));
        }
        self.sweep.set_position(parts(course.share()));
        self.sweep.set_message(course.counted() + &course.training_left(now));
        self.measure(course, now);
        if let Event::RunEnded(_) = event {
            self.sweep.finish_and_clear();
            if let Some(bar) = self.measuring.take() {
                bar.finish_and_clear();
            }
        }
    }

    fn measure(&mut self, course: &Course, now: Instant) {
        if course.rounds == 0 {
            return;
        }
        let bar = self.measuring.get_or_insert_with(|| {
            self.sweep.finish_and_clear();
            let bar = self.all.add(ProgressBar::new(course.rounds as u64));
            bar.set_style(style("measuring {wide_bar:.yellow/dim} {pos}/{len} rounds{msg}"));
            bar
        });
        bar.set_position(course.rounds_ended as u64);
        let configuration = course.measuring.as_deref().unwrap_or_default();
        bar.set_message(format!("{}  {configuration}", course.measuring_left(now)));
    }
}

/// Whether it stays on the screen above the bars.
fn deserves_a_line(event: &Event) -> bool {
    !matches!(
        event,
        Event::TrialStarted { attempt: 1, .. } | Event::Evaluated { .. } | Event::Measured { .. }
    )
}

fn parts(share: f64) -> u64 {
    (share * PARTS as f64) as u64
}

fn style(template: &str) -> ProgressStyle {
    // The templates are ours; a broken one would show the plain bar.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
