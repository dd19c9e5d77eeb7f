//! Counts what every measure allocates, and prints it as JSON for the program that times.
//!
//! It is a program of its own because counting takes time for each allocation: in the one that times it would flatter
//! whichever side allocates less. The counter is also per thread, so that a background writer does not blur a request.

use std::process::ExitCode;

use palisade_benches::Allocated;

fn main() -> ExitCode {
    palisade_benches::count(|work| {
        let info = allocation_counter::measure(work);
        Allocated {
            count: info.count_total,
            net_bytes: info.bytes_current,
        }
    })
}
