//! Figures as SVG and PNG, drawn by the page's own scripts in a small JavaScript engine: what a report shows and what
//! stands in a paper are the same picture.

use rquickjs::{CatchResultExt, Context, Runtime};
use serde_json::{Value, json};

use super::page::{ECHARTS, FIGURES};

/// Why a figure could not be drawn: fragments that complete "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    /// The scripts failed.
    #[error("draw the figure: {message}")]
    Script {
        /// What the engine says.
        message: String,
    },
    /// The SVG cannot be turned into pixels.
    #[error("turn the figure into pixels: {message}")]
    Pixels {
        /// Why.
        message: String,
    },
    /// No font to write with.
    #[error("write the figure's words: this machine has no font")]
    NoFont,
}

/// A figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Figure {
    /// Accuracy against a cost, with the front.
    Front,
    /// What each value of each axis does at equal everything else.
    Effects,
    /// Whether the effect of one axis depends on another.
    Interactions,
    /// One line a configuration through all axes.
    Parallel,
    /// How each trial learned.
    Curves,
    /// The whole grid, what is missing included.
    Grid,
}

impl Figure {
    /// Its name in the scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Front => "front",
            Self::Effects => "effects",
            Self::Interactions => "interactions",
            Self::Parallel => "parallel",
            Self::Curves => "curves",
            Self::Grid => "grid",
        }
    }
}

/// How large a figure is, pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Across.
    pub width: u32,
    /// Down.
    pub height: u32,
}

/// Draws a figure of `account` as SVG. `choice` is what the page's selectors choose: `x`, `y`, `colour`, `metric`, `dark`.
///
/// # Errors
/// [`DrawError::Script`] if the account lacks what the figure needs.
pub fn svg(figure: Figure, account: &Value, choice: &Value, size: Size) -> Result<String, DrawError> {
    let engine = |error: rquickjs::Error| DrawError::Script { message: error.to_string() };
    let runtime = Runtime::new().map_err(engine)?;
    // A deep stack: the charting library is compiled recursively.
    runtime.set_max_stack_size(8 << 20);
    let context = Context::full(&runtime).map_err(engine)?;
    let call =
        format!("drawn({}, {account}, {choice}, {}, {})", json!(figure.name()), size.width, size.height);
    context.with(|scope| {
        // Nothing moves in a still picture, so nothing that is put off has to happen.
        let run = |script: &str| scope.eval::<(), _>(script);
        let drawn = run("function setTimeout() {}")
            .and_then(|()| run(ECHARTS))
            .and_then(|()| run(FIGURES))
            .and_then(|()| scope.eval::<String, _>(call));
        drawn.catch(&scope).map_err(|error| DrawError::Script { message: error.to_string() })
    })
}

/// An SVG as PNG, `scale` pixels for each of its own.
///
/// # Errors
/// [`DrawError::NoFont`] where the machine has none, [`DrawError::Pixels`] if the SVG cannot be drawn.
pub fn png(svg: &str, scale: f32) -> Result<Vec<u8>, DrawError> {
    use resvg::{tiny_skia, usvg};
    let pixels = |message: String| DrawError::Pixels { message };
    let mut options = usvg::Options::default();
    options.fontdb_mut().load_system_fonts();
    let Some(face) = options.fontdb.faces().next().map(|face| face.families.clone()) else {
        return Err(DrawError::NoFont);
    };
    // Where none of the names that the figure asks for is there, the first font does.
    if let Some((family, _)) = face.first() {
        options.font_family = family.clone();
        options.fontdb_mut().set_sans_serif_family(family.clone());
    }
    let tree = usvg::Tree::from_str(svg, &options).map_err(|error| pixels(error.to_string()))?;
    let size =
        tree.size().to_int_size().scale_by(scale).ok_or_else(|| pixels("its size is none".to_owned()))?;
    let mut map = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or_else(|| {
        pixels(format!("{} by {} pixels do not fit in memory", size.width(), size.height()))
    })?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut map.as_mut());
    map.encode_png().map_err(|error| pixels(error.to_string()))
}
