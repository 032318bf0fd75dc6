//! `open`, and the readers on real image sets where `EFFSWEEP_TEST_DATA` names a folder that holds them:
//! `cifar-10-batches-bin`, `imagenette224-subset` (`train`, `val`) and `sign-digits` (a folder per class,
//! three of its photographs 3024 pixels wide and turned by EXIF).

use std::path::PathBuf;

use super::*;

/// The set of that name, or none, said aloud.
fn real(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("EFFSWEEP_TEST_DATA").map(|folder| PathBuf::from(folder).join(name));
    let path = path.filter(|path| path.is_dir());
    if path.is_none() {
        println!("SKIPPED: no `{name}` in the folder that EFFSWEEP_TEST_DATA names");
    }
    path
}

fn settings(set: ImageSet, path: PathBuf) -> Data {
    Data { set, path: Some(path), ..Data::default() }
}

/// Shows every image of a split once and returns how many of each class there are.
fn tally(set: &Arc<dyn Dataset>, settings: &Data, split: Split) -> Vec<usize> {
    let mut counts = vec![0; set.classes().len()];
    for batch in EvalLoader::new(Arc::clone(set), settings, split, 32, 64, 2).unwrap() {
        let batch = batch.unwrap();
        assert!(batch.images.iter().all(|value| value.is_finite()));
        batch.labels.iter().for_each(|label| counts[*label] += 1);
    }
    counts
}

#[test]
fn a_set_in_files_wants_a_path() {
    for (set, name) in [
        (ImageSet::Cifar10, "cifar10"),
        (ImageSet::Cifar100, "cifar100"),
        (ImageSet::Idx, "idx"),
        (ImageSet::Folder, "folder"),
    ] {
        let error = open(&Data { set, ..Data::default() }).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("`data.path`: not set") && error.contains(name), "{error}");
        let absent = open(&settings(set, "absent/folder".into())).map(|_| ()).unwrap_err();
        assert_eq!(absent.to_string(), "cannot read `absent/folder`");
    }
}

#[test]
fn real_cifar_10_is_read() {
    let Some(path) = real("cifar-10-batches-bin") else { return };
    let settings = settings(ImageSet::Cifar10, path);
    let set = open(&settings).unwrap();
    assert_eq!(set.classes()[3], "cat");
    assert_eq!(tally(&set, &settings, Split::Train), [5000; 10]);
    assert_eq!(tally(&set, &settings, Split::Test), [1000; 10]);
    let part = Data { train_images: Some(2003), ..settings };
    let counts = tally(&open(&part).unwrap(), &part, Split::Train);
    assert_eq!((counts.iter().min(), counts.iter().max()), (Some(&200), Some(&201)));
}

#[test]
fn real_imagenette_is_read_in_its_own_split() {
    let Some(path) = real("imagenette224-subset") else { return };
    let settings = settings(ImageSet::Folder, path);
    let set = open(&settings).unwrap();
    assert_eq!((set.len(Split::Train), set.len(Split::Test), set.classes().len()), (2400, 800, 10));
    assert_eq!(tally(&set, &settings, Split::Test), [80; 10]);
    assert_eq!(tally(&set, &settings, Split::Train), [240; 10]);
}

#[test]
fn real_photographs_are_turned_upright_and_split_by_class() {
    let Some(path) = real("sign-digits") else { return };
    let settings = settings(ImageSet::Folder, path);
    let set = open(&settings).unwrap();
    assert_eq!(set.len(Split::Train) + set.len(Split::Test), 2062);
    let sizes: Vec<(usize, usize)> = [Split::Train, Split::Test]
        .into_iter()
        .flat_map(|split| (0..set.len(split)).map(move |index| (split, index)))
        .map(|(split, index)| set.size(split, index))
        .collect();
    assert_eq!(sizes.iter().filter(|size| **size == (3024, 3024)).count(), 3);
    assert!(tally(&set, &settings, Split::Test).iter().all(|count| (38..=44).contains(count)));
}
