//! Where a convolution's taps fall: sizes, padding, and which inputs meet which output.
//!
//! One description serves a convolution and its input gradient. Both gather: an output of the convolution
//! at `o` reads inputs `o · stride + tap − pad`; an input gradient at `i` reads output gradients
//! `(i + pad − tap) / stride` where that is whole. Along one axis the positions fall into classes in which
//! the same taps meet, each tap's reading position moving by a constant step from one position to the next.

use std::ops::Range;

/// How a border is padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Padding {
    /// TensorFlow's `SAME`: `⌈size / stride⌉` outputs, the odd pixel of padding at the end.
    Same,
    /// PyTorch's `(k − 1) / 2` on both sides.
    Symmetric,
}

/// A spatial convolution's shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvGeometry {
    /// Images.
    pub n: usize,
    /// Height of the input.
    pub h: usize,
    /// Width of the input.
    pub w: usize,
    /// Channels of the input.
    pub c_in: usize,
    /// Channels of the output.
    pub c_out: usize,
    /// Side of the kernel, odd.
    pub kernel: usize,
    /// Step of the kernel.
    pub stride: usize,
    /// Groups of channels that do not see each other; divides both channel counts.
    pub groups: usize,
    /// Border.
    pub padding: Padding,
}

impl ConvGeometry {
    /// Height of the output.
    pub fn h_out(&self) -> usize {
        self.h.div_ceil(self.stride)
    }

    /// Width of the output.
    pub fn w_out(&self) -> usize {
        self.w.div_ceil(self.stride)
    }

    /// Values of the input.
    pub fn input_len(&self) -> usize {
        self.n * self.h * self.w * self.c_in
    }

    /// Values of the output.
    pub fn output_len(&self) -> usize {
        self.n * self.h_out() * self.w_out() * self.c_out
    }

    /// Values of the weight.
    pub fn weight_len(&self) -> usize {
        self.kernel * self.kernel * (self.c_in / self.groups) * self.c_out
    }

    /// Along an axis of `size` inputs, how many times a tap meets one of them.
    pub(super) fn meetings(&self, size: usize) -> usize {
        self.forward_taps(size).runs().iter().map(|run| run.taps.len() * run.count).sum()
    }

    /// Padding before the first pixel of an axis of that size.
    pub(super) fn pad_before(&self, size: usize) -> usize {
        match self.padding {
            Padding::Symmetric => (self.kernel - 1) / 2,
            Padding::Same => {
                ((size.div_ceil(self.stride) - 1) * self.stride + self.kernel).saturating_sub(size) / 2
            }
        }
    }

    /// Along an axis of `size` inputs, what each output reads.
    pub(super) fn forward_taps(&self, size: usize) -> Axis {
        let pad = self.pad_before(size) as isize;
        let taps = (0..self.kernel).map(|tap| Tap { tap, first: tap as isize - pad }).collect();
        let class = Class { first: 0, step: 1, taps, reading_step: self.stride };
        Axis { positions: size.div_ceil(self.stride), readable: size, classes: vec![class] }
    }

    /// Along an axis of `size` inputs, which output gradients each input gradient reads.
    pub(super) fn backward_taps(&self, size: usize) -> Axis {
        let (pad, stride) = (self.pad_before(size) as isize, self.stride as isize);
        let classes = (0..self.stride).map(|first| {
            let taps = (0..self.kernel).filter_map(|tap| {
                let distance = first as isize + pad - tap as isize;
                (distance.rem_euclid(stride) == 0).then(|| Tap { tap, first: distance.div_euclid(stride) })
            });
            Class { first, step: self.stride, taps: taps.collect(), reading_step: 1 }
        });
        Axis { positions: size, readable: size.div_ceil(self.stride), classes: classes.collect() }
    }
}

/// What every position of an image reads, by rows and columns.
pub(super) struct Gathering {
    /// Height and width of what is read.
    pub read: (usize, usize),
    /// Height and width of what is written.
    pub written: (usize, usize),
    /// For each row that is written, the taps that meet it, each with the row it reads.
    pub row_taps: Vec<Vec<(usize, usize)>>,
    /// Runs of columns.
    pub runs: Vec<Run>,
    /// Columns of zeros that the runs take to stand before and after those that are read.
    pub padding: (usize, usize),
}

