#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod client_ip;
mod error_debug;
mod event;
pub mod filter;
mod forwarded;
mod gate;
mod handle;
mod name;
mod paths;
mod peer;
mod principal;
mod problems;
mod proxies;
pub mod random;
mod rejection;
mod request_id;
mod scope;
pub mod secret;
mod target;
pub mod time;

pub use body::ResponseBody;
pub use client_ip::{ClientAddr, ClientIp, ClientIpError, ForwardedHeader};
pub use event::{EventKind, SecurityEvent, Severity};
pub use gate::{GatePass, StoreGate};
pub use handle::Handle;
pub use name::Name;
pub use paths::{OPERATIONAL_PATHS, PathSet};
pub use peer::{ClientCertificate, PeerAddr, peer_addr};
pub use principal::{Ownership, Principal, PrincipalKind};
pub use problems::{Problem, Problems};
pub use rejection::{Code, Rejection, RejectionContext, Renderer};
pub use request_id::{InvalidRequestId, RequestId, TraceParent};
pub use scope::{ClosedScope, LateSink, LimitDecision, RequestScope, ScopeLayer};
pub use target::{SentUri, covers_method, sent_path};

/// The guides of this repository, so that their code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guides/a-filter-of-your-own.md")]
mod a_filter_of_your_own {}
