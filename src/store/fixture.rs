//! Rows for tests.

use std::path::Path;

use super::*;

/// A key that looks random and is not.
pub fn key(number: u64) -> Key {
    let high = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Key(u128::from(high) << 64 | u128::from(number))
}

/// Configuration `number` of a grid over group size and norm.
pub fn configuration(number: u64) -> ConfigurationRow {
    let norms = ["bn", "gn", "ln", "ln+pn"];
    let norm = norms[number as usize % norms.len()];
    let group_size = [1, 4, 16, 64][number as usize / norms.len() % 4];
    ConfigurationRow {
        key: key(number),
        preset: "nano".to_owned(),
        norm: norm.to_owned(),
        norm_groups: (norm == "gn").then_some(4),
        group_size,
        expand_ratio: 6.0,
        batch_size: 64,
        train_resolution: 32,
        epochs: 10,
        optimizer: "rmsprop".to_owned(),
        learning_rate: 0.015_625,
        image_set: "shapes".to_owned(),
        canonical: format!("model.norm={norm}\nmodel.group_size={group_size}\nnumber={number}\n"),
        settings: format!(
            r#"{{"model":{{"norm":"{norm}","group_size":{group_size}}},"train":{{"mixup":0.0}}}}"#
        ),
        classes: 10,
        parameters: 60_000 + number,
        macs: 3_000_000,
        activation_bytes: 400_000,
        macs_deviation: 0.0,
        parameters_deviation: 0.0,
        effective_group_sizes: "[1,1,1]".to_owned(),
        deviating_blocks: 0,
    }
}

/// The grid's point `number`, with this many seeds, tested aligned at 32 and aliased at 40.
pub fn point(number: u64, seeds: u64) -> Point {
    let trial = |seed| PointTrial {
        key: key(1_000_000_007 + number * seeds + seed),
        seed,
        position: number * seeds + seed,
    };
    Point {
        configuration: Asked::New(Box::new(configuration(number))),
        trials: (0..seeds).map(trial).collect(),
        tests: vec![asked(32, false), asked(40, true)],
    }
}

/// A test before any fine-tuning.
pub fn asked(resolution: u32, aliased: bool) -> Test {
    Test { resolution, fine_tuning: UNTUNED.to_owned(), aliased }
}

/// A sweep of that name.
pub fn sweep(name: &str) -> SweepRow {
    SweepRow {
        name: name.to_owned(),
        description: Some("Which norm pays?".to_owned()),
        path: Some("sweeps/quickstart.toml".to_owned()),
        text: "[sweep]\n".to_owned(),
        objectives: r#"["top1","inference_images_per_s"]"#.to_owned(),
    }
}

/// A machine of that fingerprint.
pub fn machine(fingerprint: &str) -> MachineRow {
    MachineRow {
        fingerprint: fingerprint.to_owned(),
        hostname: "bench".to_owned(),
        cpu_model: "A CPU".to_owned(),
        logical_cpus: 2,
        memory_bytes: Some(8 << 30),
        os: "Linux 6.1".to_owned(),
        architecture: "x86_64".to_owned(),
        simd: "avx512f".to_owned(),
    }
}

/// A program.
pub fn code() -> Code {
    Code { program_version: "0.1.0".to_owned(), git_commit: Some("abc".to_owned()), git_dirty: Some(false) }
}

/// Registers the machine and begins a run of the sweep on it, which nobody takes for alive.
pub fn runner(store: &mut Store, sweep_id: SweepId) -> Runner {
    let machine_id = store.register_machine(&machine("m")).unwrap();
    let run = run_of(sweep_id, machine_id, &format!("1-{}", sweep_id.0));
    Runner { run: store.begin_run(&run).unwrap(), machine_id, threads: 1, code: code() }
}