/// How borders are met along rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Borders {
    /// Positions whose taps fall on padding make runs of their own.
    Exact,
    /// Padding is read like pixels, and runs are as long as can be.
    Padded,
}

impl ConvGeometry {
    /// What each output reads.
    pub(super) fn forward_gathering(&self, borders: Borders) -> Gathering {
        let (rows, columns) = (self.forward_taps(self.h), self.forward_taps(self.w));
        Gathering::new((self.h, self.w), (self.h_out(), self.w_out()), &rows, &columns, borders)
    }

    /// What each input gradient reads.
    pub(super) fn backward_gathering(&self, borders: Borders) -> Gathering {
        let (rows, columns) = (self.backward_taps(self.h), self.backward_taps(self.w));
        Gathering::new((self.h_out(), self.w_out()), (self.h, self.w), &rows, &columns, borders)
    }
}

impl Gathering {
    fn new(
        read: (usize, usize),
        written: (usize, usize),
        rows: &Axis,
        columns: &Axis,
        borders: Borders,
    ) -> Self {
        let row_runs = rows.runs();
        let row_taps = (0..written.0).map(|row| Axis::at(&row_runs, row)).collect();
        let (runs, padding) = match borders {
            Borders::Exact => (columns.runs(), (0, 0)),
            Borders::Padded => columns.padded_runs(),
        };
        Self { read, written, row_taps, runs, padding }
    }

    /// The rows that some rows that are written read: none if all of their taps fall on padding.
    pub(super) fn rows_read(&self, written: Range<usize>) -> Range<usize> {
        let read = self.row_taps[written].iter().flatten().map(|(_, row)| *row);
        let (first, end) = read.fold((usize::MAX, 0), |(first, end), row| (first.min(row), end.max(row + 1)));
        first.min(end)..end
    }
}

/// What is written and read along one axis.
pub(super) struct Axis {
    /// Positions that are written.
    positions: usize,
    /// Positions that can be read; others are padding.
    readable: usize,
    classes: Vec<Class>,
}

/// Positions `first, first + step, …` at which the same taps meet.
struct Class {
    first: usize,
    step: usize,
    taps: Vec<Tap>,
    reading_step: usize,
}

/// A tap, and where it reads for the first position of its class.
struct Tap {
    tap: usize,
    first: isize,
}

/// Neighbouring positions of a class that read the same taps.
pub(super) struct Run {
    /// First position written.
    pub first: usize,
    /// From one position to the next.
    pub step: usize,
    /// Number of positions.
    pub count: usize,
    /// The taps, each with what it reads for the first position.
    pub taps: Vec<(usize, usize)>,
    /// From one reading position to the next.
    pub reading_step: usize,
}

