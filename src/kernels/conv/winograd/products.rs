//! What planes of tiles and planes of weights make of each other: matrix products.
#![allow(unsafe_code)]

use super::super::super::simd::{Simd, WithSimd, fetch, load, store, vectorize};
use super::planes::Planes;
use super::{MOST_TILES, PLANES, WIDTH};

/// `m (36, tiles, width) = v (36, tiles, reads) · u (36, reads, width)` for so many `tiles`.
pub(super) fn multiply(tiles: usize, v: &Planes, (u, reads): (&[f32], usize), m: &mut Planes) {
    let product = Product { tiles, v, u, reads, m };
    match v.stride() {
        20 => vectorize(ProductOf::<20>(product)),
        36 => vectorize(ProductOf::<36>(product)),
        _ => vectorize(ProductOf::<68>(product)),
    }
}

struct Product<'a> {
    tiles: usize,
    v: &'a Planes,
    u: &'a [f32],
    reads: usize,
    m: &'a mut Planes,
}

/// Where tiles that are read are `READ` values apart.
struct ProductOf<'a, const READ: usize>(Product<'a>);

impl<const READ: usize> WithSimd for ProductOf<'_, READ> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Product { tiles, v, u, reads, m } = self.0;
        let width = m.stride();
        assert!(v.stride() == READ && reads <= READ && tiles <= MOST_TILES);
        assert!(width.is_multiple_of(WIDTH) && u.len() == PLANES * reads * width);
        for (plane, u) in u.chunks_exact(reads * width).enumerate() {
            let mut of_plane =
                PlaneProduct::<READ> { v: v.plane(plane), u, reads, m: m.plane_mut(plane), width };
            if S::F32_LANES == WIDTH && width == 2 * WIDTH {
                of_plane.all_tiles::<S, 2, 12>(simd, tiles, 0);
                continue;
            }
            for from in (0..width).step_by(WIDTH) {
                match S::F32_LANES {
                    16 => of_plane.all_tiles::<S, 1, 16>(simd, tiles, from),
                    8 => of_plane.all_tiles::<S, 2, 6>(simd, tiles, from),
                    4 => of_plane.all_tiles::<S, 4, 4>(simd, tiles, from),
                    _ => of_plane.all_tiles::<S, WIDTH, 4>(simd, tiles, from),
                }
            }
        }
    }
}

/// One plane's.
struct PlaneProduct<'a, const READ: usize> {
    v: &'a [f32],
    u: &'a [f32],
    reads: usize,
    m: &'a mut [f32],
    width: usize,
}

impl<const READ: usize> PlaneProduct<'_, READ> {
    /// All tiles, `P` at a time, of `V` vectors from channel `from` on.
    #[inline(always)]
    fn all_tiles<S: Simd, const V: usize, const P: usize>(&mut self, simd: S, tiles: usize, from: usize) {
        assert!(tiles * READ <= self.v.len() && tiles * self.width <= self.m.len());
        assert!(self.reads <= READ && self.reads * self.width <= self.u.len());
        assert!(from + V * S::F32_LANES <= self.width);
        let mut first = 0;
        // SAFETY: of all calls; the first `tiles` tiles were asserted to lie within `v` and `m`, the weights within `u`, and
        // the vectors within `width`.
        unsafe {
            while first + P <= tiles {
                self.some_tiles::<S, V, P>(simd, first, from);
                first += P;
            }
            while P > 8 && first + 8 <= tiles {
                self.some_tiles::<S, V, 8>(simd, first, from);
                first += 8;
            }
            if P > 4 && first + 4 <= tiles {
                self.some_tiles::<S, V, 4>(simd, first, from);
                first += 4;
            }
            if first + 2 <= tiles {
                self.some_tiles::<S, V, 2>(simd, first, from);
                first += 2;
            }
            if first < tiles {
                self.some_tiles::<S, V, 1>(simd, first, from);
            }
        }
    }

    /// `P` tiles from `first` on.
    ///
    /// # Safety
    /// The tiles must lie within `v` and `m`, `reads` times `width` weights within `u`, and `V` vectors from `from` on within
    /// `width`; `reads` must be at most `READ`.
    #[inline(always)]
    unsafe fn some_tiles<S: Simd, const V: usize, const P: usize>(
        &mut self,
        simd: S,
        first: usize,
        from: usize,
    ) {
        let mut sums = [[simd.splat_f32s(0.0); V]; P];
        let (v_at, m_at) = (first * READ, first * self.width + from);
        // Where the products go: they are there by the time that sums are. Of single vectors there are so many that asking for
        // them takes longer.
        if V > 1 {
            for p in 0..P {
                for lane in 0..V {
                    fetch(self.m, m_at + p * self.width + lane * S::F32_LANES);
                }
            }
        }
        for i in 0..self.reads {
            let mut u = [simd.splat_f32s(0.0); V];
            for lane in 0..V {
                // SAFETY: the caller's promise.
                u[lane] = unsafe { load::<S>(self.u, i * self.width + from + lane * S::F32_LANES) };
            }
            for p in 0..P {
                // SAFETY: the caller's promise.
                let v = simd.splat_f32s(unsafe { *self.v.get_unchecked(v_at + p * READ + i) });
                for lane in 0..V {
                    sums[p][lane] = simd.mul_add_f32s(v, u[lane], sums[p][lane]);
                }
            }
        }
        for p in 0..P {
            for lane in 0..V {
                // SAFETY: the caller's promise.
                unsafe { store::<S>(self.m, m_at + p * self.width + lane * S::F32_LANES, sums[p][lane]) };
            }
        }
    }
}

