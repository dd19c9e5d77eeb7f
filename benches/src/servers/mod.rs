//! The servers that `wrk` drives: one program each, this one started again.

mod drive;
mod kind;
mod routers;

use std::error::Error;
use std::future::IntoFuture as _;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

pub(crate) use self::drive::{Per, driven};
pub(crate) use self::kind::Kind;
use self::kind::LISTENING;
pub(crate) use self::routers::{bare, ours, theirs};
use crate::json_log::subscriber;
use crate::ours;

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
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    let address = listener.local_addr()?;
    let mut trail = None;
    let mut log = None;
    let serving: Serving = match kind {
        Kind::Bare => with_peers(listener, bare()),
        Kind::Ours => {
            let (audit, guard) = ours::trail("server")?;
            trail = Some(guard);
            Box::pin(axum::serve(listener, ours(secret, audit)?).into_future())
        }
        Kind::Peers => {
            let (dispatch, _, worker) = subscriber("peer-server.log")?;
            tracing::dispatcher::set_global_default(dispatch)?;
            log = Some(worker);
            with_peers(listener, theirs(secret)?)
        }
    };
    runtime.spawn(serving);
    println!("{LISTENING}{address}");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    if let Some(guard) = trail {
        let end = guard.shutdown(Duration::from_secs(5));
        if end.lost > 0 {
            eprintln!(
                "  the trail of `ours` lost {} of {} records",
                end.lost,
                end.written + end.lost
            );
        }
    }
    drop(log);
    Ok(())
}

type Serving = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// A router that learns the peer's address, as the limiters need it. `protect` does that by itself.
fn with_peers(listener: TcpListener, router: Router) -> Serving {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    Box::pin(axum::serve(listener, service).into_future())
}
