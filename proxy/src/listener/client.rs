//! Who the client is where proxies stand in front of us: the right-most address that is not one of theirs (RFC 7239, section 8.1).
//!
//! What a peer says of others is believed only where the configuration lists the peer.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// The client's address, and whether it came over TLS.
pub(super) fn client(trusted: &[IpNet], peer: SocketAddr, secure: bool, headers: &HeaderMap) -> (SocketAddr, bool) {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(&ip.to_canonical()));
    if !is_trusted(peer.ip()) {
        return (peer, secure);
    }
    let named = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = named.flat_map(|value| value.split(',')).map(str::trim).collect();
    // What cannot be read ends the chain: nothing left of it is worth more than the hop that wrote it.
    let read = hops.iter().rev().map_while(|hop| hop.parse::<IpAddr>().ok());
    let mut address = peer.ip();
    for hop in read {
        address = hop;
        if !is_trusted(hop) {
            break;
        }
    }
    // The last is what the peer says, whether it appends to what it was sent or writes it anew; what stands before may be the client's.
    let proto = headers.get_all("x-forwarded-proto").iter().next_back();
    let last = proto.and_then(|value| value.as_bytes().rsplit(|byte| *byte == b',').next());
    let secure = last.map_or(secure, |proto| proto.trim_ascii().eq_ignore_ascii_case(b"https"));
    (SocketAddr::new(address, peer.port()), secure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, forwarded: &[&str], proto: Option<&str>) -> (String, bool) {
        found_by(peer, forwarded, proto.as_slice())
    }

    fn found_by(peer: &str, forwarded: &[&str], protos: &[&str]) -> (String, bool) {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        for proto in protos {
            headers.append("x-forwarded-proto", proto.parse().unwrap());
        }
        headers.insert("x-real-ip", "9.9.9.9".parse().unwrap());
        headers.insert("forwarded", "for=9.9.9.9;proto=https".parse().unwrap());
        let (address, secure) = client(&trusted, format!("{peer}:1").parse().unwrap(), false, &headers);
        (address.ip().to_string(), secure)
    }

    #[test]
    fn what_a_stranger_says_of_others_changes_nothing() {
        assert_eq!(found("192.0.2.1", &["1.1.1.1"], Some("https")), ("192.0.2.1".to_owned(), false));
        assert_eq!(found("192.0.2.1", &[], None), ("192.0.2.1".to_owned(), false));
    }

    #[test]
    fn behind_a_listed_proxy_the_client_is_the_last_hop_that_is_none() {
        assert_eq!(found("10.0.0.1", &["1.1.1.1, 192.0.2.7, 10.0.0.2"], Some("https")), ("192.0.2.7".to_owned(), true));
        assert_eq!(found("10.0.0.1", &["1.1.1.1", "192.0.2.7"], None), ("192.0.2.7".to_owned(), false));
        assert_eq!(found("10.0.0.1", &["1.1.1.1, nonsense, 10.0.0.2"], None), ("10.0.0.2".to_owned(), false));
        assert_eq!(found("10.0.0.1", &["10.0.0.9"], None), ("10.0.0.9".to_owned(), false));
        assert_eq!(found("10.0.0.1", &[], None), ("10.0.0.1".to_owned(), false));
    }

    #[test]
    fn of_several_protocols_the_one_counts_that_the_listed_proxy_has_added() {
        for (protos, secure) in [
            (&["https", "http"][..], false),
            (&["https, http"][..], false),
            (&["https,http", "http"][..], false),
            (&["http", "https"][..], true),
            (&["http , HTTPS "][..], true),
            (&["https", ""][..], false),
        ] {
            assert_eq!(found_by("10.0.0.1", &["192.0.2.7"], protos).1, secure, "{protos:?}");
        }
    }
}
