//! The training loop.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::average::Averages;
use super::checkpoint::{Checkpoint, Progress};
use super::cutmix::cut;
use super::error::TrainError;
use super::mixup::mix;
use super::resizing::Sides;
use super::schedule::Schedule;
use super::signals::signals;
use super::step::Trainee;
use super::stream::{Purpose, stream};
use super::targets::smoothed;
use crate::data::{Batch, Dataset, Epoch, Split, TrainLoader, steps_per_epoch};
use crate::kernels::release_idle;
use crate::model::{EfficientNet, Parameters};
use crate::ops::view;
use crate::protocol::{EpochReport, ProgressReport, SignalsReport};
use crate::sweep::settings::Settings;

/// Longest time between two checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(180);

/// Shortest time between two signs of life.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// What is to be trained.
pub struct Trial<'a> {
    /// The trial's key; a checkpoint of another one is not used.
    pub key: &'a str,
    /// Resolved settings.
    pub settings: &'a Settings,
    /// Seed of everything random.
    pub seed: u64,
    /// The images.
    pub dataset: Arc<dyn Dataset>,
    /// Threads that prepare images beside the computing ones.
    pub threads: usize,
    /// Folder of the trial's checkpoints.
    pub checkpoints: &'a Path,
}

/// What happens while training.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Training starts after this many finished epochs.
    Started {
        /// Epochs of the checkpoint; 0 without one.
        resumed_epochs: usize,
    },
    /// A sign of life.
    Progress(ProgressReport),
    /// An epoch ended. After a resumption, those of the checkpoint are told again first.
    Epoch(EpochReport),
    /// Signals were recorded where `[run]` asks for them: one event for each layer and place. After a resumption, those
    /// of the checkpoint are told again.
    Signals(SignalsReport),
    /// A checkpoint with this many finished epochs is on disk.
    Checkpointed {
        /// Finished epochs.
        epochs: usize,
    },
}

/// What an observer answers to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Go on.
    GoOn,
    /// Write a checkpoint and leave.
    Stop,
}

/// How a training ended.
pub enum Trained {
    /// All epochs are done: the network and the parameters to evaluate.
    Finished(Box<(EfficientNet, Parameters)>),
    /// The loss of this step was not finite.
    Diverged {
        /// Epoch, from 0.
        epoch: usize,
        /// Step within it.
        step: usize,
    },
    /// The observer wished so; the checkpoint has this many finished epochs.
    Stopped {
        /// Finished epochs.
        epochs: usize,
    },
}

/// Trains `trial` to its end, from its checkpoint if there is one.
///
/// # Errors
/// If the settings describe no network, an image cannot be read, or a checkpoint cannot be written.
pub fn train(trial: &Trial<'_>, observe: &mut dyn FnMut(Event) -> Wish) -> Result<Trained, TrainError> {
    let mut run = Run::new(trial)?;
    let mut wish = observe(Event::Started { resumed_epochs: run.progress.epochs });
    for report in &run.progress.history {
        wish = later(wish, observe(Event::Epoch(*report)));
    }
    for report in &run.progress.signals {
        wish = later(wish, observe(Event::Signals(report.clone())));
    }
    while run.progress.epochs < trial.settings.train.epochs {
        if wish == Wish::GoOn {
            wish = run.tell_signals(observe)?;
        }
        if wish == Wish::Stop {
            return run.stop(observe);
        }
        match run.epoch(observe)? {
            EpochEnd::Finished => wish = run.finish_epoch(observe)?,
            EpochEnd::Diverged { step } => {
                return Ok(Trained::Diverged { epoch: run.progress.epochs, step });
            }
            EpochEnd::Stopped => return run.stop(observe),
        }
    }
    run.tell_signals(observe)?;
    let parameters = run.averages.evaluated(&run.trainee.parameters).clone();
    // Evaluation has activations of other sizes.
    release_idle();
    Ok(Trained::Finished(Box::new((run.trainee.network, parameters))))
}

/// A wish to stop outlasts later answers.
fn later(first: Wish, second: Wish) -> Wish {
    if first == Wish::Stop { first } else { second }
}

