use std::collections::HashMap;

use dfdx::losses::cross_entropy_with_logits_loss;
use dfdx::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use safetensors::SafeTensors;

use super::*;
use crate::arch::{ChannelRounding, Cost, Expansion, Network, NetworkSpec, Norm, Padding, Preset};
use crate::kernels::testing::{assert_close, random};
use crate::ops::{ChannelSignals, Image, image, matrix, view, view_mut};

const CLASSES: usize = 5;

fn network(group_size: usize) -> Network {
    let (stem_stride, stage_strides) = Preset::Nano.strides();
    Network::resolve(&NetworkSpec {
        width: 0.25,
        depth: 0.3,
        channel_divisor: 8,
        group_size,
        expansion: Expansion { ratio: 4.0, rounding: ChannelRounding::Exact },
        stem_stride,
        stage_strides,
        squeeze_excite: true,
        classes: CLASSES,
        padding: Padding::Same,
    })
    .unwrap()
}

fn recipe(norm: Norm) -> Recipe {
    Recipe {
        norm,
        norm_epsilon: 1e-3,
        proxy_epsilon: 0.03,
        delays_proxy_scale: true,
        dropout: 0.0,
        stochastic_depth: 0.0,
        padding: Padding::Same,
    }
}

fn norms() -> impl Iterator<Item = Norm> {
    Norm::NAMES.iter().map(|name| Norm::from_name(name).unwrap())
}

/// Parameters away from their special starting values, so that every gradient matters.
fn stirred(parameters: &mut Parameters) {
    for (index, (_, parameter)) in parameters.iter_mut().enumerate() {
        let scale = if parameter.role == Role::Weight { 0.02 } else { 0.1 };
        let noise = random(parameter.value.shape().0, index as u64);
        view_mut(&mut parameter.value)
            .iter_mut()
            .zip(noise)
            .for_each(|(value, noise)| *value += scale * noise);
    }
}

/// Odd, and large enough that the last feature map is no handful of pixels.
const SIDE: usize = 33;

fn images(n: usize) -> Image {
    image(random(n * SIDE * SIDE * 3, 77), (n, SIDE, SIDE, 3))
}

#[test]
fn the_network_has_the_parameters_that_were_counted() {
    for norm in norms() {
        for group_size in [1, 4] {
            let network = network(group_size);
            let (_, parameters) = EfficientNet::new(&network, &recipe(norm), 1);
            assert_eq!(
                parameters.trained_count() as u64,
                Cost::of(&network, norm, 32).parameters(),
                "{norm}"
            );
        }
    }
}

#[test]
fn gradients_equal_the_slope_along_a_random_direction() {
    for norm in norms() {
        for delays_proxy_scale in [true, false] {
            let recipe = Recipe { delays_proxy_scale, ..recipe(norm) };
            let (network, mut parameters) = EfficientNet::new(&network(4), &recipe, 1);
            stirred(&mut parameters);
            let targets =
                matrix((0..3 * CLASSES).map(|i| if i % 4 == 0 { 0.5 } else { 0.1 }).collect(), (3, CLASSES));
            let loss = |parameters: &Parameters| {
                let mut training = Training::new(ChaCha8Rng::seed_from_u64(0));
                let mut pass = Pass::training(parameters, &mut training);
                let logits = network.forward(images(3), &mut pass);
                f64::from(cross_entropy_with_logits_loss(logits, targets.clone()).array())
            };
            let mut training = Training::new(ChaCha8Rng::seed_from_u64(0));
            let mut pass = Pass::training(&parameters, &mut training);
            let logits = network.forward(images(3).leaky_traced(), &mut pass);
            let mut grads = cross_entropy_with_logits_loss(logits, targets.clone()).backward();

            // Along the gradient itself the slope is its norm, far above the rounding of single precision.
            let mut directions = Vec::new();
            let mut slope = 0.0;
            for (_, parameter) in parameters.iter().filter(|(_, parameter)| parameter.role.is_trained()) {
                let gradient: &Vec<f32> = grads.get_or_alloc_mut(&parameter.value).unwrap();
                slope += gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>();
                directions.push(gradient.clone());
            }
            let step = 3e-4 / slope.sqrt();
            let moved = |by: f64| {
                let mut parameters = parameters.clone();
                let trained = parameters.iter_mut().filter(|(_, parameter)| parameter.role.is_trained());
                for ((_, parameter), direction) in trained.zip(&directions) {
                    let values = view_mut(&mut parameter.value).iter_mut().zip(direction);
                    values.for_each(|(value, d)| *value += (by * f64::from(*d)) as f32);
                }
                loss(&parameters)
            };
            let measured = (moved(step) - moved(-step)) / (2.0 * step);
            let error = (measured / slope - 1.0).abs();
            assert!(error < 0.01, "{norm}: slope {measured}, by the gradient {slope}");
        }
    }
}

