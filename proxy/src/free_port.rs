//! Ports of the loopback interface for the servers that `dev` and the tests start.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Below those that systems give to outgoing connections (Linux: from 32768, IANA: from 49152): one of these may be taken by any
/// connection before the server it was meant for has bound it.
const PORTS: Range<u16> = 20_000..32_000;

/// How many are tried before the system is asked for any.
const ATTEMPTS: usize = 64;

/// A port of 127.0.0.1 that nobody has just now, and that no outgoing connection will be given.
///
/// # Errors
/// When the system has none left.
pub fn free_port() -> io::Result<u16> {
    let tried = std::iter::repeat_with(|| rand::random_range(PORTS)).take(ATTEMPTS);
    let free = tried.into_iter().find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    match free {
        Some(port) => Ok(port),
        None => Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_can_be_bound_and_is_none_that_a_connection_would_be_given() {
        let port = free_port().unwrap();
        assert!(PORTS.contains(&port), "{port}");
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    }
}
