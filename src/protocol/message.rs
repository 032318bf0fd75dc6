//! What runner and worker say to each other.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::sweep::{FineTuning, Settings};

/// Version of this protocol; both sides are the same binary, so a difference means a mixed-up installation.
pub const VERSION: u32 = 4;

/// The first line a worker reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Job {
    /// Train one trial and evaluate it.
    Train(Box<TrainJob>),
    /// Take throughput samples of one configuration, alone on the machine.
    Measure(Box<MeasureJob>),
}

/// A trial to train, or to go on with from its checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainJob {
    /// [`VERSION`].
    pub version: u32,
    /// The trial's key, hexadecimal.
    pub trial: String,
    /// Its resolved settings.
    pub settings: Settings,
    /// Its seed.
    pub seed: u64,
    /// Accuracies still to be found.
    pub tests: Vec<Test>,
    /// Threads to compute with.
    pub threads: usize,
    /// Folder of the trial's checkpoints; read if there are any.
    pub checkpoints: PathBuf,
    /// Where the final weights go (safetensors); where they lie already, the trial is only evaluated.
    pub weights: PathBuf,
    /// BLAKE3 of the final weights, hexadecimal, of a trial that is finished: others are not evaluated in their place.
    pub weights_checksum: Option<String>,
}

/// An accuracy to be found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// Side of the test images, pixels.
    pub resolution: usize,
    /// What is trained on at that resolution before.
    pub fine_tuning: FineTuning,
}

/// Throughput samples to take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureJob {
    /// [`VERSION`].
    pub version: u32,
    /// Resolved settings of the configuration.
    pub settings: Settings,
    /// Number of classes; a measurement makes up its images, as no step's time depends on what they show.
    pub classes: usize,
    /// Test resolutions whose inference is measured, pixels.
    pub test_resolutions: Vec<usize>,
    /// Threads to compute with.
    pub threads: usize,
}

/// A later line to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Write a checkpoint at the next step and leave.
    Stop,
}

/// A line from a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Message {
    /// The job was read and the images are open.
    Started {
        /// Training images.
        train_images: usize,
        /// Test images.
        test_images: usize,
        /// Number of classes.
        classes: usize,
        /// Fingerprint of the image set.
        data_id: String,
        /// Finished epochs of the checkpoint that the trial goes on from.
        resumed_epochs: usize,
    },
    /// A sign of life from within an epoch.
    Progress(ProgressReport),
    /// A sign of life from anything else that takes long.
    Working,
    /// An epoch ended.
    Epoch(EpochReport),
    /// A checkpoint is on disk.
    Checkpointed {
        /// Finished epochs in it.
        epochs: usize,
    },
    /// What a layer's channels send on.
    Signals(SignalsReport),
    /// One accuracy.
    Evaluated(EvaluationReport),
    /// Throughput of one kind of step.
    Measured(Measured),
    /// The job is done.
    Finished {
        /// Checksum (BLAKE3) of the final weights; absent after a measurement.
        weights: Option<String>,
        /// Largest resident size, bytes.
        peak_rss_bytes: u64,
    },
    /// The loss became NaN or infinite: a result, not a failure.
    Diverged {
        /// Epoch, from 0.
        epoch: usize,
        /// Step within it.
        step: usize,
    },
    /// The worker wrote a checkpoint because it was told to stop, and leaves.
    Stopped {
        /// Finished epochs in it.
        epochs: usize,
    },
    /// The worker knows why it cannot go on.
    Failed {
        /// Kind of failure.
        cause: Cause,
        /// What went wrong, with file or key.
        message: String,
    },
}

impl Message {
    /// Whether no message follows.
    pub fn ends_job(&self) -> bool {
        matches!(
            self,
            Self::Finished { .. } | Self::Diverged { .. } | Self::Stopped { .. } | Self::Failed { .. }
        )
    }
}

/// How far an epoch is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ProgressReport {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Steps done in it.
    pub step: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Mean loss over the epoch so far.
    pub loss: f32,
    /// Images per second over the epoch so far, sharing the machine.
    pub images_per_s: f64,
}

/// One epoch of training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Mean training loss.
    pub train_loss: f32,
    /// Share of training images whose largest target got the largest logit.
    pub train_top1: f32,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Training images.
    pub images: usize,
    /// Wall time, seconds.
    pub elapsed_s: f64,
}

