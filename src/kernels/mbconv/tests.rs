use super::super::squeeze_excite::{Gate, GateShape};
use super::super::testing::{assert_close, random, same_for_any_threads};
use super::super::{ConvGeometry, Padding, Statistics, conv, matmul};
use super::*;

const EPSILON: f32 = 1e-3;

#[derive(Clone, Copy)]
struct Case {
    n: usize,
    side: usize,
    stride: usize,
    c_in: usize,
    c_mid: usize,
    c_out: usize,
    groups: usize,
    gate: bool,
    expands: bool,
    /// Of the norms: `None` for batch norm.
    norm_groups: Option<usize>,
}

const CASE: Case = Case {
    n: 5,
    side: 33,
    stride: 1,
    c_in: 8,
    c_mid: 72,
    c_out: 8,
    groups: 72,
    gate: true,
    expands: true,
    norm_groups: Some(1),
};

impl Case {
    fn shape(&self) -> BlockShape {
        let spatial = ConvGeometry {
            n: self.n,
            h: self.side,
            w: self.side,
            c_in: self.c_mid,
            c_out: self.c_mid,
            kernel: 3,
            stride: self.stride,
            groups: self.groups,
            padding: Padding::Same,
        };
        BlockShape {
            spatial,
            c_in: self.c_in,
            c_out: self.c_out,
            c_hidden: self.gate.then_some(2),
            residual: self.stride == 1 && self.c_in == self.c_out,
        }
    }

    fn x(&self) -> Vec<f32> {
        random(self.n * self.side * self.side * self.c_in, 1)
    }
}

/// Weights by name, so that a test can hold them.
struct Numbers {
    case: Case,
    expand: Vec<f32>,
    spatial: Vec<f32>,
    project: Vec<f32>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    proxy: Vec<f32>,
    gate: [Vec<f32>; 4],
    survival: Vec<f32>,
}

impl Numbers {
    fn new(case: Case) -> Self {
        let near =
            |count, by: f32, seed| random(count, seed).iter().map(|v| 0.3 * v + by).collect::<Vec<f32>>();
        let (c, hidden) = (case.c_mid, 2);
        Self {
            case,
            expand: near(case.c_in * c, 0.0, 2),
            spatial: near(9 * c / case.groups * c, 0.0, 3),
            project: near(c * case.c_out, 0.0, 4),
            gamma: near(c.max(case.c_out), 1.0, 5),
            beta: near(c.max(case.c_out), 0.1, 6),
            proxy: near(c, 0.2, 7),
            gate: [
                near(c * hidden, 0.0, 8),
                near(hidden, 0.0, 9),
                near(hidden * c, 0.0, 10),
                near(c, 0.0, 11),
            ],
            survival: (0..case.n).map(|image| if image == 1 { 0.0 } else { 1.25 }).collect(),
        }
    }

