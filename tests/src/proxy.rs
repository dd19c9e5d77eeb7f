//! A connection that fails as networks do: a proxy on the loopback that passes on, delays, holds back or resets.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The state of every connection through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Passes bytes on as they come.
    Up,
    /// Passes bytes on after this time, in each direction.
    Slow(Duration),
    /// Takes connections and bytes, and passes nothing on: a network that is partitioned.
    Partitioned,
    /// Ends connections in the middle of whatever they carry.
    Reset,
}

/// A proxy that runs until this is dropped.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    link: watch::Sender<Link>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy on a free port in front of a server.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("a bound address");
        let (link, state) = watch::channel(Link::Up);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server, state.clone()));
            }
        });
        Self { addr, link, task }
    }

    /// The address on which it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes every connection, those that are open too.
    pub fn set(&self, link: Link) {
        self.link.send_replace(link);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(client: TcpStream, server: SocketAddr, mut link: watch::Receiver<Link>) {
    if link
        .wait_for(|link| *link != Link::Partitioned)
        .await
        .is_err()
    {
        return;
    }
    if *link.borrow() == Link::Reset {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // The end of one direction is the end of both.
    tokio::select! {
        () = copy(from_client, to_server, link.clone()) => {}
        () = copy(from_server, to_client, link) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut link: watch::Receiver<Link>) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = link.wait_for(|link| *link == Link::Reset) => return,
        };
        let Ok(bytes @ 1..) = read else {
            return;
        };
        let state = link.wait_for(|link| *link != Link::Partitioned).await;
        match state.map(|state| *state) {
            Ok(Link::Slow(time)) => tokio::time::sleep(time).await,
            Ok(Link::Reset) | Err(_) => return,
            Ok(_) => {}
        }
        if to.write_all(&buffer[..bytes]).await.is_err() {
            return;
        }
    }
}
