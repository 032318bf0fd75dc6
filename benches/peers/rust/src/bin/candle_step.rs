//! Images a second of a training step, or of inference, in Candle on the CPU. Its optimizer is plain SGD.

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::{
    BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, GroupNorm, Linear, Module, ModuleT, Optimizer, SGD,
    VarBuilder, VarMap, batch_norm, conv2d, conv2d_no_bias, group_norm, linear, loss, ops,
};
use peers::{Block, CLASSES, Cell, STEM, TOP};

enum Norm {
    Batch(BatchNorm),
    Group(GroupNorm),
}

impl Norm {
    fn new(groups: Option<usize>, channels: usize, vb: VarBuilder<'_>) -> Result<Self> {
        Ok(match groups {
            None => {
                Self::Batch(batch_norm(channels, BatchNormConfig { eps: 1e-3, ..Default::default() }, vb)?)
            }
            Some(groups) => Self::Group(group_norm(groups, channels, 1e-3, vb)?),
        })
    }

    fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        match self {
            Self::Batch(norm) => norm.forward_t(x, training),
            Self::Group(norm) => norm.forward(x),
        }
    }
}

struct ConvNorm {
    conv: Conv2d,
    norm: Norm,
}

impl ConvNorm {
    fn new(
        [c_in, c_out]: [usize; 2],
        (kernel, stride, groups): (usize, usize, usize),
        norm_groups: Option<usize>,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        let config = Conv2dConfig { padding: kernel / 2, stride, groups, ..Default::default() };
        Ok(Self {
            conv: conv2d_no_bias(c_in, c_out, kernel, config, vb.pp("conv"))?,
            norm: Norm::new(norm_groups, c_out, vb.pp("norm"))?,
        })
    }

    fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        self.norm.forward(&self.conv.forward(x)?, training)
    }
}

struct MbConv {
    expand: Option<ConvNorm>,
    spatial: ConvNorm,
    reduce: Conv2d,
    widen: Conv2d,
    project: ConvNorm,
    residual: bool,
}

impl MbConv {
    fn new(block: Block, norm: Option<usize>, vb: VarBuilder<'_>) -> Result<Self> {
        let Block { c_in, c_mid, c_out, kernel, stride, groups } = block;
        let expand = match block.expands() {
            true => Some(ConvNorm::new([c_in, c_mid], (1, 1, 1), norm, vb.pp("expand"))?),
            false => None,
        };
        let plain = Conv2dConfig::default();
        Ok(Self {
            expand,
            spatial: ConvNorm::new([c_mid, c_mid], (kernel, stride, groups), norm, vb.pp("spatial"))?,
            reduce: conv2d(c_mid, block.c_hidden(), 1, plain, vb.pp("reduce"))?,
            widen: conv2d(block.c_hidden(), c_mid, 1, plain, vb.pp("widen"))?,
            project: ConvNorm::new([c_mid, c_out], (1, 1, 1), norm, vb.pp("project"))?,
            residual: block.has_residual(),
        })
    }

    fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        let mut y = x.clone();
        if let Some(expand) = &self.expand {
            y = expand.forward(&y, training)?.silu()?;
        }
        y = self.spatial.forward(&y, training)?.silu()?;
        let means = y.mean_keepdim(D::Minus1)?.mean_keepdim(D::Minus2)?;
        let gate = ops::sigmoid(&self.widen.forward(&self.reduce.forward(&means)?.silu()?)?)?;
        y = self.project.forward(&y.broadcast_mul(&gate)?, training)?;
        if self.residual { x + y } else { Ok(y) }
    }
}

struct Network {
    stem: ConvNorm,
    blocks: Vec<MbConv>,
    top: ConvNorm,
    classifier: Linear,
}

impl Network {
    fn new(cell: &Cell, vb: VarBuilder<'_>) -> Result<Self> {
        let norm = cell.norm_groups;
        let blocks = cell.blocks();
        let last = blocks[blocks.len() - 1].c_out;
        let numbered = blocks.into_iter().enumerate();
        Ok(Self {
            stem: ConvNorm::new([3, STEM], (3, cell.stem_stride(), 1), norm, vb.pp("stem"))?,
            blocks: numbered
                .map(|(index, block)| MbConv::new(block, norm, vb.pp(index)))
                .collect::<Result<_>>()?,
            top: ConvNorm::new([last, TOP], (1, 1, 1), norm, vb.pp("top"))?,
            classifier: linear(TOP, CLASSES, vb.pp("classifier"))?,
        })
    }

    fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        let mut x = self.stem.forward(x, training)?.silu()?;
        for block in &self.blocks {
            x = block.forward(&x, training)?;
        }
        let x = self.top.forward(&x, training)?.silu()?.mean(D::Minus1)?.mean(D::Minus1)?;
        self.classifier.forward(&x)
    }
}

fn main() -> Result<()> {
    let (cell, seconds) = Cell::from_arguments();
    let device = Device::Cpu;
    let variables = VarMap::new();
    let network = Network::new(&cell, VarBuilder::from_varmap(&variables, DType::F32, &device))?;
    let images = Tensor::randn(0f32, 1f32, (cell.batch, 3, cell.side, cell.side), &device)?;
    let labels: Vec<u32> = (0..cell.batch).map(|image| (image % CLASSES) as u32).collect();
    let labels = Tensor::new(labels, &device)?;
    let mut optimizer = SGD::new(variables.all_vars(), 1e-6)?;
    cell.time(seconds, || {
        let mut step = || -> Result<()> {
            let logits = network.forward(&images, cell.training)?;
            if cell.training {
                optimizer.backward_step(&loss::cross_entropy(&logits, &labels)?)?;
            }
            Ok(())
        };
        step().unwrap();
    });
    Ok(())
}
