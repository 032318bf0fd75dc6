//! A network's numbers: one named list.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, TensorFromVec};

use crate::ops::{Vector, view};

/// Place of a parameter in the list of its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParameterId(usize);

/// What a parameter is, which decides how it is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Weights and biases of convolutions and fully connected layers: trained, decayed.
    Weight,
    /// Gains and shifts of norms: trained, not decayed.
    Affine,
    /// Mean and deviation of proxy variables: trained, decayed, so that the proxy stays near N(0, 1).
    Proxy,
    /// Running statistics of batch norm: not trained.
    Running,
}

impl Role {
    /// Whether the optimizer changes it.
    pub fn is_trained(self) -> bool {
        self != Self::Running
    }

    /// Whether weight decay pulls it to zero (Graphcore's exclusions: gains, shifts, running statistics).
    pub fn is_decayed(self) -> bool {
        matches!(self, Self::Weight | Self::Proxy)
    }
}

/// One vector of numbers with its name.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Dotted name, such as `blocks.3.expand.weight`.
    pub name: String,
    /// Shape in row-major order; the tensor itself is flat.
    pub shape: Vec<usize>,
    /// What it is.
    pub role: Role,
    /// Its numbers.
    pub value: Vector,
}

/// All parameters of a network, in a fixed order.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    list: Vec<Parameter>,
    device: Cpu,
}

impl Parameters {
    /// Appends a parameter.
    pub(super) fn add(&mut self, name: String, shape: &[usize], role: Role, value: Vec<f32>) -> ParameterId {
        assert_eq!(shape.iter().product::<usize>(), value.len(), "{name} has a value of its shape");
        let length = value.len();
        let value = self.device.tensor_from_vec(value, (length,));
        self.list.push(Parameter { name, shape: shape.to_vec(), role, value });
        ParameterId(self.list.len() - 1)
    }

    /// The tensor of a parameter.
    pub fn tensor(&self, id: ParameterId) -> &Vector {
        &self.list[id.0].value
    }

    /// The shape of a parameter.
    pub fn shape(&self, id: ParameterId) -> &[usize] {
        &self.list[id.0].shape
    }

    /// The numbers of a parameter.
    pub fn slice(&self, id: ParameterId) -> &[f32] {
        view(&self.list[id.0].value)
    }

    /// Replaces the numbers of a parameter.
    ///
    /// # Panics
    /// If there are not as many as before.
    pub fn replace(&mut self, id: ParameterId, value: Vec<f32>) {
        let parameter = &mut self.list[id.0];
        assert_eq!(value.len(), parameter.value.shape().0, "{} keeps its length", parameter.name);
        let length = value.len();
        parameter.value = self.device.tensor_from_vec(value, (length,));
    }

    /// Replaces the numbers of the first parameters by `values`, in order; of wrong lengths nothing is taken.
    pub fn restore(&mut self, values: impl Iterator<Item = Vec<f32>>) {
        for (parameter, value) in self.list.iter_mut().zip(values) {
            if value.len() == parameter.value.shape().0 {
                parameter.value = self.device.tensor_from_vec(value, *parameter.value.shape());
            }
        }
    }

    /// Every parameter with its place.
    pub fn iter(&self) -> impl Iterator<Item = (ParameterId, &Parameter)> {
        self.list.iter().enumerate().map(|(index, parameter)| (ParameterId(index), parameter))
    }

    /// The parameters themselves, for an optimizer.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ParameterId, &mut Parameter)> {
        self.list.iter_mut().enumerate().map(|(index, parameter)| (ParameterId(index), parameter))
    }

    /// Number of parameters (vectors, not numbers).
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many numbers are trained.
    pub fn trained_count(&self) -> usize {
        self.list.iter().filter(|p| p.role.is_trained()).map(|p| p.value.shape().0).sum()
    }
}
