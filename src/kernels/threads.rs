//! How work is split: in parts that depend on shapes alone, run on whatever pool the caller is in.

use rayon::prelude::*;

/// Number of parts for `items` of work with at least `least` items each, at most `most`.
pub(super) fn parts(items: usize, least: usize, most: usize) -> usize {
    (items / least.max(1)).clamp(1, most)
}

/// The range of `items` that belongs to part `part` of `parts`: as even as can be, larger ones first.
pub(super) fn range(items: usize, parts: usize, part: usize) -> std::ops::Range<usize> {
    let (size, rest) = (items / parts, items % parts);
    let start = part * size + part.min(rest);
    start..start + size + usize::from(part < rest)
}

/// Calls `f(index, chunk)` for every chunk of `length` values of `out`.
pub(super) fn for_chunks(out: &mut [f32], length: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    out.par_chunks_mut(length.max(1)).enumerate().for_each(|(index, chunk)| f(index, chunk));
}

/// What `f` makes of each part, in the order of the parts.
pub(super) fn map_parts<R: Send>(parts: usize, f: impl Fn(usize) -> R + Send + Sync) -> Vec<R> {
    (0..parts).into_par_iter().map(f).collect()
}

/// Adds vectors to `total`, in order.
pub(super) fn add_in_order(total: &mut [f32], partials: &[Vec<f32>]) {
    for partial in partials {
        total.iter_mut().zip(partial).for_each(|(total, value)| *total += value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_everything_once() {
        for items in 0..40 {
            for parts in 1..9 {
                let covered: Vec<usize> = (0..parts).flat_map(|part| range(items, parts, part)).collect();
                assert_eq!(covered, (0..items).collect::<Vec<_>>());
            }
        }
    }
}
