//! The one view into a tensor's storage. dfdx hands out copies and single elements; kernels want slices.

#![allow(unsafe_code)]

use dfdx::shapes::{HasShape, Shape};
use dfdx::tensor::{Cpu, Tensor};

/// Where elements lie must be what a row-major slice expects.
fn assert_contiguous<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) {
    let (sizes, strides) = (tensor.shape().concrete(), tensor.shape().strides());
    let first: *const f32 = &tensor[S::Concrete::default()];
    for axis in 0..S::NUM_DIMS {
        if sizes[axis] > 1 {
            let mut next = S::Concrete::default();
            next[axis] = 1;
            let distance = (&raw const tensor[next]).addr().wrapping_sub(first.addr());
            assert_eq!(distance, strides[axis] * size_of::<f32>(), "axis {axis} is not contiguous");
        }
    }
}

/// The elements of a contiguous tensor, row-major.
///
/// # Panics
/// If the tensor is a permuted or broadcast view.
pub fn view<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> &[f32] {
    let count = tensor.shape().num_elements();
    if count == 0 {
        return &[];
    }
    assert_contiguous(tensor);
    // SAFETY: dfdx keeps a CPU tensor's elements in one `Vec`. Elements are addressed linearly by strides; the
    // assertion above measured every axis' stride to be the row-major one, so the `count` elements of the
    // shape lie one after another from the first, within that `Vec`, which the borrow of `tensor` keeps alive
    // and unchanged.
    unsafe { std::slice::from_raw_parts(&raw const tensor[S::Concrete::default()], count) }
}

/// The elements of a contiguous tensor, to be changed. A tensor that shares its storage gets its own first.
///
/// # Panics
/// As [`view`].
pub fn view_mut<S: Shape>(tensor: &mut Tensor<S, f32, Cpu>) -> &mut [f32] {
    let count = tensor.shape().num_elements();
    if count == 0 {
        return &mut [];
    }
    assert_contiguous(tensor);
    let first: *mut f32 = &raw mut tensor[S::Concrete::default()];
    // SAFETY: as in `view`; and `IndexMut` has made the storage this tensor's own, so the borrow of `tensor` is
    // the only way to these elements.
    unsafe { std::slice::from_raw_parts_mut(first, count) }
}

#[cfg(test)]
mod tests {
    use dfdx::shapes::Axes2;
    use dfdx::tensor::TensorFromVec;
    use dfdx::tensor_ops::PermuteTo;

    use super::*;

    fn matrix() -> Tensor<(usize, usize), f32, Cpu> {
        Cpu::default().tensor_from_vec((0..6).map(|v| v as f32).collect(), (2usize, 3usize))
    }

    #[test]
    fn a_view_holds_every_element_in_order() {
        let tensor = matrix();
        assert_eq!(view(&tensor), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(view(&tensor).to_vec(), tensor.as_vec());
    }

    #[test]
    fn a_permuted_tensor_is_refused() {
        let permuted = matrix().permute::<(usize, usize), Axes2<1, 0>>();
        assert!(std::panic::catch_unwind(|| view(&permuted).len()).is_err());
    }

    #[test]
    fn changing_a_shared_tensor_leaves_the_other_alone() {
        let mut tensor = matrix();
        let other = tensor.clone();
        view_mut(&mut tensor)[4] = 9.0;
        assert_eq!((view(&tensor)[4], view(&other)[4]), (9.0, 4.0));
    }
}