/// `u (36, reads, width) = vᵀ (36, reads, tiles) · z (36, tiles, width)`, or `u +=`, of so many `tiles`.
pub(super) fn multiply_transposed(
    tiles: usize,
    v: &Planes,
    z: &Planes,
    (u, reads, add): (&mut [f32], usize, bool),
) {
    let product = Transposed { tiles, v, z, u, reads, add };
    match v.stride() {
        20 => vectorize(TransposedOf::<20>(product)),
        36 => vectorize(TransposedOf::<36>(product)),
        _ => vectorize(TransposedOf::<68>(product)),
    }
}

struct Transposed<'a> {
    tiles: usize,
    v: &'a Planes,
    z: &'a Planes,
    u: &'a mut [f32],
    reads: usize,
    add: bool,
}

/// Where tiles of inputs are `READ` values apart.
struct TransposedOf<'a, const READ: usize>(Transposed<'a>);

impl<const READ: usize> WithSimd for TransposedOf<'_, READ> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Transposed { tiles, v, z, u, reads, add } = self.0;
        let width = z.stride();
        assert!(v.stride() == READ && reads <= READ && tiles <= MOST_TILES);
        assert!(width.is_multiple_of(WIDTH) && reads.is_multiple_of(WIDTH));
        assert_eq!(u.len(), PLANES * reads * width);
        for (plane, u) in u.chunks_exact_mut(reads * width).enumerate() {
            let mut of_plane =
                PlaneTransposed::<READ> { v: v.plane(plane), z: z.plane(plane), u, width, tiles };
            if S::F32_LANES == WIDTH && width == 2 * WIDTH {
                for first in (0..reads).step_by(8) {
                    of_plane.some_reads::<S, 2, 8>(simd, first, 0, add);
                }
                continue;
            }
            for from in (0..width).step_by(WIDTH) {
                for first in (0..reads).step_by(WIDTH) {
                    match S::F32_LANES {
                        16 => of_plane.some_reads::<S, 1, 16>(simd, first, from, add),
                        8 => (0..4).for_each(|four| {
                            of_plane.some_reads::<S, 2, 4>(simd, first + 4 * four, from, add)
                        }),
                        4 => (0..4).for_each(|four| {
                            of_plane.some_reads::<S, 4, 4>(simd, first + 4 * four, from, add)
                        }),
                        _ => (0..4).for_each(|four| {
                            of_plane.some_reads::<S, WIDTH, 4>(simd, first + 4 * four, from, add)
                        }),
                    }
                }
            }
        }
    }
}

/// One plane's.
struct PlaneTransposed<'a, const READ: usize> {
    v: &'a [f32],
    z: &'a [f32],
    u: &'a mut [f32],
    width: usize,
    tiles: usize,
}

impl<const READ: usize> PlaneTransposed<'_, READ> {
    /// `I` channels that are read from `first` on, by `V` vectors from channel `from` on.
    #[inline(always)]
    fn some_reads<S: Simd, const V: usize, const I: usize>(
        &mut self,
        simd: S,
        first: usize,
        from: usize,
        add: bool,
    ) {
        let (tiles, width) = (self.tiles, self.width);
        assert!(tiles * READ <= self.v.len() && tiles * width <= self.z.len() && first + I <= READ);
        assert!(from + V * S::F32_LANES <= width && (first + I) * width <= self.u.len());
        let mut sums = [[simd.splat_f32s(0.0); V]; I];
        let u_at = first * width + from;
        for tile in 0..tiles {
            let mut z = [simd.splat_f32s(0.0); V];
            for lane in 0..V {
                // SAFETY: as many tiles, and the vectors within each, were asserted to lie within `z`.
                z[lane] = unsafe { load::<S>(self.z, tile * width + from + lane * S::F32_LANES) };
            }
            for i in 0..I {
                // SAFETY: as many tiles were asserted to lie within `v`, and `I` channels from `first` on within each.
                let v = simd.splat_f32s(unsafe { *self.v.get_unchecked(tile * READ + first + i) });
                for lane in 0..V {
                    sums[i][lane] = simd.mul_add_f32s(v, z[lane], sums[i][lane]);
                }
            }
        }
        for i in 0..I {
            for lane in 0..V {
                let at = u_at + i * width + lane * S::F32_LANES;
                let mut sum = sums[i][lane];
                if add {
                    // What came before is added last: sums of few are exacter.
                    // SAFETY: `I` rows of weights from `first` on, and the vectors within each, were asserted to exist.
                    sum = simd.add_f32s(unsafe { load::<S>(self.u, at) }, sum);
                }
                // SAFETY: likewise.
                unsafe { store::<S>(self.u, at, sum) };
            }
        }
    }
}