/// Signals of channels of one norm, before or after its activation, at one moment of a training. All numbers are
/// finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalsReport {
    /// Epochs finished at that moment; 0 before training.
    pub finished_epochs: usize,
    /// Position of the norm in the network, from 0.
    pub layer: usize,
    /// Its name, such as `blocks.3.expand`.
    pub name: String,
    /// On which side of the activation.
    pub place: SignalPlace,
    /// Images that the signals are of.
    pub images: usize,
    /// Pixels of each at this layer.
    pub pixels: usize,
    /// Channel of the first of the numbers below: a wide layer takes several messages.
    pub first_channel: usize,
    /// The channels, in order.
    pub channels: Vec<ChannelReport>,
}

impl SignalsReport {
    /// Channels of a message at most, so that its line stays within [`MAX_LINE_BYTES`](super::MAX_LINE_BYTES).
    pub const MOST_CHANNELS: usize = 4096;
}

/// Signals of one channel, from each image's mean μ and deviation σ over pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChannelReport {
    /// Mean of μ over images.
    pub mean: f64,
    /// Variance of μ.
    pub mean_variance: f64,
    /// Mean of σ.
    pub deviation: f64,
    /// Variance of σ.
    pub deviation_variance: f64,
}

/// The side of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalPlace {
    /// What enters it.
    Pre,
    /// What comes out, centred and scaled by proxy norm where there is one.
    Post,
}

/// One accuracy of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EvaluationReport {
    /// Side of the test images, pixels.
    pub test_resolution: usize,
    /// What was trained on at that resolution before.
    #[serde(default)]
    pub fine_tuning: FineTuning,
    /// Wall time of that, seconds.
    #[serde(default)]
    pub fine_tune_s: Option<f64>,
    /// Test images.
    pub images: usize,
    /// Of those, how many got the right class the largest logit.
    pub top1_correct: usize,
    /// Of those, how many had the right class among the five largest logits.
    pub top5_correct: usize,
    /// Mean cross-entropy against the plain labels.
    pub loss: f64,
    /// Wall time of the evaluation, seconds.
    pub elapsed_s: f64,
}

/// What a throughput is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasureKind {
    /// A whole training step: forward, backward, update.
    Train,
    /// A forward pass for evaluation.
    Inference,
}

impl MeasureKind {
    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Inference => "inference",
        }
    }
}

/// Samples of one kind of step, with the machine's own speed before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What was timed.
    pub kind: MeasureKind,
    /// Side of the images, pixels.
    pub resolution: usize,
    /// Images a step.
    pub batch_size: usize,
    /// Threads.
    pub threads: usize,
    /// Every sample after warm-up, in order.
    pub samples: Vec<Sample>,
    /// Rate of the fixed probe before the samples, work units per second.
    pub probe_before: f64,
    /// Rate of the same probe after them.
    pub probe_after: f64,
    /// Share of the machine's processor time that others used meanwhile; absent where the system does not say.
    pub foreign_load: Option<f64>,
    /// Largest resident size of the process so far, bytes.
    pub peak_rss_bytes: u64,
    /// Mean clock of the processors right after, MHz; absent where the system does not say.
    pub clock_mhz: Option<f64>,
    /// Time waited for others to leave the machine alone, seconds.
    pub waited_s: f64,
    /// Time from opening the images to the first batch of them, seconds; of training steps.
    pub first_batch_s: Option<f64>,
}

/// One timed step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Wall time, seconds.
    pub elapsed_s: f64,
}

/// Why an attempt ended without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Not enough memory, by its own word or by the kernel's killing.
    Oom,
    /// Over its time limit.
    Timeout,
    /// Silent for too long.
    Hung,
    /// Ended by a signal from outside.
    Killed,
    /// A panic.
    Panic,
    /// The configuration cannot be trained.
    BadConfig,
    /// A file could not be read or written.
    Io,
    /// The disk takes no more: it is full, over a quota, or read-only.
    Disk,
    /// Another exit, or broken messages.
    Exit,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 9] = [
        Self::Oom,
        Self::Timeout,
        Self::Hung,
        Self::Killed,
        Self::Panic,
        Self::BadConfig,
        Self::Io,
        Self::Disk,
        Self::Exit,
    ];

    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Oom => "oom",
            Self::Timeout => "timeout",
            Self::Hung => "hung",
            Self::Killed => "killed",
            Self::Panic => "panic",
            Self::BadConfig => "bad_config",
            Self::Io => "io",
            Self::Disk => "disk",
            Self::Exit => "exit",
        }
    }
}
