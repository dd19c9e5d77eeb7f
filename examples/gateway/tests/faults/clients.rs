//! Clients that hold connections and give nothing for them.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::Gateway;

fn addr(gateway: &Gateway) -> SocketAddr {
    gateway
        .url
        .strip_prefix("http://")
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes two minutes and needs 20,000 open files: cargo xtask test --full"]
async fn ten_thousand_idle_connections_keep_nobody_out() {
    // As many as the gateway takes in all, but for those who are to be served; a quarter of them at most from one address.
    const IDLE: u32 = 9_900;
    let own = std::process::id().to_string();
    let raised = Command::new("prlimit")
        .args(["--pid", &own, "--nofile=20000"])
        .status();
    assert!(
        raised.unwrap().success(),
        "20,000 files must be allowed, as root or by `ulimit -Hn`"
    );
    let gateway = Gateway::start_with(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    let before = gateway.resident_kib();
    let begun = palisade_core::time::now();
    let mut opening = tokio::task::JoinSet::new();
    for source in 2..7 {
        let addr = addr(&gateway);
        opening.spawn(async move {
            let mut idle = Vec::new();
            for _ in 0..IDLE / 5 {
                idle.push(served_once(source, addr).await);
            }
            idle
        });
    }
    let mut idle: Vec<TcpStream> = opening.join_all().await.into_iter().flatten().collect();
    println!("{IDLE} connections were opened in {:?}", begun.elapsed());

    let files = std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap();
    let open = files.count();
    assert!(open >= idle.len(), "only {open} files are open");
    let mut longest = Duration::ZERO;
    for nth in 0..300 {
        let since = palisade_core::time::now();
        let request = gateway.client.get(gateway.at("/v1/ping"));
        let request = request.header("x-track-id", nth.to_string());
        assert_eq!(request.send().await.unwrap().status(), 200);
        longest = longest.max(since.elapsed());
    }
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    let each = (gateway.resident_kib() - before) * 1024 / u64::from(IDLE);
    println!("{IDLE} idle connections: {each} bytes each, others answered in {longest:?} at most");
    assert!(each < 64 << 10, "{each} bytes for an idle connection");

    // And they end: 75 s after their last answer.
    closed(&mut idle[0]).await;
    let (_, last) = (idle.swap_remove(0), idle.last_mut().unwrap());
    closed(last).await;
    println!(
        "the last of them was closed {:?} after the first was opened",
        begun.elapsed()
    );
}

/// A connection from this address of the loopback that has asked once, as a browser's or a proxy's has.
async fn served_once(source: u8, addr: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(SocketAddr::from(([127, 0, 0, source], 0)))
        .unwrap();
    let mut client = socket.connect(addr).await.unwrap();
    client
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"Z\"}") {
        let mut buffer = [0; 2_048];
        let bytes = client.read(&mut buffer).await.unwrap();
        assert!(
            bytes > 0,
            "closed after {:?}",
            String::from_utf8_lossy(&answer)
        );
        answer.extend_from_slice(&buffer[..bytes]);
    }
    client
}

async fn closed(client: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    let all = async {
        while let Ok(bytes @ 1..) = client.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..bytes]);
        }
    };
    let end = tokio::time::timeout(Duration::from_secs(120), all).await;
    end.expect("the connection ends");
    answer
}

#[tokio::test]
#[ignore = "takes a minute: cargo xtask test --full"]
async fn a_client_that_never_finishes_loses_its_connection() {
    let gateway = Gateway::start();
    let half: [(&str, &[u8], u64); 4] = [
        ("half a request line", b"GET /v1/pi", 15),
        ("half a head", b"GET /v1/ping HTTP/1.1\r\nhost: x\r\nx-a: ", 15),
        (
            "half a body",
            b"POST /auth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"user",
            45,
        ),
        (
            "half a chunk",
            b"POST /auth/token HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n20\r\n{\"user",
            45,
        ),
    ];
    let mut clients = tokio::task::JoinSet::new();
    for (name, bytes, most) in half {
        let addr = addr(&gateway);
        clients.spawn(async move {
            let mut client = TcpStream::connect(addr).await.unwrap();
            client.write_all(bytes).await.unwrap();
            let since = palisade_core::time::now();
            let answer = closed(&mut client).await;
            let took = since.elapsed();
            assert!(took < Duration::from_secs(most), "{name}: {took:?}");
            assert!(!answer.starts_with(b"HTTP/1.1 200"), "{name}");
            println!("{name}: closed after {took:?}");
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    assert_eq!(gateway.get("/healthz").await.status(), 200);
}
