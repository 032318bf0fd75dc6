//! EfficientNet (Tan and Le 2019) with group convolutions and proxy-normalized activations
//! (Masters et al. 2021).

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, PutTape, SplitTape, Tape};

use super::init::Initializer;
use super::mbconv::{ConvNorm, MBConv, pointwise_weight};
use super::norm::{After, NormLayer, NormRecipe};
use super::parameters::{ParameterId, Parameters, Role};
use super::pass::Pass;
use crate::arch::{Network, Norm, Padding};
use crate::ops::{self, ConvShape, Image, Matrix};

/// Channels of an image.
const RGB: usize = 3;

/// Side of the stem's kernel.
const STEM_KERNEL: usize = 3;

/// What a network is beside its shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// What follows every convolution.
    pub norm: Norm,
    /// Epsilon of every norm.
    pub norm_epsilon: f32,
    /// Epsilon of proxy norm's scale.
    pub proxy_epsilon: f32,
    /// Whether proxy norm's scale waits for squeeze-excite's gate, and is left out at the top, as in the
    /// papers' code; applied at once otherwise.
    pub delays_proxy_scale: bool,
    /// Dropout rate before the classifier.
    pub dropout: f64,
    /// Stochastic depth: block `i` of `n` is dropped with probability `rate · i / n`.
    pub stochastic_depth: f64,
    /// How convolutions pad.
    pub padding: Padding,
}

impl Recipe {
    pub(super) fn norm_recipe(&self) -> NormRecipe {
        NormRecipe { norm: self.norm, epsilon: self.norm_epsilon, proxy_epsilon: self.proxy_epsilon }
    }

    pub(super) fn op_padding(&self) -> ops::Padding {
        match self.padding {
            Padding::Same => ops::Padding::Same,
            Padding::Symmetric => ops::Padding::Symmetric,
        }
    }
}

/// Where a network is cut in two: what comes before is frozen, what comes after is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before everything: all is trained.
    Nothing,
    /// Before this block, counted from 0.
    Block(usize),
    /// Before the last 1 × 1 convolution.
    Top,
    /// Before the classifier.
    Head,
}

/// A network's structure: its layers, and the places of their parameters.
#[derive(Debug)]
pub struct EfficientNet {
    pub(super) stem: ConvNorm,
    stem_shape: ConvShape,
    pub(super) blocks: Vec<MBConv>,
    pub(super) top: ConvNorm,
    c_top: usize,
    pub(super) classifier_weight: ParameterId,
    pub(super) classifier_bias: ParameterId,
    dropout: f64,
}

impl EfficientNet {
    /// Builds the layers of `network`, with initial parameters drawn from `seed`.
    pub fn new(network: &Network, recipe: &Recipe, seed: u64) -> (Self, Parameters) {
        let mut parameters = Parameters::default();
        let init = Initializer::new(seed);
        let norm = recipe.norm_recipe();

        let c_stem = network.stem.c_out;
        let shape = [STEM_KERNEL, STEM_KERNEL, RGB, c_stem];
        let fan_out = STEM_KERNEL * STEM_KERNEL * c_stem;
        let value = init.he_normal("stem.weight", shape.iter().product(), fan_out);
        let weight = parameters.add("stem.weight".to_owned(), &shape, Role::Weight, value);
        let stem = ConvNorm {
            weight,
            norm: NormLayer::new(&mut parameters, "stem.norm", c_stem, norm, After::Swish),
        };
        let stem_shape = ConvShape {
            kernel: STEM_KERNEL,
            stride: network.stem.stride,
            c_out: c_stem,
            groups: 1,
            padding: recipe.op_padding(),
        };

        let count = network.blocks.len();
        let blocks = network.blocks.iter().enumerate().map(|(index, block)| {
            let drop_rate = recipe.stochastic_depth * index as f64 / count as f64;
            MBConv::new(&mut parameters, init, &format!("blocks.{index}"), *block, recipe, drop_rate)
        });
        let blocks = blocks.collect();

        let head = network.head;
        let weight = pointwise_weight(&mut parameters, init, "top.weight", head.c_in, head.c_top);
        // The classifier absorbs the scale of what it reads.
        let after = if recipe.delays_proxy_scale { After::SwishScaleDelayed } else { After::Swish };
        let top =
            ConvNorm { weight, norm: NormLayer::new(&mut parameters, "top.norm", head.c_top, norm, after) };
        let value = init.glorot_uniform("classifier.weight", head.c_top, head.classes);
        let classifier_weight =
            parameters.add("classifier.weight".to_owned(), &[head.c_top, head.classes], Role::Weight, value);
        let classifier_bias = parameters.add(
            "classifier.bias".to_owned(),
            &[head.classes],
            Role::Weight,
            vec![0.0; head.classes],
        );
        let network = Self {
            stem,
            stem_shape,
            blocks,
            top,
            c_top: head.c_top,
            classifier_weight,
            classifier_bias,
            dropout: recipe.dropout,
        };
        (network, parameters)
    }

