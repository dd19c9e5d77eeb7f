//! The machine on which the figures were taken.

use std::cell::Cell;
use std::fs;
use std::process::Command;
use std::time::Duration;

#[cfg(target_os = "linux")]
use rustix::thread::{self, CpuSet};

/// The processor, its number of cores, the kernel and the compiler, each as the system names it.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!(
        "{cores} x {}, Linux {}, {}",
        processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        read("/proc/sys/kernel/osrelease").unwrap_or_default(),
        compiler().unwrap_or_else(|| "rustc".to_owned()),
    )
}

/// The number of tasks that ran or waited in the last minute; above a fraction, something else used the machine.
pub(crate) fn load() -> Option<f64> {
    read("/proc/loadavg")?.split(' ').next()?.parse().ok()
}

thread_local! {
    /// The time that this thread waited on a core that it shared of its own will.
    static WAITED_ON_PURPOSE: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// The time in which this thread could have run and got no core, beside the time within [`OneCore`]; zero where the
/// system does not say.
pub(crate) fn waited() -> Duration {
    waited_in_all().saturating_sub(WAITED_ON_PURPOSE.get())
}

fn waited_in_all() -> Duration {
    let text = read("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(nanoseconds_waited(&text).unwrap_or_default())
}

/// The second of three numbers; see the kernel's `Documentation/scheduler/sched-stats.rst`.
fn nanoseconds_waited(schedstat: &str) -> Option<u64> {
    schedstat.split(' ').nth(1)?.parse().ok()
}

/// Keeps this thread, and the processes that it starts meanwhile, on one core until it is dropped.
///
/// For two that take turns, and so lose nothing by it: waking the other core takes a virtual machine five times as long
/// as what they do, and now and then they are on one core anyway. Where that cannot be had, they stay where they are.
pub(crate) struct OneCore {
    waited: Duration,
    #[cfg(target_os = "linux")]
    before: Option<CpuSet>,
}

impl OneCore {
    #[cfg(target_os = "linux")]
    pub(crate) fn stay() -> Self {
        let before = thread::sched_getaffinity(None).ok();
        let first = before.and_then(|cores| (0..CpuSet::MAX_CPU).find(|core| cores.is_set(*core)));
        if let Some(first) = first {
            let mut one = CpuSet::new();
            one.set(first);
            let _ = thread::sched_setaffinity(None, &one);
        }
        Self {
            waited: waited_in_all(),
            before,
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn stay() -> Self {
        Self {
            waited: waited_in_all(),
        }
    }
}

impl Drop for OneCore {
    fn drop(&mut self) {
        let waited = waited_in_all().saturating_sub(self.waited);
        WAITED_ON_PURPOSE.set(WAITED_ON_PURPOSE.get() + waited);
        #[cfg(target_os = "linux")]
        if let Some(before) = &self.before {
            let _ = thread::sched_setaffinity(None, before);
        }
    }
}

fn processor() -> Option<String> {
    let info = read("/proc/cpuinfo")?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(": ")?.1.to_owned())
}

fn compiler() -> Option<String> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut words = text.split_whitespace();
    Some(format!("{} {}", words.next()?, words.next()?))
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_in_the_queue_is_the_second_number() {
        assert_eq!(nanoseconds_waited("31750 443100 1"), Some(443_100));
        assert_eq!(nanoseconds_waited(""), None);
    }
}
