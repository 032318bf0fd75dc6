//! Matrix products on tile registers (Intel's Advanced Matrix Extensions), of f32 numbers to f32 precision.
//!
//! Tile registers multiply bfloat16 numbers and sum in f32, sixteen times as fast as vectors multiply f32. An f32 number is the sum
//! of three bfloat16 numbers, `x = x₀ + x₁ + x₂`, eight of its 24 bits each (`split`), so a product of two is six of theirs
//! (`registers`); the three that are left out add less than the rounding of the sum does. Henry, Tang & Heinecke 2019, "Leveraging
//! the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations". What is left is more than twice as fast
//! as vectors (`product`).
//!
//! A tile is 16 rows of 64 bytes: 16 × 16 sums, or 16 rows of a left matrix with a *chunk* of 32 summed numbers each, or, of a right
//! one, 16 columns of a chunk. Numbers of a chunk stand in pairs, the first with the 17th: on both sides, so that any order will do.

mod product;
mod registers;
mod rows;
mod split;

pub(super) use product::product;
pub(super) use registers::{CHUNK, CHUNK_ROWS, Depth, Registers, Row, SIDE};
pub(super) use rows::Rows;
pub(super) use split::{
    NOWHERE, Piece, Side, put_rows, put_sums, split_left_places, split_places, split_right_places, split_rows,
};

use std::sync::OnceLock;

use super::simd::asked_for;

/// Whether this machine has tile registers and its system lets this process use them. `EFFSWEEP_SIMD` set to a lesser instruction
/// set says no.
pub(super) fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        let wanted = !matches!(asked_for().as_str(), "avx512" | "avx2" | "portable");
        wanted
            && std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && registers::exist()
            && registers::permitted()
    })
}