enum EpochEnd {
    Finished,
    Diverged { step: usize },
    Stopped,
}

/// A training under way.
struct Run<'a> {
    trial: &'a Trial<'a>,
    trainee: Trainee,
    averages: Averages,
    schedule: Schedule,
    sides: Sides,
    steps: usize,
    classes: usize,
    progress: Progress,
    checkpointed: Instant,
}

impl<'a> Run<'a> {
    fn new(trial: &'a Trial<'a>) -> Result<Self, TrainError> {
        let train = &trial.settings.train;
        let classes = trial.dataset.classes().len();
        let steps = steps_per_epoch(trial.dataset.len(Split::Train), train.batch_size);
        let trainee = Trainee::new(trial.settings, classes, trial.seed)?;
        let averages = Averages::new(train, &trainee.parameters);
        let mut run = Self {
            trial,
            averages,
            trainee,
            schedule: Schedule::new(train, steps),
            sides: Sides::new(train, trial.settings.model.network(classes)?.halvings(), trial.seed),
            steps,
            classes,
            progress: Progress { identity: identity(trial), ..Progress::default() },
            checkpointed: Instant::now(),
        };
        if let Some(checkpoint) = Checkpoint::load(trial.checkpoints, &run.progress.identity) {
            run.restore(checkpoint);
        }
        Ok(run)
    }

    /// The rest of the epoch that the progress stands in.
    fn epoch(&mut self, observe: &mut dyn FnMut(Event) -> Wish) -> Result<EpochEnd, TrainError> {
        let Trial { settings, seed, dataset, threads, .. } = self.trial;
        let batch_size = settings.train.batch_size;
        let sides = self.sides.of_epoch(self.progress.epochs, self.steps);
        let epoch = Epoch { seed: *seed, number: self.progress.epochs, first_step: self.progress.step };
        let set = Arc::clone(dataset);
        let loader = TrainLoader::resized(set, &settings.data, batch_size, &sides, epoch, *threads)?;
        let before = self.progress.elapsed_s;
        let start = Instant::now();
        let mut told = start;
        for batch in loader {
            if !self.step(batch?)? {
                return Ok(EpochEnd::Diverged { step: self.progress.step });
            }
            self.progress.elapsed_s = before + start.elapsed().as_secs_f64();
            if told.elapsed() >= PROGRESS_EVERY {
                told = Instant::now();
                if observe(self.sign_of_life()) == Wish::Stop {
                    return Ok(EpochEnd::Stopped);
                }
            }
            if self.checkpointed.elapsed() >= CHECKPOINT_EVERY {
                self.save(observe)?;
            }
        }
        Ok(EpochEnd::Finished)
    }

    /// One step; false if its loss is not finite.
    fn step(&mut self, batch: Batch) -> Result<bool, TrainError> {
        let train = &self.trial.settings.train;
        let (n, side) = (batch.labels.len(), batch.side);
        let mut images = batch.images;
        let mut targets = smoothed(&batch.labels, self.classes, train.label_smoothing);
        let step = self.trainee.optimizer.steps();
        let mut mixing = stream(Purpose::Mixing, self.trial.seed, step);
        mix(&mut images, &mut targets, n, train.mixup, &mut mixing);
        let mut cutting = stream(Purpose::Cutting, self.trial.seed, step);
        cut((&mut images, side), &mut targets, n, train.cutmix, &mut cutting);
        let dropping = stream(Purpose::Dropping, self.trial.seed, step);
        let rate = self.schedule.rate(step);
        let outcome = self.trainee.step(images, targets, side, rate, dropping)?;
        if !outcome.loss.is_finite() {
            return Ok(false);
        }
        self.averages.after_step(&self.trainee.parameters);
        self.progress.step += 1;
        self.progress.loss_sum += f64::from(outcome.loss) * n as f64;
        self.progress.hits += outcome.top1_correct;
        self.progress.images += n;
        Ok(true)
    }

    fn mean_loss(&self) -> f32 {
        (self.progress.loss_sum / self.progress.images.max(1) as f64) as f32
    }

