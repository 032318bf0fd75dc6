//! A window of a scene at any side, each pixel computed once and without aliasing.
//!
//! Edges cover their pixels by distance, and a texture's contrast falls as under a lens that blurs by half a
//! pixel (standard deviation): what supersampling approaches, in closed form.

use super::super::dataset::View;
use super::scene::{Colour, Object, Outline, Placement, Scene, Vector};

/// 2 π² σ² with σ = 1/2: a Gaussian lens leaves `exp(−LENS · f²)` of a grating of `f` periods a pixel.
const LENS: f32 = 4.934_802;

/// Writes the view to `out`, `(side, side, 3)`.
pub(super) fn render(scene: &Scene, view: &View, out: &mut [u8]) {
    let window = view.window;
    let side = view.side as f64;
    let pixel = [(window.width / side) as f32, (window.height / side) as f32];
    let pen = Pen::new(&scene.object, pixel);
    let mut noise = Noise::new(scene, view);
    for (y, row) in out.chunks_exact_mut(3 * view.side).enumerate() {
        let down = (window.top + (y as f64 + 0.5) * window.height / side) as f32;
        for (x, bytes) in row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let x = if view.mirrored { view.side - 1 - x } else { x };
            let right = (window.left + (x as f64 + 0.5) * window.width / side) as f32;
            let colour = pen.colour(scene, [right, down]);
            // Float to integer casts saturate: noise may leave 0 to 255.
            *bytes = colour.map(|level| (level + noise.next() + 0.5) as u8);
        }
    }
}

/// What all pixels of a view share.
#[derive(Debug)]
struct Pen<'a> {
    object: &'a Object,
    /// Side of a square pixel of the same area.
    pixel: f32,
    /// What the lens leaves of the texture's contrast.
    contrast: f32,
}

impl<'a> Pen<'a> {
    fn new(object: &'a Object, pixel: Vector) -> Self {
        Self { object, pixel: (pixel[0] * pixel[1]).sqrt(), contrast: lens(object.wave, pixel) }
    }

    /// The scene's colour at a point.
    fn colour(&self, scene: &Scene, point: Vector) -> Colour {
        let along = (point[0] - 0.5) * scene.slope[0] + (point[1] - 0.5) * scene.slope[1];
        let mut colour: Colour = std::array::from_fn(|i| scene.background[i] + along * scene.gradient[i]);
        for blot in &scene.distractors {
            if let Some(cover) = self.cover(blot.outline, &blot.place, point) {
                colour = mix(colour, blot.colour, cover);
            }
        }
        if let Some(cover) = self.cover(self.object.outline, &self.object.place, point) {
            let (swing, object) = (self.texture(point), self.object);
            let surface = std::array::from_fn(|i| object.colour[i] + swing * object.swing[i]);
            colour = mix(colour, surface, cover);
        }
        colour
    }

    /// How much of the pixel at a point the outline covers; nothing where that is 0.
    fn cover(&self, outline: Outline, place: &Placement, point: Vector) -> Option<f32> {
        let [x, y] = [point[0] - place.centre[0], point[1] - place.centre[1]];
        let reach = place.radius * Outline::REACH + self.pixel;
        if x.abs() > reach || y.abs() > reach {
            return None;
        }
        let [cos, sin] = place.axis;
        let turned = [(x * cos + y * sin) / place.radius, (y * cos - x * sin) / place.radius];
        let cover = 0.5 - outline.distance(turned) * place.radius / self.pixel;
        (cover > 0.0).then_some(cover.min(1.0))
    }

    /// The texture's swing at a point, −1 to 1.
    fn texture(&self, point: Vector) -> f32 {
        let [x, y] = self.object.wave;
        self.contrast * wave(point[0] * x + point[1] * y + self.object.phase)
    }
}

/// What the lens leaves of a grating, given pixels of that width and height.
fn lens(wave: Vector, pixel: Vector) -> f32 {
    let [x, y] = [wave[0] * pixel[0], wave[1] * pixel[1]];
    let z = LENS * (x * x + y * y);
    // exp(−z) to 0.02, as a fraction because `exp` differs between platforms.
    1.0 / (1.0 + z * (1.0 + z * (0.5 + z * (1.0 / 6.0 + z / 24.0))))
}

/// sin(2πt) to 6 %, as parabolas because `sin` differs between platforms.
fn wave(t: f32) -> f32 {
    let t = t - t.floor() - 0.5;
    16.0 * t * (t.abs() - 0.5)
}

/// `under` where it is not covered by `over`.
fn mix(under: Colour, over: Colour, cover: f32) -> Colour {
    std::array::from_fn(|i| under[i] + cover * (over[i] - under[i]))
}

/// Sensor noise: uniform, new in every pixel and channel, and another for every window of a scene.
#[derive(Debug)]
struct Noise {
    state: u32,
    scale: f32,
}

impl Noise {
    fn new(scene: &Scene, view: &View) -> Self {
        let window = view.window;
        let mut state = scene.noise_seed;
        for number in [window.top, window.left, window.height, window.width, view.side as f64] {
            let bits = number.to_bits();
            state = (state ^ (bits >> 32) as u32 ^ bits as u32).wrapping_mul(0x9e37_79b1).rotate_left(13);
        }
        // Xorshift never leaves 0.
        Self { state: state | 1, scale: scene.noise / (1u32 << 31) as f32 }
    }

    /// Marsaglia's 32-bit xorshift (2003).
    fn next(&mut self) -> f32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        self.state.cast_signed() as f32 * self.scale
    }
}
