use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const INSTALL: &str = "moto_server is needed; install it with \
                       `python3 -m venv target/moto && target/moto/bin/pip install 'moto[server]'`";

/// A moto server, killed when this is dropped.
pub(crate) struct Moto {
    process: Child,
    pub(crate) port: u16,
}

impl Moto {
    pub(crate) fn start(port: u16) -> Self {
        let installed = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../target/moto/bin/moto_server"
        );
        let program = if std::path::Path::new(installed).exists() {
            installed
        } else {
            "moto_server"
        };
        let process = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}: {INSTALL}"));
        let moto = Self { process, port };
        // Waits for the real server, for at most a minute.
        for _ in 0..600 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return moto;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("moto_server does not answer: {INSTALL}");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}
