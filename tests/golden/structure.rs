//! Networks as the golden files describe them, and their parameters by name.

use effsweep::arch::{Block, Head, Network, Norm, Padding, SqueezeExcite, Stem};
use effsweep::model::{self, EfficientNet, ParameterId, Parameters};
use effsweep::ops::view;
use serde::Deserialize;

/// Epsilon of every norm (Masters et al. 2021).
pub const NORM_EPSILON: f32 = 1e-3;

/// Epsilon of proxy norm's scale (Masters et al. 2021).
pub const PROXY_EPSILON: f32 = 0.03;

/// Channels, strides and groups of a whole network.
#[derive(Deserialize)]
pub struct Structure {
    pub c_stem: usize,
    pub stem_stride: usize,
    pub blocks: Vec<BlockFacts>,
    pub c_top: usize,
    pub classes: usize,
}

/// One block.
#[derive(Deserialize, Clone, Copy)]
pub struct BlockFacts {
    pub c_in: usize,
    pub c_mid: usize,
    pub c_out: usize,
    pub kernel: usize,
    pub stride: usize,
    pub groups: usize,
    pub c_hidden: usize,
}

/// A norm by its short name, and whether proxy norm's scale goes where the paper's code has it.
#[derive(Deserialize)]
pub struct Recipe {
    pub norm: String,
    pub published: bool,
}

impl From<&BlockFacts> for Block {
    fn from(facts: &BlockFacts) -> Self {
        let BlockFacts { c_in, c_mid, c_out, kernel, stride, groups, c_hidden } = *facts;
        Self {
            // Where the block stands in the paper's table, which changes nothing of what it computes.
            stage: 1,
            layer: 0,
            c_in,
            c_mid,
            c_out,
            expands: c_mid != c_in,
            kernel,
            stride,
            groups,
            squeeze_excite: Some(SqueezeExcite { c_hidden }),
        }
    }
}

impl Structure {
    /// The network, with parameters that are still to be set.
    pub fn build(&self, recipe: &Recipe) -> (EfficientNet, Parameters) {
        let norm = Norm::from_name(&recipe.norm).unwrap_or_else(|| panic!("norm `{}`", recipe.norm));
        let c_in = self.blocks.last().map_or(self.c_stem, |block| block.c_out);
        let network = Network {
            stem: Stem { c_out: self.c_stem, stride: self.stem_stride },
            blocks: self.blocks.iter().map(Block::from).collect(),
            head: Head { c_in, c_top: self.c_top, classes: self.classes },
            padding: Padding::Same,
            expand_ratio: 1.0,
        };
        let recipe = model::Recipe {
            norm,
            norm_epsilon: NORM_EPSILON,
            proxy_epsilon: PROXY_EPSILON,
            delays_proxy_scale: recipe.published,
            dropout: 0.0,
            stochastic_depth: 0.0,
            padding: Padding::Same,
        };
        EfficientNet::new(&network, &recipe, 0)
    }
}

/// Parameters by name.
pub trait ByName {
    /// Replaces a parameter.
    fn set(&mut self, name: &str, values: Vec<f32>);
    /// The numbers of a parameter.
    fn get(&self, name: &str) -> &[f32];
}

fn id(parameters: &Parameters, name: &str) -> ParameterId {
    let found = parameters.iter().find(|(_, parameter)| parameter.name == name);
    found.unwrap_or_else(|| panic!("no parameter `{name}`")).0
}

impl ByName for Parameters {
    fn set(&mut self, name: &str, values: Vec<f32>) {
        self.replace(id(self, name), values);
    }

    fn get(&self, name: &str) -> &[f32] {
        view(self.tensor(id(self, name)))
    }
}
