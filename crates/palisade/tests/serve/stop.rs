use super::*;

#[tokio::test]
async fn a_server_that_stops_lets_requests_end_and_closes_idle_connections() {
    let server = Running::start(|server| server).await;
    let mut idle = server.connect().await;
    idle.write_all(ASK).await.unwrap();
    read_answer(&mut idle).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(SHORT / 2).await;

    let addr = server.addr;
    let stopping = tokio::spawn(server.stop());
    closed(&mut idle).await;
    assert!(read_answer(&mut busy).await.ends_with("slow"));
    assert_eq!(stopping.await.unwrap().cut_off, 0);
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn the_time_to_drain_ends() {
    let server = Running::start(|server| server.drain(SHORT / 4)).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(SHORT / 2).await;
    assert_eq!(server.stop().await.cut_off, 1);
    let mut answer = Vec::new();
    let _ = busy.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn an_upgraded_connection_keeps_its_place_and_is_waited_for() {
    let upgrade = async |mut request: axum::extract::Request| {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let upgraded = upgrade.await.unwrap();
            let mut io = hyper_util::rt::TokioIo::new(upgraded);
            let mut byte = [0];
            io.read_exact(&mut byte).await.unwrap();
            io.write_all(&byte).await.unwrap();
        });
        http::Response::builder()
            .status(101)
            .header("connection", "upgrade")
            .header("upgrade", "echo")
            .body(Body::empty())
            .unwrap()
    };
    let server = Running::with(
        Stack::new(),
        Router::new().route("/", get(upgrade)),
        |server| {
            // Nothing of a connection's own is timed once it is somebody else's.
            server.header_timeout(SHORT / 4).idle_timeout(SHORT / 4)
        },
    )
    .await;
    let mut client = server.connect().await;
    let ask = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    client.write_all(ask).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(client.read_u8().await.unwrap());
    }
    tokio::time::sleep(SHORT).await;
    let stopping = tokio::spawn(server.stop());
    tokio::time::sleep(SHORT / 4).await;
    assert!(!stopping.is_finished());
    client.write_all(b"!").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'!');
    assert_eq!(stopping.await.unwrap().cut_off, 0);
}

#[tokio::test]
async fn a_server_that_is_dropped_closes_its_connections() {
    let server = Running::start(|server| server).await;
    let mut client = server.connect().await;
    client.write_all(ASK).await.unwrap();
    read_answer(&mut client).await;
    drop(server);
    closed(&mut client).await;
}
