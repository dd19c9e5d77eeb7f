//! Times every measure, takes the allocations from the program beside this one, and writes the report.

use std::process::ExitCode;

fn main() -> ExitCode {
    palisade_benches::main()
}