impl Axis {
    /// The runs of this axis: together they write every position once. Inner positions, where no tap falls on
    /// padding, make one long run a class.
    pub(super) fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for class in &self.classes {
            let start = runs.len();
            for j in 0..(self.positions + class.step - 1 - class.first) / class.step {
                let read = |tap: &Tap| usize::try_from(tap.first + (j * class.reading_step) as isize).ok();
                let taps: Vec<(usize, usize)> = class
                    .taps
                    .iter()
                    .filter_map(|tap| read(tap).filter(|at| *at < self.readable).map(|at| (tap.tap, at)))
                    .collect();
                let position = class.first + j * class.step;
                match runs[start..].last_mut() {
                    Some(run) if run.taps.iter().map(|t| t.0).eq(taps.iter().map(|t| t.0)) => run.count += 1,
                    _ => runs.push(Run {
                        first: position,
                        step: class.step,
                        count: 1,
                        taps,
                        reading_step: class.reading_step,
                    }),
                }
            }
        }
        runs
    }

    /// One run a class, with the padding that its taps read before and after; counted from the first padding on.
    fn padded_runs(&self) -> (Vec<Run>, (usize, usize)) {
        let count = |class: &Class| (self.positions + class.step - 1 - class.first) / class.step;
        let first = |class: &Class| class.taps.iter().map(|tap| tap.first).min().unwrap_or(0);
        let last = |class: &Class| {
            let steps = (count(class).max(1) - 1) * class.reading_step;
            class.taps.iter().map(|tap| tap.first + steps as isize).max().unwrap_or(0)
        };
        let before = self.classes.iter().map(first).min().unwrap_or(0).min(0).unsigned_abs();
        let end = self.classes.iter().map(last).max().unwrap_or(0) + 1;
        let after = usize::try_from(end).unwrap_or(0).saturating_sub(self.readable);
        let run = |class: &Class| Run {
            first: class.first,
            step: class.step,
            count: count(class),
            taps: class
                .taps
                .iter()
                .map(|tap| (tap.tap, tap.first.saturating_add_unsigned(before) as usize))
                .collect(),
            reading_step: class.reading_step,
        };
        (self.classes.iter().filter(|class| count(class) > 0).map(run).collect(), (before, after))
    }

    /// What one position reads.
    pub(super) fn at(runs: &[Run], position: usize) -> Vec<(usize, usize)> {
        let run = runs.iter().find(|run| {
            position >= run.first
                && (position - run.first).is_multiple_of(run.step)
                && (position - run.first) / run.step < run.count
        });
        run.map_or_else(Vec::new, |run| {
            let j = (position - run.first) / run.step;
            run.taps.iter().map(|(tap, at)| (*tap, at + j * run.reading_step)).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(kernel: usize, stride: usize, padding: Padding) -> ConvGeometry {
        ConvGeometry { n: 1, h: 1, w: 1, c_in: 1, c_out: 1, kernel, stride, groups: 1, padding }
    }

    /// Every (output, input, tap) that meets, by the definition.
    fn meetings(g: &ConvGeometry, size: usize) -> Vec<(usize, usize, usize)> {
        let mut all = Vec::new();
        for out in 0..size.div_ceil(g.stride) {
            for tap in 0..g.kernel {
                if let Some(input) = (out * g.stride + tap).checked_sub(g.pad_before(size))
                    && input < size
                {
                    all.push((out, input, tap));
                }
            }
        }
        all.sort_unstable();
        all
    }

    #[test]
    fn runs_hold_every_meeting_once() {
        for padding in [Padding::Same, Padding::Symmetric] {
            for (kernel, stride) in [(1, 1), (3, 1), (3, 2), (5, 1), (5, 2), (7, 2)] {
                for size in 1..13 {
                    let g = geometry(kernel, stride, padding);
                    let expected = meetings(&g, size);
                    let (forward, backward) = (g.forward_taps(size).runs(), g.backward_taps(size).runs());
                    let mut gathered: Vec<_> = (0..size.div_ceil(stride))
                        .flat_map(|o| Axis::at(&forward, o).into_iter().map(move |(tap, i)| (o, i, tap)))
                        .collect();
                    gathered.sort_unstable();
                    assert_eq!(gathered, expected, "forward {kernel} {stride} {size}");
                    let mut gathered: Vec<_> = (0..size)
                        .flat_map(|i| Axis::at(&backward, i).into_iter().map(move |(tap, o)| (o, i, tap)))
                        .collect();
                    gathered.sort_unstable();
                    assert_eq!(gathered, expected, "backward {kernel} {stride} {size}");
                }
            }
        }
    }

    #[test]
    fn padded_runs_read_the_same_and_padding() {
        for padding in [Padding::Same, Padding::Symmetric] {
            for (kernel, stride) in [(1, 1), (3, 1), (3, 2), (5, 1), (5, 2), (7, 2)] {
                for size in 1..13 {
                    let g = geometry(kernel, stride, padding);
                    for axis in [g.forward_taps(size), g.backward_taps(size)] {
                        let (exact, (runs, (before, after))) = (axis.runs(), axis.padded_runs());
                        for position in 0..axis.positions {
                            let all = Axis::at(&runs, position);
                            assert!(all.iter().all(|(_, at)| *at < before + axis.readable + after));
                            let real: Vec<_> = all
                                .into_iter()
                                .filter(|(_, at)| (before..before + axis.readable).contains(at))
                                .map(|(tap, at)| (tap, at - before))
                                .collect();
                            assert_eq!(
                                real,
                                Axis::at(&exact, position),
                                "{kernel} {stride} {size} {position}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn same_padding_puts_the_odd_pixel_at_the_end() {
        let g = geometry(3, 2, Padding::Same);
        assert_eq!((g.pad_before(32), g.pad_before(33)), (0, 1));
        assert_eq!(geometry(3, 2, Padding::Symmetric).pad_before(32), 1);
    }
}
