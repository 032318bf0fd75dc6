//! What workers report, as rows of the database.

use super::super::crew::End;
use super::super::exit::Exit;
use super::super::register::number;
use crate::protocol::{EpochReport, EvaluationReport, SignalPlace, SignalsReport};
use crate::store::{
    self, AttemptEnd, ChannelRow, Claim, EpochRow, EvaluationRow, LayerSignalsRow, Outcome, TrialId,
};

pub(super) fn attempt_end(outcome: Outcome, end: &End) -> AttemptEnd {
    let Exit { status, signal, log, peak_rss_bytes, user_cpu_s, system_cpu_s, .. } = end.exit.as_ref();
    AttemptEnd {
        outcome,
        exit_status: *status,
        signal: *signal,
        message: Some(end.conclusion.message()).filter(|message| !message.is_empty()),
        log_tail: Some(log.clone()).filter(|log| !log.is_empty()),
        peak_rss_bytes: *peak_rss_bytes,
        user_cpu_s: *user_cpu_s,
        system_cpu_s: *system_cpu_s,
    }
}

pub(super) fn epoch_row(trial_id: TrialId, report: &EpochReport) -> EpochRow {
    EpochRow {
        trial_id,
        epoch: number(report.epoch),
        train_loss: f64::from(report.train_loss),
        train_top1: f64::from(report.train_top1),
        learning_rate: report.learning_rate,
        images: number(report.images),
        elapsed_s: report.elapsed_s,
    }
}

pub(super) fn evaluation_row(claim: &Claim, report: &EvaluationReport) -> EvaluationRow {
    let test_resolution = number(report.test_resolution);
    let asked = claim.tests.iter().find(|test| test.resolution == test_resolution);
    let fine_tuning = report.fine_tuning.to_string();
    EvaluationRow {
        trial_id: claim.trial,
        test_resolution,
        fine_tuning,
        fine_tune_s: report.fine_tune_s,
        aliased: asked.is_some_and(|test| test.aliased),
        images: number(report.images),
        top1_correct: number(report.top1_correct),
        top5_correct: number(report.top5_correct),
        loss: report.loss,
        elapsed_s: report.elapsed_s,
    }
}

pub(super) fn signals_row(trial_id: TrialId, report: &SignalsReport) -> LayerSignalsRow {
    let channels = report.channels.iter().enumerate().map(|(index, one)| ChannelRow {
        channel: number(report.first_channel + index),
        mean: one.mean,
        mean_variance: one.mean_variance,
        deviation: one.deviation,
        deviation_variance: one.deviation_variance,
    });
    LayerSignalsRow {
        trial_id,
        finished_epochs: number(report.finished_epochs),
        layer: number(report.layer),
        name: report.name.clone(),
        place: match report.place {
            SignalPlace::Pre => store::SignalPlace::Pre,
            SignalPlace::Post => store::SignalPlace::Post,
        },
        images: number(report.images),
        pixels: number(report.pixels),
        channels: channels.collect(),
    }
}
