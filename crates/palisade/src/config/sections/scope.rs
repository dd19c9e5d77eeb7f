use palisade_core::{ClientIp, ForwardedHeader, Problems};
use serde::Deserialize;

/// The proxies that are trusted to say who a client is, once for all layers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ScopeConfig {
    /// Addresses and networks of the proxies, such as `10.0.0.0/8`, `loopback`, `private` and `link-local`, or
    /// `hops:N` alone for exactly N proxies. Default none: the peer is the client. `TRUSTED_PROXIES` overrides it.
    pub trusted_proxies: Vec<String>,
    /// The header that they write; default `x-forwarded-for`.
    pub forwarded_header: ForwardedHeaderName,
    /// By how many leading bits v6 clients are grouped, 1 to 128; default 64.
    pub v6_prefix: Option<u8>,
}

/// The name of a header by which proxies say who the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ForwardedHeaderName {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl ScopeConfig {
    /// The setting of clients' addresses.
    ///
    /// # Errors
    ///
    /// Names every proxy that is neither an address nor a network, and a prefix out of range.
    pub fn client_ip(&self) -> Result<ClientIp, Problems> {
        let mut problems = Problems::none();
        for (position, proxy) in self.trusted_proxies.iter().enumerate() {
            let alone = proxy.parse::<ClientIp>();
            if let (Err(error), false) = (alone, proxy.is_empty()) {
                let told = error.to_string();
                // The text that the reason is about stands before it.
                let reason = told.rsplit(": ").next().unwrap_or(&told);
                problems.push(format!("trusted_proxies[{position}]"), reason);
            }
        }
        let parsed = self.trusted_proxies.join(",").parse::<ClientIp>();
        let mut client_ip = parsed.unwrap_or_else(|error| {
            if problems.is_empty() {
                problems.push("trusted_proxies", error.to_string());
            }
            ClientIp::peer()
        });
        if self.forwarded_header == ForwardedHeaderName::Forwarded {
            client_ip = client_ip.header(ForwardedHeader::Forwarded);
        }
        match self.v6_prefix {
            None => {}
            Some(bits @ 1..=128) => client_ip = client_ip.v6_prefix(bits),
            Some(_) => problems.push("v6_prefix", "must be 1 to 128"),
        }
        problems.into_result(client_ip)
    }
}
