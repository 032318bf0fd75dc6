//! The signals of a network under training: what each norm sends on, over a few images that are the same for
//! every trial.

use dfdx::tensor::NoneTape;

use super::error::TrainError;
use crate::data::{Dataset, sample};
use crate::model::{EfficientNet, LayerSignals, Parameters, Pass, Signals};
use crate::ops::{ChannelSignals, Image, image};
use crate::protocol::{ChannelReport, SignalPlace, SignalsReport};
use crate::sweep::settings::Settings;

/// Images that signals are taken over.
const IMAGES: usize = 64;

/// Runs `parameters` on training images, shown as in evaluation at the train resolution, and reports the signals
/// of every norm in the network's order. Where an activation is not finite, its layer and place are left out.
///
/// # Errors
/// If an image cannot be read.
pub(super) fn signals(
    network: &EfficientNet,
    parameters: &Parameters,
    dataset: &dyn Dataset,
    settings: &Settings,
    finished_epochs: usize,
) -> Result<Vec<SignalsReport>, TrainError> {
    let side = settings.train.resolution;
    let batch = sample(dataset, &settings.data, IMAGES, side)?;
    let images: Image<NoneTape> = image(batch.images, (batch.labels.len(), side, side, 3));
    let mut signals = Signals::default();
    network.forward(images, &mut Pass::recording(parameters, &mut signals));
    Ok(reports(finished_epochs, signals.layers()))
}

/// A report for each layer and place, several for a wide layer.
fn reports(finished_epochs: usize, layers: &[LayerSignals]) -> Vec<SignalsReport> {
    let mut reports = Vec::new();
    for (layer, recorded) in layers.iter().enumerate() {
        let places = [(SignalPlace::Pre, Some(&recorded.pre)), (SignalPlace::Post, recorded.post.as_ref())];
        for (place, signals) in places {
            // A network on its way to diverge has numbers for which JSON and the database have no word.
            let Some(signals) = signals.filter(|signals| signals.is_finite()) else { continue };
            for (part, channels) in channels(signals).chunks(SignalsReport::MOST_CHANNELS).enumerate() {
                reports.push(SignalsReport {
                    finished_epochs,
                    layer,
                    name: recorded.name.clone(),
                    place,
                    images: recorded.images,
                    pixels: recorded.pixels,
                    first_channel: part * SignalsReport::MOST_CHANNELS,
                    channels: channels.to_vec(),
                });
            }
        }
    }
    reports
}

fn channels(signals: &ChannelSignals) -> Vec<ChannelReport> {
    let channel = |channel: usize| ChannelReport {
        mean: signals.mean[channel],
        mean_variance: signals.mean_variance[channel],
        deviation: signals.deviation[channel],
        deviation_variance: signals.deviation_variance[channel],
    };
    (0..signals.mean.len()).map(channel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, channels: usize, last: f64, activated: bool) -> LayerSignals {
        let mut mean: Vec<f64> = (0..channels).map(|channel| channel as f64).collect();
        mean[channels - 1] = last;
        let zeros = vec![0.0; channels];
        let pre = ChannelSignals {
            mean,
            mean_variance: zeros.clone(),
            deviation: zeros.clone(),
            deviation_variance: zeros.clone(),
        };
        let post = activated.then(|| ChannelSignals { mean: zeros, ..pre.clone() });
        LayerSignals { name: name.to_owned(), images: 64, pixels: 4, pre, post }
    }

    #[test]
    fn a_wide_layer_is_told_in_parts_and_an_infinite_one_not_at_all() {
        let layers = [layer("wide", 5000, 1.0, false), layer("infinite", 3, f64::INFINITY, true)];
        let told = reports(5, &layers);
        let parts: Vec<_> = told
            .iter()
            .map(|one| (one.name.as_str(), one.layer, one.place, one.first_channel, one.channels.len()))
            .collect();
        assert_eq!(
            parts,
            [
                ("wide", 0, SignalPlace::Pre, 0, 4096),
                ("wide", 0, SignalPlace::Pre, 4096, 904),
                ("infinite", 1, SignalPlace::Post, 0, 3),
            ]
        );
        assert_eq!((told[1].channels[0].mean, told[1].finished_epochs), (4096.0, 5));
    }
}
