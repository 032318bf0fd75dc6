//! Writing and reading a trained network.

use std::collections::HashMap;
use std::path::Path;

use safetensors::SafeTensors;

use super::description::Description;
use super::error::WeightsFileError;
use crate::durable::write_atomically;
use crate::model::{EfficientNet, Parameters, Pass};
use crate::ops::{image, view};
use crate::sweep::settings::Model;
use crate::train::recipe;

/// The tensor whose length is the number of classes.
const CLASSIFIER_BIAS: &str = "classifier.bias";

/// A network with its parameters and its description.
#[derive(Debug)]
pub struct TrainedNetwork {
    /// What it is.
    pub description: Description,
    /// Its structure.
    pub network: EfficientNet,
    /// Its numbers.
    pub parameters: Parameters,
}

impl TrainedNetwork {
    /// Writes it to `path`, whole or not at all. Returns the file's BLAKE3 checksum, hexadecimal.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn write(&self, path: &Path) -> Result<String, WeightsFileError> {
        let encode = |source| WeightsFileError::Encode { path: path.to_owned(), source };
        let encoded =
            |metadata| self.network.to_timm(&self.parameters, metadata).map_err(|error| encode(error.into()));
        let checksum = tensor_checksum(&encoded(HashMap::new())?);
        let description = self.description.clone().with_checksum(checksum);
        let description = description.to_json().map_err(|error| encode(error.into()))?;
        let bytes = encoded(HashMap::from([(Description::KEY.to_owned(), description)]))?;
        write_atomically(path, &bytes)?;
        Ok(blake3::hash(&bytes).to_hex().to_string())
    }

    /// Reads what [`Self::write`] wrote; with it, the file's BLAKE3 checksum, hexadecimal.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, does not describe itself, or holds other tensors than it says.
    pub fn read(path: &Path) -> Result<(Self, String), WeightsFileError> {
        let bytes = bytes(path)?;
        let file = tensors(&bytes, path)?;
        let description = described(&bytes, path)?
            .ok_or_else(|| WeightsFileError::Undescribed { path: path.to_owned() })?;
        if description.checksum.is_some() && description.checksum != tensor_checksum(&bytes) {
            return Err(WeightsFileError::Damaged { path: path.to_owned() });
        }
        let network = Self::of(&file, description.with_checksum(None), path)?;
        Ok((network, blake3::hash(&bytes).to_hex().to_string()))
    }

    /// What gives logits `(n, classes)` of normalized images `(n, side, side, 3)`, as in evaluation, batch after batch.
    /// It panics if the images are no whole number of images.
    pub fn classifier(&self) -> impl FnMut(Vec<f32>, usize) -> Vec<f32> {
        let mut pass = Pass::evaluation(&self.parameters);
        move |images, side| {
            let n = images.len() / (side * side * 3);
            view(&self.network.forward(image(images, (n, side, side, 3)), &mut pass)).to_vec()
        }
    }

    fn of(file: &SafeTensors<'_>, description: Description, path: &Path) -> Result<Self, WeightsFileError> {
        let model = &description.model;
        let shape = model.network(description.classes.len())?;
        let (network, mut parameters) = EfficientNet::new(&shape, &recipe(model), 0);
        network
            .load_timm(&mut parameters, file)
            .map_err(|source| WeightsFileError::Tensors { path: path.to_owned(), source })?;
        Ok(Self { description, network, parameters })
    }
}

/// Reads a timm state dict as a network of `model`. Where `classes` are not given, they are called by their numbers;
/// where the file describes itself, that description is checked against `model` by its tensors only.
///
/// # Errors
/// If the file cannot be read, is damaged, or holds other tensors than the model has.
pub fn import(
    path: &Path,
    model: Model,
    classes: Option<Vec<String>>,
    resolution: usize,
    crop_ratio: f64,
) -> Result<TrainedNetwork, WeightsFileError> {
    let bytes = bytes(path)?;
    let file = tensors(&bytes, path)?;
    let count = file.tensor(CLASSIFIER_BIAS).ok().and_then(|bias| bias.shape().first().copied());
    let numbered = || (0..count.unwrap_or(1)).map(|class| class.to_string()).collect();
    let classes = classes.unwrap_or_else(numbered);
    TrainedNetwork::of(&file, Description::new(model, classes, resolution, crop_ratio), path)
}

