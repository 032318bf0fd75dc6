//! Numbers to their three parts, in the order in which tiles hold them.
#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::ops::Range;

use super::super::strided::Strided;
use super::registers::{CHUNK, CHUNK_ROWS, Row, SIDE};

/// Which side of a product a panel is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Side {
    /// Sixteen rows.
    Left,
    /// Sixteen columns.
    Right,
}

/// A part of a panel.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Piece {
    pub side: Side,
    /// The first of the panel's rows (left) or columns (right).
    pub first: usize,
    /// The first summed number.
    pub at: usize,
    /// Whether half a chunk is all.
    pub half: bool,
}

/// Splits some `rows` of a chunk of `matrix` to its three tiles; where it must be transposed, all of them with the first. What lies
/// beyond the matrix is zero.
///
/// # Safety
/// The processor must have AVX-512.
#[target_feature(enable = "avx512f")]
pub(in super::super) unsafe fn split_rows(
    matrix: Strided<'_>,
    piece: Piece,
    rows: Range<usize>,
    tiles: &mut [Row],
) {
    let Piece { side, first, at, half } = piece;
    let place = |at: usize| match side {
        Side::Left => (first, at),
        Side::Right => (at, first),
    };
    let (low, high) = (place(at), place(at + SIDE));
    let (stride, column_stride) = matrix.strides();
    if column_stride != 1 {
        if rows.start == 0 {
            let low = transposed(matrix, low);
            if half {
                (0..SIDE).for_each(|row| half_parts(side, low[row], tiles, row));
            } else {
                let high = transposed(matrix, high);
                (0..SIDE).for_each(|row| parts(low[row], high[row], tiles, row));
            }
        }
    } else if half {
        rows.for_each(|row| half_parts(side, load(matrix, low.0 + row, low.1), tiles, row));
    } else if high.0 + SIDE <= matrix.row_count() && high.1 + SIDE <= matrix.column_count() {
        let (low, high) = (low.0 * stride + low.1, high.0 * stride + high.1);
        let values = matrix.values();
        assert!(rows.end <= SIDE && low <= high && high + (SIDE - 1) * stride + SIDE <= values.len());
        // The same of the next pair of panels.
        let ahead = if side == Side::Left { 2 * SIDE * stride } else { 2 * SIDE };
        for row in rows {
            _mm_prefetch::<_MM_HINT_T1>(values.as_ptr().wrapping_add(low + row * stride + ahead).cast());
            _mm_prefetch::<_MM_HINT_T1>(values.as_ptr().wrapping_add(high + row * stride + ahead).cast());
            // SAFETY: the last row's numbers were asserted to lie within.
            let load = |at: usize| unsafe { _mm512_loadu_ps(values.as_ptr().add(at + row * stride)) };
            parts(load(low), load(high), tiles, row);
        }
    } else {
        for row in rows {
            let (low, high) = (load(matrix, low.0 + row, low.1), load(matrix, high.0 + row, high.1));
            parts(low, high, tiles, row);
        }
    }
}

/// No place: what is read there is zero.
pub(in super::super) const NOWHERE: usize = usize::MAX;

/// Splits some rows of a chunk, or of half a one, of a left matrix whose rows stand at `places` of `values`.
///
/// # Safety
/// The processor must have AVX-512.
#[target_feature(enable = "avx512f")]
pub(in super::super) unsafe fn split_places(
    values: &[f32],
    places: &[usize; SIDE],
    half: bool,
    rows: Range<usize>,
    tiles: &mut [Row],
) {
    let numbers = if half { SIDE } else { 2 * SIDE };
    for row in rows {
        let place = places[row];
        let (low, high) = if place == NOWHERE {
            (_mm512_setzero_ps(), _mm512_setzero_ps())
        } else {
            assert!(place <= values.len() && numbers <= values.len() - place);
            // SAFETY: as asserted.
            let load = |at: usize| unsafe { _mm512_loadu_ps(values.as_ptr().add(at)) };
            (load(place), if half { _mm512_setzero_ps() } else { load(place + SIDE) })
        };
        if half {
            half_parts(Side::Left, low, tiles, row);
        } else {
            parts(low, high, tiles, row);
        }
    }
}

