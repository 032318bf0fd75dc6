//! Whole MBConv blocks under every norm and both placements of proxy norm's scale, and the skip connection.

use dfdx::tensor::Trace;
use effsweep::model::{Pass, Training};
use effsweep::ops::{self, view};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::family::{Case, Family};
use super::structure::{BlockFacts, ByName, Recipe, Structure};
use super::tape::{Leaf, backward};

#[derive(Deserialize)]
struct Facts {
    name: String,
    #[serde(flatten)]
    op: Op,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Op {
    Block(Box<Block>),
    Residual,
}

#[derive(Deserialize)]
struct Block {
    /// Name of what is shared by the cases of one structure.
    structure: String,
    block: BlockFacts,
    #[serde(flatten)]
    recipe: Recipe,
    training: bool,
}

#[test]
fn blocks() {
    let (mut family, cases) = Family::open::<Facts>("mbconv");
    for facts in &cases {
        let mut case = family.case(&facts.name);
        match &facts.op {
            Op::Block(block) => hold(&mut case, block),
            Op::Residual => {
                let (x, skip) = (case.image("x"), case.image("skip"));
                let y = ops::residual(x.leaky_trace(), &skip, Some(case.given("survival").values));
                case.operation(y, &[("x", &x), ("skip", &skip)]);
            }
        }
    }
    family.finish();
}

fn hold(case: &mut Case<'_>, facts: &Block) {
    // Stem and top are not run.
    let around = Structure {
        c_stem: facts.block.c_in,
        stem_stride: 1,
        blocks: vec![facts.block],
        c_top: facts.block.c_out,
        classes: 2,
    };
    let (network, mut parameters) = around.build(&facts.recipe);
    let names: Vec<String> = parameters
        .iter()
        .filter_map(|(_, parameter)| parameter.name.strip_prefix("blocks.0.").map(str::to_owned))
        .collect();
    for name in &names {
        parameters
            .set(&format!("blocks.0.{name}"), case.shared(&format!("{}/{name}", facts.structure)).values);
    }
    let x = case.shared(&format!("{}/x", facts.structure)).into_image();
    let mut training = Training::new(ChaCha8Rng::seed_from_u64(0));
    let mut pass = match facts.training {
        true => Pass::training(&parameters, &mut training),
        false => Pass::evaluation(&parameters),
    };
    let y = network.block(0, x.leaky_trace(), &mut pass);
    case.value("y", view(&y));
    let mut gradients = backward(y, case.shared(&format!("{}/dy", facts.structure)).values);
    case.gradient("dx", &x.gradient(&mut gradients));
    for (_, parameter) in parameters.iter().filter(|(_, parameter)| parameter.role.is_trained()) {
        if let Some(name) = parameter.name.strip_prefix("blocks.0.") {
            case.gradient(&format!("d.{name}"), &parameter.value.gradient(&mut gradients));
        }
    }
}