#[test]
fn a_trunk_is_the_same_at_once_and_layer_by_layer() {
    for norm in norms() {
        let recipe = Recipe { stochastic_depth: 0.4, ..recipe(norm) };
        let (network, mut parameters) = EfficientNet::new(&network(4), &recipe, 1);
        stirred(&mut parameters);
        let results = |by_layers: bool, with_stem: bool| {
            let mut training = Training::new(ChaCha8Rng::seed_from_u64(5));
            let mut pass = Pass::training(&parameters, &mut training);
            let stem = with_stem.then_some(&network.stem);
            let c_in = network.blocks[0].block.c_in;
            let x = if with_stem { images(4) } else { image(random(4 * 64 * c_in, 3), (4, 8, 8, c_in)) };
            let y = if by_layers {
                network.trunk_by_layers(x.leaky_trace(), stem, &network.blocks, &mut pass)
            } else {
                network.trunk(x.leaky_trace(), stem, &network.blocks, &mut pass)
            };
            let mut all = vec![view(&y).to_vec()];
            let mut grads = y.square().mean().backward();
            let dx: &Vec<f32> = grads.get_or_alloc_mut(&x).unwrap();
            all.push(dx.clone());
            for (_, parameter) in parameters.iter() {
                let gradient: &Vec<f32> = grads.get_or_alloc_mut(&parameter.value).unwrap();
                all.push(gradient.clone());
            }
            let mut after = parameters.clone();
            training.update_running(&mut after, 0.9);
            all.extend(after.iter().map(|(_, parameter)| view(&parameter.value).to_vec()));
            all
        };
        for with_stem in [true, false] {
            let (at_once, by_layers) = (results(false, with_stem), results(true, with_stem));
            assert_eq!(at_once.len(), by_layers.len());
            for (index, (got, expected)) in at_once.iter().zip(&by_layers).enumerate() {
                let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
                for (got, expected) in got.iter().zip(expected) {
                    // What a norm takes away again leaves a gradient of nothing but rounding.
                    let tolerated = 1e-3 * largest + 1e-8;
                    assert!((got - expected).abs() <= tolerated, "{norm}, {index}: {got}, not {expected}");
                }
            }
        }
    }
}

#[test]
fn only_batch_norm_sees_the_other_images() {
    for norm in norms() {
        let (network, mut parameters) = EfficientNet::new(&network(1), &recipe(norm), 1);
        stirred(&mut parameters);
        let logits = |images: Image| {
            let mut training = Training::new(ChaCha8Rng::seed_from_u64(0));
            let logits = network.forward(images, &mut Pass::training(&parameters, &mut training));
            view(&logits)[..CLASSES].to_vec()
        };
        let alone = image(view(&images(3))[..SIDE * SIDE * 3].to_vec(), (1, SIDE, SIDE, 3));
        assert_eq!(logits(images(3)) == logits(alone), !norm.depends_on_batch(), "{norm}");
    }
}

#[test]
fn a_cut_network_computes_the_whole() {
    let (network, parameters) = EfficientNet::new(&network(4), &recipe(Norm::Layer { proxy: true }), 1);
    let whole = network.forward(images(2), &mut Pass::evaluation(&parameters));
    for cut in [Cut::Nothing, Cut::Block(0), Cut::Block(3), Cut::Top, Cut::Head] {
        let features = network.before(images(2), cut, &mut Pass::evaluation(&parameters));
        let logits = network.after(features, cut, &mut Pass::evaluation(&parameters));
        assert_eq!(view(&logits), view(&whole), "{cut:?}");
    }
}

