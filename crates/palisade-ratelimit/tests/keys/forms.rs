//! Keys by themselves: the addresses that they name, and their debug output.

use std::net::IpAddr;

use palisade_core::{ClientAddr, Principal};
use palisade_ratelimit::{Key, KeyChain, RateLimitLayer};

#[test]
fn a_key_that_is_an_address_names_the_first_one_of_its_group() {
    for (address, first) in [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:7:9::1", "2001:db8:7:9::"),
        ("2001:db8:7:9:ffff::", "2001:db8:7:9::"),
    ] {
        let [address, first]: [IpAddr; 2] = [address, first].map(|ip| ip.parse().unwrap());
        assert_eq!(Key::ip(address).as_ip(), Some(first), "{address}");
        let client = ClientAddr::new(address);
        assert_eq!(Key::client(client).as_ip(), Some(first), "{address}");
    }
    assert_eq!(Key::text("203.0.113.7").as_ip(), None);
    assert_eq!(Key::claimed_header("x-id", b"203.0.113.7").as_ip(), None);
}

#[test]
fn debug_output_tells_the_kind_of_a_key_and_never_the_key() {
    let principal = Principal::user("https://issuer.example", "alice");
    let address: IpAddr = "203.0.113.7".parse().unwrap();
    for (key, kind) in [
        (Key::ip(address), "Key::ip"),
        (Key::client(ClientAddr::new(address)), "Key::ip"),
        (Key::principal(&principal), "Key::principal"),
        (
            Key::claimed_header("x-id", b"device-1"),
            "Key::claimed_header",
        ),
        (Key::authorization(b"Bearer secret"), "Key::authorization"),
        (Key::text("account:alice"), "Key::text"),
    ] {
        assert_eq!(format!("{key:?}"), kind);
    }
}

#[test]
fn debug_output_of_a_builder_names_the_sources_of_its_keys_in_their_order() {
    let chain = KeyChain::new()
        .principal()
        .verified(|_| None)
        .claimed_header("x-track-id")
        .claimed(|_| None)
        .authorization()
        .client_ip();
    let sources =
        r#"["principal", "verified", "x-track-id", "claimed", "authorization", "client_ip"]"#;
    assert_eq!(format!("{chain:?}"), sources);
    let builder = format!("{:?}", RateLimitLayer::builder().key(chain));
    assert!(builder.contains(&format!("key: {sources}")), "{builder}");
}
