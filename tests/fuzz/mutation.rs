//! Changing an input at random.

use rand::{Rng, RngExt};

/// Numbers at which readers stumble.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "2",
    "255",
    "256",
    "65536",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "1e999",
    "-0.0",
    "nan",
    "inf",
    "0.1",
    "1e-320",
];

/// `input` with one to four changes; `others` lend their parts, `words` are put in as they are.
pub fn mutated(input: &[u8], others: &[Vec<u8>], words: &[&str], random: &mut impl Rng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..random.random_range(1..=4) {
        change(&mut bytes, others, words, random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, others: &[Vec<u8>], words: &[&str], random: &mut impl Rng) {
    let place = random.random_range(0..=bytes.len());
    let end = (place + random.random_range(0..64)).min(bytes.len());
    match random.random_range(0..10) {
        0 if place < bytes.len() => bytes[place] ^= 1 << random.random_range(0..8),
        1 if place < bytes.len() => bytes[place] = random.random(),
        2 => drop(bytes.drain(place..end)),
        3 => {
            let copy = bytes[place..end].to_vec();
            let to = random.random_range(0..=bytes.len());
            drop(bytes.splice(to..to, copy));
        }
        4 => bytes.truncate(place),
        5 => {
            let other = &others[random.random_range(0..others.len())];
            let from = random.random_range(0..=other.len());
            let to = (from + random.random_range(0..256)).min(other.len());
            drop(bytes.splice(place..end, other[from..to].iter().copied()));
        }
        6 | 7 if !words.is_empty() => {
            let word = words[random.random_range(0..words.len())];
            drop(bytes.splice(place..place, word.bytes()));
        }
        8 => number(bytes, random),
        _ => line(bytes, random),
    }
}

/// Puts another number in place of one.
fn number(bytes: &mut Vec<u8>, random: &mut impl Rng) {
    let is_digit = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let starts: Vec<usize> = (0..bytes.len())
        .filter(|at| is_digit(&bytes[*at]) && (*at == 0 || !is_digit(&bytes[at - 1])))
        .collect();
    if starts.is_empty() {
        return;
    }
    let start = starts[random.random_range(0..starts.len())];
    let length = bytes[start..].iter().take_while(|byte| is_digit(byte)).count();
    let number = NUMBERS[random.random_range(0..NUMBERS.len())];
    drop(bytes.splice(start..start + length, number.bytes()));
}

/// Says a line twice, or moves it.
fn line(bytes: &mut Vec<u8>, random: &mut impl Rng) {
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    if lines.is_empty() {
        return;
    }
    let one = random.random_range(0..lines.len());
    let line = if random.random() { lines.remove(one) } else { lines[one].clone() };
    lines.insert(random.random_range(0..=lines.len()), line);
    *bytes = lines.concat();
}