/// A run with that lease.
pub fn run_of(sweep_id: SweepId, machine_id: MachineId, lease: &str) -> RunRow {
    RunRow {
        sweep_id,
        machine_id,
        lease: lease.to_owned(),
        pid: 1,
        workers: 2,
        memory_bytes: None,
        program_version: "0.1.0".to_owned(),
    }
}

/// A database with the sweep `quickstart` of four points and two seeds.
pub fn swept(path: &Path) -> (Store, SweepId, Runner) {
    let mut store = Store::open(path, Access::Write).unwrap();
    let registered = store.register_sweep(&sweep("quickstart"), (0..4).map(|n| point(n, 2))).unwrap();
    let runner = runner(&mut store, registered.sweep);
    (store, registered.sweep, runner)
}

/// The end of an attempt with that outcome.
pub fn end(outcome: Outcome) -> AttemptEnd {
    AttemptEnd {
        outcome,
        exit_status: Some(0),
        signal: None,
        message: None,
        log_tail: None,
        peak_rss_bytes: Some(64 << 20),
        user_cpu_s: Some(1.5),
        system_cpu_s: Some(0.1),
    }
}

/// Trained, in two seconds.
pub fn trained() -> Outcome {
    Outcome::Trained {
        train_s: 2.0,
        weights_path: Some("results/weights/a.safetensors".to_owned()),
        weights_checksum: Some("b3".to_owned()),
    }
}

/// Epoch `epoch` of a trial.
pub fn epoch(trial_id: TrialId, epoch: u32) -> EpochRow {
    EpochRow {
        trial_id,
        epoch,
        train_loss: 2.3 / f64::from(epoch + 1),
        train_top1: 0.5,
        learning_rate: 0.01,
        images: 2048,
        elapsed_s: 0.2,
    }
}

/// Signals of layer `layer` of a trial after that many epochs: two channels, whose means hold a tenth of the power
/// before the activation and half of it after.
pub fn signals(trial_id: TrialId, finished_epochs: u32, layer: u32, place: SignalPlace) -> LayerSignalsRow {
    let mean_power: f64 = match place {
        SignalPlace::Pre => 1.0,
        SignalPlace::Post => 9.0,
    };
    let channel = |channel| ChannelRow {
        channel,
        mean: mean_power.sqrt(),
        mean_variance: 1.0,
        deviation: 2.0,
        deviation_variance: 4.0,
    };
    LayerSignalsRow {
        trial_id,
        finished_epochs,
        layer,
        name: format!("blocks.{layer}.spatial"),
        place,
        images: 64,
        pixels: 16,
        channels: vec![channel(0), channel(1)],
    }
}

/// An accuracy of a trial at 32 (aligned) or 40 (aliased).
pub fn evaluation(trial_id: TrialId, test_resolution: u32, top1_correct: u32) -> EvaluationRow {
    EvaluationRow {
        trial_id,
        test_resolution,
        fine_tuning: UNTUNED.to_owned(),
        fine_tune_s: None,
        aliased: test_resolution == 40,
        images: 1000,
        top1_correct,
        top5_correct: 990,
        loss: 0.6,
        elapsed_s: 0.1,
    }
}

/// A quiet exclusive round.
pub fn measurement(
    configuration_id: ConfigurationId,
    machine_id: MachineId,
    kind: MeasureKind,
    resolution: u32,
    images_per_s: f64,
) -> MeasurementRow {
    MeasurementRow {
        configuration_id,
        machine_id,
        kind,
        resolution,
        batch_size: 64,
        threads: 2,
        mode: Mode::Exclusive,
        round: 0,
        images_per_s,
        images_per_s_low: images_per_s - 1.0,
        images_per_s_high: images_per_s + 1.0,
        probe_before: Some(100.0),
        probe_after: Some(100.0),
        foreign_load: Some(0.0),
        quiet: true,
        peak_rss_bytes: Some(80 << 20),
        clock_mhz: Some(2400.0),
        waited_s: Some(0.0),
        first_batch_s: None,
        code: code(),
    }
}
