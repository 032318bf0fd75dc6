//! A network's parameters as a safetensors file in timm's names and layouts ([`super::timm`]).

use std::collections::{HashMap, HashSet};

use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::efficientnet::EfficientNet;
use super::parameters::Parameters;
use crate::ops::view;

/// Counts of batches that PyTorch's batch norms keep and nothing needs.
const BATCH_COUNT: &str = ".num_batches_tracked";

/// Unknown tensors that a message names before it only counts.
const NAMED_TENSORS: usize = 3;

/// A safetensors file that holds other parameters than the network has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// A tensor is missing.
    #[error("no tensor is called `{name}`; the network has it in the shape {shape:?}")]
    Missing {
        /// Its name in timm.
        name: String,
        /// Its shape in timm.
        shape: Vec<usize>,
    },
    /// A tensor has another shape, or is not of single precision.
    #[error("`{name}` is {found} of shape {found_shape:?}; the network has it as F32 of shape {shape:?}")]
    Shape {
        /// Its name in timm.
        name: String,
        /// The type of its numbers.
        found: String,
        /// Its shape.
        found_shape: Vec<usize>,
        /// The network's.
        shape: Vec<usize>,
    },
    /// There are tensors that the network does not have.
    #[error("the network has no {}", listed(names))]
    Unknown {
        /// Their names, sorted.
        names: Vec<String>,
    },
}

fn listed(names: &[String]) -> String {
    let named: Vec<String> = names.iter().take(NAMED_TENSORS).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(NAMED_TENSORS) {
        0 => named.join(", "),
        more => format!("{} and {more} more of the file's tensors", named.join(", ")),
    }
}

impl EfficientNet {
    /// `parameters` as a safetensors file that timm reads; `metadata` goes into its header.
    ///
    /// # Errors
    /// If safetensors cannot hold it.
    pub fn to_timm(
        &self,
        parameters: &Parameters,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<u8>, SafeTensorError> {
        let tensors = self.timm_tensors();
        let bytes: Vec<Vec<u8>> = tensors
            .iter()
            .map(|tensor| {
                let values = view(parameters.tensor(tensor.id));
                let mut bytes = vec![0; values.len() * 4];
                let places = tensor.layout.places(parameters.shape(tensor.id));
                let (cells, _) = bytes.as_chunks_mut::<4>();
                values.iter().zip(places).for_each(|(value, place)| cells[place] = value.to_le_bytes());
                bytes
            })
            .collect();
        let views = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
            let shape = tensor.layout.shape(parameters.shape(tensor.id));
            TensorView::new(Dtype::F32, shape, bytes).map(|view| (&tensor.name, view))
        });
        let views = views.collect::<Result<Vec<_>, _>>()?;
        safetensors::serialize(views, Some(metadata))
    }

    /// Replaces every one of `parameters` by the tensor of its name in timm. Of a file that does not fit, nothing is
    /// taken.
    ///
    /// # Errors
    /// The first tensor that is missing or has another shape, otherwise those that the network does not have.
    pub fn load_timm(&self, parameters: &mut Parameters, file: &SafeTensors<'_>) -> Result<(), WeightsError> {
        let tensors = self.timm_tensors();
        let mut values = Vec::with_capacity(tensors.len());
        for tensor in &tensors {
            let ours = parameters.shape(tensor.id);
            let (name, shape) = (tensor.name.clone(), tensor.layout.shape(ours));
            let Ok(found) = file.tensor(&name) else { return Err(WeightsError::Missing { name, shape }) };
            if found.dtype() != Dtype::F32 || found.shape() != shape.as_slice() {
                let (dtype, found_shape) = (format!("{:?}", found.dtype()), found.shape().to_vec());
                return Err(WeightsError::Shape { name, found: dtype, found_shape, shape });
            }
            let (cells, _) = found.data().as_chunks::<4>();
            values.push(tensor.layout.places(ours).map(|place| f32::from_le_bytes(cells[place])).collect());
        }
        let known: HashSet<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        let unknown = |name: &&str| !known.contains(name) && !name.ends_with(BATCH_COUNT);
        let mut names: Vec<String> = file.names().into_iter().filter(unknown).map(str::to_owned).collect();
        if !names.is_empty() {
            names.sort_unstable();
            return Err(WeightsError::Unknown { names });
        }
        for (tensor, value) in tensors.iter().zip(values) {
            parameters.replace(tensor.id, value);
        }
        Ok(())
    }
}
