//! Convolutions, fully connected layers, pooling and dropout.

use dfdx::tensor::Trace;
use effsweep::ops::{self, ConvShape, Padding};
use serde::Deserialize;

use super::family::Family;

#[derive(Deserialize)]
struct Facts {
    name: String,
    #[serde(flatten)]
    op: Op,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Op {
    Conv(Shape),
    ImageConv(Shape),
    Pointwise,
    Linear,
    Pool,
    Mask,
}

#[derive(Deserialize)]
struct Shape {
    kernel: usize,
    stride: usize,
    groups: usize,
    c_out: usize,
    padding: String,
}

impl From<&Shape> for ConvShape {
    fn from(shape: &Shape) -> Self {
        let padding = match shape.padding.as_str() {
            "same" => Padding::Same,
            "symmetric" => Padding::Symmetric,
            other => panic!("padding `{other}`"),
        };
        let Shape { kernel, stride, groups, c_out, .. } = *shape;
        Self { kernel, stride, c_out, groups, padding }
    }
}

#[test]
fn convolutions_and_linear_layers() {
    let (mut family, cases) = Family::open::<Facts>("conv");
    for facts in &cases {
        let mut case = family.case(&facts.name);
        match &facts.op {
            Op::Conv(shape) => {
                let (x, w) = (case.image("x"), case.vector("w"));
                let y = ops::conv(x.leaky_trace(), &w, shape.into());
                case.operation(y, &[("x", &x), ("w", &w)]);
            }
            Op::ImageConv(shape) => {
                let (x, w) = (case.image("x"), case.vector("w"));
                let y = ops::image_conv(x.leaky_trace(), &w, shape.into());
                // Images get no gradient.
                case.operation(y, &[("w", &w)]);
            }
            Op::Pointwise => {
                let (x, w) = (case.image("x"), case.vector("w"));
                let c_out = case.given("w").shape[1];
                let y = ops::pointwise(x.leaky_trace(), &w, c_out);
                case.operation(y, &[("x", &x), ("w", &w)]);
            }
            Op::Linear => {
                let (x, w, b) = (case.matrix("x"), case.vector("w"), case.vector("b"));
                let y = ops::linear(x.leaky_trace(), &w, &b);
                case.operation(y, &[("x", &x), ("w", &w), ("b", &b)]);
            }
            Op::Pool => {
                let x = case.image("x");
                let y = ops::global_average_pool(x.leaky_trace());
                case.operation(y, &[("x", &x)]);
            }
            Op::Mask => {
                let x = case.matrix("x");
                let y = ops::mask(x.leaky_trace(), case.given("factors").values);
                case.operation(y, &[("x", &x)]);
            }
        }
    }
    family.finish();
}