fn bytes(path: &Path) -> Result<Vec<u8>, WeightsFileError> {
    std::fs::read(path).map_err(|source| WeightsFileError::Read { path: path.to_owned(), source })
}

fn tensors<'a>(bytes: &'a [u8], path: &Path) -> Result<SafeTensors<'a>, WeightsFileError> {
    SafeTensors::deserialize(bytes)
        .map_err(|source| WeightsFileError::Format { path: path.to_owned(), source })
}

/// BLAKE3 of what follows the header, hexadecimal.
fn tensor_checksum(bytes: &[u8]) -> Option<String> {
    let (length, rest) = bytes.split_first_chunk()?;
    let tensors = rest.get(usize::try_from(u64::from_le_bytes(*length)).ok()?..)?;
    Some(blake3::hash(tensors).to_hex().to_string())
}

fn described(bytes: &[u8], path: &Path) -> Result<Option<Description>, WeightsFileError> {
    let (_, header) = SafeTensors::read_metadata(bytes)
        .map_err(|source| WeightsFileError::Format { path: path.to_owned(), source })?;
    let text = header.metadata().as_ref().and_then(|metadata| metadata.get(Description::KEY));
    text.map(|text| Description::from_json(text))
        .transpose()
        .map_err(|problem| WeightsFileError::Description { path: path.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::settings::Settings;

    fn tiny() -> TrainedNetwork {
        let mut model = Settings::default().model;
        (model.width, model.depth) = (Some(0.25), Some(0.3));
        let classes: Vec<String> = ["cat", "dog", "eel"].map(str::to_owned).to_vec();
        let shape = model.network(classes.len()).unwrap();
        let (network, parameters) = EfficientNet::new(&shape, &recipe(&model), 7);
        TrainedNetwork { description: Description::new(model, classes, 16, 0.875), network, parameters }
    }

    fn logits(trained: &TrainedNetwork) -> Vec<f32> {
        trained.classifier()((0..16 * 16 * 3).map(|i| (i as f32).sin()).collect(), 16)
    }

    #[test]
    fn a_file_needs_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let written = tiny();
        let checksum = written.write(&path).unwrap();
        let (read, found) = TrainedNetwork::read(&path).unwrap();
        assert_eq!((&read.description, &found), (&written.description, &checksum));
        assert_eq!(logits(&read), logits(&written));
        // The same network, the same bytes: checksums tell weights apart, not runs.
        assert_eq!(tiny().write(&path).unwrap(), checksum);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let error = |path: &Path| TrainedNetwork::read(path).unwrap_err();
        assert!(matches!(error(&path), WeightsFileError::Read { .. }));
        let tiny = tiny();
        tiny.write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        assert!(matches!(error(&path), WeightsFileError::Format { .. }));
        let mut flipped = bytes;
        *flipped.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        assert!(matches!(error(&path), WeightsFileError::Damaged { .. }));
        std::fs::write(&path, tiny.network.to_timm(&tiny.parameters, HashMap::new()).unwrap()).unwrap();
        assert!(matches!(error(&path), WeightsFileError::Undescribed { .. }));
        let later = tiny.description.to_json().unwrap().replace("\"version\":1", "\"version\":2");
        let metadata = HashMap::from([(Description::KEY.to_owned(), later)]);
        std::fs::write(&path, tiny.network.to_timm(&tiny.parameters, metadata).unwrap()).unwrap();
        assert!(error(&path).to_string().ends_with("version 2, this program reads 1"), "{}", error(&path));
    }

    #[test]
    fn a_state_dict_is_given_its_description() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("timm.safetensors");
        let tiny = tiny();
        std::fs::write(&path, tiny.network.to_timm(&tiny.parameters, HashMap::new()).unwrap()).unwrap();
        let model = tiny.description.model.clone();
        let imported = import(&path, model.clone(), None, 16, 1.0).unwrap();
        assert_eq!(imported.description.classes, ["0", "1", "2"]);
        assert_eq!(logits(&imported), logits(&tiny));
        let wider = Model { width: Some(0.5), ..model };
        let error = import(&path, wider, None, 16, 1.0).unwrap_err();
        assert!(matches!(error, WeightsFileError::Tensors { .. }), "{error}");
    }
}
