//! The tile registers: what they hold, and the products of what they hold.
//!
//! Stable Rust has no names for these instructions yet, so they are written out.
#![allow(unsafe_code)]

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::marker::PhantomData;

/// Rows of a tile, and columns of sums.
pub(in super::super) const SIDE: usize = 16;

/// Summed numbers of a tile.
pub(in super::super) const CHUNK: usize = 32;

/// Parts of an f32 number.
pub(super) const PARTS: usize = 3;

/// Rows of one chunk of a panel: a tile for each part.
pub(in super::super) const CHUNK_ROWS: usize = PARTS * SIDE;

/// How often there is something else to do while a chunk is multiplied.
pub(super) const PAUSES: usize = 4;

/// A row of a tile: 16 pairs of bfloat16 numbers.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Row(pub [u32; SIDE]);

/// Whether the processor has tiles of bfloat16, and the system saves them when it switches threads.
pub(super) fn exist() -> bool {
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    const OSXSAVE: u32 = 1 << 27;
    /// The state of configuration and of data.
    const STATE: u64 = 0b11 << 17;
    let (highest, features) = (__cpuid(0).eax, __cpuid(1).ecx);
    if highest < 7 || features & OSXSAVE == 0 {
        return false;
    }
    let extended = __cpuid_count(7, 0).edx;
    // SAFETY: the processor has the instruction, as it says that the system uses it.
    let saved = unsafe { xsave_state() };
    extended & AMX_BF16 != 0 && extended & AMX_TILE != 0 && saved & STATE == STATE
}

/// # Safety
/// The system must have turned `xsave` on.
#[target_feature(enable = "xsave")]
unsafe fn xsave_state() -> u64 {
    // SAFETY: the caller's promise.
    unsafe { _xgetbv(0) }
}

/// Asks the system for the tiles' 8 KiB of state; once, for all threads.
pub(super) fn permitted() -> bool {
    const ARCH_REQ_XCOMP_PERM: i32 = 0x1023;
    const XTILEDATA: u64 = 18;
    // SAFETY: this changes what the process may do, no memory of it.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0 }
}

/// What registers hold, as the instruction that configures them reads it.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// This thread's registers, as long as it lives.
pub(in super::super) struct Registers {
    /// Of this thread alone.
    _thread: PhantomData<*const ()>,
}

impl Registers {
    /// All eight as 16 rows of 64 bytes. There must be tiles (`available`).
    pub fn configure() -> Self {
        static CONFIGURATION: Configuration = Configuration {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
            rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
        };
        assert!(super::available());
        // SAFETY: there are tiles, and this is a configuration of them.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly)) };
        Self { _thread: PhantomData }
    }

    /// Begins `M` times `N` tiles of sums: from zero, or from what stands at `c`, whose rows are `stride` values apart.
    ///
    /// # Safety
    /// To `add`, `c` must have 16 rows and columns for each tile.
    #[inline(always)]
    pub unsafe fn begin<const M: usize, const N: usize>(&self, c: *mut f32, stride: usize, add: bool) {
        const { assert!(M >= 1 && M <= 2 && N >= 1 && N <= 2) };
        // SAFETY: registers 0 to 3 are sums; the caller's promise.
        unsafe {
            if !add {
                zero::<0>();
                zero::<1>();
                zero::<2>();
                zero::<3>();
                return;
            }
            let bytes = stride * size_of::<f32>();
            load::<0>(c.cast(), bytes);
            if N > 1 {
                load::<1>(c.add(SIDE).cast(), bytes);
            }
            if M > 1 {
                load::<2>(c.add(SIDE * stride).cast(), bytes);
            }
            if M > 1 && N > 1 {
                load::<3>(c.add(SIDE * stride + SIDE).cast(), bytes);
            }
        }
    }

    /// Puts the sums to `c`.
    ///
    /// # Safety
    /// `c` must have 16 rows and columns for each tile.
    #[inline(always)]
    pub unsafe fn end<const M: usize, const N: usize>(&self, c: *mut f32, stride: usize) {
        let bytes = stride * size_of::<f32>();
        // SAFETY: the caller's promise.
        unsafe {
            store::<0>(c, bytes);
            if N > 1 {
                store::<1>(c.add(SIDE), bytes);
            }
            if M > 1 {
                store::<2>(c.add(SIDE * stride), bytes);
            }
            if M > 1 && N > 1 {
                store::<3>(c.add(SIDE * stride + SIDE), bytes);
            }
        }
    }

