//! Training a trial and evaluating it.

use std::sync::Arc;

use super::Failure;
use super::mouth::Mouth;
use super::orders::Orders;
use crate::data::{self, Dataset, Split};
use crate::protocol::{Message, TrainJob};
use crate::sweep::Settings;
use crate::train::{Event, TrainError, Trained, Trial, Wish, evaluate, train};
use crate::weights::{Description, TrainedNetwork};

/// Trains where there are no weights yet, then evaluates; the message that ends the job.
pub(super) fn answer(job: &TrainJob, mouth: &Mouth, orders: &Orders) -> Result<Message, Failure> {
    let dataset = data::open(&job.settings.data).map_err(TrainError::from)?;
    if job.weights.exists() {
        let (trained, checksum) = TrainedNetwork::read(&job.weights)?;
        mouth.say(&started(dataset.as_ref(), job.settings.train.epochs));
        return evaluated(job, mouth, orders, &dataset, &trained, checksum);
    }
    let trial = Trial {
        key: &job.trial,
        settings: &job.settings,
        seed: job.seed,
        dataset: Arc::clone(&dataset),
        threads: job.threads,
        checkpoints: &job.checkpoints,
    };
    let mut observe = |event| {
        mouth.say(&message(event, dataset.as_ref()));
        if orders.stop() { Wish::Stop } else { Wish::GoOn }
    };
    match train(&trial, &mut observe)? {
        Trained::Diverged { epoch, step } => Ok(Message::Diverged { epoch, step }),
        Trained::Stopped { epochs } => Ok(Message::Stopped { epochs }),
        Trained::Finished(trained) => {
            let (network, parameters) = *trained;
            if let Some(folder) = job.weights.parent() {
                std::fs::create_dir_all(folder).map_err(|error| Failure {
                    cause: crate::protocol::Cause::Io,
                    message: format!("make the folder `{}`: {error}", folder.display()),
                })?;
            }
            let trained =
                TrainedNetwork { description: description(job, dataset.as_ref()), network, parameters };
            let checksum = trained.write(&job.weights)?;
            evaluated(job, mouth, orders, &dataset, &trained, checksum)
        }
    }
}

fn evaluated(
    job: &TrainJob,
    mouth: &Mouth,
    orders: &Orders,
    dataset: &Arc<dyn Dataset>,
    trained: &TrainedNetwork,
    checksum: String,
) -> Result<Message, Failure> {
    for side in &job.test_resolutions {
        // The weights are on disk: evaluations that are missing come with the next run.
        if orders.stop() {
            return Ok(Message::Stopped { epochs: job.settings.train.epochs });
        }
        let report =
            evaluate(&trained.network, &trained.parameters, dataset, &job.settings, *side, job.threads)?;
        mouth.say(&Message::Evaluated(report));
    }
    Ok(mouth.finished(Some(checksum)))
}

/// What the weights file says of itself: images as they are at the trial's own resolution.
fn description(job: &TrainJob, dataset: &dyn Dataset) -> Description {
    let Settings { model, train, data, .. } = &job.settings;
    Description::new(model.clone(), dataset.classes().to_vec(), train.resolution, data.test_crop_ratio)
}

fn started(dataset: &dyn Dataset, resumed_epochs: usize) -> Message {
    Message::Started {
        train_images: dataset.len(Split::Train),
        test_images: dataset.len(Split::Test),
        classes: dataset.classes().len(),
        data_id: dataset.fingerprint(),
        resumed_epochs,
    }
}

fn message(event: Event, dataset: &dyn Dataset) -> Message {
    match event {
        Event::Started { resumed_epochs } => started(dataset, resumed_epochs),
        Event::Progress(report) => Message::Progress(report),
        Event::Epoch(report) => Message::Epoch(report),
        Event::Signals(report) => Message::Signals(report),
        Event::Checkpointed { epochs } => Message::Checkpointed { epochs },
    }
}
