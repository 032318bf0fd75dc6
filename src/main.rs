//! The effsweep binary.

fn main() {}
