//! What is timed: a whole training step, and inference at each test resolution.
//!
//! Images are made up, as no step's time depends on what they show; the parameters train on, so a step does
//! all of its real work. Reading and augmenting images is not part of it; how long a training waits for its first batch
//! is told beside.

use std::convert::Infallible;
use std::time::Instant;

use dfdx::tensor::NoneTape;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::machine::clock_mhz;
use super::quiet::Moment;
use super::sampling::{Monotonic, sample};
use super::{probe, resources};
use crate::data::{self, Epoch, TrainLoader};
use crate::model::Pass;
use crate::ops::{Image, image, view};
use crate::protocol::{MeasureJob, MeasureKind, Measured, Sample};
use crate::sweep::Settings;
use crate::train::{TrainError, Trainee, smoothed};

/// Measures everything that `job` asks for, and tells each measurement as it is done; `wait` is called with the longest
/// wait for a quiet machine before each, and returns the time waited.
///
/// # Errors
/// If the settings describe no network, or a step fails.
pub fn measure(
    job: &MeasureJob,
    wait: &mut dyn FnMut(f64) -> f64,
    tell: &mut dyn FnMut(Measured),
) -> Result<(), TrainError> {
    let first_batch_s = first_batch(job)?;
    let mut trainee = Trainee::new(&job.settings, job.classes, 0)?;
    let train = &job.settings.train;
    let labels: Vec<usize> = (0..train.batch_size).map(|image| image % job.classes).collect();
    let targets = smoothed(&labels, job.classes, train.label_smoothing);
    let halvings = job.settings.model.network(job.classes)?.halvings();
    let sides: Vec<(usize, Vec<f32>)> =
        train.sides(halvings).into_iter().map(|side| (side, made_up(train.batch_size, side))).collect();
    let mut context = Context { job, wait };
    let mut measured = context.time(MeasureKind::Train, train.resolution, train.batch_size, || {
        for (side, images) in &sides {
            let stream = ChaCha8Rng::seed_from_u64(0);
            // A rate of 0 keeps made-up images from driving the weights anywhere; the update costs the same.
            trainee.step(images.clone(), targets.clone(), *side, 0.0, stream)?;
        }
        Ok::<(), TrainError>(())
    })?;
    // A training whose images change size spends as many steps at each: what counts is the mean.
    for sample in &mut measured.samples {
        sample.elapsed_s /= sides.len() as f64;
    }
    tell(Measured { first_batch_s: Some(first_batch_s), ..measured });
    let batch_size = job.settings.measure.inference_batch_size;
    for side in &job.test_resolutions {
        let images: Image<NoneTape> = image(made_up(batch_size, *side), (batch_size, *side, *side, 3));
        let mut pass = Pass::evaluation(&trainee.parameters);
        let measured = context.time(MeasureKind::Inference, *side, batch_size, || {
            std::hint::black_box(view(&trainee.network.forward(images.clone(), &mut pass)));
            Ok::<(), Infallible>(())
        });
        match measured {
            Ok(measured) => tell(measured),
            Err(never) => match never {},
        }
    }
    Ok(())
}

/// Time from opening the images to the first batch of them, seconds.
fn first_batch(job: &MeasureJob) -> Result<f64, TrainError> {
    let start = Instant::now();
    let Settings { data, train, .. } = &job.settings;
    let set = data::open(data)?;
    let epoch = Epoch { seed: 0, number: 0, first_step: 0 };
    let mut loader = TrainLoader::new(set, data, train.batch_size, train.resolution, epoch, job.threads)?;
    loader.next().transpose()?;
    Ok(start.elapsed().as_secs_f64())
}

/// Images `(n, side, side, 3)` of noise.
fn made_up(n: usize, side: usize) -> Vec<f32> {
    let mut stream = ChaCha8Rng::seed_from_u64(1);
    (0..n * side * side * 3).map(|_| stream.random::<f32>() * 2.0 - 1.0).collect()
}

struct Context<'a> {
    job: &'a MeasureJob,
    wait: &'a mut dyn FnMut(f64) -> f64,
}

impl Context<'_> {
    /// Samples of `step`, between two probes.
    fn time<E>(
        &mut self,
        kind: MeasureKind,
        resolution: usize,
        batch_size: usize,
        step: impl FnMut() -> Result<(), E>,
    ) -> Result<Measured, E> {
        let waited_s = (self.wait)(self.job.settings.measure.wait_s);
        let probe_before = probe::rate();
        let start = Moment::now();
        let sampled = sample(&self.job.settings.measure, &Monotonic::start(), step)?;
        let foreign_load = start.zip(Moment::now()).and_then(|(start, end)| start.foreign_load(end));
        let samples: Vec<Sample> = sampled.samples;
        Ok(Measured {
            kind,
            resolution,
            batch_size,
            threads: self.job.threads,
            samples,
            probe_before,
            probe_after: probe::rate(),
            foreign_load,
            peak_rss_bytes: resources::peak_rss_bytes(),
            clock_mhz: clock_mhz(),
            waited_s,
            first_batch_s: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::VERSION;

    #[test]
    fn a_job_is_answered_with_its_training_step_and_each_inference() {
        let mut settings = Settings::default();
        settings.train.resolution = 8;
        settings.train.batch_size = 2;
        settings.measure.warmup_s = 0.0;
        settings.measure.budget_s = 0.0;
        settings.measure.min_samples = 3;
        settings.measure.inference_batch_size = 4;
        let test_resolutions = vec![8, 16];
        let job = MeasureJob { version: VERSION, settings, classes: 3, test_resolutions, threads: 1 };
        let mut told = Vec::new();
        measure(&job, &mut |limit| limit / 2.0, &mut |measured| told.push(measured)).unwrap();
        let shapes: Vec<_> =
            told.iter().map(|m| (m.kind, m.resolution, m.batch_size, m.samples.len())).collect();
        let expected = [
            (MeasureKind::Train, 8, 2, 3),
            (MeasureKind::Inference, 8, 4, 3),
            (MeasureKind::Inference, 16, 4, 3),
        ];
        assert_eq!(shapes, expected);
        assert!(told.iter().flat_map(|m| &m.samples).all(|sample| sample.elapsed_s > 0.0));
        assert!(told.iter().all(|m| m.peak_rss_bytes > 1 << 20 && m.probe_before > 0.0));
        assert!(told.iter().all(|m| m.waited_s == 5.0));
        let first: Vec<bool> = told.iter().map(|m| m.first_batch_s.is_some_and(|s| s > 0.0)).collect();
        assert_eq!(first, [true, false, false]);
    }
}
