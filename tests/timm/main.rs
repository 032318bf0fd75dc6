//! Four of timm's models with made-up weights give timm's logits.
//!
//! `logits.safetensors` is what timm 1.0 computes in double precision; `tests/peers/timm_parity.py --goldens` made it.
//! Weights and images are hashes of names and places, the same there and here, so that none need lie in the tree.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;
use std::path::Path;

use effsweep::data::{MEAN, STD};
use effsweep::model::EfficientNet;
use effsweep::train::recipe;
use effsweep::weights::{TIMM_MODELS, TimmModel, TrainedNetwork, import};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

const CLASSES: usize = 1000;
const IMAGES: usize = 2;
const SIDES: [usize; 2] = [224, 96];
const TOLERANCE: f64 = 1e-4;

/// `count` numbers in [0, 1) that hang on `name` alone: FNV-1a of it, and SplitMix64 from there.
fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> + use<> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    (1..=count as u64).map(move |place| {
        let mut z = seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24)
    })
}

/// Values of a tensor of that name: of convolutions, variance 2 / fan-in; gains and variances around 1.
fn made_up(name: &str, shape: &[usize]) -> Vec<u8> {
    let fan_in: usize = shape.iter().skip(1).product();
    let value = |u: f64| match name {
        _ if shape.len() > 1 => (u - 0.5) * (24.0 / fan_in as f64).sqrt(),
        name if name.ends_with(".running_var") => 0.5 + u,
        name if name.ends_with(".weight") => 0.75 + 0.5 * u,
        _ => (u - 0.5) * 0.5,
    };
    uniform(name, shape.iter().product()).flat_map(|u| (value(u) as f32).to_le_bytes()).collect()
}

/// Normalized made-up images `(n, side, side, 3)`.
fn images(side: usize) -> Vec<f32> {
    let values = uniform(&format!("images at {side}"), IMAGES * side * side * 3);
    let normalized = |(place, u): (usize, f64)| {
        let byte = (u * 256.0).floor() as f32;
        (byte / 255.0 - MEAN[place % 3]) / STD[place % 3]
    };
    values.enumerate().map(normalized).collect()
}

/// The model with made-up weights, through a file as timm would have written it.
fn imported(timm: &TimmModel, folder: &Path) -> TrainedNetwork {
    let model = timm.model();
    let (network, parameters) = EfficientNet::new(&model.network(CLASSES).unwrap(), &recipe(&model), 0);
    let bytes = network.to_timm(&parameters, HashMap::new()).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = file
        .tensors()
        .into_iter()
        .map(|(name, tensor)| {
            let values = made_up(&name, tensor.shape());
            (name, tensor.shape().to_vec(), values)
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, values)| (name, TensorView::new(Dtype::F32, shape.clone(), values).unwrap()));
    let path = folder.join(format!("{}.safetensors", timm.name));
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    import(&path, model, None, timm.resolution(), 1.0).unwrap()
}

/// timm's logits of a model at a side.
fn expected(name: &str, side: usize) -> Vec<f64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/timm/logits.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor(&format!("{name}/{side}")).unwrap();
    assert_eq!((tensor.dtype(), tensor.shape()), (Dtype::F64, &[IMAGES, CLASSES][..]));
    tensor.data().as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
}

fn relative_error(ours: &[f32], theirs: &[f64]) -> f64 {
    let difference: f64 = ours.iter().zip(theirs).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
    (difference / theirs.iter().map(|value| value * value).sum::<f64>()).sqrt()
}

fn gives_timms_logits(name: &str) {
    let timm = TIMM_MODELS.iter().find(|timm| timm.name == name).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let network = imported(timm, folder.path());
    for side in SIDES {
        let theirs = expected(name, side);
        let error = relative_error(&network.classifier()(images(side), side), &theirs);
        println!("{name} at {side}: relative error {error:.1e}");
        assert!(error < TOLERANCE, "{name} at {side}: {error}");
        // The images must matter, or features could be wrong unseen.
        let first: Vec<f32> = theirs[..CLASSES].iter().map(|value| *value as f32).collect();
        assert!(relative_error(&first, &theirs[CLASSES..]) > 100.0 * TOLERANCE, "{name} at {side}");
    }
}

#[test]
fn efficientnet_b0() {
    gives_timms_logits("efficientnet_b0");
}

#[test]
fn efficientnet_b0_with_group_norm() {
    gives_timms_logits("efficientnet_b0_gn");
}

#[test]
fn efficientnet_b0_with_group_norm_and_groups_of_eight() {
    gives_timms_logits("efficientnet_b0_g8_gn");
}

#[test]
fn efficientnet_b3_with_group_norm() {
    gives_timms_logits("efficientnet_b3_gn");
}
