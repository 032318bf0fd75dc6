//! The program as a user meets it: command lines in, exit codes and text out.
//!
//! `here` runs the built binary in a folder of its own; `transcript` reads console sessions out of Markdown and plays
//! them, so that what is documented is what happens.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod broken;
mod documents;
mod fine_tuning;
mod here;
mod interrupted;
mod judging;
mod mistakes;
mod plan;
mod reports;
mod results;
mod signals;
mod taking_back;
mod tiny;
mod transcript;
mod weights;