    fn norm(&self, c: usize, activated: bool) -> BlockNorm<'_> {
        let proxied = activated && self.case.norm_groups.is_some();
        BlockNorm {
            statistics: self.case.norm_groups.map_or(NormStatistics::Batch, NormStatistics::Groups),
            epsilon: EPSILON,
            gamma: &self.gamma[..c],
            beta: activated.then(|| &self.beta[..c]),
            proxy_mean: proxied.then(|| &self.proxy[..c]),
            proxy_scale: None,
        }
    }

    fn block(&self) -> Block<'_> {
        let case = &self.case;
        let [reduce_weight, reduce_bias, expand_weight, expand_bias] = &self.gate;
        let channel_scale = case.norm_groups.is_some().then_some(&self.gamma[..case.c_mid]);
        let gate = GateWeights { reduce_weight, reduce_bias, expand_weight, expand_bias, channel_scale };
        Block {
            shape: case.shape(),
            weights: BlockWeights {
                expand: case.expands.then(|| (&self.expand[..], self.norm(case.c_mid, true))),
                spatial: &self.spatial,
                spatial_norm: self.norm(case.c_mid, true),
                gate: case.gate.then_some(gate),
                project: &self.project,
                project_norm: self.norm(case.c_out, false),
            },
            survival: Some(&self.survival),
        }
    }

    fn statistics(&self, x: &[f32], pixels: usize, c: usize) -> Statistics {
        match self.case.norm_groups {
            Some(groups) => Statistics::of_groups(x, pixels, c, groups, EPSILON),
            None => Statistics::of_batch(x, pixels, c, EPSILON).0,
        }
    }

    /// Layer by layer over the whole batch: the output, and `[dx, every weight's gradient…]`.
    fn by_layers(&self, x: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<(&'static str, Vec<f32>)>) {
        let (case, block) = (&self.case, self.block());
        let (shape, weights) = (block.shape, block.weights);
        let (n, c, c_out) = (case.n, case.c_mid, case.c_out);
        let (before, after) = (shape.pixels_in(), shape.pixels_out());
        let mut e = vec![0.0; n * before * c];
        let mut a = x.to_vec();
        if let Some((weight, norm)) = &weights.expand {
            matmul::product(&mut e, x, weight, n * before, case.c_in, c);
            a = e.clone();
            norm.pass(before, Activation::Swish).forward(&e, &self.statistics(&e, before, c), &mut a);
        }
        let mut d = vec![0.0; n * after * c];
        let plan = conv::Plan::new(&shape.spatial, weights.spatial);
        plan.forward(&a, &mut d);
        let spatial_statistics = self.statistics(&d, after, c);
        let spatial_pass = weights.spatial_norm.pass(after, Activation::Swish);
        let mut b = d.clone();
        spatial_pass.forward(&d, &spatial_statistics, &mut b);
        let mut gated = b.clone();
        let gate = weights.gate.map(|gate| {
            let gate_shape = GateShape { n, pixels: after, c, c_hidden: 2 };
            (gate, Gate::forward(gate_shape, gate, &b, &mut gated))
        });
        let mut p = vec![0.0; n * after * c_out];
        matmul::product(&mut p, &gated, weights.project, n * after, c, c_out);
        let project_statistics = self.statistics(&p, after, c_out);
        let project_pass = weights.project_norm.pass(after, Activation::Identity);
        let mut y = p.clone();
        project_pass.forward(&p, &project_statistics, &mut y);
        let len = after * c_out;
        let mut dp_norm = dy.to_vec();
        for image in 0..n {
            for at in image * len..(image + 1) * len {
                if shape.residual {
                    y[at] = x[at] + self.survival[image] * y[at];
                }
                dp_norm[at] *= self.survival[image];
            }
        }

        let mut all = Vec::new();
        let mut dp = vec![0.0; p.len()];
        let d_project_norm = project_pass.backward(&p, &project_statistics, &mut dp_norm, &mut dp);
        all.push(("project γ", d_project_norm.gamma));
        let mut d_project = vec![0.0; c * c_out];
        matmul::add_product_tn(&mut d_project, &gated, &dp, n * after, c, c_out);
        all.push(("project", d_project));
        let mut d_gated = vec![0.0; gated.len()];
        matmul::add_product_nt(&mut d_gated, &dp, weights.project, n * after, c_out, c);
        let mut db = d_gated.clone();
        if let Some((of_weights, gate)) = &gate {
            db.fill(0.0);
            let d_gate = gate.backward(*of_weights, &b, &d_gated, &mut db);
            all.push(("gate reduce", d_gate.reduce_weight));
            all.push(("gate expand bias", d_gate.expand_bias));
            all.push(("gate scale", d_gate.channel_scale));
        }
        let mut dd = vec![0.0; d.len()];
        let d_spatial_norm = spatial_pass.backward(&d, &spatial_statistics, &mut db, &mut dd);
        all.push(("spatial γ", d_spatial_norm.gamma));
        all.push(("spatial β", d_spatial_norm.beta));
        if case.norm_groups.is_some() {
            all.push(("spatial m", d_spatial_norm.proxy_mean));
        }
        let mut d_spatial = vec![0.0; weights.spatial.len()];
        plan.add_weight_gradient(&a, &dd, &mut d_spatial);
        all.push(("spatial", d_spatial));
        let mut da = vec![0.0; a.len()];
        plan.add_input_gradient(&dd, &mut da);
        let mut dx = if shape.residual { dy.to_vec() } else { vec![0.0; x.len()] };
        match &weights.expand {
            Some((weight, norm)) => {
                let statistics = self.statistics(&e, before, c);
                let mut de = vec![0.0; e.len()];
                let d_norm = norm.pass(before, Activation::Swish).backward(&e, &statistics, &mut da, &mut de);
                all.push(("expand γ", d_norm.gamma));
                let mut d_expand = vec![0.0; weight.len()];
                matmul::add_product_tn(&mut d_expand, x, &de, n * before, case.c_in, c);
                all.push(("expand", d_expand));
                matmul::add_product_nt(&mut dx, &de, weight, n * before, c, case.c_in);
            }
            None => dx.iter_mut().zip(&da).for_each(|(dx, da)| *dx += da),
        }
        all.push(("dx", dx));
        (y, all)
    }

    fn at_once(&self, x: &[f32], dy: &[f32], storage: Storage) -> (Vec<f32>, Vec<(&'static str, Vec<f32>)>) {
        let block = self.block();
        let mut y = vec![f32::NAN; dy.len()];
        let kept = block.forward(x, &mut y, Some(storage));
        let mut dx = vec![f32::NAN; x.len()];
        let d = block.backward(kept, x, dy, &mut dx);
        let total = |gradient: WeightGradient, count: usize| {
            let mut total = vec![0.0; count];
            gradient.add_to(&mut total);
            total
        };
        let project = total(d.project, self.project.len());
        let mut all = vec![("project γ", d.project_norm.gamma), ("project", project)];
        if let Some(gate) = d.gate {
            all.push(("gate reduce", gate.reduce_weight));
            all.push(("gate expand bias", gate.expand_bias));
            all.push(("gate scale", gate.channel_scale));
        }
        all.push(("spatial γ", d.spatial_norm.gamma));
        all.push(("spatial β", d.spatial_norm.beta));
        if self.case.norm_groups.is_some() {
            all.push(("spatial m", d.spatial_norm.proxy_mean));
        }
        all.push(("spatial", total(d.spatial, self.spatial.len())));
        if let Some((weight, norm)) = d.expand {
            all.push(("expand γ", norm.gamma));
            all.push(("expand", total(weight, self.expand.len())));
        }
        all.push(("dx", dx));
        (y, all)
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for norm_groups in [Some(1), Some(8), None] {
        let case = Case { norm_groups, ..CASE };
        cases.extend([
            case,
            Case { stride: 2, c_out: 16, ..case },
            Case { groups: 18, gate: false, ..case },
            Case { expands: false, c_in: 72, c_out: 72, side: 9, ..case },
            Case { side: 2, n: 19, ..case },
            Case { side: 1, n: 1, c_out: 16, norm_groups: norm_groups.or(Some(1)), ..case },
        ]);
    }
    cases
}

#[test]
fn tiles_and_layers_come_to_the_same() {
    for (index, case) in cases().into_iter().enumerate() {
        let numbers = Numbers::new(case);
        let x = case.x();
        let dy = random(case.n * case.shape().pixels_out() * case.c_out, 20);
        let (y, gradients) = numbers.at_once(&x, &dy, Storage::Full);
        let (expected_y, expected) = numbers.by_layers(&x, &dy);
        assert_close(&format!("case {index} y"), &y, &expected_y, 1e-5);
        assert_eq!(gradients.len(), expected.len());
        for ((name, got), (expected_name, expected)) in gradients.iter().zip(&expected) {
            assert_eq!(name, expected_name);
            assert_close(&format!("case {index} {name}"), got, expected, 2e-4);
        }
    }
}

#[test]
fn recomputing_changes_no_bit_and_rounding_few() {
    for (index, case) in cases().into_iter().enumerate() {
        let numbers = Numbers::new(case);
        let x = case.x();
        let dy = random(case.n * case.shape().pixels_out() * case.c_out, 20);
        let full = numbers.at_once(&x, &dy, Storage::Full);
        assert!(full == numbers.at_once(&x, &dy, Storage::Recomputed), "case {index}");
        let (y, gradients) = numbers.at_once(&x, &dy, Storage::Rounded);
        assert_eq!(y, full.0, "case {index}");
        assert!(gradients != full.1, "case {index}: nothing was rounded");
        for ((name, got), (_, expected)) in gradients.iter().zip(&full.1) {
            assert_close(&format!("case {index} {name}"), got, expected, 0.02);
        }
    }
}

#[test]
fn batches_fall_into_several_tiles() {
    let count = |case: Case| tile::tiles(&case.shape()).len();
    assert_eq!(count(CASE), 5);
    assert_eq!(count(Case { side: 2, n: 19, ..CASE }), 2);
    assert_eq!(count(Case { n: 1, ..CASE }), 1);
}

#[test]
fn threads_change_no_bit() {
    for case in [CASE, Case { norm_groups: None, ..CASE }, Case { n: 1, ..CASE }] {
        let numbers = Numbers::new(case);
        let x = case.x();
        let dy = random(case.n * case.shape().pixels_out() * case.c_out, 20);
        same_for_any_threads(|| {
            let (y, gradients) = numbers.at_once(&x, &dy, Storage::Full);
            y.into_iter().chain(gradients.into_iter().flat_map(|(_, gradient)| gradient)).collect()
        });
    }
}

#[test]
fn what_is_not_kept_is_computed_all_the_same() {
    let numbers = Numbers::new(CASE);
    let x = CASE.x();
    let run = |keep| {
        let mut y = vec![f32::NAN; x.len()];
        numbers.block().forward(&x, &mut y, keep);
        y
    };
    assert_eq!(run(Some(Storage::Full)), run(None));
}