    /// Adds a chunk of `M` panels, the second `a_apart` rows after `a`, by one of `N` panels at `b`: small products first. While tiles
    /// are multiplied, vectors do what is to be done `between`, [`PAUSES`] times.
    ///
    /// # Safety
    /// There must be [`CHUNK_ROWS`] rows of each panel.
    #[inline(always)]
    pub unsafe fn chunk<const M: usize, const N: usize>(
        &self,
        (a, a_apart): (*const Row, usize),
        (b, b_apart): (*const Row, usize),
        mut between: impl FnMut(usize),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            load_left::<M>(a, a_apart);
            load_right::<N>(b.add(2 * SIDE), b_apart);
            products::<M, N>();
            between(0);
            load_right::<N>(b.add(SIDE), b_apart);
            products::<M, N>();
            between(1);
            load_left::<M>(a.add(SIDE), a_apart);
            products::<M, N>();
            between(2);
            load_right::<N>(b, b_apart);
            products::<M, N>();
            between(3);
            load_left::<M>(a.add(2 * SIDE), a_apart);
            products::<M, N>();
            load_left::<M>(a, a_apart);
            products::<M, N>();
        }
    }

    /// As [`Self::chunk`], of half a one.
    ///
    /// # Safety
    /// Likewise.
    #[inline(always)]
    pub unsafe fn half_chunk<const M: usize, const N: usize>(
        &self,
        (a, a_apart): (*const Row, usize),
        (b, b_apart): (*const Row, usize),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            load_left::<M>(a.add(SIDE), a_apart);
            load_right::<N>(b.add(2 * SIDE), b_apart);
            products::<M, N>();
            load_left::<M>(a, a_apart);
            load_right::<N>(b.add(SIDE), b_apart);
            products::<M, N>();
            load_right::<N>(b, b_apart);
            products::<M, N>();
        }
    }
}

/// To registers 4 and 5.
///
/// # Safety
/// Registers must be configured, and there must be a tile of each panel.
#[inline(always)]
unsafe fn load_left<const M: usize>(a: *const Row, apart: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        load::<4>(a, size_of::<Row>());
        if M > 1 {
            load::<5>(a.add(apart), size_of::<Row>());
        }
    }
}

/// To registers 6 and 7.
///
/// # Safety
/// Likewise.
#[inline(always)]
unsafe fn load_right<const N: usize>(b: *const Row, apart: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        load::<6>(b, size_of::<Row>());
        if N > 1 {
            load::<7>(b.add(apart), size_of::<Row>());
        }
    }
}

/// Left by right tiles, added to the sums.
///
/// # Safety
/// Registers must be configured.
#[inline(always)]
unsafe fn products<const M: usize, const N: usize>() {
    // SAFETY: the caller's promise.
    unsafe {
        product::<0, 4, 6>();
        if N > 1 {
            product::<1, 4, 7>();
        }
        if M > 1 {
            product::<2, 5, 6>();
        }
        if M > 1 && N > 1 {
            product::<3, 5, 7>();
        }
    }
}

/// One panel by up to four of the other side: as many sums, with the one panel's parts in three registers.
impl Registers {
    /// Begins sums from zero.
    #[inline(always)]
    pub fn begin_four(&self) {
        // SAFETY: registers are configured, and nothing is read.
        unsafe { self.begin::<1, 1>(std::ptr::null_mut(), 0, false) };
    }

    /// Adds a chunk, or half a one, of the left panel at `a` by `N` right ones at `b`, every `apart` rows. While tiles are multiplied,
    /// vectors do what is to be done `meanwhile`.
    ///
    /// # Safety
    /// There must be [`CHUNK_ROWS`] rows of each panel.
    #[inline(always)]
    pub unsafe fn add_row<const N: usize>(
        &self,
        a: *const Row,
        (b, apart): (*const Row, usize),
        half: bool,
        meanwhile: impl FnOnce(),
    ) {
        // SAFETY: the caller's promise.
        unsafe { add_four::<N, true>(a, (b, apart), half, meanwhile) };
    }

    /// As [`Self::add_row`], of the right panel at `b` by `M` left ones at `a`.
    ///
    /// # Safety
    /// Likewise.
    #[inline(always)]
    pub unsafe fn add_column<const M: usize>(
        &self,
        (a, apart): (*const Row, usize),
        b: *const Row,
        half: bool,
        meanwhile: impl FnOnce(),
    ) {
        // SAFETY: the caller's promise.
        unsafe { add_four::<M, false>(b, (a, apart), half, meanwhile) };
    }

    /// Puts `COUNT` sums to `c`, whose rows are `stride` values apart, each `apart` values after the one before.
    ///
    /// # Safety
    /// `c` must have 16 rows of 16 numbers for each.
    #[inline(always)]
    pub unsafe fn end_four<const COUNT: usize>(&self, c: *mut f32, stride: usize, apart: usize) {
        let bytes = stride * size_of::<f32>();
        // SAFETY: the caller's promise.
        unsafe {
            store::<0>(c, bytes);
            if COUNT > 1 {
                store::<1>(c.add(apart), bytes);
            }
            if COUNT > 2 {
                store::<2>(c.add(2 * apart), bytes);
            }
            if COUNT > 3 {
                store::<3>(c.add(3 * apart), bytes);
            }
        }
    }
}