    fn sign_of_life(&self) -> Event {
        Event::Progress(ProgressReport {
            epoch: self.progress.epochs,
            step: self.progress.step,
            steps: self.steps,
            loss: self.mean_loss(),
            images_per_s: self.progress.images as f64 / self.progress.elapsed_s.max(1e-9),
        })
    }

    fn finish_epoch(&mut self, observe: &mut dyn FnMut(Event) -> Wish) -> Result<Wish, TrainError> {
        self.averages.after_epoch(&self.trainee.parameters);
        let last_step = self.trainee.optimizer.steps().saturating_sub(1);
        let report = EpochReport {
            epoch: self.progress.epochs,
            train_loss: self.mean_loss(),
            train_top1: self.progress.hits as f32 / self.progress.images.max(1) as f32,
            learning_rate: self.schedule.rate(last_step),
            images: self.progress.images,
            elapsed_s: self.progress.elapsed_s,
        };
        let Progress { identity, epochs, mut history, signals, .. } = std::mem::take(&mut self.progress);
        history.push(report);
        self.progress = Progress { identity, epochs: epochs + 1, history, signals, ..Progress::default() };
        let wish = observe(Event::Epoch(report));
        let saved = self.save(observe)?;
        Ok(later(wish, saved))
    }

    /// Records and tells signals if they are asked for here, between two epochs. Changes nothing that is trained.
    fn tell_signals(&mut self, observe: &mut dyn FnMut(Event) -> Wish) -> Result<Wish, TrainError> {
        let Trial { settings, dataset, .. } = self.trial;
        let (epochs, network) = (self.progress.epochs, &self.trainee.network);
        let mut wish = Wish::GoOn;
        let known = self.progress.signals.iter().any(|report| report.finished_epochs == epochs);
        if self.progress.step == 0 && settings.run.signals.contains(&epochs) && !known {
            for report in signals(network, &self.trainee.parameters, dataset.as_ref(), settings, epochs)? {
                self.progress.signals.push(report.clone());
                wish = later(wish, observe(Event::Signals(report)));
            }
        }
        Ok(wish)
    }

    fn stop(mut self, observe: &mut dyn FnMut(Event) -> Wish) -> Result<Trained, TrainError> {
        self.save(observe)?;
        Ok(Trained::Stopped { epochs: self.progress.epochs })
    }

    fn save(&mut self, observe: &mut dyn FnMut(Event) -> Wish) -> Result<Wish, TrainError> {
        let (average_updates, averages) = self.averages.state();
        let optimizer = &self.trainee.optimizer;
        let values = |parameters: &Parameters| -> Vec<Vec<f32>> {
            parameters.iter().map(|(_, parameter)| view(&parameter.value).to_vec()).collect()
        };
        let mut vectors = values(&self.trainee.parameters);
        vectors.extend(values(averages));
        vectors.extend(optimizer.state().cloned());
        self.progress.optimizer_steps = optimizer.steps();
        self.progress.average_updates = average_updates;
        Checkpoint { progress: self.progress.clone(), vectors }.save(self.trial.checkpoints)?;
        self.checkpointed = Instant::now();
        Ok(observe(Event::Checkpointed { epochs: self.progress.epochs }))
    }

    fn restore(&mut self, checkpoint: Checkpoint) {
        let count = self.trainee.parameters.len();
        let mut vectors = checkpoint.vectors.into_iter();
        self.trainee.parameters.restore(vectors.by_ref().take(count));
        self.averages.restore(checkpoint.progress.average_updates, vectors.by_ref().take(count));
        self.trainee.optimizer.restore(checkpoint.progress.optimizer_steps, vectors);
        self.progress = checkpoint.progress;
    }
}

/// Hash of what decides a trial's computation: its key, and the images it really saw.
fn identity(trial: &Trial<'_>) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("effsweep checkpoint identity v1");
    hasher.update(trial.key.as_bytes());
    hasher.update(&trial.seed.to_le_bytes());
    hasher.update(trial.dataset.fingerprint().as_bytes());
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests;
