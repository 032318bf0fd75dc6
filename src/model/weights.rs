//! Weight files: safetensors, one tensor a parameter, under its name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::parameters::Parameters;
use crate::durable::{WriteError, write_atomically};
use crate::ops::view;

/// A weight file that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file system refused to write.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The file system refused to read.
    #[error("read the weights `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The parameters could not be encoded.
    #[error("encode the weights")]
    Encode(#[source] safetensors::SafeTensorError),
    /// Not a safetensors file, or a damaged one.
    #[error("`{}` is no readable safetensors file", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// A tensor is missing or has another shape.
    #[error("`{}` has no tensor `{name}` of shape {shape:?} in f32", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        name: String,
        /// The shape expected.
        shape: Vec<usize>,
    },
}

impl Parameters {
    /// The list as a safetensors file.
    ///
    /// # Errors
    /// If safetensors cannot hold it.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, safetensors::SafeTensorError> {
        let bytes: Vec<Vec<u8>> = self
            .iter()
            .map(|(_, parameter)| {
                view(&parameter.value).iter().flat_map(|value| value.to_le_bytes()).collect()
            })
            .collect();
        let tensors = self.iter().zip(&bytes).map(|((_, parameter), bytes)| {
            TensorView::new(Dtype::F32, parameter.shape.clone(), bytes)
                .map(|tensor| (&parameter.name, tensor))
        });
        let tensors = tensors.collect::<Result<Vec<_>, _>>()?;
        safetensors::serialize(tensors, None::<HashMap<String, String>>)
    }

    /// Writes the list as a safetensors file, whole or not at all. Returns its BLAKE3 checksum, hexadecimal.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn save_safetensors(&self, path: &Path) -> Result<String, WeightsError> {
        let bytes = self.to_safetensors().map_err(WeightsError::Encode)?;
        write_atomically(path, &bytes)?;
        Ok(blake3::hash(&bytes).to_hex().to_string())
    }

    /// Replaces every parameter by the tensor of its name in the safetensors file `path`. Returns
    /// the file's BLAKE3 checksum, hexadecimal.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or lacks a tensor of the right shape.
    pub fn load_safetensors(&mut self, path: &Path) -> Result<String, WeightsError> {
        let bytes =
            std::fs::read(path).map_err(|source| WeightsError::Read { path: path.to_owned(), source })?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|source| WeightsError::Format { path: path.to_owned(), source })?;
        let mut values = Vec::with_capacity(self.len());
        for (id, parameter) in self.iter() {
            let tensor = file.tensor(&parameter.name).ok().filter(|tensor| {
                tensor.dtype() == Dtype::F32 && tensor.shape() == parameter.shape.as_slice()
            });
            let tensor = tensor.ok_or_else(|| WeightsError::Mismatch {
                path: path.to_owned(),
                name: parameter.name.clone(),
                shape: parameter.shape.clone(),
            })?;
            let value = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            values.push((id, value.collect()));
        }
        for (id, value) in values {
            self.replace(id, value);
        }
        Ok(blake3::hash(&bytes).to_hex().to_string())
    }
}
