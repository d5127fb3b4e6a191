//! Answers that are given before a request's body has come: who goes on sending, and reads at the end, has the whole of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::support::{Fake, PATIENCE, Running, run};
use super::tls::{secured, write_certificate};

const ROUNDS: usize = 50;
const PIECE: usize = 64 * 1024;

/// A connection over TLS, for HTTP/1.1.
async fn connect(running: &Running, pem: &str) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::pem::PemObject::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect("localhost".try_into().unwrap(), running.connect().await).await.unwrap()
}

/// Sends a body piece by piece, and reads when all of it is sent.
async fn upload(running: &Running, pem: &str, field: &str, pieces: usize) -> std::io::Result<String> {
    let mut io = connect(running, pem).await;
    let head = format!("PUT /refuse HTTP/1.1\r\nHost: localhost\r\n{field}Content-Length: {}\r\n\r\n", pieces * PIECE);
    io.write_all(head.as_bytes()).await?;
    let piece = vec![0; PIECE];
    for _ in 0..pieces {
        tokio::time::sleep(Duration::from_millis(1)).await;
        io.write_all(&piece).await?;
        io.flush().await?;
    }
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, io.read_to_end(&mut answer)).await.expect("the server closes")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

async fn every_answer_is_whole(field: &str, pieces: usize) {
    let folder = tempfile::tempdir().unwrap();
    let pem = write_certificate(folder.path());
    let running = run(&secured(folder.path()), Fake::default());
    for round in 0..ROUNDS {
        let answer = upload(&running, &pem, field, pieces).await.unwrap_or_else(|error| panic!("{round}: {error}"));
        assert!(answer.starts_with("HTTP/1.1 403") && answer.ends_with("refused"), "{round}: {answer:?}");
    }
}

#[tokio::test]
async fn a_refusal_of_an_upload_that_fits_no_buffer_is_read_when_all_of_it_is_sent() {
    every_answer_is_whole("", 64).await;
}

#[tokio::test]
async fn a_refusal_of_a_small_upload_that_closes_its_connection_is_read_when_all_of_it_is_sent() {
    every_answer_is_whole("Connection: close\r\n", 3).await;
}
