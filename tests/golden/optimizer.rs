//! Ten steps of every optimizer over parameters of every role.

use dfdx::prelude::Gradients;
use effsweep::ops::view;
use effsweep::sweep::settings::{self, Train};
use effsweep::train::Optimizer;
use serde::Deserialize;

use super::family::Family;
use super::structure::{ByName, Recipe, Structure};

#[derive(Deserialize)]
struct Facts {
    name: String,
    /// Name of what is shared by the optimizers.
    structure: String,
    network: Structure,
    #[serde(flatten)]
    recipe: Recipe,
    optimizer: settings::Optimizer,
    rates: Vec<f32>,
    /// Steps, counted from 1, after which the parameters are held.
    kept: Vec<usize>,
    options: Options,
}

#[derive(Deserialize)]
struct Options {
    batch_size: usize,
    momentum: f64,
    epsilon: f64,
    weight_decay: f64,
}

#[test]
fn optimizers() {
    let (mut family, cases) = Family::open::<Facts>("optimizer");
    for facts in &cases {
        let mut case = family.case(&facts.name);
        let given = |name: &str| format!("{}/{name}", facts.structure);
        let (_, mut parameters) = facts.network.build(&facts.recipe);
        let names: Vec<String> = parameters.iter().map(|(_, parameter)| parameter.name.clone()).collect();
        for name in &names {
            parameters.set(name, case.shared(&given(name)).values);
        }
        let Options { batch_size, momentum, epsilon, weight_decay } = facts.options;
        let optimizer = facts.optimizer;
        let train = Train { optimizer, batch_size, momentum, epsilon, weight_decay, ..Train::default() };
        let mut optimizer = Optimizer::new(&train, &parameters);
        for (step, rate) in facts.rates.iter().enumerate() {
            let mut gradients = Gradients::leaky();
            for (_, parameter) in parameters.iter().filter(|(_, parameter)| parameter.role.is_trained()) {
                let drawn = case.shared(&given(&format!("g.{}", parameter.name))).values;
                let len = view(&parameter.value).len();
                let gradient: &mut Vec<f32> = gradients.get_or_alloc_mut(&parameter.value).unwrap();
                gradient.copy_from_slice(&drawn[step * len..][..len]);
            }
            optimizer.step(&mut parameters, &mut gradients, *rate).unwrap();
            if facts.kept.contains(&(step + 1)) {
                for (_, parameter) in parameters.iter() {
                    case.value(&format!("after_{}.{}", step + 1, parameter.name), view(&parameter.value));
                }
            }
        }
    }
    family.finish();
}
