//! How work is split: in parts that depend on shapes alone, run on whatever pool the caller is in.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Mutex;

use super::team::share;

/// Values that a thread adds before it looks for more.
const ADDED_TOGETHER: usize = 16 << 10;

thread_local! {
    /// Whether this thread is at a part of larger work, so that splitting further would only cost.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`, whose kernels then stay on this thread. How work is split does not change by it, nor do results.
pub(super) fn alone<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    let _restore = Restore(ALONE.replace(true));
    f()
}

/// Whether `parts` of work keep every thread busy.
pub(super) fn enough_for_all(parts: usize) -> bool {
    parts >= rayon::current_num_threads()
}

/// How many parts keep every thread that may help busy; whatever hangs on it must not change results.
pub(super) fn wanted() -> usize {
    if ALONE.get() { 1 } else { 2 * rayon::current_num_threads() }
}

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

/// What `f` makes of each item, in order, on all threads that may help.
pub(super) fn map_each<T: Send, R: Send>(items: Vec<T>, f: impl Fn(usize, T) -> R + Sync) -> Vec<R> {
    if ALONE.get() || items.len() < 2 {
        return items.into_iter().enumerate().map(|(index, item)| f(index, item)).collect();
    }
    let places: Vec<Mutex<(Option<T>, Option<R>)>> =
        items.into_iter().map(|item| Mutex::new((Some(item), None))).collect();
    share(places.len(), &|index| {
        let item = places[index].lock().ok().and_then(|mut place| place.0.take());
        let result = item.map(|item| alone(|| f(index, item)));
        if let Ok(mut place) = places[index].lock() {
            place.1 = result;
        }
    });
    places.into_iter().filter_map(|place| place.into_inner().ok()?.1).collect()
}

/// Calls `f(index, chunk)` for every chunk of `length` values of `out`.
pub(super) fn for_chunks(out: &mut [f32], length: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    if ALONE.get() {
        out.chunks_mut(length.max(1)).enumerate().for_each(|(index, chunk)| f(index, chunk));
    } else {
        map_each(out.chunks_mut(length.max(1)).collect(), f);
    }
}

/// What `f(index, chunk)` makes of every chunk of `length` values, in order.
pub(super) fn map_chunks<R: Send>(
    values: &mut [f32],
    length: usize,
    f: impl Fn(usize, &mut [f32]) -> R + Sync,
) -> Vec<R> {
    map_each(values.chunks_mut(length.max(1)).collect(), f)
}

/// What `f` makes of each part, in the order of the parts.
pub(super) fn map_parts<R: Send>(parts: usize, f: impl Fn(usize) -> R + Sync) -> Vec<R> {
    map_each((0..parts).collect(), |_, part| f(part))
}

/// What `f` makes of each item, in order: the items on all threads, or, where they are too few, each on all threads.
pub(super) fn map_items<T: Send, R: Send>(items: Vec<T>, f: impl Fn(T) -> R + Sync) -> Vec<R> {
    if enough_for_all(items.len()) {
        map_each(items, |_, item| f(item))
    } else {
        items.into_iter().map(f).collect()
    }
}

/// Adds vectors to `total`, in order.
pub(super) fn add_in_order<V: Deref<Target = [f32]> + Sync>(total: &mut [f32], partials: &[V]) {
    for_chunks(total, ADDED_TOGETHER, |index, total| {
        let first = index * ADDED_TOGETHER;
        for partial in partials {
            let partial = &partial[first..first + total.len()];
            total.iter_mut().zip(partial).for_each(|(total, value)| *total += value);
        }
    });
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