#[test]
fn a_pass_may_take_one_batch_after_another() {
    for norm in norms() {
        let (network, mut parameters) = EfficientNet::new(&network(4), &recipe(norm), 1);
        stirred(&mut parameters);
        let mut pass = Pass::evaluation(&parameters);
        for n in [2, 1] {
            let fresh = network.forward(images(n), &mut Pass::evaluation(&parameters));
            assert_eq!(view(&network.forward(images(n), &mut pass)), view(&fresh), "{norm}");
        }
    }
}

#[test]
fn running_statistics_approach_the_batchs() {
    let (network, mut parameters) = EfficientNet::new(&network(1), &recipe(Norm::Batch), 1);
    for _ in 0..150 {
        let mut training = Training::new(ChaCha8Rng::seed_from_u64(0));
        network.forward(images(2), &mut Pass::training(&parameters, &mut training));
        training.update_running(&mut parameters, 0.9);
    }
    let mut training = Training::new(ChaCha8Rng::seed_from_u64(0));
    let stem = |pass: &mut Pass<'_>| view(&network.before(images(2), Cut::Block(0), pass)).to_vec();
    let trained = stem(&mut Pass::training(&parameters, &mut training));
    let evaluated = stem(&mut Pass::evaluation(&parameters));
    // Bessel's correction of 2,178 values is what is left.
    assert_close("stem", &evaluated, &trained, 1e-3);
    assert_ne!(evaluated, trained);
}

#[test]
fn weights_in_timms_layout_are_read_back() {
    for norm in norms() {
        let (net, mut parameters) = EfficientNet::new(&network(4), &recipe(norm), 1);
        stirred(&mut parameters);
        let file = net.to_timm(&parameters, HashMap::new()).unwrap();
        let file = SafeTensors::deserialize(&file).unwrap();
        assert_eq!(file.len(), parameters.len(), "{norm}");
        let (_, mut other) = EfficientNet::new(&network(4), &recipe(norm), 2);
        net.load_timm(&mut other, &file).unwrap();
        for ((_, a), (_, b)) in parameters.iter().zip(other.iter()) {
            assert_eq!(view(&a.value), view(&b.value), "{norm} {}", a.name);
        }
    }
}

#[test]
fn weights_of_another_network_are_refused_and_nothing_is_taken() {
    let (grouped, parameters) = EfficientNet::new(&network(4), &recipe(Norm::Batch), 1);
    let file = grouped.to_timm(&parameters, HashMap::new()).unwrap();
    let file = SafeTensors::deserialize(&file).unwrap();
    let (depthwise, mut other) = EfficientNet::new(&network(1), &recipe(Norm::Batch), 2);
    let before = other.clone();
    let error = depthwise.load_timm(&mut other, &file).unwrap_err();
    assert!(
        matches!(&error, WeightsError::Shape { name, .. } if name == "blocks.0.0.conv_dw.weight"),
        "{error}"
    );
    let (proxied, mut proxies) = EfficientNet::new(&network(4), &recipe(Norm::Layer { proxy: true }), 2);
    let error = proxied.load_timm(&mut proxies, &file).unwrap_err();
    assert_eq!(error, WeightsError::Missing { name: "bn1.proxy_shift".to_owned(), shape: vec![8] });
    let (layered, mut layers) = EfficientNet::new(&network(4), &recipe(Norm::Layer { proxy: false }), 2);
    let error = layered.load_timm(&mut layers, &file).unwrap_err().to_string();
    assert!(error.starts_with("the network has no `blocks.0.0.bn1.running_mean`, "), "{error}");
    for ((_, a), (_, b)) in before.iter().zip(other.iter()) {
        assert_eq!(view(&a.value), view(&b.value), "{}", a.name);
    }
}

/// Signals of a recording pass over three images, and the logits.
fn recorded(network: &EfficientNet, parameters: &Parameters) -> (Vec<LayerSignals>, Vec<f32>) {
    let mut signals = Signals::default();
    let logits = network.forward(images(3), &mut Pass::recording(parameters, &mut signals));
    (signals.layers().to_vec(), view(&logits).to_vec())
}