/// Splits a chunk, or half a one, of sixteen columns of a right matrix from `column` on, whose rows begin at `places` of `values`.
///
/// # Safety
/// The processor must have AVX-512.
#[target_feature(enable = "avx512f")]
pub(in super::super) unsafe fn split_right_places(
    (values, column): (&[f32], usize),
    places: &[usize; CHUNK],
    half: bool,
    tiles: &mut [Row],
) {
    for row in 0..SIDE {
        let low = at(values, column, places[row]);
        if half {
            half_parts(Side::Right, low, tiles, row);
        } else {
            parts(low, at(values, column, places[row + SIDE]), tiles, row);
        }
    }
}

/// Splits a chunk, or half a one, of sixteen rows of a left matrix from `row` on, whose columns begin at `places` of `values`.
///
/// # Safety
/// The processor must have AVX-512.
#[target_feature(enable = "avx512f")]
pub(in super::super) unsafe fn split_left_places(
    (values, row): (&[f32], usize),
    places: &[usize; CHUNK],
    half: bool,
    tiles: &mut [Row],
) {
    let block = |from: usize| {
        let mut block = [_mm512_setzero_ps(); SIDE];
        for (line, place) in block.iter_mut().zip(&places[from..]) {
            *line = at(values, row, *place);
        }
        transpose(&mut block);
        block
    };
    let low = block(0);
    if half {
        (0..SIDE).for_each(|row| half_parts(Side::Left, low[row], tiles, row));
    } else {
        let high = block(SIDE);
        (0..SIDE).for_each(|row| parts(low[row], high[row], tiles, row));
    }
}

/// Sixteen numbers, `offset` after `place`.
#[inline]
#[target_feature(enable = "avx512f")]
fn at(values: &[f32], offset: usize, place: usize) -> __m512 {
    if place == NOWHERE {
        return _mm512_setzero_ps();
    }
    let place = place + offset;
    assert!(place <= values.len() && SIDE <= values.len() - place);
    // SAFETY: as asserted.
    unsafe { _mm512_loadu_ps(values.as_ptr().add(place)) }
}

/// Puts `sums`, rows of `count` numbers every `stride`, to `places` of `to`, or adds them to what stands there.
///
/// # Safety
/// The processor must have AVX-512.
#[target_feature(enable = "avx512f")]
pub(in super::super) unsafe fn put_rows(
    (sums, stride): (&[f32], usize),
    count: usize,
    (to, places): (&mut [f32], &[usize]),
    add: bool,
) {
    assert!(count.is_multiple_of(SIDE) && count <= stride && places.len() * stride <= sums.len());
    for (row, place) in places.iter().enumerate() {
        let to = &mut to[*place..*place + count];
        for at in (0..count).step_by(SIDE) {
            // SAFETY: rows and places hold `count` numbers, a multiple of a vector's.
            unsafe {
                let place = to.as_mut_ptr().add(at);
                let sum = _mm512_loadu_ps(sums.as_ptr().add(row * stride + at));
                let sum = if add { _mm512_add_ps(_mm512_loadu_ps(place), sum) } else { sum };
                _mm512_storeu_ps(place, sum);
            }
        }
    }
}

/// Sixteen rows and columns, whose rows follow each other.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed(matrix: Strided<'_>, (row, column): (usize, usize)) -> [__m512; SIDE] {
    let mut block = [_mm512_setzero_ps(); SIDE];
    for (i, line) in block.iter_mut().enumerate() {
        *line = load(matrix.transposed(), column + i, row);
    }
    transpose(&mut block);
    block
}

/// Sixteen numbers of a row, zeros beyond the matrix. Columns must follow each other.
#[inline]
#[target_feature(enable = "avx512f")]
fn load(matrix: Strided<'_>, row: usize, column: usize) -> __m512 {
    let (rows, columns) = (matrix.row_count(), matrix.column_count());
    if row >= rows || column >= columns {
        return _mm512_setzero_ps();
    }
    let count = (columns - column).min(SIDE);
    let mask = ((1u32 << count) - 1) as __mmask16;
    // SAFETY: the row and the columns that are read are the matrix's, so they lie within its values.
    unsafe { _mm512_maskz_loadu_ps(mask, matrix.values().as_ptr().add(row * matrix.strides().0 + column)) }
}

