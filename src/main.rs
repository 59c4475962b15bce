//! The `squad` binary: hands the arguments to the library and returns its exit code, nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    squad::run(std::env::args_os())
}
