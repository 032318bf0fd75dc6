//! The effsweep binary.

fn main() -> std::process::ExitCode {
    effsweep::cli::run()
}
