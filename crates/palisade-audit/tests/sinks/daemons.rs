//! The daemons that receive syslog, as they are installed.

use std::net::TcpListener;

use palisade_audit::{Audit, MemorySink, Seal, SyslogSink, Verifier};
use palisade_core::Severity;

use crate::{PATIENCE, named, record, syslog_ng, until, write_through};

/// Needs `apt-get install rsyslog`.
#[test]
#[ignore = "needs rsyslogd: apt-get install rsyslog"]
fn rsyslog_receives_and_parses() {
    let directory = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let out = directory.path().join("out");
    let config = directory.path().join("conf");
    let text = format!(
        "module(load=\"imtcp\")\ninput(type=\"imtcp\" port=\"{port}\" address=\"127.0.0.1\")\n\
         template(name=\"t\" type=\"string\" string=\"%syslogfacility%|%syslogseverity%|%hostname%|%app-name%|%msgid%|%msg%\\n\")\n\
         *.* action(type=\"omfile\" file=\"{}\" template=\"t\")\n",
        out.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut server = std::process::Command::new("rsyslogd")
        .arg("-n")
        .arg("-f")
        .arg(&config)
        .arg("-i")
        .arg(directory.path().join("pid"))
        .spawn()
        .expect("apt-get install rsyslog");
    until(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    write_through(SyslogSink::tcp(([127, 0, 0, 1], port).into()));
    let read = || std::fs::read_to_string(&out).unwrap_or_default();
    until(|| read().contains("audit_file_end"));
    let seen = read();
    server.kill().unwrap();
    server.wait().unwrap();
    let line = seen
        .lines()
        .find(|line| line.contains("authz_admin"))
        .unwrap();
    assert!(line.starts_with("13|4|web-1|bookings|audit|"), "{line}");
    let json = line.split_once("audit|").unwrap().1.trim_start();
    let record: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(record["actor"], "ada");
}

#[test]
#[ignore = "needs syslog-ng under target/: cargo xtask test --full"]
fn syslog_ng_receives_and_parses_by_its_published_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let page = include_str!("../../docs/shipping/syslog-ng.md");
    let (_, block) = page.split_once("```text\n").unwrap();
    let (text, _) = block.split_once("\n```").unwrap();
    let place = directory.path().to_str().unwrap();
    let text = text
        .replace("/var/log/audit", place)
        .replace("port(601)", &format!("port({port})"));
    let config = directory.path().join("conf");
    std::fs::write(&config, text).unwrap();
    let mut server = syslog_ng::command()
        .args(["-F", "-f"])
        .arg(&config)
        .arg("-R")
        .arg(directory.path().join("persist"))
        .arg("-p")
        .arg(directory.path().join("pid"))
        .arg("-c")
        .arg(directory.path().join("control"))
        .spawn()
        .unwrap();
    until(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let memory = MemorySink::new();
    let (audit, guard) = Audit::builder("bookings")
        .sink(memory.clone())
        .sink(named(SyslogSink::tcp(([127, 0, 0, 1], port).into())))
        .seal(Seal::chain())
        .open()
        .unwrap();
    audit.record(record());
    audit.record(record().severity(Severity::Critical).reason("on purpose"));
    guard.shutdown(PATIENCE);
    let read = |name: &str| {
        let text = std::fs::read_to_string(directory.path().join(name));
        text.unwrap_or_default()
    };
    until(|| {
        read("bookings.log").contains("audit_file_end") && read("critical.log").ends_with('\n')
    });
    server.kill().unwrap();
    server.wait().unwrap();
    let copy = read("bookings.log");
    assert_eq!(copy.lines().collect::<Vec<_>>(), memory.lines());
    let mut verifier = Verifier::new();
    verifier.read(copy.as_bytes()).unwrap();
    assert_eq!(verifier.report().unwrap().records, 4);
    let critical = read("critical.log");
    assert_eq!(critical.lines().count(), 1, "{critical}");
    assert!(
        critical.ends_with(" authz_admin on purpose\n"),
        "{critical}"
    );
}
