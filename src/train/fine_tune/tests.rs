//! Small fine-tunings: what moves, what stays, and that what is kept changes nothing.

use super::*;
use crate::arch::Norm;
use crate::data::open;
use crate::model::EfficientNet;
use crate::train::recipe as network_recipe;

const SIDE: usize = 20;

fn settings(norm: Norm) -> Settings {
    let mut settings = Settings::default();
    (settings.data.train_images, settings.data.test_images) = (Some(45), Some(10));
    (settings.model.norm, settings.model.width, settings.model.depth) = (norm, Some(0.25), Some(0.3));
    (settings.model.dropout, settings.model.stochastic_depth) = (Some(0.2), 0.3);
    settings.train.resolution = 16;
    settings
}

fn tuning(trained: Part) -> FineTuning {
    FineTuning { trained, epochs: 2, batch_size: 8, lr: 0.1 }
}

/// Parameters before and after.
fn tuned(settings: &Settings, tuning: &FineTuning) -> (Parameters, Parameters) {
    let dataset = open(&settings.data).unwrap();
    let shape = settings.model.network(dataset.classes().len()).unwrap();
    let (_, before) = EfficientNet::new(&shape, &network_recipe(&settings.model), 5);
    let ended = fine_tune(tuning, &before, (&dataset, settings), (SIDE, 3), 2, &mut || Wish::GoOn).unwrap();
    match ended {
        FineTuned::Finished(after, _) => (before, *after),
        FineTuned::Stopped => panic!("nobody wished so"),
    }
}

/// Names of the parameters that moved.
fn moved(before: &Parameters, after: &Parameters) -> Vec<String> {
    let pairs = before.iter().zip(after.iter());
    let moved = pairs.filter(|((_, before), (_, after))| view(&before.value) != view(&after.value));
    moved.map(|((_, before), _)| before.name.clone()).collect()
}

fn bits(parameters: &Parameters) -> Vec<u32> {
    parameters.iter().flat_map(|(_, one)| view(&one.value)).map(|x| x.to_bits()).collect()
}

#[test]
fn the_trained_part_moves_whole_and_the_rest_not_at_all() {
    for norm in [Norm::Batch, Norm::Layer { proxy: true }] {
        let settings = settings(norm);
        let names = |after: &str| -> Vec<String> {
            let (all, _) = tuned(&settings, &FineTuning { epochs: 0, ..tuning(Part::Head) });
            let names = all.iter().map(|(_, one)| one.name.clone());
            names.skip_while(|name| !name.starts_with(after)).collect()
        };
        let last = settings.model.network(10).unwrap().blocks.len() - 1;
        for (part, first) in [
            (Part::Head, "classifier.".to_owned()),
            (Part::Top, "top.".to_owned()),
            (Part::Block(last), format!("blocks.{last}.")),
            (Part::All, "stem.".to_owned()),
        ] {
            let (before, after) = tuned(&settings, &tuning(part));
            assert_eq!(moved(&before, &after), names(&first), "{part} of {norm}");
        }
    }
}

#[test]
fn the_frozen_part_makes_of_an_image_what_evaluation_makes() {
    let settings = settings(Norm::Batch);
    let dataset = open(&settings.data).unwrap();
    let shape = settings.model.network(dataset.classes().len()).unwrap();
    let (network, parameters) = EfficientNet::new(&shape, &network_recipe(&settings.model), 5);
    let load = |indices: Vec<usize>| {
        let set = Arc::clone(&dataset);
        let mut batches =
            EvalLoader::listed(set, &settings.data, Split::Train, SIDE, vec![indices], 1).unwrap();
        batches.next().unwrap().unwrap()
    };
    let list = [7, 3, 11];
    for (part, cut) in [(Part::Head, Cut::Head), (Part::Top, Cut::Top), (Part::Block(1), Cut::Block(1))] {
        let train = recipe(&tuning(part), &settings.train);
        let trainee = Trainee::after(cut, &settings, &train, 10, parameters.clone()).unwrap();
        let mut features = Features::within(1 << 20);
        for batch in [load(list.to_vec()), load(features.lacking(&[]))] {
            let gathered = features.gather(&trainee, cut, &list, batch, SIDE);
            let mut pass = Pass::evaluation(&parameters);
            let images = image(load(list.to_vec()).images, (3, SIDE, SIDE, 3));
            let whole = network.forward(images, &mut Pass::evaluation(&parameters));
            let rest = network.after(gathered, cut, &mut pass);
            for (a, b) in view(&rest).iter().zip(view(&whole)) {
                assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{part}: {a} {b}");
            }
        }
        assert_eq!(features.lacking(&[7, 3, 11, 4]), [4], "what was made is kept");
    }
}

