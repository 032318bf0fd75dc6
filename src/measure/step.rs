//! What is timed: a whole training step, and inference at each test resolution.
//!
//! Images are made up, as no step's time depends on what they show; the parameters train on, so a step does
//! all of its real work. Reading and augmenting images is not part of it.

use std::convert::Infallible;

use dfdx::tensor::NoneTape;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::quiet::Moment;
use super::sampling::{Monotonic, sample};
use super::{probe, resources};
use crate::model::Pass;
use crate::ops::{Image, image, view};
use crate::protocol::{MeasureJob, MeasureKind, Measured, Sample};
use crate::train::{TrainError, Trainee, smoothed};

/// Measures everything that `job` asks for, and tells each measurement as it is done.
///
/// # Errors
/// If the settings describe no network, or a step fails.
pub fn measure(job: &MeasureJob, tell: &mut dyn FnMut(Measured)) -> Result<(), TrainError> {
    let mut trainee = Trainee::new(&job.settings, job.classes, 0)?;
    let train = &job.settings.train;
    let labels: Vec<usize> = (0..train.batch_size).map(|image| image % job.classes).collect();
    let targets = smoothed(&labels, job.classes, train.label_smoothing);
    let images = made_up(train.batch_size, train.resolution);
    let context = Context { job };
    tell(context.time(MeasureKind::Train, train.resolution, train.batch_size, || {
        let stream = ChaCha8Rng::seed_from_u64(0);
        // A rate of 0 keeps made-up images from driving the weights anywhere; the update costs the same.
        trainee.step(images.clone(), targets.clone(), train.resolution, 0.0, stream).map(|_| ())
    })?);
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

/// Images `(n, side, side, 3)` of noise.
fn made_up(n: usize, side: usize) -> Vec<f32> {
    let mut stream = ChaCha8Rng::seed_from_u64(1);
    (0..n * side * side * 3).map(|_| stream.random::<f32>() * 2.0 - 1.0).collect()
}

struct Context<'a> {
    job: &'a MeasureJob,
}

impl Context<'_> {
    /// Samples of `step`, between two probes.
    fn time<E>(
        &self,
        kind: MeasureKind,
        resolution: usize,
        batch_size: usize,
        step: impl FnMut() -> Result<(), E>,
    ) -> Result<Measured, E> {
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
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::VERSION;
    use crate::sweep::Settings;

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
        measure(&job, &mut |measured| told.push(measured)).unwrap();
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
    }
}
