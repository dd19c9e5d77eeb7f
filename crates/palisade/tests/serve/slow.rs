use super::*;

#[tokio::test]
async fn a_head_that_never_ends_is_waited_for_no_longer_than_the_header_timeout() {
    let server = Running::start(|server| server.header_timeout(SHORT)).await;
    // The last two begin as HTTP/2 does.
    let begins = [
        "",
        "G",
        "GET / HT",
        "GET / HTTP/1.1\r\nhost: l",
        "PRI * HT",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for begin in begins {
        let mut client = server.connect().await;
        client.write_all(begin.as_bytes()).await.unwrap();
        let took = closed(&mut client).await;
        assert!(took >= SHORT - SHORT / 4, "{begin:?} {took:?}");
    }
    server.assert_serves().await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_no_excuse() {
    let server = Running::start(|server| server.header_timeout(SHORT)).await;
    let (mut reads, mut writes) = server.connect().await.into_split();
    let trickle = tokio::spawn(async move {
        for byte in ASK.iter().cycle() {
            if writes.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(SHORT / 2).await;
        }
    });
    closed(&mut reads).await;
    trickle.abort();
}

#[tokio::test]
async fn a_second_head_has_its_time_from_its_first_byte_on() {
    let server = Running::start(|server| {
        server
            .header_timeout(SHORT)
            .idle_timeout(Duration::from_secs(600))
    })
    .await;
    let mut client = server.connect().await;
    client.write_all(ASK).await.unwrap();
    read_answer(&mut client).await;
    // Idle for longer than that: nothing has begun.
    tokio::time::sleep(3 * SHORT).await;
    client.write_all(ASK).await.unwrap();
    read_answer(&mut client).await;
    client.write_all(b"GET").await.unwrap();
    closed(&mut client).await;
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_after_the_idle_timeout() {
    let server = Running::start(|server| server.idle_timeout(SHORT)).await;
    let mut client = server.connect().await;
    client.write_all(ASK).await.unwrap();
    read_answer(&mut client).await;
    closed(&mut client).await;
}

#[tokio::test]
async fn a_handler_takes_as_long_as_it_takes() {
    let server = Running::start(|server| {
        server
            .header_timeout(SHORT / 4)
            .idle_timeout(SHORT / 4)
            .transfer_timeout(SHORT / 4)
    })
    .await;
    let mut client = server.connect().await;
    client
        .write_all(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    assert!(read_answer(&mut client).await.ends_with("slow"));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_an_error_to_the_handler() {
    let server = Running::start(|server| server.transfer_timeout(SHORT)).await;
    let mut client = server.connect().await;
    let head = b"POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nten bytes.";
    client.write_all(head).await.unwrap();
    let answer = read_answer(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    closed(&mut client).await;
}

#[tokio::test]
async fn a_body_that_comes_slower_than_the_least_rate_ends_and_another_does_not() {
    for (rate, is_served) in [(Some(1_000_000), false), (Some(1), true), (None, true)] {
        let server = Running::start(|server| server.transfer_timeout(SHORT).least_rate(rate)).await;
        let mut client = server.connect().await;
        let head = b"POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n";
        client.write_all(head).await.unwrap();
        for byte in b"ten bytes." {
            if client.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(SHORT / 4).await;
        }
        let answer = read_answer(&mut client).await;
        assert_eq!(
            answer.ends_with("ten bytes."),
            is_served,
            "{rate:?} {answer}"
        );
    }
}

#[tokio::test]
async fn a_response_that_nobody_reads_is_not_kept() {
    let server = Running::start(|server| server.transfer_timeout(SHORT)).await;
    let mut client = server.connect().await;
    client
        .write_all(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    // Longer than it may stand still; then what lies in the buffers of the system, and the end.
    tokio::time::sleep(4 * SHORT).await;
    let mut received = 0;
    let mut buffer = vec![0; 1 << 16];
    while let Ok(bytes @ 1..) = client.read(&mut buffer).await {
        received += bytes;
    }
    assert!(received < 64 << 20, "all of it came");
    server.assert_serves().await;
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_not_kept() {
    let server = Running::start(|server| server.transfer_timeout(SHORT)).await;
    let mut client = server.connect().await;
    client
        .write_all(b"GET /stream HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(4 * SHORT).await;
    // It would never end by itself.
    closed(&mut client).await;
}

#[tokio::test]
async fn a_long_response_to_a_client_that_reads_is_sent_whole() {
    let server = Running::start(|server| server.transfer_timeout(SHORT)).await;
    let mut client = server.connect().await;
    let ask = b"GET /large HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    client.write_all(ask).await.unwrap();
    let begin = Instant::now();
    let (mut received, mut pauses) = (0, 0);
    let mut buffer = vec![0; 1 << 16];
    while let Ok(bytes @ 1..) = client.read(&mut buffer).await {
        received += bytes;
        if received >> 22 > pauses {
            pauses += 1;
            tokio::time::sleep(SHORT / 4).await;
        }
    }
    assert!(received > 64 << 20, "{received}");
    assert!(begin.elapsed() > 2 * SHORT);
}
