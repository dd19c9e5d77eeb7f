//! The servers that `wrk` drives: one program each, this one started again.

mod drive;
mod routers;

use std::error::Error;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use tokio::net::TcpListener;

pub(crate) use self::drive::driven;
pub(crate) use self::routers::{bare, theirs};
use crate::json_log::subscriber;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bare,
    Ours,
    Peers,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Bare, Self::Ours, Self::Peers];

    const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Ours => "ours",
            Self::Peers => "peers",
        }
    }
}

/// What a server says once it listens, before its address.
const LISTENING: &str = "listening on ";

/// Serves until standard input ends, so that no server outlives whoever started it.
pub(crate) fn serve(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [kind, secret] = arguments else {
        return Err("usage: palisade-benches serve bare|ours|peers SECRET".into());
    };
    let kind = Kind::ALL
        .into_iter()
        .find(|known| known.name() == kind)
        .ok_or("there is no such server")?;
    // One worker, so that the server is busy and not `wrk`, on a machine with two cores.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let _entered = runtime.enter();
    let _writer;
    let router = match kind {
        Kind::Bare => bare(),
        Kind::Ours => return Err("not built yet".into()),
        Kind::Peers => {
            let (dispatch, _, worker) = subscriber("peer-server.log")?;
            tracing::dispatcher::set_global_default(dispatch)?;
            _writer = worker;
            theirs(secret)?
        }
    };
    runtime.spawn(listen(router));
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

async fn listen(router: Router) {
    let served = async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{LISTENING}{}", listener.local_addr()?);
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).await
    };
    if let Err(error) = served.await {
        eprintln!("error: {error}");
    }
}
