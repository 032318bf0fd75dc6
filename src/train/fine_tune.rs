//! Fine-tuning at a test resolution: the short second training that lets a network see what it is tested on.
//!
//! Masters et al. 2021, section 3.3, after Touvron et al. 2019: from the averaged weights, on images as in evaluation
//! and without Mixup, SGD without momentum trains the last layers while a cosine takes its rate to zero. The frozen
//! part runs as in evaluation (running statistics, nothing dropped), so what it makes of an image never changes: as
//! much of that as fits [`FineTune::features_mib`](crate::sweep::settings::FineTune) is kept from the first pass on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dfdx::shapes::HasShape;
use dfdx::tensor::NoneTape;

use super::error::TrainError;
use super::run::Wish;
use super::schedule::Schedule;
use super::step::Trainee;
use super::stream::{Purpose, stream};
use super::targets::smoothed;
use crate::data::{Batch, Dataset, EvalLoader, Split, steps_per_epoch, training_order};
use crate::kernels::release_idle;
use crate::model::{Cut, Parameters, Pass};
use crate::ops::{Image, global_average_pool, image, view};
use crate::sweep::FineTuning;
use crate::sweep::settings::{self, Part, Settings, Train};

/// Images that pass through the frozen part together.
const BATCH: usize = 64;

/// Shortest time between two signs of life.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// How a fine-tuning ended.
pub enum FineTuned {
    /// With these parameters, after so much wall time.
    Finished(Box<Parameters>, Duration),
    /// The observer wished so.
    Stopped,
}

/// Fine-tunes a copy of trained `parameters` at `side` × `side` pixels. `observe` is asked now and then. A loss that
/// is not finite ends it early; the accuracy then says how far it went wrong.
///
/// # Errors
/// If an image cannot be read or the settings describe no network.
pub fn fine_tune(
    tuning: &FineTuning,
    parameters: &Parameters,
    (dataset, settings): (&Arc<dyn Dataset>, &Settings),
    (side, seed): (usize, u64),
    threads: usize,
    observe: &mut dyn FnMut() -> Wish,
) -> Result<FineTuned, TrainError> {
    let start = Instant::now();
    let mut told = start;
    let classes = dataset.classes().len();
    let train = recipe(tuning, &settings.train);
    let cut = cut(tuning.trained);
    let images = dataset.len(Split::Train);
    let schedule = Schedule::new(&train, steps_per_epoch(images, tuning.batch_size));
    let mut trainee = Trainee::after(cut, settings, &train, classes, parameters.clone())?;
    let mut features = Features::within(settings.fine_tune.features_mib << 20);
    'passes: for epoch in 0..tuning.epochs {
        // No order of the training comes again.
        let order = training_order(images, seed, settings.train.epochs + epoch);
        let lists: Vec<&[usize]> = order.chunks(tuning.batch_size).collect();
        // As in training, the last images that make no whole batch sit this pass out.
        let lists = &lists[..steps_per_epoch(images, tuning.batch_size)];
        let lacking = lists.iter().map(|list| features.lacking(list)).collect();
        let loader =
            EvalLoader::listed(Arc::clone(dataset), &settings.data, Split::Train, side, lacking, threads)?;
        for (list, batch) in lists.iter().zip(loader) {
            let input = features.gather(&trainee, cut, list, batch?, side);
            let labels: Vec<usize> = list.iter().map(|index| dataset.label(Split::Train, *index)).collect();
            let targets = smoothed(&labels, classes, settings.train.label_smoothing);
            let step = trainee.optimizer.steps();
            let dropping = stream(Purpose::DroppingInFineTuning, seed, step);
            let outcome = trainee.step_on(input, targets, schedule.rate(step), dropping)?;
            if !outcome.loss.is_finite() {
                eprintln!("fine-tuning {tuning} at {side} pixels: the loss of step {step} is not finite");
                break 'passes;
            }
            if told.elapsed() >= PROGRESS_EVERY {
                told = Instant::now();
                if observe() == Wish::Stop {
                    return Ok(FineTuned::Stopped);
                }
            }
        }
    }
    // Evaluation has activations of other sizes.
    release_idle();
    Ok(FineTuned::Finished(Box::new(trainee.parameters), start.elapsed()))
}

/// The fine-tuning as settings of a training.
fn recipe(tuning: &FineTuning, train: &Train) -> Train {
    Train {
        epochs: tuning.epochs,
        batch_size: tuning.batch_size,
        optimizer: settings::Optimizer::Sgd,
        momentum: 0.0,
        lr: Some(tuning.lr),
        warmup_epochs: 0.0,
        schedule: settings::Schedule::Cosine,
        ..train.clone()
    }
}

fn cut(trained: Part) -> Cut {
    match trained {
        Part::None | Part::Head => Cut::Head,
        Part::Top => Cut::Top,
        Part::Block(index) => Cut::Block(index),
        Part::All => Cut::Nothing,
    }
}

/// What the frozen part made of images, as far as it is kept.
struct Features {
    kept: HashMap<usize, Box<[f32]>>,
    /// Bytes that are left for more.
    room: usize,
    /// Height, width and channels of one image's.
    shape: (usize, usize, usize),
}

impl Features {
    fn within(bytes: usize) -> Self {
        Self { kept: HashMap::new(), room: bytes, shape: (0, 0, 0) }
    }

    /// Those of the images that are not kept, in order.
    fn lacking(&self, list: &[usize]) -> Vec<usize> {
        list.iter().copied().filter(|index| !self.kept.contains_key(index)).collect()
    }

    /// Features of the images of `list`, of which `batch` has those that are not kept.
    fn gather(
        &mut self,
        trainee: &Trainee,
        cut: Cut,
        list: &[usize],
        batch: Batch,
        side: usize,
    ) -> Image<NoneTape> {
        let made = self.make(trainee, cut, &batch, side);
        let (h, w, c) = self.shape;
        let length = h * w * c;
        let mut values = Vec::with_capacity(list.len() * length);
        let mut fresh = made.chunks_exact(length.max(1));
        for index in list {
            match self.kept.get(index) {
                Some(kept) => values.extend_from_slice(kept),
                None => values.extend_from_slice(fresh.next().unwrap_or_default()),
            }
        }
        for (index, one) in batch.indices.iter().zip(made.chunks_exact(length.max(1))) {
            let Some(room) = self.room.checked_sub(size_of_val(one)) else { break };
            self.room = room;
            self.kept.insert(*index, one.into());
        }
        image(values, (list.len(), h, w, c))
    }

    /// Passes a batch through the frozen part.
    fn make(&mut self, trainee: &Trainee, cut: Cut, batch: &Batch, side: usize) -> Vec<f32> {
        let mut pass = Pass::evaluation(&trainee.parameters);
        let mut made = Vec::new();
        for images in batch.images.chunks(BATCH * side * side * 3) {
            let n = images.len() / (side * side * 3);
            let features = trainee.network.before(image(images.to_vec(), (n, side, side, 3)), cut, &mut pass);
            let (_, h, w, c) = *features.shape();
            // The classifier reads means over pixels; those of one pixel are the pixel.
            if cut == Cut::Head {
                self.shape = (1, 1, c);
                made.extend_from_slice(view(&global_average_pool(features)));
            } else {
                self.shape = (h, w, c);
                made.extend_from_slice(view(&features));
            }
        }
        made
    }
}

#[cfg(test)]
mod tests;