#[test]
fn every_norm_is_recorded_under_the_name_of_its_parameters() {
    for norm in norms() {
        let (network, parameters) = EfficientNet::new(&network(4), &recipe(norm), 1);
        let (layers, _) = recorded(&network, &parameters);
        let expected = parameters.iter().filter_map(|(_, one)| one.name.strip_suffix(".norm.gamma"));
        assert!(layers.iter().map(|layer| layer.name.as_str()).eq(expected), "{norm}");
        for layer in layers {
            assert_eq!(layer.post.is_none(), layer.name.ends_with(".project"), "{}", layer.name);
            assert_eq!(layer.images, 3);
        }
    }
}

#[test]
fn a_recording_pass_computes_what_training_does_and_drops_nothing() {
    for norm in norms() {
        let [plain, dropping] = [0.0, 0.5].map(|rate| {
            let recipe = Recipe { dropout: rate, stochastic_depth: rate, ..recipe(norm) };
            let (network, mut parameters) = EfficientNet::new(&network(4), &recipe, 1);
            stirred(&mut parameters);
            (network, parameters)
        });
        let mut training = Training::new(ChaCha8Rng::seed_from_u64(0));
        let trained = plain.0.forward(images(3), &mut Pass::training(&plain.1, &mut training));
        // Recording goes layer by layer, training through whole blocks: the same but for rounding.
        assert_close(&norm.to_string(), &recorded(&dropping.0, &dropping.1).1, view(&trained), 2e-5);
    }
}

#[test]
fn signals_are_of_what_enters_the_activation_and_of_what_leaves_it() {
    let (network, mut parameters) = EfficientNet::new(&network(4), &recipe(Norm::Batch), 1);
    stirred(&mut parameters);
    let mut signals = Signals::default();
    let y = network.before(images(3), Cut::Block(0), &mut Pass::recording(&parameters, &mut signals));
    let stem = &signals.layers()[0];
    let (_, h, w, c) = *y.shape();
    assert_eq!((stem.pixels, stem.post.as_ref()), (h * w, Some(&ChannelSignals::of(view(&y), h * w, c))));
    // Batch norm leaves each channel with mean β and variance γ², but for its epsilon.
    let of = |name: &str| {
        let found = parameters.iter().find(|(_, one)| one.name == name).unwrap();
        view(&found.1.value).iter().map(|value| f64::from(*value)).collect::<Vec<f64>>()
    };
    let (gamma, beta) = (of("stem.norm.gamma"), of("stem.norm.beta"));
    for channel in 0..c {
        let pre = &stem.pre;
        let variance =
            pre.mean_variance[channel] + pre.deviation[channel].powi(2) + pre.deviation_variance[channel];
        assert!((pre.mean[channel] - beta[channel]).abs() < 1e-5, "{channel}: {}", pre.mean[channel]);
        assert!((variance / gamma[channel].powi(2) - 1.0).abs() < 0.02, "{channel}: {variance}");
    }
}

#[test]
fn a_proxy_scale_that_is_left_to_the_gate_is_in_the_signals() {
    let norm = Norm::Layer { proxy: true };
    let spatial = [true, false].map(|delays_proxy_scale| {
        let (network, mut parameters) =
            EfficientNet::new(&network(4), &Recipe { delays_proxy_scale, ..recipe(norm) }, 1);
        stirred(&mut parameters);
        let layer = recorded(&network, &parameters).0.remove(1);
        assert_eq!(layer.name, "blocks.0.spatial");
        layer.post.unwrap()
    });
    let single = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<f32>>();
    let [delayed, applied] = &spatial;
    for (delayed, applied) in [
        (&delayed.mean, &applied.mean),
        (&delayed.mean_variance, &applied.mean_variance),
        (&delayed.deviation, &applied.deviation),
        (&delayed.deviation_variance, &applied.deviation_variance),
    ] {
        assert_close("post", &single(delayed), &single(applied), 1e-5);
    }
}

#[test]
fn instance_norm_leaves_no_difference_between_images() {
    let (network, mut parameters) = EfficientNet::new(&network(4), &recipe(Norm::Instance), 1);
    stirred(&mut parameters);
    let sum = |values: &[f64]| values.iter().sum::<f64>();
    for layer in recorded(&network, &parameters).0 {
        assert!(sum(&layer.pre.mean_variance) < 1e-9, "{}: {:?}", layer.name, layer.pre.mean_variance);
        assert!(sum(&layer.pre.deviation) > 0.1, "{}", layer.name);
    }
}