#[test]
fn what_is_kept_changes_nothing() {
    let mut settings = settings(Norm::Layer { proxy: false });
    let all = tuned(&settings, &tuning(Part::Top)).1;
    settings.fine_tune.features_mib = 0;
    let none = tuned(&settings, &tuning(Part::Top)).1;
    for (a, b) in bits(&all).into_iter().zip(bits(&none)) {
        let (a, b) = (f32::from_bits(a), f32::from_bits(b));
        assert!((a - b).abs() <= 1e-4 * b.abs().max(1e-2), "{a} {b}");
    }
    let mut features = Features::within(5 * size_of::<f32>());
    features.shape = (1, 1, 4);
    features.room -= 4 * size_of::<f32>();
    assert!(features.room.checked_sub(4 * size_of::<f32>()).is_none(), "a whole image or nothing");
}

#[test]
fn the_same_seed_gives_the_same_bits_on_any_number_of_threads() {
    let settings = settings(Norm::Batch);
    let dataset = open(&settings.data).unwrap();
    let (before, first) = tuned(&settings, &tuning(Part::Top));
    let again =
        fine_tune(&tuning(Part::Top), &before, (&dataset, &settings), (SIDE, 3), 1, &mut || Wish::GoOn);
    let FineTuned::Finished(again, _) = again.unwrap() else { panic!("nobody wished so") };
    assert!(bits(&first) == bits(&again));
}

#[test]
fn fine_tuning_learns() {
    let mut settings = settings(Norm::Layer { proxy: true });
    (settings.model.dropout, settings.model.stochastic_depth) = (Some(0.0), 0.0);
    let dataset = open(&settings.data).unwrap();
    let batch = || {
        let (set, all) = (Arc::clone(&dataset), vec![(0..45).collect()]);
        EvalLoader::listed(set, &settings.data, Split::Train, SIDE, all, 1).unwrap().next().unwrap().unwrap()
    };
    let loss = |parameters: &Parameters| {
        let train = recipe(&tuning(Part::All), &settings.train);
        let mut trainee = Trainee::after(Cut::Nothing, &settings, &train, 10, parameters.clone()).unwrap();
        let Batch { images, labels, .. } = batch();
        let targets = smoothed(&labels, 10, settings.train.label_smoothing);
        let none = stream(Purpose::Dropping, 0, 0);
        trainee.step_on(image(images, (45, SIDE, SIDE, 3)), targets, 0.0, none).unwrap().loss
    };
    let (before, after) = tuned(&settings, &FineTuning { epochs: 10, ..tuning(Part::All) });
    assert!(loss(&after) < loss(&before) - 0.1, "{} {}", loss(&after), loss(&before));
}

#[test]
fn a_rate_beyond_reason_ends_early_with_numbers_that_can_be_told() {
    let settings = settings(Norm::Batch);
    let (_, after) = tuned(&settings, &FineTuning { lr: 1e30, ..tuning(Part::Top) });
    let dataset = open(&settings.data).unwrap();
    let shape = settings.model.network(dataset.classes().len()).unwrap();
    let (network, _) = EfficientNet::new(&shape, &network_recipe(&settings.model), 5);
    let report = crate::train::evaluate((&network, &after), &dataset, &settings, SIDE, 1, &mut || Wish::GoOn);
    assert!(report.unwrap().unwrap().loss.is_finite());
}
