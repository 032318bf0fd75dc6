//! The signals of a pass: what every norm sends on, before and after the activation.

use dfdx::shapes::HasShape;

use crate::ops::{ChannelSignals, Image, Vector, view};

/// The signals of a network's norms, in its order.
#[derive(Debug, Default)]
pub struct Signals {
    layers: Vec<LayerSignals>,
}

/// The signals of one norm.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerSignals {
    /// Where the norm stands, such as `blocks.3.expand`: the name of its parameters without `.norm`.
    pub name: String,
    /// Images that passed.
    pub images: usize,
    /// Pixels of each.
    pub pixels: usize,
    /// Of the pre-activations: normalized, scaled and shifted by γ and β.
    pub pre: ChannelSignals,
    /// Of the post-activations, centred and scaled where proxy norm does, also where the network leaves that scale
    /// to a later layer; `None` for a projection, which no activation follows.
    pub post: Option<ChannelSignals>,
}

impl Signals {
    /// The layers so far.
    pub fn layers(&self) -> &[LayerSignals] {
        &self.layers
    }

    /// Adds the layer `name`. `post` comes with the proxy scale that it still lacks.
    pub(super) fn record<T>(&mut self, name: &str, pre: &Image, post: Option<(&Image<T>, Option<&Vector>)>) {
        let (images, h, w, c) = *pre.shape();
        let pixels = h * w;
        let post = post.map(|(post, scale)| {
            let signals = ChannelSignals::of(view(post), pixels, c);
            match scale {
                Some(scale) => signals.scaled(view(scale)),
                None => signals,
            }
        });
        let pre = ChannelSignals::of(view(pre), pixels, c);
        self.layers.push(LayerSignals { name: name.to_owned(), images, pixels, pre, post });
    }
}
