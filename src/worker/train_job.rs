//! Training a trial and evaluating it.

use std::sync::Arc;

use super::Failure;
use super::mouth::Mouth;
use super::orders::Orders;
use crate::data::{self, Dataset, Split};
use crate::model::{EfficientNet, Parameters};
use crate::protocol::{Message, TrainJob};
use crate::train::{Event, TrainError, Trained, Trainee, Trial, Wish, evaluate, train};

/// Trains where there are no weights yet, then evaluates; the message that ends the job.
pub(super) fn answer(job: &TrainJob, mouth: &Mouth, orders: &Orders) -> Result<Message, Failure> {
    let dataset = data::open(&job.settings.data).map_err(TrainError::from)?;
    if job.weights.exists() {
        let trainee = Trainee::new(&job.settings, dataset.classes().len(), job.seed)?;
        let mut parameters = trainee.parameters;
        let checksum = parameters.load_safetensors(&job.weights).map_err(TrainError::from)?;
        mouth.say(&started(dataset.as_ref(), job.settings.train.epochs));
        return evaluated(job, mouth, orders, &dataset, &trainee.network, &parameters, checksum);
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
            let checksum = parameters.save_safetensors(&job.weights).map_err(TrainError::from)?;
            evaluated(job, mouth, orders, &dataset, &network, &parameters, checksum)
        }
    }
}

fn evaluated(
    job: &TrainJob,
    mouth: &Mouth,
    orders: &Orders,
    dataset: &Arc<dyn Dataset>,
    network: &EfficientNet,
    parameters: &Parameters,
    checksum: String,
) -> Result<Message, Failure> {
    for side in &job.test_resolutions {
        // The weights are on disk: evaluations that are missing come with the next run.
        if orders.stop() {
            return Ok(Message::Stopped { epochs: job.settings.train.epochs });
        }
        let report = evaluate(network, parameters, dataset, &job.settings, *side, job.threads)?;
        mouth.say(&Message::Evaluated(report));
    }
    Ok(mouth.finished(Some(checksum)))
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