/// The three parts, each in the high half of its lane: `x₀` is `x` cut to bfloat16, which never overflows, `x₁` what is left of it,
/// rounded, and `x₂` what is left then, which has no more than eight bits.
#[inline]
#[target_feature(enable = "avx512f")]
fn split(x: __m512) -> [__m512i; 3] {
    let (half, mask) = (_mm512_set1_epi32(0x8000), _mm512_set1_epi32(-0x1_0000));
    let first = _mm512_and_si512(_mm512_castps_si512(x), mask);
    let rest = _mm512_sub_ps(x, _mm512_castsi512_ps(first));
    let second = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(rest), half), mask);
    let third = _mm512_sub_ps(rest, _mm512_castsi512_ps(second));
    [first, second, _mm512_castps_si512(third)]
}

/// Two parts in a lane. Below 2⁻¹²⁶ a part can reach into the low half, where the other one's place is.
#[inline]
#[target_feature(enable = "avx512f")]
fn pair(low: __m512i, high: __m512i) -> __m512i {
    const LOW_OR_MASKED_HIGH: i32 = 0xf8;
    let (low, mask) = (_mm512_srli_epi32::<16>(low), _mm512_set1_epi32(-0x1_0000));
    _mm512_ternarylogic_epi32::<LOW_OR_MASKED_HIGH>(low, high, mask)
}

/// A row of a chunk's three tiles.
#[inline]
#[target_feature(enable = "avx512f")]
fn parts(low: __m512, high: __m512, tiles: &mut [Row], row: usize) {
    let tiles = &mut tiles[..CHUNK_ROWS];
    let (low, high) = (split(low), split(high));
    for part in 0..3 {
        put(pair(low[part], high[part]), &mut tiles[part * SIDE + row]);
    }
}

