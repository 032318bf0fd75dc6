//! Images a second of a training step, or of inference, in Burn with its Flex backend.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{
    BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig, Linear, LinearConfig, PaddingConfig2d,
};
use burn::optim::{GradientsParams, RmsPropConfig};
use burn::tensor::activation::{sigmoid, silu};
use burn::tensor::{Device, Distribution, Int, Tensor};
use peers::{Block, CLASSES, Cell, STEM, TOP};

#[derive(Module, Debug)]
enum Norm {
    Batch(BatchNorm),
    Group(GroupNorm),
}

impl Norm {
    fn new(groups: Option<usize>, channels: usize, device: &Device) -> Self {
        match groups {
            None => Self::Batch(BatchNormConfig::new(channels).with_epsilon(1e-3).init(device)),
            Some(groups) => {
                Self::Group(GroupNormConfig::new(groups, channels).with_epsilon(1e-3).init(device))
            }
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Batch(norm) => norm.forward(x),
            Self::Group(norm) => norm.forward(x),
        }
    }
}

#[derive(Module, Debug)]
struct ConvNorm {
    conv: Conv2d,
    norm: Norm,
}

impl ConvNorm {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x))
    }
}

fn conv([c_in, c_out]: [usize; 2], kernel: usize, stride: usize, groups: usize, bias: bool) -> Conv2dConfig {
    let padding = kernel / 2;
    Conv2dConfig::new([c_in, c_out], [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
        .with_groups(groups)
        .with_bias(bias)
}

#[derive(Module, Debug)]
struct MbConv {
    expand: Option<ConvNorm>,
    spatial: ConvNorm,
    reduce: Conv2d,
    widen: Conv2d,
    project: ConvNorm,
    residual: bool,
}

impl MbConv {
    fn new(block: Block, norm_groups: Option<usize>, device: &Device) -> Self {
        let layer = |conv: Conv2dConfig, channels| ConvNorm {
            conv: conv.init(device),
            norm: Norm::new(norm_groups, channels, device),
        };
        let Block { c_in, c_mid, c_out, kernel, stride, groups } = block;
        Self {
            expand: block.expands().then(|| layer(conv([c_in, c_mid], 1, 1, 1, false), c_mid)),
            spatial: layer(conv([c_mid, c_mid], kernel, stride, groups, false), c_mid),
            reduce: conv([c_mid, block.c_hidden()], 1, 1, 1, true).init(device),
            widen: conv([block.c_hidden(), c_mid], 1, 1, 1, true).init(device),
            project: layer(conv([c_mid, c_out], 1, 1, 1, false), c_out),
            residual: block.has_residual(),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut y = x.clone();
        if let Some(expand) = &self.expand {
            y = silu(expand.forward(y));
        }
        y = silu(self.spatial.forward(y));
        let means = y.clone().mean_dim(2).mean_dim(3);
        let gate = sigmoid(self.widen.forward(silu(self.reduce.forward(means))));
        y = self.project.forward(y * gate);
        if self.residual { x + y } else { y }
    }
}

#[derive(Module, Debug)]
struct Network {
    stem: ConvNorm,
    blocks: Vec<MbConv>,
    top: ConvNorm,
    classifier: Linear,
}

impl Network {
    fn new(cell: &Cell, device: &Device) -> Self {
        let layer = |conv: Conv2dConfig, channels| ConvNorm {
            conv: conv.init(device),
            norm: Norm::new(cell.norm_groups, channels, device),
        };
        let blocks = cell.blocks();
        let last = blocks[blocks.len() - 1].c_out;
        Self {
            stem: layer(conv([3, STEM], 3, cell.stem_stride(), 1, false), STEM),
            blocks: blocks.into_iter().map(|block| MbConv::new(block, cell.norm_groups, device)).collect(),
            top: layer(conv([last, TOP], 1, 1, 1, false), TOP),
            classifier: LinearConfig::new(TOP, CLASSES).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let mut x = silu(self.stem.forward(x));
        for block in &self.blocks {
            x = block.forward(x);
        }
        let x = silu(self.top.forward(x)).mean_dim(2).mean_dim(3);
        self.classifier.forward(x.flatten(1, 3))
    }
}

fn main() {
    let (cell, seconds) = Cell::from_arguments();
    let device = if cell.training { Device::flex().autodiff() } else { Device::flex() };
    let mut network = Network::new(&cell, &device);
    let shape = [cell.batch, 3, cell.side, cell.side];
    let images = Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
    if !cell.training {
        cell.time(seconds, || {
            std::hint::black_box(network.forward(images.clone()).into_data());
        });
        return;
    }
    let labels: Vec<i32> = (0..cell.batch).map(|image| (image % CLASSES) as i32).collect();
    let labels = Tensor::<1, Int>::from_ints(labels.as_slice(), &device);
    let mut optimizer = RmsPropConfig::new().with_alpha(0.95).with_momentum(0.9).with_epsilon(1e-3).init();
    let loss = CrossEntropyLossConfig::new().with_smoothing(Some(0.1)).init(&device);
    cell.time(seconds, || {
        let loss = loss.forward(network.forward(images.clone()), labels.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(1e-6, network.clone(), gradients);
    });
}
