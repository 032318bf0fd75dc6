//! Training a trial and evaluating it.

use std::sync::Arc;

use super::Failure;
use super::mouth::Mouth;
use super::orders::Orders;
use super::tenancy::Tenancy;
use crate::data::{self, Dataset, Split};
use crate::protocol::{Cause, EvaluationReport, Message, Test, TrainJob};
use crate::sweep::Settings;
use crate::train::{Event, FineTuned, TrainError, Trained, Trial, Wish, evaluate, fine_tune, train};
use crate::weights::{Description, TrainedNetwork};

/// Trains where there are no weights yet, then evaluates; the message that ends the job.
pub(super) fn answer(job: &TrainJob, mouth: &Mouth, orders: &Orders) -> Result<Message, Failure> {
    let _tenancy = Tenancy::take(&job.checkpoints)
        .map_err(|error| Failure::of(&error, format!("take the files of trial {}", job.trial)))?;
    let dataset = data::open(&job.settings.data).map_err(TrainError::from)?;
    let trial = Trial {
        key: &job.trial,
        settings: &job.settings,
        seed: job.seed,
        dataset: Arc::clone(&dataset),
        threads: job.threads,
        checkpoints: &job.checkpoints,
    };
    let evaluation = Evaluation { job, mouth, orders, dataset: &dataset };
    if let Some((trained, checksum)) = known_weights(job) {
        mouth.say(&started(dataset.as_ref(), job.settings.train.epochs));
        return evaluation.of(&trained, checksum);
    }
    let mut observe = |event| {
        mouth.say(&message(event, dataset.as_ref()));
        if orders.stop() { Wish::Stop } else { Wish::GoOn }
    };
    match train(&trial, &mut observe)? {
        Trained::Diverged { epoch, step } => Ok(Message::Diverged { epoch, step }),
        Trained::Stopped { epochs } => Ok(Message::Stopped { epochs }),
        Trained::Finished(trained) => {
            let (network, parameters) = *trained;
            let description = description(job, dataset.as_ref());
            let trained = TrainedNetwork { description, network, parameters };
            let checksum = kept(job, &trained)?;
            evaluation.of(&trained, checksum)
        }
    }
}

/// The weights that the database knows, with their checksum. Of a trial that it does not know as trained, whatever
/// lies there is made again from the checkpoint, which takes no training if that was the last one and gives the epochs
/// and signals again that may not have reached the database.
fn known_weights(job: &TrainJob) -> Option<(TrainedNetwork, String)> {
    let recorded = job.weights_checksum.as_ref()?;
    let trained = TrainedNetwork::read(&job.weights);
    let (trained, checksum) =
        trained.inspect_err(|error| eprintln!("weights are not used: {}", super::chain(error))).ok()?;
    if checksum != *recorded {
        eprintln!("weights are not used: {} holds others", job.weights.display());
        return None;
    }
    Some((trained, checksum))
}

/// Writes the final weights; their checksum.
fn kept(job: &TrainJob, trained: &TrainedNetwork) -> Result<String, Failure> {
    if let Some(folder) = job.weights.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::of(&error, format!("make the folder `{}`", folder.display())))?;
    }
    let checksum = trained.write(&job.weights)?;
    match &job.weights_checksum {
        Some(recorded) if *recorded != checksum => Err(Failure {
            cause: Cause::BadConfig,
            message: "its weights are gone, and training here gives others than the database knows; \
                      `effsweep forget` makes room for a trial of this machine and these images"
                .to_owned(),
        }),
        _ => Ok(checksum),
    }
}

/// The accuracies of a job.
struct Evaluation<'a> {
    job: &'a TrainJob,
    mouth: &'a Mouth,
    orders: &'a Orders,
    dataset: &'a Arc<dyn Dataset>,
}

impl Evaluation<'_> {
    fn of(&self, trained: &TrainedNetwork, checksum: String) -> Result<Message, Failure> {
        let Self { job, mouth, .. } = self;
        for test in &job.tests {
            match self.one(trained, test)? {
                Some(report) => mouth.say(&Message::Evaluated(report)),
                // The weights are on disk: evaluations that are missing come with the next run.
                None => return Ok(Message::Stopped { epochs: job.settings.train.epochs }),
            }
        }
        Ok(mouth.finished(Some(checksum)))
    }

    /// One accuracy, of a copy that is fine-tuned first where that is asked for; `None` if it was told to stop.
    fn one(&self, trained: &TrainedNetwork, test: &Test) -> Result<Option<EvaluationReport>, TrainError> {
        let Self { job, mouth, orders, dataset } = self;
        let Test { resolution: side, fine_tuning } = *test;
        let TrainJob { settings, seed, threads, .. } = job;
        let mut observe = || {
            mouth.say(&Message::Working);
            if orders.stop() { Wish::Stop } else { Wish::GoOn }
        };
        let evaluated = |parameters: &_, observe: &mut dyn FnMut() -> Wish| {
            evaluate((&trained.network, parameters), dataset, settings, side, *threads, observe)
        };
        if !fine_tuning.tunes() {
            return evaluated(&trained.parameters, &mut observe);
        }
        let (images, at) = ((*dataset, settings), (side, *seed));
        match fine_tune(&fine_tuning, &trained.parameters, images, at, *threads, &mut observe)? {
            FineTuned::Stopped => Ok(None),
            FineTuned::Finished(parameters, time) => {
                let report = evaluated(&parameters, &mut observe)?;
                let fine_tune_s = Some(time.as_secs_f64());
                Ok(report.map(|report| EvaluationReport { fine_tuning, fine_tune_s, ..report }))
            }
        }
    }
}

/// What the weights file says of itself: images as they are at the trial's own resolution.
fn description(job: &TrainJob, dataset: &dyn Dataset) -> Description {
    let Settings { model, train, data, .. } = &job.settings;
    let classes = dataset.classes().to_vec();
    Description::new(model.clone(), classes, train.resolution, data.test_crop_ratio)
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