/// A row of half a chunk: what a product of two tiles sums is then two products of parts.
#[inline]
#[target_feature(enable = "avx512f")]
fn half_parts(side: Side, x: __m512, tiles: &mut [Row], row: usize) {
    let tiles = &mut tiles[..CHUNK_ROWS];
    let [x0, x1, x2] = split(x);
    let pairs = match side {
        Side::Left => [pair(x0, x1), pair(x0, x2), _mm512_setzero_si512()],
        Side::Right => [pair(x0, x0), pair(x1, x1), pair(x2, x0)],
    };
    for (part, pair) in pairs.into_iter().enumerate() {
        put(pair, &mut tiles[part * SIDE + row]);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn put(pairs: __m512i, row: &mut Row) {
    // SAFETY: a row is 64 bytes, at a multiple of 64.
    unsafe { _mm512_store_si512(std::ptr::from_mut(row).cast(), pairs) };
}

/// Rows to columns.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn transpose(block: &mut [__m512; SIDE]) {
    let mut pairs = *block;
    for i in (0..SIDE).step_by(2) {
        pairs[i] = _mm512_unpacklo_ps(block[i], block[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_ps(block[i], block[i + 1]);
    }
    let mut fours = pairs;
    for i in (0..SIDE).step_by(4) {
        for j in 0..2 {
            let (a, b) = (_mm512_castps_pd(pairs[i + j]), _mm512_castps_pd(pairs[i + 2 + j]));
            fours[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            fours[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    }
    // Now vector `4 i + j` has, in lane `l` of four, column `4 l + j` of rows `4 i` to `4 i + 3`.
    for j in 0..4 {
        let [a, b, c, d] = [fours[j], fours[4 + j], fours[8 + j], fours[12 + j]];
        let (ab_even, ab_odd) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
        let (cd_even, cd_odd) = (_mm512_shuffle_f32x4::<0x88>(c, d), _mm512_shuffle_f32x4::<0xdd>(c, d));
        block[j] = _mm512_shuffle_f32x4::<0x88>(ab_even, cd_even);
        block[8 + j] = _mm512_shuffle_f32x4::<0xdd>(ab_even, cd_even);
        block[4 + j] = _mm512_shuffle_f32x4::<0x88>(ab_odd, cd_odd);
        block[12 + j] = _mm512_shuffle_f32x4::<0xdd>(ab_odd, cd_odd);
    }
}

/// Takes sums to go on with from where [`put_sums`] puts them; zeros beyond.
///
/// # Safety
/// The processor must have AVX-512.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn take_sums(
    sums: &mut [f32; 4 * SIDE * SIDE],
    (rows, columns): (usize, usize),
    (from, stride): (&[f32], usize),
    turned: bool,
) {
    let (lines, across) = if turned { (columns, rows) } else { (rows, columns) };
    assert!(rows <= 2 * SIDE && columns <= 2 * SIDE && (lines - 1) * stride + across <= from.len());
    for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (row, column) = (i * SIDE, j * SIDE);
        let (first, at) = if turned { (column, row) } else { (row, column) };
        let mask = ((1u32 << across.saturating_sub(at).min(SIDE)) - 1) as __mmask16;
        let mut tile = [_mm512_setzero_ps(); SIDE];
        for (r, line) in tile.iter_mut().enumerate().take(lines.saturating_sub(first)) {
            // SAFETY: the last line was asserted to end within, and the mask ends where a line does.
            *line =
                unsafe { _mm512_maskz_loadu_ps(mask, from.as_ptr().wrapping_add((first + r) * stride + at)) };
        }
        if turned {
            transpose(&mut tile);
        }
        for (r, line) in tile.into_iter().enumerate() {
            // SAFETY: two rows of two tiles have as many numbers.
            unsafe { _mm512_storeu_ps(sums.as_mut_ptr().add((row + r) * 2 * SIDE + column), line) };
        }
    }
}

/// Sums of tiles, `SIDE` times two rows of two tiles, put in place of `rows` times `columns` numbers every `stride` of `to`, or added to
/// them; `turned`, rows of sums go to columns.
///
/// # Safety
/// The processor must have AVX-512.
#[target_feature(enable = "avx512f")]
pub(in super::super) unsafe fn put_sums(
    sums: &[f32; 4 * SIDE * SIDE],
    (rows, columns): (usize, usize),
    (to, stride): (&mut [f32], usize),
    (turned, add): (bool, bool),
) {
    let (lines, across) = if turned { (columns, rows) } else { (rows, columns) };
    assert!(rows <= 2 * SIDE && columns <= 2 * SIDE && (lines - 1) * stride + across <= to.len());
    for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (row, column) = (i * SIDE, j * SIDE);
        if row >= rows || column >= columns {
            continue;
        }
        let mut tile = [_mm512_setzero_ps(); SIDE];
        for (r, line) in tile.iter_mut().enumerate() {
            // SAFETY: two rows of two tiles have as many numbers.
            *line = unsafe { _mm512_loadu_ps(sums.as_ptr().add((row + r) * 2 * SIDE + column)) };
        }
        if turned {
            transpose(&mut tile);
        }
        let (first, at) = if turned { (column, row) } else { (row, column) };
        let mask = ((1u32 << (across - at).min(SIDE)) - 1) as __mmask16;
        for (r, line) in tile.into_iter().enumerate().take(lines - first) {
            // SAFETY: the last line was asserted to end within, and the mask ends where a line does.
            unsafe {
                let place = to.as_mut_ptr().add((first + r) * stride + at);
                let sum = if add { _mm512_add_ps(_mm512_maskz_loadu_ps(mask, place), line) } else { line };
                _mm512_mask_storeu_ps(place, mask, sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::random;
    use super::super::available;
    use super::*;

    /// The parts of row `row` and lane `lane` of a chunk: of the first number of the pair, and of the second.
    fn parts_of(tiles: &[Row], row: usize, lane: usize) -> [[f32; 3]; 2] {
        let pairs = [0, 1, 2].map(|part| tiles[part * SIDE + row].0[lane]);
        [pairs.map(|pair| f32::from_bits(pair << 16)), pairs.map(|pair| f32::from_bits(pair & 0xffff_0000))]
    }

    fn chunk() -> [Row; CHUNK_ROWS] {
        [Row([u32::MAX; SIDE]); CHUNK_ROWS]
    }

    #[test]
    fn three_parts_are_the_number() {
        if !available() {
            return eprintln!("skipped: no tile registers here");
        }
        let mut values: Vec<f32> = random(SIDE * CHUNK, 1).iter().map(|v| v * v * v * 1e3).collect();
        values[..6].copy_from_slice(&[0.0, 1.0, -1.0 - f32::EPSILON, 1.999_999_9, f32::MAX, -1.0e-30]);
        let matrix = Strided::row_major(&values, SIDE, CHUNK);
        for (side, matrix) in [(Side::Left, matrix), (Side::Right, matrix.transposed())] {
            let mut tiles = chunk();
            // SAFETY: there are tiles, so there is AVX-512.
            unsafe {
                split_rows(matrix, Piece { side, first: 0, at: 0, half: false }, 0..SIDE, &mut tiles);
            }
            for line in 0..SIDE {
                for at in 0..SIDE {
                    let (row, lane) = if side == Side::Left { (line, at) } else { (at, line) };
                    for (parts, at) in parts_of(&tiles, row, lane).into_iter().zip([at, at + SIDE]) {
                        let [first, second, third] = parts;
                        assert_eq!(
                            first + (second + third),
                            values[line * CHUNK + at],
                            "{side:?} {line} {at}"
                        );
                        assert!(second.abs() <= first.abs() / 128.0 && third.abs() <= first.abs() / 32_768.0);
                    }
                }
            }
        }
    }

    #[test]
    fn the_smallest_numbers_leave_each_other_alone() {
        if !available() {
            return eprintln!("skipped: no tile registers here");
        }
        let values: Vec<f32> = random(SIDE * CHUNK, 1).iter().map(|v| v * 1e-34 * 1e-4).collect();
        let mut tiles = chunk();
        let matrix = Strided::row_major(&values, SIDE, CHUNK);
        // SAFETY: there are tiles, so there is AVX-512.
        unsafe {
            split_rows(matrix, Piece { side: Side::Left, first: 0, at: 0, half: false }, 0..SIDE, &mut tiles);
        }
        for (row, lane) in (0..SIDE).flat_map(|row| (0..SIDE).map(move |lane| (row, lane))) {
            for (parts, at) in parts_of(&tiles, row, lane).into_iter().zip([lane, lane + SIDE]) {
                let (sum, value) = (parts.iter().sum::<f32>(), values[row * CHUNK + at]);
                assert!((sum - value).abs() < 1e-39, "{parts:?} are not {value:e}");
            }
        }
    }

    #[test]
    fn beyond_a_matrix_there_are_zeros() {
        if !available() {
            return eprintln!("skipped: no tile registers here");
        }
        // Of five rows and columns, those from the third on; around them are numbers that must not be read.
        let values = vec![7.0; 25];
        for matrix in [Strided::row_major(&values, 5, 5), Strided::row_major(&values, 5, 5).transposed()] {
            for (side, half) in
                [(Side::Left, true), (Side::Left, false), (Side::Right, true), (Side::Right, false)]
            {
                let mut tiles = chunk();
                // SAFETY: there are tiles, so there is AVX-512.
                unsafe { split_rows(matrix, Piece { side, first: 3, at: 2, half }, 0..SIDE, &mut tiles) };
                let filled = |row: usize, lane: usize| match side {
                    Side::Left => row < 2 && lane < 3,
                    Side::Right => row < 3 && lane < 2,
                };
                for (row, lane) in (0..SIDE).flat_map(|row| (0..SIDE).map(move |lane| (row, lane))) {
                    let first = parts_of(&tiles, row, lane)[0][0];
                    assert_eq!(first, if filled(row, lane) { 7.0 } else { 0.0 }, "{side:?} {row} {lane}");
                }
            }
        }
    }

    #[test]
    fn sums_go_to_their_places_and_nowhere_else() {
        if !available() {
            return eprintln!("skipped: no tile registers here");
        }
        let sums: [f32; 4 * SIDE * SIDE] = std::array::from_fn(|at| at as f32);
        for (rows, columns) in [(1, 1), (16, 17), (32, 32), (19, 5)] {
            for (turned, add) in [(false, false), (false, true), (true, false), (true, true)] {
                let (lines, across) = if turned { (columns, rows) } else { (rows, columns) };
                let stride = across + 3;
                let mut to = vec![0.5; lines * stride];
                // SAFETY: there are tiles, so there is AVX-512.
                unsafe { put_sums(&sums, (rows, columns), (&mut to, stride), (turned, add)) };
                for (at, value) in to.iter().enumerate() {
                    let (line, place) = (at / stride, at % stride);
                    let (row, column) = if turned { (place, line) } else { (line, place) };
                    let sum = (row * 2 * SIDE + column) as f32 + if add { 0.5 } else { 0.0 };
                    assert_eq!(*value, if place < across { sum } else { 0.5 }, "{rows} × {columns} at {at}");
                }
            }
        }
    }
}
