//! What a weights file says of itself.

use serde::{Deserialize, Serialize};

use crate::sweep::settings::Model;

/// Version of the form below.
const VERSION: u32 = 1;

/// What network the weights are of, and how images are prepared for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    version: u32,
    /// The network.
    pub model: Model,
    /// Names of its classes, in the order of the logits.
    pub classes: Vec<String>,
    /// Side that images are shown at unless another is asked for, pixels.
    pub resolution: usize,
    /// Side of the centre crop over the image's shorter side.
    pub crop_ratio: f64,
    /// BLAKE3 of the tensors' bytes, hexadecimal. Files from elsewhere may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) checksum: Option<String>,
}

impl Description {
    /// The header's key.
    pub(super) const KEY: &'static str = "effsweep";

    /// Describes a network.
    pub fn new(model: Model, classes: Vec<String>, resolution: usize, crop_ratio: f64) -> Self {
        Self { version: VERSION, model, classes, resolution, crop_ratio, checksum: None }
    }

    /// The same of tensors with that checksum.
    pub(super) fn with_checksum(self, checksum: Option<String>) -> Self {
        Self { checksum, ..self }
    }

    pub(super) fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads what [`Self::to_json`] wrote; of a later version only the problem is told.
    pub(super) fn from_json(text: &str) -> Result<Self, String> {
        let description: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match description.version {
            VERSION => Ok(description),
            other => Err(format!("its description is of version {other}, this program reads {VERSION}")),
        }
    }
}
