//! The answers of a gateway while a service that it needs fails, and while some clients are hostile.
//!
//! The long ones print the figures of `docs/reliability.md`:
//!
//! ```sh
//! cargo test -p gateway --test faults -- --include-ignored --nocapture --test-threads 1
//! ```

#[path = "faults/clients.rs"]
mod clients;
#[path = "faults/clock.rs"]
mod clock;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/endurance.rs"]
mod endurance;
#[path = "faults/hostile.rs"]
mod hostile;
#[path = "faults/labels.rs"]
mod labels;
#[path = "faults/load.rs"]
mod load;
#[path = "faults/log.rs"]
mod log;
#[path = "faults/redis.rs"]
mod redis;
#[path = "faults/stop.rs"]
mod stop;
mod support;
