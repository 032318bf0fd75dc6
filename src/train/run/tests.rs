//! Small trainings, with and without signals.

use super::*;
use crate::arch::Norm;
use crate::data::open;
use crate::protocol::SignalPlace;
use crate::sweep::settings::Resizing;

fn settings(norm: Norm, signals: &[usize]) -> Settings {
    let mut settings = Settings::default();
    (settings.data.train_images, settings.data.test_images) = (Some(40), Some(10));
    (settings.model.norm, settings.model.width, settings.model.depth) = (norm, Some(0.25), Some(0.3));
    // Everything that draws or remembers, so that a disturbance would show.
    (settings.model.dropout, settings.model.stochastic_depth) = (Some(0.2), 0.3);
    settings.train.mixup = 0.2;
    (settings.train.epochs, settings.train.batch_size, settings.train.resolution) = (2, 8, 16);
    settings.run.signals = signals.to_vec();
    settings
}

/// What is told, and the bits of what is trained; `None` if it was stopped at the first event that `stop` names.
fn trained(
    settings: &Settings,
    folder: &Path,
    stop: fn(&Event) -> bool,
) -> (Vec<Event>, Option<Vec<Vec<u32>>>) {
    let trial = Trial {
        key: "a",
        settings,
        seed: 3,
        dataset: open(&settings.data).unwrap(),
        threads: 1,
        checkpoints: folder,
    };
    let mut events = Vec::new();
    let ended = train(&trial, &mut |event| {
        let wish = if stop(&event) { Wish::Stop } else { Wish::GoOn };
        events.push(event);
        wish
    });
    let parameters = match ended.unwrap() {
        Trained::Finished(trained) => Some(trained.1),
        Trained::Stopped { .. } => None,
        Trained::Diverged { .. } => panic!("it diverged"),
    };
    let bits = |parameters: Parameters| {
        let values = parameters.iter().map(|(_, one)| view(&one.value).iter().map(|x| x.to_bits()).collect());
        values.collect()
    };
    (events, parameters.map(bits))
}

fn reports(events: &[Event]) -> Vec<SignalsReport> {
    let reports = events.iter().filter_map(|event| match event {
        Event::Signals(report) => Some(report.clone()),
        _ => None,
    });
    reports.collect()
}

#[test]
fn signals_change_nothing_that_is_trained() {
    for norm in [Norm::Batch, Norm::Layer { proxy: true }, Norm::Instance] {
        let [without, with] = [[].as_slice(), &[0, 1, 2]].map(|signals| {
            let folder = tempfile::tempdir().unwrap();
            trained(&settings(norm, signals), folder.path(), |_| false)
        });
        assert!(with.1.is_some() && with.1 == without.1, "{norm}");
        assert!(reports(&without.0).is_empty());
    }
}

#[test]
fn signals_are_told_where_they_are_asked_for_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let (events, _) = trained(&settings(Norm::Batch, &[2, 0]), folder.path(), |_| false);
    let order: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            Event::Epoch(report) => Some(format!("epoch {}", report.epoch)),
            Event::Signals(report) => Some(format!("signals {}", report.finished_epochs)),
            _ => None,
        })
        .collect();
    let mut short = order.clone();
    short.dedup();
    assert_eq!(short, ["signals 0", "epoch 0", "epoch 1", "signals 2"]);
    let told = reports(&events);
    let pre = |epochs| {
        told.iter().filter(move |one| one.finished_epochs == epochs && one.place == SignalPlace::Pre)
    };
    assert_eq!(pre(0).map(|one| one.layer).collect::<Vec<_>>(), (0..pre(0).count()).collect::<Vec<_>>());
    assert_eq!(pre(0).next().map(|one| (one.name.as_str(), one.images, one.pixels)), Some(("stem", 40, 256)));
    assert!(pre(0).zip(pre(2)).all(|(before, after)| before.channels != after.channels));
}

#[test]
fn a_resumed_training_records_what_an_unbroken_one_does() {
    let settings = settings(Norm::Batch, &[0, 1, 2]);
    let unbroken = tempfile::tempdir().unwrap();
    let expected = reports(&trained(&settings, unbroken.path(), |_| false).0);
    // Told to stop at the end of the first epoch: the signals there come with the next attempt, which tells
    // those before it again, as what the first attempt said may have died with its reader.
    let folder = tempfile::tempdir().unwrap();
    let (first, stopped) = trained(&settings, folder.path(), |event| matches!(event, Event::Epoch(_)));
    assert!(stopped.is_none());
    let (second, _) = trained(&settings, folder.path(), |_| false);
    let moments = |events: &[Event]| {
        let mut moments: Vec<usize> = reports(events).iter().map(|one| one.finished_epochs).collect();
        moments.dedup();
        moments
    };
    assert_eq!((moments(&first), moments(&second)), (vec![0], vec![0, 1, 2]));
    assert_eq!(reports(&second), expected);
    assert!(expected.starts_with(&reports(&first)));
}

#[test]
fn a_training_that_goes_on_within_an_epoch_does_not_record_its_beginning() {
    let settings = settings(Norm::Batch, &[0, 2]);
    let folder = tempfile::tempdir().unwrap();
    let trial = Trial {
        key: "a",
        settings: &settings,
        seed: 3,
        dataset: open(&settings.data).unwrap(),
        threads: 1,
        checkpoints: folder.path(),
    };
    let mut run = Run::new(&trial).unwrap();
    let epoch = Epoch { seed: 3, number: 0, first_step: 0 };
    let set = Arc::clone(&trial.dataset);
    let mut loader = TrainLoader::new(set, &settings.data, 8, 16, epoch, 1).unwrap();
    assert!(run.step(loader.next().unwrap().unwrap()).unwrap());
    run.stop(&mut |_| Wish::GoOn).unwrap();
    let (events, _) = trained(&settings, folder.path(), |_| false);
    assert!(reports(&events).iter().all(|one| one.finished_epochs == 2));
    assert!(!reports(&events).is_empty());
}

#[test]
fn a_training_of_changing_sizes_goes_on_to_the_same_bits() {
    for resizing in [Resizing::Mixed, Resizing::Progressive] {
        let mut settings = settings(Norm::Layer { proxy: true }, &[]);
        (settings.train.resizing, settings.train.resize_from) = (resizing, Some(16));
        (settings.train.resolution, settings.train.cutmix) = (32, 1.0);
        let unbroken = tempfile::tempdir().unwrap();
        let (_, expected) = trained(&settings, unbroken.path(), |_| false);
        let folder = tempfile::tempdir().unwrap();
        let (_, stopped) = trained(&settings, folder.path(), |event| matches!(event, Event::Epoch(_)));
        assert!(stopped.is_none());
        let (_, resumed) = trained(&settings, folder.path(), |_| false);
        assert!(expected.is_some() && resumed == expected, "{resizing:?}");
        settings.train.resizing = Resizing::None;
        let (_, other) = trained(&settings, tempfile::tempdir().unwrap().path(), |_| false);
        assert!(other != expected, "{resizing:?}");
    }
}
