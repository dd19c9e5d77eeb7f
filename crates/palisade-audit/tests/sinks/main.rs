//! Syslog over each transport, sinks that hang, and the hook for critical records.

mod daemons;
mod shipping;
#[path = "../support/syslog_ng.rs"]
mod syslog_ng;

use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use palisade_audit::{Audit, Class, CriticalSink, Record, RollingFile, SyslogSink};
use palisade_core::{EventKind, Name, Severity};

const SECOND: Duration = Duration::from_secs(1);

/// The longest wait for another thread or process: long enough for a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for what another process brings about, of which there is no other news.
fn until(what: impl Fn() -> bool) {
    let start = palisade_core::time::now();
    while !what() {
        assert!(start.elapsed() < PATIENCE, "it never happens");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn record() -> Record {
    Record::new(EventKind::AdminAction)
        .actor("ada")
        .action("room.delete")
}

/// The header and the message of what RFC 5424 describes, checked field by field.
fn parse(message: &str) -> (&str, &str, &str) {
    let (priority, rest) = message.strip_prefix('<').unwrap().split_once('>').unwrap();
    let mut fields = rest.splitn(8, ' ');
    assert_eq!(fields.next(), Some("1"));
    let time = fields.next().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    let host = fields.next().unwrap();
    let app = fields.next().unwrap();
    assert_eq!(host, "web-1");
    assert!(fields.next().unwrap().parse::<u32>().is_ok());
    assert_eq!(fields.next(), Some("audit"));
    assert_eq!(fields.next(), Some("-"));
    (priority, app, fields.next().unwrap())
}

fn named(sink: SyslogSink) -> SyslogSink {
    sink.hostname("web-1")
        .unwrap()
        .app_name("bookings")
        .unwrap()
}

fn write_through(sink: SyslogSink) {
    let (audit, guard) = Audit::builder("bookings").sink(named(sink)).open().unwrap();
    audit.record(record());
    assert_eq!(guard.shutdown(PATIENCE).lost, 0);
}

#[test]
fn syslog_over_udp_is_one_datagram_a_record() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    write_through(SyslogSink::udp(server.local_addr().unwrap()));
    let mut buffer = [0; 65_536];
    for expected in ["audit_file_begin", "authz_admin", "audit_file_end"] {
        let len = server.recv(&mut buffer).unwrap();
        let message = std::str::from_utf8(&buffer[..len]).unwrap();
        let (priority, app, text) = parse(message);
        // Facility 13 is 104; informational is 6, warning 4.
        let level = if expected == "authz_admin" {
            "108"
        } else {
            "110"
        };
        assert_eq!((priority, app), (level, "bookings"));
        assert!(text.starts_with('{') && text.contains(expected), "{text}");
    }
}

#[test]
fn syslog_over_tcp_counts_octets() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        server
            .accept()
            .unwrap()
            .0
            .read_to_string(&mut text)
            .unwrap();
        text
    });
    write_through(SyslogSink::tcp(address));
    let text = reader.join().unwrap();
    let mut rest = text.as_str();
    let mut messages = Vec::new();
    while !rest.is_empty() {
        let (count, behind) = rest.split_once(' ').unwrap();
        let (message, next) = behind.split_at(count.parse().unwrap());
        messages.push(parse(message).2);
        rest = next;
    }
    assert_eq!(messages.len(), 3);
    assert!(messages[1].contains("authz_admin"));
}

#[cfg(unix)]
#[test]
fn syslog_over_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let server = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    write_through(SyslogSink::unix(&path));
    let mut buffer = [0; 65_536];
    let len = server.recv(&mut buffer).unwrap();
    assert!(
        parse(std::str::from_utf8(&buffer[..len]).unwrap())
            .2
            .contains("audit_file_begin")
    );
}

#[test]
fn a_syslog_server_that_comes_back_is_found_again() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (audit, guard) = Audit::builder("bookings")
        .file(RollingFile::new(directory.path()))
        .sink(named(SyslogSink::tcp(address)))
        .open()
        .unwrap();
    // The first connection is closed by the server at once.
    drop(server.accept().unwrap());
    let (sender, seen) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut second = server.accept().unwrap().0;
        let (mut text, mut buffer) = (String::new(), [0; 4_096]);
        while !text.contains("authz_admin") {
            let len = second.read(&mut buffer).unwrap();
            text.push_str(&String::from_utf8_lossy(&buffer[..len]));
        }
        sender.send(()).unwrap();
    });
    // A closed connection is noticed at the second write after it at the latest. What was written to it is lost.
    let start = palisade_core::time::now();
    while seen.recv_timeout(Duration::from_millis(20)).is_err() {
        assert!(start.elapsed() < PATIENCE, "it is not found again");
        audit.record(record());
    }
    assert!(guard.shutdown(PATIENCE).complete);
    reader.join().unwrap();
}

#[test]
fn a_hung_syslog_server_holds_up_neither_the_file_nor_the_shutdown() {
    // It takes connections and never reads.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (audit, guard) = Audit::builder("bookings")
        .file(RollingFile::new(directory.path()))
        .sink(named(SyslogSink::tcp(server.local_addr().unwrap())))
        .capacity(100_000)
        .open()
        .unwrap();
    // 12 MB, which is more than sockets hold.
    let big = "x".repeat(2_000);
    for _ in 0..6_000 {
        audit.record(record().detail("text", big.as_str()));
    }
    let end = guard.shutdown(PATIENCE);
    assert_eq!((end.lost, end.complete), (0, true));
    let text = std::fs::read_to_string(directory.path().join("bookings_audit.log")).unwrap();
    assert_eq!(text.matches("authz_admin").count(), 6_000);
}

#[test]
fn only_critical_news_is_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let sink = CriticalSink::new(60 * SECOND, move |line| {
        teller.lock().unwrap().push(line.to_owned());
        Ok(())
    });
    let (audit, guard) = Audit::builder("bookings").sink(sink).open().unwrap();
    let alarm = |actor: &str| {
        Record::named(Name::from_static("alarm"), Class::Admin)
            .severity(Severity::Critical)
            .actor(actor)
    };
    audit.record(record());
    audit.record(alarm("eve"));
    audit.record(alarm("eve"));
    audit.record(alarm("mallory"));
    guard.shutdown(PATIENCE);
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 2);
    assert!(told[0].contains("eve") && told[1].contains("mallory"));
}
