use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};
use palisade_core::{ClientIp, ForwardedHeader};

use super::answers::lines;

const TRUSTED: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const OUTSIDE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 9));

/// Lines of a header, as whoever talks to a server may send them: nobody changes who he is.
pub(crate) fn check(data: &[u8]) {
    let Ok(behind_proxies) = ClientIp::trusting(["10.0.0.0/8", "fd00::/8"]) else {
        return;
    };
    for (name, header) in [
        ("x-forwarded-for", ForwardedHeader::XForwardedFor),
        ("forwarded", ForwardedHeader::Forwarded),
    ] {
        let client_ip = behind_proxies.clone().header(header);
        let sent = lines(name, data);
        let client = |peer, headers: &HeaderMap| {
            client_ip
                .resolve(Some(peer), headers)
                .map(palisade_core::ClientAddr::ip)
        };
        assert_eq!(
            client(OUTSIDE, &sent),
            Some(OUTSIDE),
            "an outsider's header was believed"
        );

        // The proxy appends the address of whom it talks to, either to the last line or on one of its own.
        let written = match header {
            ForwardedHeader::Forwarded => "for=203.0.113.7",
            _ => "203.0.113.7",
        };
        let behind = Some(IpAddr::from([203, 0, 113, 7]));
        let mut own_line = sent.clone();
        own_line.append(name, HeaderValue::from_static(written));
        assert_eq!(
            client(TRUSTED, &own_line),
            behind,
            "what the proxy wrote was not believed"
        );

        let mut all: Vec<HeaderValue> = sent.get_all(name).iter().cloned().collect();
        let last = all.pop().unwrap_or(HeaderValue::from_static(""));
        let joined = [last.as_bytes(), b", ", written.as_bytes()].concat();
        if let Ok(joined) = HeaderValue::from_bytes(&joined) {
            let mut same_line = HeaderMap::new();
            for line in all.into_iter().chain([joined]) {
                same_line.append(name, line);
            }
            assert_eq!(
                client(TRUSTED, &same_line),
                behind,
                "what the proxy appended was not believed"
            );
        }
    }
}
