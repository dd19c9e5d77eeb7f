use super::*;

#[test]
fn named_networks_and_empty_entries_of_a_list_are_understood() {
    let trusts = |setting: &str, peer: &str| {
        let setting: ClientIp = setting.parse().unwrap();
        setting.trusts(peer.parse().unwrap())
    };
    for (name, inside, outside) in [
        ("loopback", "127.255.255.255", "128.0.0.1"),
        ("loopback", "::1", "::2"),
        ("private", "10.255.0.1", "11.0.0.1"),
        ("private", "172.31.255.255", "172.32.0.0"),
        ("private", "192.168.7.7", "192.169.0.0"),
        ("private", "fdff::1", "fe00::1"),
        ("link-local", "169.254.169.254", "169.255.0.0"),
        ("link-local", "febf::1", "fec0::1"),
        ("loopback, private,", "192.168.0.1", "169.254.0.1"),
        ("10.0.0.0/8,", "10.1.1.1", "127.0.0.1"),
        (" , 10.0.0.0/8 ,, ", "10.1.1.1", "127.0.0.1"),
    ] {
        assert!(trusts(name, inside), "{name}: {inside}");
        assert!(!trusts(name, outside), "{name}: {outside}");
    }
    let error = "loopbak".parse::<ClientIp>().unwrap_err().to_string();
    assert!(error.contains("loopbak: is neither"), "{error}");
    assert!(
        ClientIp::trusting(["10.0.0.0/8", ""]).is_err(),
        "an entry that is empty by mistake"
    );
}

#[test]
fn v4_clients_behind_nat64_are_each_its_own_group() {
    let group = |ip: &str, bits| {
        ClientAddr::new(ip.parse().unwrap())
            .group_of(bits)
            .to_string()
    };
    assert_eq!(group("64:ff9b::203.0.113.7", 64), "203.0.113.7");
    assert_eq!(group("64:ff9b::203.0.113.8", 48), "203.0.113.8");
    assert_eq!(group("64:ff9b:1::203.0.113.7", 64), "64:ff9b:1::");
    assert_eq!(group("64:ff9b:0:0:0:1:cb00:7107", 64), "64:ff9b::");
}

#[test]
fn a_client_is_grouped_as_its_requests_are() {
    let setting = ClientIp::peer().v6_prefix(56);
    let ip: IpAddr = "2001:db8:0:1ff::1".parse().unwrap();
    let seen = setting.resolve(Some(ip), &HeaderMap::new()).unwrap();
    assert_eq!(setting.client(ip), seen);
    assert_eq!(seen.group().to_string(), "2001:db8:0:100::");
}

#[test]
fn a_group_has_at_least_one_leading_bit_and_at_most_all_of_them() {
    let group = |bits, ip: &str| {
        let setting = ClientIp::peer().v6_prefix(bits);
        setting.client(ip.parse().unwrap()).group().to_string()
    };
    for bits in [0, 1] {
        assert_eq!(group(bits, "2001:db8::1"), "::");
        assert_eq!(group(bits, "fe80::1"), "8000::");
    }
    let ip: IpAddr = "2001:db8::1".parse().unwrap();
    for bits in [128, 129, 255] {
        assert_eq!(group(bits, "2001:db8::1"), "2001:db8::1");
        let client = ClientIp::peer().v6_prefix(bits).client(ip);
        assert_eq!(client, ClientIp::peer().v6_prefix(128).client(ip));
    }
}

#[test]
fn a_proxy_is_trusted_and_a_client_is_not() {
    let trusts = |setting: &str, peer: &str| {
        let setting: ClientIp = setting.parse().unwrap();
        setting.trusts(peer.parse().unwrap())
    };
    assert!(!trusts("", "10.0.0.1"));
    assert!(trusts("10.0.0.0/8", "10.0.0.1"));
    assert!(trusts("10.0.0.0/8", "::ffff:10.0.0.1"));
    assert!(!trusts("10.0.0.0/8", "11.0.0.1"));
    assert!(trusts("hops:1", "198.51.100.9"));
}

#[test]
fn a_mapped_network_with_the_bits_of_a_v4_network_is_refused() {
    for network in ["::ffff:10.0.0.0/8", "::ffff:10.0.0.0/95"] {
        let error = ClientIp::trusting([network]).unwrap_err().to_string();
        assert!(error.contains("fewer than 96 bits"), "{error}");
    }
    let setting = ClientIp::trusting(["::ffff:10.0.0.0/104"]).unwrap();
    assert!(setting.trusts("10.255.0.1".parse().unwrap()));
    assert!(!setting.trusts("11.0.0.1".parse().unwrap()));
    let error = ClientIp::trusting(["::ffff:0:0/96"]).unwrap_err();
    assert!(error.to_string().contains("would trust every address"));
}

#[test]
fn the_peer_is_the_client_where_no_scope_holds_one() {
    let mut extensions = http::Extensions::new();
    let none = HeaderMap::new();
    assert_eq!(ClientIp::peer().of(&extensions, &none), None);
    extensions.insert(crate::PeerAddr("192.0.2.1:4433".parse().unwrap()));
    let of = |extensions: &http::Extensions| {
        let client = ClientIp::peer().of(extensions, &none);
        client.map(|client| client.ip().to_string())
    };
    assert_eq!(of(&extensions).as_deref(), Some("192.0.2.1"));
}
