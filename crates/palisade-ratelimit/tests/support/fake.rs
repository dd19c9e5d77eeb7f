//! Something that speaks as a Redis does, and answers every script with the same bytes.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) struct FakeRedis {
    port: u16,
    serving: JoinHandle<()>,
}

impl FakeRedis {
    pub(crate) async fn answering(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone()));
            }
        });
        Self { port, serving }
    }

    pub(crate) fn client(&self) -> redis::Client {
        redis::Client::open(format!("redis://127.0.0.1:{}/", self.port)).unwrap()
    }
}

impl Drop for FakeRedis {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut stream: TcpStream, answer: Vec<u8>) {
    let mut received = Vec::new();
    while stream
        .read_buf(&mut received)
        .await
        .is_ok_and(|read| read > 0)
    {
        while let Some((name, len)) = command(&received) {
            let reply = if name.starts_with(b"EVAL") {
                &answer[..]
            } else {
                b"+OK\r\n"
            };
            if stream.write_all(reply).await.is_err() {
                return;
            }
            received.drain(..len);
        }
    }
}

/// The first word of the first whole command, and how many bytes the command has.
fn command(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (words, mut at) = number(bytes, 0)?;
    let mut name = None;
    for _ in 0..words {
        let (len, start) = number(bytes, at)?;
        at = start + len + 2;
        let word = bytes.get(start..at)?;
        name.get_or_insert_with(|| word[..len].to_vec());
    }
    Some((name?, at))
}

/// The number in a line such as `$7`, and where the next line begins.
fn number(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let line = &bytes[at..];
    let end = line.iter().position(|byte| *byte == b'\n')?;
    let digits = std::str::from_utf8(&line[1..end - 1]).unwrap();
    Some((digits.parse().unwrap(), at + end + 1))
}
