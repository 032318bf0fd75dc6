//! Memory for tiles.
#![allow(unsafe_code)]

use std::ops::{Deref, DerefMut};

use super::super::buffers::Buffer;
use super::registers::{Row, SIDE};

/// Rows of tiles, in a vector that is used again.
#[derive(Default)]
pub(in super::super) struct Rows {
    values: Buffer,
    count: usize,
}

impl Rows {
    /// Whatever was in them before.
    pub fn stale(count: usize) -> Self {
        // One more, as the vector need not begin where a row may.
        Self { values: Buffer::stale((count + 1) * SIDE), count }
    }

    /// The first of them, of which there will be so many.
    pub fn first(&mut self, count: usize) -> &mut [Row] {
        if self.count < count {
            *self = Self::stale(count);
        }
        &mut self[..count]
    }
}

impl Deref for Rows {
    type Target = [Row];

    fn deref(&self) -> &[Row] {
        // SAFETY: any 64 bytes are a row.
        let (_, rows, _) = unsafe { self.values.align_to::<Row>() };
        &rows[..self.count]
    }
}

impl DerefMut for Rows {
    fn deref_mut(&mut self) -> &mut [Row] {
        // SAFETY: any 64 bytes are a row, and any row is 16 numbers.
        let (_, rows, _) = unsafe { self.values.align_to_mut::<Row>() };
        &mut rows[..self.count]
    }
}