/// # Safety
/// Registers must be configured, and there must be [`CHUNK_ROWS`] rows of each panel.
#[inline(always)]
unsafe fn add_four<const COUNT: usize, const LEFT: bool>(
    one: *const Row,
    (others, apart): (*const Row, usize),
    half: bool,
    meanwhile: impl FnOnce(),
) {
    const { assert!(COUNT >= 1 && COUNT <= 4) };
    // SAFETY: the caller's promise.
    unsafe {
        load::<4>(one, size_of::<Row>());
        load::<5>(one.add(SIDE), size_of::<Row>());
        load::<6>(one.add(2 * SIDE), size_of::<Row>());
        add_one::<0, LEFT>(others, half);
        meanwhile();
        if COUNT > 1 {
            add_one::<1, LEFT>(others.add(apart), half);
        }
        if COUNT > 2 {
            add_one::<2, LEFT>(others.add(2 * apart), half);
        }
        if COUNT > 3 {
            add_one::<3, LEFT>(others.add(3 * apart), half);
        }
    }
}

/// The panel in registers 4 to 6, a left one or not, by the other side's at `other`, through register 7: small products first.
///
/// # Safety
/// Registers must be configured, and there must be three tiles.
#[inline(always)]
unsafe fn add_one<const SUMS: usize, const LEFT: bool>(other: *const Row, half: bool) {
    // SAFETY: the caller's promise.
    unsafe {
        load::<7>(other.add(2 * SIDE), size_of::<Row>());
        match (half, LEFT) {
            (false, true) => {
                product::<SUMS, 4, 7>();
                load::<7>(other.add(SIDE), size_of::<Row>());
                product::<SUMS, 5, 7>();
                product::<SUMS, 4, 7>();
                load::<7>(other, size_of::<Row>());
                product::<SUMS, 6, 7>();
                product::<SUMS, 5, 7>();
                product::<SUMS, 4, 7>();
            }
            (false, false) => {
                product::<SUMS, 7, 4>();
                load::<7>(other.add(SIDE), size_of::<Row>());
                product::<SUMS, 7, 5>();
                product::<SUMS, 7, 4>();
                load::<7>(other, size_of::<Row>());
                product::<SUMS, 7, 6>();
                product::<SUMS, 7, 5>();
                product::<SUMS, 7, 4>();
            }
            (true, true) => {
                product::<SUMS, 5, 7>();
                load::<7>(other.add(SIDE), size_of::<Row>());
                product::<SUMS, 4, 7>();
                load::<7>(other, size_of::<Row>());
                product::<SUMS, 4, 7>();
            }
            (true, false) => {
                load::<7>(other.add(SIDE), size_of::<Row>());
                product::<SUMS, 7, 6>();
                load::<7>(other, size_of::<Row>());
                product::<SUMS, 7, 5>();
                product::<SUMS, 7, 4>();
            }
        }
    }
}

impl Drop for Registers {
    fn drop(&mut self) {
        // SAFETY: they were configured; what they held is not needed any more.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// How many numbers are summed: whole chunks, and at most half a one after them, whose tiles hold two parts of a number each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Depth {
    pub chunks: usize,
    pub half: bool,
}

impl Depth {
    /// Enough for so many numbers.
    pub fn of(count: usize) -> Self {
        let rest = count % CHUNK;
        let half = rest > 0 && rest <= CHUNK / 2;
        Self { chunks: count / CHUNK + usize::from(rest > CHUNK / 2), half }
    }

    /// Whole chunks and the half one.
    pub fn pieces(self) -> usize {
        self.chunks + usize::from(self.half)
    }

    /// Rows of a panel: of 16 rows of a left matrix, or 16 columns of a right one.
    pub fn rows(self) -> usize {
        self.pieces() * CHUNK_ROWS
    }
}

/// # Safety
/// Registers must be configured, and 16 rows of 64 bytes, every `stride`, readable.
#[inline(always)]
unsafe fn load<const TILE: usize>(from: *const Row, stride: usize) {
    // SAFETY: the caller's promise. No code but this module's uses tile registers, so they keep what they hold.
    unsafe {
        asm!("tileloadd tmm{tile}, [{from} + {stride}*1]", tile = const TILE, from = in(reg) from,
            stride = in(reg) stride, options(nostack, readonly, preserves_flags));
    }
}

/// # Safety
/// Registers must be configured, and 16 rows of 64 bytes, every `stride`, writable.
#[inline(always)]
unsafe fn store<const TILE: usize>(to: *mut f32, stride: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("tilestored [{to} + {stride}*1], tmm{tile}", tile = const TILE, to = in(reg) to,
            stride = in(reg) stride, options(nostack, preserves_flags));
    }
}

/// # Safety
/// Registers must be configured.
#[inline(always)]
unsafe fn zero<const TILE: usize>() {
    // SAFETY: the caller's promise.
    unsafe { asm!("tilezero tmm{}", const TILE, options(nostack, nomem, preserves_flags)) };
}

/// Adds to sums the products of pairs.
///
/// # Safety
/// Registers must be configured.
#[inline(always)]
unsafe fn product<const SUMS: usize, const A: usize, const B: usize>() {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("tdpbf16ps tmm{sums}, tmm{a}, tmm{b}", sums = const SUMS, a = const A, b = const B,
            options(nostack, nomem, preserves_flags));
    }
}
