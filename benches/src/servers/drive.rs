//! Drives the servers with `wrk`, in turns.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::kind::{Kind, LISTENING};
use crate::disturbance::undisturbed;
use crate::harness::{Figure, median};
use crate::{peers, tokens};

const ROUNDS: usize = 5;
/// The time that `wrk` runs in each round, and the number of connections that it keeps open.
const SECONDS: &str = "2s";
const CONNECTIONS: &str = "32";

/// The time by which the requests of a round are divided.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Per {
    /// A second on the wall.
    Second,
    /// A second that the server spent on the processor, which whatever else the machine does leaves alone.
    ProcessorSecond,
}

/// The requests of one round.
#[derive(Debug, Clone, Copy)]
struct Load {
    per_second: f64,
    per_processor_second: f64,
}

impl Load {
    const fn per(self, per: Per) -> f64 {
        match per {
            Per::Second => self.per_second,
            Per::ProcessorSecond => self.per_processor_second,
        }
    }
}

/// The requests of each server, a round after the other.
#[derive(Debug, Clone)]
pub(crate) struct Driven {
    servers: Vec<(Kind, Vec<Load>)>,
}

impl Driven {
    /// The throughput of a server over the bare one's: of the best rounds, and the median round by round.
    pub(crate) fn over_bare(&self, kind: Kind, per: Per) -> Option<Figure> {
        let of = |kind| {
            let (_, rounds) = self.servers.iter().find(|(known, _)| *known == kind)?;
            Some(rounds.iter().map(|load| load.per(per)).collect::<Vec<_>>())
        };
        let (bare, rounds) = (of(Kind::Bare)?, of(kind)?);
        let each: Vec<f64> = rounds
            .iter()
            .zip(&bare)
            .map(|(rps, bare)| rps / bare)
            .collect();
        let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        Some(Figure {
            best: most(&rounds) / most(&bare),
            median: median(&each),
            allocs: None,
        })
    }
}

/// Drives all servers, once a run of the benches, and says whether that stayed disturbed.
pub(crate) fn driven() -> Result<(Driven, bool), String> {
    static DRIVEN: OnceLock<Result<(Driven, bool), String>> = OnceLock::new();
    DRIVEN
        .get_or_init(|| undisturbed(drive).map_err(|error| error.to_string()))
        .clone()
}

fn drive() -> Result<Driven, Box<dyn Error>> {
    let secret = tokens::secret()?;
    let token = tokens::hs256(&secret, 1)?;
    let mut servers = Vec::new();
    for kind in Kind::ALL {
        match Server::start(kind, &secret) {
            Ok(server) => servers.push((server, Vec::new())),
            Err(error) => eprintln!("the server `{}` did not start: {error}", kind.name()),
        }
    }
    for (server, _) in &servers {
        server.load(&token)?;
    }
    for round in 0..ROUNDS {
        let count = servers.len();
        for turn in 0..count {
            let (server, rounds) = &mut servers[(round + turn) % count];
            rounds.push(server.load(&token)?);
        }
    }
    for (server, rounds) in &servers {
        let most = rounds
            .iter()
            .map(|load| load.per_second)
            .fold(0.0, f64::max);
        println!(
            "{:<32} {most:.0} requests/s",
            format!("  server {}", server.kind.name())
        );
    }
    Ok(Driven {
        servers: servers
            .into_iter()
            .map(|(server, rounds)| (server.kind, rounds))
            .collect(),
    })
}

/// A server of its own process, which ends with this.
struct Server {
    kind: Kind,
    child: Child,
    address: String,
}

impl Server {
    fn start(kind: Kind, secret: &str) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", kind.name(), secret])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        let mut server = Self {
            kind,
            child,
            address: String::new(),
        };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        line.trim()
            .strip_prefix(LISTENING)
            .ok_or("it does not listen")?
            .clone_into(&mut server.address);
        Ok(server)
    }

    /// Drives it once.
    ///
    /// # Errors
    ///
    /// Also when anything but 2xx is answered: then it did less than the others.
    fn load(&self, token: &str) -> Result<Load, Box<dyn Error>> {
        let before = self.processor_seconds()?;
        let output = Command::new("wrk")
            .args(["-t1", "-c", CONNECTIONS, "-d", SECONDS])
            .args(["-H", &format!("Authorization: Bearer {token}")])
            .args(["-H", &format!("Origin: {}", peers::ORIGIN)])
            .arg(format!("http://{}/v1/ping", self.address))
            .output()
            .map_err(|error| format!("wrk: {error}; install it from your system's packages"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if let Some(line) = text.lines().find(|line| line.contains("Non-2xx")) {
            return Err(format!("the server `{}`: {}", self.kind.name(), line.trim()).into());
        }
        let after = |mark: &str| {
            let line = text.lines().find(|line| line.contains(mark));
            line.and_then(|line| {
                line.split_whitespace()
                    .find_map(|word| word.parse::<f64>().ok())
            })
        };
        let per_second = after("Requests/sec:").ok_or("wrk gave no rate")?;
        let requests = after(" requests in ").ok_or("wrk gave no count")?;
        Ok(Load {
            per_second,
            per_processor_second: requests / (self.processor_seconds()? - before),
        })
    }

    /// The time of the server on the processor, all its threads together (`man 5 proc_pid_stat`).
    fn processor_seconds(&self) -> Result<f64, Box<dyn Error>> {
        /// The unit in which Linux has counted since 2.6, whatever the kernel's own ticks are.
        const TICKS_IN_A_SECOND: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold anything; user and system time are fields 14 and 15, counted from 1.
        let (_, fields) = stat.rsplit_once(')').ok_or("no process status")?;
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: f64 = ticks.map(str::parse::<f64>).sum::<Result<_, _>>()?;
        Ok(ticks / TICKS_IN_A_SECOND)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input ends the server, after it has written what is left; ten seconds are twice what it takes.
        drop(self.child.stdin.take());
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
