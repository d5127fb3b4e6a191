//! The listener over real sockets: each test is a sentence of its contract.

mod bodies;
mod drain;
mod early;
mod forwarding;
mod http2;
mod limits;
mod smuggling;
mod support;
mod tls;
