//! Fronts, ranks and hypervolumes against pymoo and moocore, on the random sets that `pareto.py` makes.

use effsweep::analysis::hypervolume::{contributions, hypervolume};
use effsweep::analysis::pareto::{Direction, front, ranks};
use serde::Deserialize;

/// A line of `pareto.csv`.
#[derive(Deserialize)]
struct Expected {
    case: u64,
    ranks: String,
    hypervolume: f64,
    contributions: String,
}

/// SplitMix64 (Steele, Lea and Flood 2014), which is as short in Python.
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Points of a case; every second one has values on a coarse grid.
fn points(case: u64) -> Vec<Vec<f64>> {
    let mut stream = Stream(case);
    let objectives = 2 + stream.next() % 4;
    let count = 1 + stream.next() % 40;
    let mut value = || match case % 2 {
        1 => (stream.next() % 8) as f64 / 8.0,
        _ => (stream.next() >> 11) as f64 / (1_u64 << 53) as f64,
    };
    (0..count).map(|_| (0..objectives).map(|_| value()).collect()).collect()
}

fn list<T: std::str::FromStr>(text: &str) -> Vec<T>
where
    T::Err: std::fmt::Debug,
{
    text.split(' ').map(|word| word.parse().unwrap()).collect()
}

#[test]
fn fronts_ranks_and_hypervolumes_are_those_of_pymoo_and_moocore() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/pareto.csv");
    let mut reader = csv::Reader::from_path(path).unwrap();
    let (mut cases, mut worst) = (0, 0.0_f64);
    for expected in reader.deserialize() {
        let Expected { case, ranks: layers, hypervolume: volume, contributions: added } = expected.unwrap();
        let points = points(case);
        let directions = vec![Direction::Minimize; points[0].len()];
        let reference = vec![1.0; directions.len()];
        let layers: Vec<Option<usize>> = list(&layers).into_iter().map(Some).collect();
        assert_eq!(ranks(&points, &directions), layers, "case {case}");
        let on_front: Vec<bool> = layers.iter().map(|layer| *layer == Some(0)).collect();
        assert_eq!(front(&points, &directions), on_front, "case {case}");
        let difference = (hypervolume(&points, &directions, &reference) - volume).abs();
        worst = worst.max(difference);
        assert!(difference < 1e-12, "case {case}: {difference}");
        for (ours, theirs) in
            contributions(&points, &directions, &reference).into_iter().zip(list::<f64>(&added))
        {
            assert!((ours - theirs).abs() < 1e-10, "case {case}: {ours} {theirs}");
        }
        cases += 1;
    }
    println!("{cases} cases, worst difference of a hypervolume {worst:.1e}");
    assert_eq!(cases, 1000);
}
