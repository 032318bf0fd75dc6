//! Vectors that are used again from layer to layer and step to step.
//!
//! A fresh large vector costs a page fault for every 4 KiB, which is slower than filling it; a training step asks for
//! the same lengths again and again, and for similar ones from block to block. What is dropped waits here for the next
//! to ask.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use half::bf16;

/// Idle vectors by length.
type Idle<T> = Mutex<BTreeMap<usize, Vec<Vec<T>>>>;

/// A number that vectors of wait to be used again.
pub trait Number: Copy + Default + 'static {
    #[doc(hidden)]
    fn idle() -> &'static Idle<Self>;
}

impl Number for f32 {
    fn idle() -> &'static Idle<Self> {
        static IDLE: Idle<f32> = Mutex::new(BTreeMap::new());
        &IDLE
    }
}

impl Number for bf16 {
    fn idle() -> &'static Idle<Self> {
        static IDLE: Idle<bf16> = Mutex::new(BTreeMap::new());
        &IDLE
    }
}

/// A vector that goes back when it is dropped.
#[derive(Debug, Default)]
pub struct Buffer<T: Number = f32> {
    /// At least as many values as are in use.
    values: Vec<T>,
    length: usize,
}

/// How many times as long as asked for a vector may be: from stage to stage images shrink by less.
const LONGEST: usize = 3;

/// The shortest idle vector of at least that length.
fn take<T>(idle: &mut BTreeMap<usize, Vec<Vec<T>>>, length: usize) -> Option<Vec<T>> {
    let (&found, vectors) = idle.range_mut(length..=LONGEST * length).next()?;
    let vector = vectors.pop();
    if vectors.is_empty() {
        idle.remove(&found);
    }
    vector
}

impl<T: Number> Buffer<T> {
    /// `length` values, whatever was in them before.
    pub fn stale(length: usize) -> Self {
        let idle = T::idle().lock().ok().and_then(|mut idle| take(&mut idle, length));
        Self { values: idle.unwrap_or_else(|| vec![T::default(); length]), length }
    }

    /// `length` zeros.
    pub fn zeros(length: usize) -> Self {
        let mut buffer = Self::stale(length);
        buffer.fill(T::default());
        buffer
    }
}

impl<T: Number> Drop for Buffer<T> {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.values);
        if !values.is_empty()
            && let Ok(mut idle) = T::idle().lock()
        {
            idle.entry(values.len()).or_default().push(values);
        }
    }
}

impl<T: Number> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values[..self.length]
    }
}

impl<T: Number> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[..self.length]
    }
}

/// Gives the memory of all idle vectors back: before work of other shapes begins.
pub fn release_idle() {
    fn clear<T: Number>() {
        if let Ok(mut idle) = T::idle().lock() {
            idle.clear();
        }
    }
    clear::<f32>();
    clear::<bf16>();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_that_serves_is_taken() {
        let mut idle = BTreeMap::new();
        for length in [40, 10, 14] {
            idle.entry(length).or_insert_with(Vec::new).push(vec![0.0f32; length]);
        }
        let mut taken = |length| take(&mut idle, length).map(|vector| vector.len());
        assert_eq!([taken(10), taken(10), taken(10), taken(14)], [Some(10), Some(14), None, Some(40)]);
        assert!(idle.is_empty());
    }

    #[test]
    fn a_dropped_buffer_is_the_next_of_its_length() {
        // So long that no other test asks for one that it could serve as.
        let length = 5_000_011;
        let mut first: Buffer<bf16> = Buffer::stale(length);
        first[7] = bf16::ONE;
        let place = first.as_ptr();
        drop(first);
        let shorter: Buffer<bf16> = Buffer::stale(length - 1000);
        assert_eq!((shorter.as_ptr(), shorter.len(), shorter[7]), (place, length - 1000, bf16::ONE));
        drop(shorter);
        let again: Buffer<bf16> = Buffer::zeros(length);
        assert_eq!(again.as_ptr(), place, "it went back whole");
        assert!(again.iter().all(|value| *value == bf16::ZERO));
    }
}
