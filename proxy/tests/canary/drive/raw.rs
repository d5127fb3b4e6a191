//! Bytes that are no request: what is logged of them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Drive;

pub(super) async fn drive(drive: &mut Drive<'_>) {
    let Some(address) = drive.base().strip_prefix("http://").map(str::to_owned) else {
        // Over TLS the client library sends no such thing.
        return;
    };
    let secret = drive.secret("a password in a head that is refused");
    let large = "x".repeat(64 * 1024);
    for head in [
        format!("GET /a HTTP/1.1\r\nhost: a\r\nauthorization: Basic {secret}\r\ncontent-length: +5\r\n\r\n"),
        format!(
            "GET /a HTTP/1.1\r\nhost: a\r\nauthorization: Basic {secret}\r\nauthorization: Bearer {secret}\r\n\r\n"
        ),
        format!("GET /a HTTP/1.1\r\nhost: a\r\nauthorization: Basic {secret}\r\nx: {large}\r\n\r\n"),
        format!("GET /a HTTP/1.1\r\nhost: a\r\nauthorization: Basic {secret}\r\n bad\r\n\r\n"),
        format!("GET /a HTTP/1.1\r\nhost: a\r\nauthorization: Basic {secret}\u{1}\r\n\r\n"),
        format!("GET http://{secret}@a/ HTTP/1.1\r\nhost: a\r\n\r\n"),
        format!("{secret}\r\n\r\n"),
        format!("PUT /a/b HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {secret}\r\ncontent-length: 10\r\n\r\nab"),
    ] {
        let mut socket = TcpStream::connect(&address).await.unwrap();
        let _ = socket.write_all(head.as_bytes()).await;
        let _ = socket.shutdown().await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(crate::ask::PATIENCE, socket.read_to_end(&mut answer)).await.unwrap();
        drive.answers.push_str(&String::from_utf8_lossy(&answer));
    }
}
