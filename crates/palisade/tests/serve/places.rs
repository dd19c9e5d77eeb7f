use super::*;

#[tokio::test]
async fn one_address_has_its_share_of_the_places_and_no_more() {
    let server = Running::start(|server| server.max_connections_per_address(3)).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut client = server.connect().await;
        client.write_all(ASK).await.unwrap();
        read_answer(&mut client).await;
        kept.push(client);
    }
    let mut fourth = server.connect().await;
    closed(&mut fourth).await;
    // Those that are there go on, and a place that is given back is one.
    kept[0].write_all(ASK).await.unwrap();
    read_answer(&mut kept[0]).await;
    kept.pop();
    for _ in 0..100 {
        let mut client = server.connect().await;
        if client.write_all(ASK).await.is_ok() && matches!(client.read(&mut [0; 64]).await, Ok(1..))
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the place was not given back");
}

#[tokio::test]
async fn a_trusted_proxy_is_not_limited_by_its_address() {
    let stack = Stack::new().client_ip(ClientIp::trusting(["127.0.0.1"]).unwrap());
    let server = Running::with(stack, router(), |server| {
        server.max_connections_per_address(1)
    })
    .await;
    let _first = server.connect().await;
    for _ in 0..5 {
        server.assert_serves().await;
    }
}

#[tokio::test]
async fn when_every_place_is_taken_idle_connections_make_room() {
    let server =
        Running::start(|server| server.max_connections(2).max_connections_per_address(10)).await;
    let mut idle = Vec::new();
    for _ in 0..2 {
        let mut client = server.connect().await;
        client.write_all(ASK).await.unwrap();
        read_answer(&mut client).await;
        idle.push(client);
    }
    let begin = Instant::now();
    server.assert_serves().await;
    // Long before the 75 seconds of the idle timeout.
    assert!(begin.elapsed() < LONG);
}

#[tokio::test]
async fn hundreds_of_idle_connections_keep_nobody_out_and_are_closed() {
    let server = Running::start(|server| {
        server
            .max_connections_per_address(10_000)
            .idle_timeout(4 * SHORT)
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..300 {
        let mut client = server.connect().await;
        client.write_all(ASK).await.unwrap();
        read_answer(&mut client).await;
        clients.push(client);
    }
    server.assert_serves().await;
    for client in &mut clients {
        closed(client).await;
    }
    server.assert_serves().await;
}