    /// How many of a network's parameters, from the first, belong to what comes before the cut.
    pub fn frozen(parameters: &Parameters, cut: Cut) -> usize {
        let first = match cut {
            Cut::Nothing => return 0,
            Cut::Block(index) => format!("blocks.{index}."),
            Cut::Top => "top.".to_owned(),
            Cut::Head => "classifier.".to_owned(),
        };
        parameters.iter().take_while(|(_, parameter)| !parameter.name.starts_with(&first)).count()
    }

    /// Logits `(n, classes)` of normalised images `(n, h, w, 3)`.
    pub fn forward<T: Tape<f32, Cpu> + 'static>(&self, images: Image<T>, pass: &mut Pass<'_>) -> Matrix<T> {
        self.after(images, Cut::Nothing, pass)
    }

    /// What the part before the cut makes of images: features to train the rest on.
    pub fn before<T: Tape<f32, Cpu> + 'static>(
        &self,
        images: Image<T>,
        cut: Cut,
        pass: &mut Pass<'_>,
    ) -> Image<T> {
        let blocks = match cut {
            Cut::Nothing => return images,
            Cut::Block(index) => &self.blocks[..index],
            Cut::Top | Cut::Head => &self.blocks[..],
        };
        let x = self.trunk(images, Some(&self.stem), blocks, pass);
        if cut == Cut::Head { self.top(x, pass) } else { x }
    }

    /// Logits `(n, classes)` of what [`Self::before`] made.
    pub fn after<T: Tape<f32, Cpu> + 'static>(
        &self,
        x: Image<T>,
        cut: Cut,
        pass: &mut Pass<'_>,
    ) -> Matrix<T> {
        let first = match cut {
            Cut::Nothing => 0,
            Cut::Block(index) => index,
            Cut::Top | Cut::Head => self.blocks.len(),
        };
        let stem = (cut == Cut::Nothing).then_some(&self.stem);
        let mut x = self.trunk(x, stem, &self.blocks[first..], pass);
        if cut != Cut::Head {
            x = self.top(x, pass);
        }
        self.classify(x, pass)
    }

    /// What one block, counted from 0, makes of its input: so that it can be held against another implementation.
    ///
    /// # Panics
    /// If there is no such block.
    pub fn block<T: Tape<f32, Cpu> + 'static>(
        &self,
        index: usize,
        x: Image<T>,
        pass: &mut Pass<'_>,
    ) -> Image<T> {
        self.trunk(x, None, &self.blocks[index..=index], pass)
    }

    /// Stem, if it is asked for, and blocks, as one operation.
    pub(super) fn trunk<T: Tape<f32, Cpu> + 'static>(
        &self,
        x: Image<T>,
        stem: Option<&ConvNorm>,
        blocks: &[MBConv],
        pass: &mut Pass<'_>,
    ) -> Image<T> {
        // Signals are taken between layers, which exist on their own only layer by layer.
        if pass.signals.is_some() {
            return self.trunk_by_layers(x, stem, blocks, pass);
        }
        let n = x.shape().0;
        let (x, mut tape) = x.split_tape();
        let of_stem = stem.map(|stem| ops::Stem {
            weight: pass.parameters.tensor(stem.weight),
            shape: self.stem_shape,
            norm: stem.norm.in_block(&mut tape, pass),
        });
        let of_blocks: Vec<_> = blocks.iter().map(|block| block.in_trunk(n, &mut tape, pass)).collect();
        let (y, moments) = ops::trunk(x.put_tape(tape), of_stem.as_ref(), &of_blocks);
        if let Some(training) = &mut pass.training {
            if let (Some(stem), Some((moments, count))) = (stem, moments.stem) {
                stem.norm.observe(training, moments, count);
            }
            for (block, seen) in blocks.iter().zip(moments.blocks) {
                if let Some(seen) = seen {
                    block.observe(training, seen);
                }
            }
        }
        y
    }

    /// Layer by layer: what [`Self::trunk`] computes, with every layer's output a tensor.
    pub(super) fn trunk_by_layers<T: Tape<f32, Cpu> + 'static>(
        &self,
        mut x: Image<T>,
        stem: Option<&ConvNorm>,
        blocks: &[MBConv],
        pass: &mut Pass<'_>,
    ) -> Image<T> {
        if let Some(stem) = stem {
            x = ops::image_conv(x, pass.parameters.tensor(stem.weight), self.stem_shape);
            x = stem.norm.forward(x, pass).0;
        }
        for block in blocks {
            x = block.by_layers(x, pass);
        }
        x
    }

    fn top<T: Tape<f32, Cpu> + 'static>(&self, x: Image<T>, pass: &mut Pass<'_>) -> Image<T> {
        let x = ops::pointwise(x, pass.parameters.tensor(self.top.weight), self.c_top);
        self.top.norm.forward(x, pass).0
    }

    fn classify<T: Tape<f32, Cpu> + 'static>(&self, x: Image<T>, pass: &mut Pass<'_>) -> Matrix<T> {
        let mut features = ops::global_average_pool(x);
        if let Some(training) = &mut pass.training
            && self.dropout > 0.0
        {
            let (n, c) = *features.shape();
            features = ops::mask(features, training.drop_factors(n * c, self.dropout));
        }
        let parameters = pass.parameters;
        ops::linear(
            features,
            parameters.tensor(self.classifier_weight),
            parameters.tensor(self.classifier_bias),
        )
    }
}
