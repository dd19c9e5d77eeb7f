use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use http::{Extensions, HeaderMap, Method, Request, Uri};
use palisade_core::{ClientAddr, ClientIp, Principal, RequestScope, peer_addr, sent_path};

/// A request as closures see it: its head and its sender, and nothing of its body.
pub struct RequestView<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
    scope: Option<&'a RequestScope>,
    client_ip: &'a ClientIp,
    client: Cell<Option<Option<ClientAddr>>>,
}

impl<'a> RequestView<'a> {
    #[inline]
    pub(crate) fn new<B>(
        request: &'a Request<B>,
        scope: Option<&'a RequestScope>,
        client_ip: &'a ClientIp,
    ) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
            scope,
            client_ip,
            client: Cell::new(None),
        }
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &'a Method {
        self.method
    }

    /// The URI as this layer sees it; a router that nests the layer has stripped its prefix.
    #[must_use]
    pub const fn uri(&self) -> &'a Uri {
        self.uri
    }

    /// The path that the client sent, neither decoded nor normalised; see [`sent_path`]. Routes and exempt paths are
    /// matched by it.
    #[inline]
    #[must_use]
    pub fn path(&self) -> &'a str {
        sent_path(self.extensions, self.uri)
    }

    /// The header fields.
    #[must_use]
    pub const fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// The extensions.
    #[must_use]
    pub const fn extensions(&self) -> &'a Extensions {
        self.extensions
    }

    /// The verified principal, if an authentication layer stands outside this one.
    #[must_use]
    pub fn principal(&self) -> Option<Arc<Principal>> {
        self.scope?.principal()
    }

    /// The client's address; `None` when the server did not say who the peer is.
    #[must_use]
    pub fn client(&self) -> Option<ClientAddr> {
        if let Some(known) = self.client.get() {
            return known;
        }
        let client = self.find_client();
        self.client.set(Some(client));
        client
    }

    /// The same, and not kept: most requests are asked once.
    #[inline]
    pub(crate) fn find_client(&self) -> Option<ClientAddr> {
        match self.scope.and_then(RequestScope::client) {
            Some(decided) => Some(decided),
            None => {
                let peer = peer_addr(self.extensions).map(|addr| addr.ip());
                self.client_ip.resolve(peer, self.headers)
            }
        }
    }

    pub(crate) const fn scope(&self) -> Option<&'a RequestScope> {
        self.scope
    }
}

impl fmt::Debug for RequestView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither headers nor the query: both may hold credentials.
        f.debug_struct("RequestView")
            .field("method", self.method)
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}
