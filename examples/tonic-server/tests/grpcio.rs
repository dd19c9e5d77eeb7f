//! The example, called by grpcio's client in Python.

use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

const INSTALL: &str = "a python with grpcio is needed; install it with `python3 -m venv target/grpcio && \
                       target/grpcio/bin/pip install grpcio`, or name one in PALISADE_GRPCIO_PYTHON";

struct Running {
    process: Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_tonic-server"))
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let output = process.stdout.take().expect("its output");
        Self {
            process,
            output: BufReader::new(output).lines(),
        }
    }

    fn line(&mut self, begin: &str) -> String {
        let line = self.output.next().expect("a line").expect("text");
        line.strip_prefix(begin).expect(begin).to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_python_client_reads_every_answer() {
    let mut server = Running::start();
    let address = server.line("listening on ");
    let token = server.line("token ");
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let python = std::env::var_os("PALISADE_GRPCIO_PYTHON")
        .map_or_else(|| root.join("target/grpcio/bin/python"), PathBuf::from);
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/client.py"))
        .args([address, token])
        .output()
        .expect(INSTALL);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.stdout, b"ok\n");
}
