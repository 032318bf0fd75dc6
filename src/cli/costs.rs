//! What networks cost, each counted once: `expand = "auto"` is a search, and a grid has few networks.

use std::collections::HashMap;

use crate::arch::{ArchError, Cost, Norm};
use crate::sweep::settings::Model;

/// A network's costs for one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Totals {
    /// Trainable parameters.
    pub parameters: u64,
    /// Multiply-accumulates of a forward pass.
    pub macs: u64,
    /// Bytes of every layer's output.
    pub activation_bytes: u64,
    /// Ratio that the blocks are widened by.
    pub expand_ratio: f64,
}

/// Costs by shape of the network, norm, classes and resolution.
#[derive(Debug, Default)]
pub(super) struct Costs(HashMap<(String, Norm, usize, usize), Totals>);

impl Costs {
    /// What the network of `model` costs for images of `side` pixels.
    ///
    /// # Errors
    /// Where its channels do not divide into groups; never for a configuration of a valid sweep.
    pub(super) fn of(&mut self, model: &Model, classes: usize, side: usize) -> Result<Totals, ArchError> {
        let key = (shape(model), model.norm, classes, side);
        if let Some(totals) = self.0.get(&key) {
            return Ok(*totals);
        }
        let network = model.network(classes)?;
        let cost = Cost::of(&network, model.norm, side);
        let totals = Totals {
            parameters: cost.parameters(),
            macs: cost.macs(),
            activation_bytes: cost.activation_bytes(),
            expand_ratio: network.expand_ratio,
        };
        self.0.insert(key, totals);
        Ok(totals)
    }
}

/// What of a model's settings shapes its network, as text.
fn shape(model: &Model) -> String {
    let mut tree = serde_json::to_value(model).unwrap_or_default();
    if let Some(settings) = tree.as_object_mut() {
        settings.retain(|key, _| !Model::SHAPELESS.contains(&key.as_str()));
    }
    tree.to_string()
}
