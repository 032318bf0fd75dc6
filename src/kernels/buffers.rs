//! Vectors that are used again from layer to layer and step to step.
//!
//! A fresh large vector costs a page fault for every 4 KiB, which is slower than filling it; a training step asks for
//! the same lengths again and again. What is dropped waits here for the next to ask.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

/// Idle vectors by length.
static IDLE: Mutex<BTreeMap<usize, Vec<Vec<f32>>>> = Mutex::new(BTreeMap::new());

/// A vector that goes back when it is dropped.
#[derive(Debug, Default)]
pub struct Buffer(Vec<f32>);

impl Buffer {
    /// `length` values, whatever was in them before.
    pub fn stale(length: usize) -> Self {
        let idle = IDLE.lock().ok().and_then(|mut idle| idle.get_mut(&length)?.pop());
        Self(idle.unwrap_or_else(|| vec![0.0; length]))
    }

    /// `length` zeros.
    pub fn zeros(length: usize) -> Self {
        let mut buffer = Self::stale(length);
        buffer.fill(0.0);
        buffer
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.0);
        if !values.is_empty()
            && let Ok(mut idle) = IDLE.lock()
        {
            idle.entry(values.len()).or_default().push(values);
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

/// Gives the memory of all idle vectors back: before work of other shapes begins.
pub fn release_idle() {
    if let Ok(mut idle) = IDLE.lock() {
        idle.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_the_next_of_its_length() {
        // A length that no other test asks for.
        let length = 1_000_003;
        let mut first = Buffer::stale(length);
        first[7] = 5.0;
        let place = first.as_ptr();
        drop(first);
        let again = Buffer::stale(length);
        assert_eq!((again.as_ptr(), again[7]), (place, 5.0));
        drop(again);
        assert!(Buffer::zeros(length).iter().all(|value| *value == 0.0));
    }
}
