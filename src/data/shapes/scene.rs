//! What a drawing shows, in the unit square: x to the right, y down.

use super::super::dataset::Split;
use super::super::stream::Stream;

/// Red, green and blue, 0 to 255.
pub(super) type Colour = [f32; 3];

/// A point or direction: x, y.
pub(super) type Vector = [f32; 2];

/// Plain blots behind the object.
pub(super) const DISTRACTORS: usize = 4;

/// Least difference between object and background, in the channel where it is largest.
const LEAST_CONTRAST: f32 = 50.0;

/// A drawing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scene {
    /// Background colour at the centre.
    pub background: Colour,
    /// Its change over the unit square along `slope`.
    pub gradient: Colour,
    pub slope: Vector,
    pub distractors: [Distractor; DISTRACTORS],
    pub object: Object,
    /// Largest noise in each channel.
    pub noise: f32,
    pub noise_seed: u32,
}

/// A plain disc or square.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Distractor {
    pub outline: Outline,
    pub place: Placement,
    pub colour: Colour,
}

/// The object that makes the class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Object {
    pub outline: Outline,
    pub texture: Texture,
    pub place: Placement,
    pub colour: Colour,
    /// Colour change of the texture from its mean to its crest.
    pub swing: Colour,
    /// Direction of the texture's first grating times its periods per unit.
    pub wave: Vector,
    /// Phases of its two gratings, in periods.
    pub phase: Vector,
}

/// Where an outline lies: its unit circle becomes one of that centre and radius, turned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Placement {
    pub centre: Vector,
    pub radius: f32,
    /// The outline's own x axis, of length 1.
    pub axis: Vector,
}

/// Coarse half of a class. Areas are about the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outline {
    Disc,
    Square,
    Triangle,
    Cross,
    Ring,
}

/// Fine half of a class. Mean, contrast and spatial frequency are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Texture {
    /// One grating.
    Stripes,
    /// Two gratings at a right angle.
    Checks,
}

impl Outline {
    pub(super) const ALL: [Self; 5] = [Self::Disc, Self::Square, Self::Triangle, Self::Cross, Self::Ring];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Disc => "disc",
            Self::Square => "square",
            Self::Triangle => "triangle",
            Self::Cross => "cross",
            Self::Ring => "ring",
        }
    }

    /// Distance of a point to the outline, below 0 inside; exact at edges, a lower bound at corners.
    pub(super) fn distance(self, [x, y]: Vector) -> f32 {
        let length = || (x * x + y * y).sqrt();
        match self {
            Self::Disc => length() - 0.9,
            Self::Square => x.abs().max(y.abs()) - 0.8,
            // Half the square root of 3, 1/2: the normals of an equilateral triangle's sides.
            Self::Triangle => (0.866_025_4 * x.abs() - 0.5 * y).max(y) - 0.6,
            Self::Cross => (x.abs() - 1.0).max(y.abs() - 0.4).min((x.abs() - 0.4).max(y.abs() - 1.0)),
            Self::Ring => (length() - 0.75).abs() - 0.3,
        }
    }

    /// Radius of a circle that holds the outline.
    pub(super) const REACH: f32 = 1.2;
}

impl Texture {
    pub(super) const ALL: [Self; 2] = [Self::Stripes, Self::Checks];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stripes => "striped",
            Self::Checks => "checked",
        }
    }
}

impl Scene {
    /// The drawing of that number: a stream of its own for every seed, split and index.
    pub(super) fn draw(seed: u64, split: Split, index: usize, outline: Outline, texture: Texture) -> Self {
        let part = match split {
            Split::Train => 0,
            Split::Test => 1,
        };
        let mut stream = Stream::new("effsweep shapes v1", &[seed, part, index as u64]);
        let stream = &mut stream;
        let object = object(stream, outline, texture);
        let background = contrasting(stream, object.colour);
        let gradient = colour(stream, -50.0, 50.0);
        let slope = direction(stream);
        let distractors = std::array::from_fn(|_| distractor(stream));
        let noise = between(stream, 10.0, 24.0);
        Self { background, gradient, slope, distractors, object, noise, noise_seed: stream.bits() }
    }
}

fn object(stream: &mut Stream, outline: Outline, texture: Texture) -> Object {
    let radius = between(stream, 0.24, 0.40);
    let room = 1.0 - 1.8 * radius;
    let centre = [0.0; 2].map(|_| 0.5 + room * between(stream, -0.5, 0.5));
    let place = Placement { centre, radius, axis: direction(stream) };
    let swing = between(stream, 40.0, 60.0);
    let periods = between(stream, 7.0, 9.0);
    Object {
        outline,
        texture,
        place,
        // Leaves room for the swing of checks, √2 times that of stripes, between 0 and 255.
        colour: colour(stream, 85.0, 170.0),
        swing: [0.0; 3].map(|_| swing * between(stream, 0.8, 1.0)),
        wave: direction(stream).map(|part| part * periods),
        phase: [0.0; 2].map(|_| between(stream, 0.0, 1.0)),
    }
}

fn distractor(stream: &mut Stream) -> Distractor {
    let outline = if stream.coin() { Outline::Disc } else { Outline::Square };
    let centre = [0.0; 2].map(|_| between(stream, 0.0, 1.0));
    let place = Placement { centre, radius: between(stream, 0.04, 0.13), axis: direction(stream) };
    Distractor { outline, place, colour: colour(stream, 20.0, 235.0) }
}

/// A background that differs from the object.
fn contrasting(stream: &mut Stream, object: Colour) -> Colour {
    loop {
        let background = colour(stream, 30.0, 225.0);
        let contrast = background.iter().zip(object).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // Half of the range of each channel is far enough, whatever the object: seven draws of eight pass.
        if contrast >= LEAST_CONTRAST {
            return background;
        }
    }
}

fn colour(stream: &mut Stream, low: f64, high: f64) -> Colour {
    [0.0; 3].map(|_| between(stream, low, high))
}

/// A vector of length 1 in any direction alike.
fn direction(stream: &mut Stream) -> Vector {
    loop {
        let [x, y] = [0.0; 2].map(|_| stream.between(-1.0, 1.0));
        let square = x * x + y * y;
        if square > 1e-4 && square <= 1.0 {
            let length = square.sqrt();
            return [(x / length) as f32, (y / length) as f32];
        }
    }
}

fn between(stream: &mut Stream, low: f64, high: f64) -> f32 {
    stream.between(low, high) as f32
}
