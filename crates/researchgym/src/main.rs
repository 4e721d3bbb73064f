//! The face.
use std::process::ExitCode;

fn main() -> ExitCode {
    match researchgym_engine::internal::main(std::env::args_os()) {
        Some(status) => ExitCode::from(u8::try_from(status).unwrap_or(1)),
        None => ExitCode::from(2),
    }
}
