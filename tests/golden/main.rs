//! The library against PyTorch in double precision: forward and every gradient of every operation, of whole
//! blocks and networks; optimizers and losses.
//!
//! `make.py` beside this file computes the expected results from the papers' definitions, with PyTorch's own
//! operations and autograd, and writes one `.safetensors` file a family. Here each family runs the library
//! on the same inputs through its public interface. `cargo test --test golden -- --nocapture` prints the
//! error of every case.
//!
//! The files list their cases, and a family ends by checking that it looked at every tensor of its file:
//! nothing that was made goes unheld.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod conv;
mod family;
mod file;
mod loss;
mod mbconv;
mod network;
mod norm;
mod optimizer;
mod pareto;
mod proxy_norm;
mod squeeze_excite;
mod structure;
mod swish;
mod table;
mod tape;
