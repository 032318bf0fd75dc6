//! What a drawing shows, in the unit square: x to the right, y down.

use super::super::dataset::Split;
use super::super::stream::Stream;

/// Red, green and blue, 0 to 255.
pub(super) type Colour = [f32; 3];

/// A point or direction: x, y.
pub(super) type Vector = [f32; 2];

/// Plain blots behind the object.
pub(super) const DISTRACTORS: usize = 3;

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
    pub place: Placement,
    pub colour: Colour,
    /// Colour change of the texture from its mean to its crest.
    pub swing: Colour,
    /// Direction across the texture's bars times its periods per unit.
    pub wave: Vector,
    /// Its phase, in periods.
    pub phase: f32,
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

/// Fine half of a class: a grating. Only its direction differs; mirroring keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Texture {
    /// Bars that stand.
    Stripes,
    /// Bars that lie.
    Bands,
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
    pub(super) const ALL: [Self; 2] = [Self::Stripes, Self::Bands];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stripes => "striped",
            Self::Bands => "banded",
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
        let background = colour(stream, 20.0, 110.0);
        let gradient = colour(stream, -50.0, 50.0);
        let slope = direction(stream);
        let distractors = std::array::from_fn(|_| distractor(stream));
        let object = object(stream, outline, texture);
        let noise = between(stream, 15.0, 30.0);
        Self { background, gradient, slope, distractors, object, noise, noise_seed: stream.bits() }
    }
}

fn object(stream: &mut Stream, outline: Outline, texture: Texture) -> Object {
    let radius = between(stream, 0.24, 0.40);
    let room = 1.0 - 1.9 * radius;
    let centre = [0.0; 2].map(|_| 0.5 + room * between(stream, -0.5, 0.5));
    let place = Placement { centre, radius, axis: tilt(stream) };
    let swing = between(stream, 30.0, 45.0);
    let periods = between(stream, 8.5, 11.0);
    let [across, along] = tilt(stream);
    Object {
        outline,
        place,
        // Leaves room for the swing.
        colour: colour(stream, 120.0, 190.0),
        swing: [0.0; 3].map(|_| swing * between(stream, 0.8, 1.0)),
        wave: match texture {
            Texture::Stripes => [across * periods, along * periods],
            Texture::Bands => [-along * periods, across * periods],
        },
        phase: between(stream, 0.0, 1.0),
    }
}

fn distractor(stream: &mut Stream) -> Distractor {
    let outline = if stream.coin() { Outline::Disc } else { Outline::Square };
    let centre = [0.0; 2].map(|_| between(stream, 0.0, 1.0));
    let place = Placement { centre, radius: between(stream, 0.04, 0.12), axis: direction(stream) };
    Distractor { outline, place, colour: colour(stream, 20.0, 200.0) }
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

/// An axis up to a quarter of a right angle off the horizontal.
fn tilt(stream: &mut Stream) -> Vector {
    let sine = stream.between(-0.38, 0.38);
    [(1.0 - sine * sine).sqrt() as f32, sine as f32]
}

fn between(stream: &mut Stream, low: f64, high: f64) -> f32 {
    stream.between(low, high) as f32
}
