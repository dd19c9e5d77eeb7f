use std::fmt;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
#[cfg(unix)]
use std::os::unix::net::UnixDatagram;
#[cfg(unix)]
use std::path::PathBuf;
use std::time::Duration;

use palisade_core::time::WallClock;
use palisade_core::{Problems, Severity};

use super::Sink;
use crate::{AuditError, Batch, Format};

/// Facility 13, "log audit" (RFC 5424, section 6.2.1).
const LOG_AUDIT: u8 = 13;

/// Sends lines to a syslog server in the form of RFC 5424: over UDP (RFC 5426), over TCP with octet counting (RFC
/// 6587, section 3.4.1), or to a unix datagram socket such as `/dev/log`.
///
/// UDP and TCP carry lines in the clear; keep them within a network that is trusted, or let a local server forward.
/// None of them confirms a message: what a server that goes away had in its buffers is lost unseen.
///
/// # Example
///
/// ```
/// use palisade_audit::SyslogSink;
///
/// let sink = SyslogSink::tcp("127.0.0.1:601".parse()?).app_name("bookings")?;
/// # let _ = sink;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SyslogSink {
    to: Target,
    timeout: Duration,
    facility: u8,
    hostname: String,
    app_name: String,
    format: Format,
    clock: WallClock,
    open: Option<Open>,
    message: Vec<u8>,
}

#[derive(Debug)]
enum Target {
    Udp(SocketAddr),
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
}

#[derive(Debug)]
enum Open {
    Udp(UdpSocket),
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixDatagram),
}

impl SyslogSink {
    /// The time for connecting and writing after which the lines count as lost: 5 seconds.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    /// Sends each line as a datagram.
    #[must_use]
    pub fn udp(server: SocketAddr) -> Self {
        Self::new(Target::Udp(server))
    }

    /// Sends lines over a connection, which is made again where it breaks.
    #[must_use]
    pub fn tcp(server: SocketAddr) -> Self {
        Self::new(Target::Tcp(server))
    }

    /// Sends each line to this socket.
    #[cfg(unix)]
    #[must_use]
    pub fn unix(socket: impl Into<PathBuf>) -> Self {
        Self::new(Target::Unix(socket.into()))
    }

    fn new(to: Target) -> Self {
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let hostname = hostname.trim();
        Self {
            to,
            timeout: Self::DEFAULT_TIMEOUT,
            facility: LOG_AUDIT,
            hostname: if is_name(hostname, 255) {
                hostname
            } else {
                "-"
            }
            .to_owned(),
            app_name: "palisade-audit".to_owned(),
            format: Format::Native,
            clock: WallClock::system(),
            open: None,
            message: Vec::new(),
        }
    }

    /// Sets the name of the application in each message: 1 to 48 visible ASCII characters; default `palisade-audit`.
    ///
    /// # Errors
    ///
    /// Refuses other names.
    pub fn app_name(mut self, name: &str) -> Result<Self, AuditError> {
        if !is_name(name, 48) {
            return Err(Problems::one(
                "syslog.app_name",
                "must be 1 to 48 visible ASCII characters",
            )
            .into());
        }
        name.clone_into(&mut self.app_name);
        Ok(self)
    }

    /// Sets the name of this machine in each message: 1 to 255 visible ASCII characters; default the system's.
    ///
    /// # Errors
    ///
    /// Refuses other names.
    pub fn hostname(mut self, name: &str) -> Result<Self, AuditError> {
        if !is_name(name, 255) {
            return Err(Problems::one(
                "syslog.hostname",
                "must be 1 to 255 visible ASCII characters",
            )
            .into());
        }
        name.clone_into(&mut self.hostname);
        Ok(self)
    }

    /// Sets the facility, 0 to 23; greater numbers are taken as 23. Default 13, which is meant for audits.
    #[must_use]
    pub fn facility(mut self, facility: u8) -> Self {
        self.facility = facility.min(23);
        self
    }

    /// Sets how long connecting and writing may take, at least 1 millisecond; default
    /// [`DEFAULT_TIMEOUT`](Self::DEFAULT_TIMEOUT).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// Sets the form of the lines; default [`Format::Native`].
    #[must_use]
    pub const fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    fn connect(&self) -> io::Result<Open> {
        Ok(match &self.to {
            Target::Udp(server) => {
                let any = if server.is_ipv4() {
                    "0.0.0.0:0"
                } else {
                    "[::]:0"
                };
                let socket = UdpSocket::bind(any)?;
                socket.connect(server)?;
                Open::Udp(socket)
            }
            Target::Tcp(server) => {
                let stream = TcpStream::connect_timeout(server, self.timeout)?;
                stream.set_write_timeout(Some(self.timeout))?;
                Open::Tcp(stream)
            }
            #[cfg(unix)]
            Target::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                socket.set_write_timeout(Some(self.timeout))?;
                Open::Unix(socket)
            }
        })
    }

    /// `<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID - MSG` (RFC 5424, section 6).
    fn compose(&mut self, text: &str, severity: Severity) {
        let level = match severity {
            Severity::Info => 6,
            Severity::Warn => 4,
            _ => 2,
        };
        self.message.clear();
        // Writing to a `Vec` does not fail.
        let _ = write!(self.message, "<{}>1 ", u16::from(self.facility) * 8 + level);
        self.clock.now().write_rfc3339_millis(&mut self.message);
        let _ = write!(
            self.message,
            " {} {} {} audit - {text}",
            self.hostname,
            self.app_name,
            std::process::id()
        );
    }

    fn send(&mut self) -> io::Result<()> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.connect()?,
        };
        let open = self.open.insert(open);
        match open {
            Open::Udp(socket) => socket.send(&self.message).map(drop),
            #[cfg(unix)]
            Open::Unix(socket) => socket.send(&self.message).map(drop),
            Open::Tcp(stream) => {
                let count = format!("{} ", self.message.len());
                self.message.splice(..0, count.into_bytes());
                stream.write_all(&self.message)
            }
        }
    }
}

impl Sink for SyslogSink {
    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        for line in batch.lines() {
            let was_open = self.open.is_some();
            self.compose(line.text, line.severity);
            let mut sent = self.send();
            if sent.is_err() {
                self.open = None;
                // The server may have been restarted since the last line; a fresh connection that fails is down.
                if was_open {
                    self.compose(line.text, line.severity);
                    sent = self.send();
                }
            }
            if sent.is_err() {
                // A connection that took a part of a message cannot take another.
                self.open = None;
            }
            sent?;
        }
        Ok(())
    }

    fn format(&self) -> Format {
        self.format
    }
}

fn is_name(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl fmt::Debug for SyslogSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyslogSink")
            .field("to", &self.to)
            .field("app_name", &self.app_name)
            .finish_non_exhaustive()
    }
}
