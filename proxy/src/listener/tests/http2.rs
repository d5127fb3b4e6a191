//! HTTP/2 frame by frame: what no honest client sends.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::support::{Fake, PATIENCE, Running, run, until};
use super::tls::{secured, write_certificate};
use crate::config::Config;
use crate::listener::{BodyError, Ending};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:method GET`, `:scheme https`, `:path /`, `:authority a`, by HPACK's static table (RFC 7541, appendix A).
const GET: &[u8] = &[0x82, 0x87, 0x84, 0x01, 1, b'a'];
/// `:method POST`, the same target.
const POST: &[u8] = &[0x83, 0x87, 0x84, 0x01, 1, b'a'];

/// `:method GET` of a path.
fn get(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x87, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend_from_slice(path.as_bytes());
    block.extend_from_slice(&[0x01, 1, b'a']);
    block
}

/// `:method POST` of a path.
fn post(path: &str) -> Vec<u8> {
    let mut block = get(path);
    block[0] = POST[0];
    block
}

struct Client {
    io: TlsStream<TcpStream>,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut out = vec![length[1], length[2], length[3], kind, flags];
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

impl Client {
    async fn open(running: &Running, pem: &str) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let der = rustls::pki_types::pem::PemObject::from_pem_slice(pem.as_bytes()).unwrap();
        roots.add(der).unwrap();
        let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tcp = running.connect().await;
        let name = "localhost".try_into().unwrap();
        let mut io = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
        io.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        io.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        Self { io }
    }

    /// Sends, and ignores that the server may have closed already.
    async fn send(&mut self, bytes: &[u8]) {
        let _ = self.io.write_all(bytes).await;
        let _ = self.io.flush().await;
    }

    /// The next frame; `None` once the server has closed.
    async fn next(&mut self) -> Option<Frame> {
        let read = async {
            let mut head = [0; 9];
            self.io.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            self.io.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            Some(Frame { kind: head[3], flags: head[4], stream, payload })
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the server says something")
    }

    /// Reads until the server closes: whether it said GOAWAY.
    async fn is_told_to_go(&mut self) -> bool {
        let mut told = false;
        while let Some(frame) = self.next().await {
            told |= frame.kind == GOAWAY;
        }
        told
    }
}

async fn start(change: impl FnOnce(&mut Config)) -> (Running, Client) {
    let folder = tempfile::tempdir().unwrap();
    let pem = write_certificate(folder.path());
    let mut config = secured(folder.path());
    change(&mut config);
    let running = run(&config, Fake::default());
    let client = Client::open(&running, &pem).await;
    (running, client)
}

#[tokio::test]
async fn the_limits_are_announced() {
    let (_running, mut client) = start(|config| config.limits.h2_streams = 7).await;
    let settings = loop {
        let frame = client.next().await.unwrap();
        if frame.kind == SETTINGS && !frame.payload.is_empty() {
            break frame.payload;
        }
    };
    let announced = |id: u16| {
        let mut all = settings.chunks_exact(6);
        let found = all.find(|setting| setting[..2] == id.to_be_bytes()).unwrap();
        u32::from_be_bytes(found[2..].try_into().unwrap())
    };
    assert_eq!(announced(3), 7, "SETTINGS_MAX_CONCURRENT_STREAMS");
    assert_eq!(announced(6), 32 * 1024, "SETTINGS_MAX_HEADER_LIST_SIZE");
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_without_end_close_the_connection() {
    let (running, mut client) = start(|_| {}).await;
    let mut flood = Vec::new();
    for n in 0..5_000_u32 {
        flood.extend(frame(HEADERS, END_HEADERS | END_STREAM, n * 2 + 1, GET));
        flood.extend(frame(RST_STREAM, 0, n * 2 + 1, &8_u32.to_be_bytes()));
    }
    client.send(&flood).await;
    assert!(client.is_told_to_go().await);
    assert!(running.gateway.requests.lock().unwrap().len() < 5_000);
}

#[tokio::test]
async fn streams_that_we_are_made_to_reset_without_end_close_the_connection() {
    let (running, mut client) = start(|_| {}).await;
    let mut flood = Vec::new();
    for n in 0..5_000_u32 {
        flood.extend(frame(HEADERS, END_HEADERS | END_STREAM, n * 2 + 1, &get("/wait")));
        // A window that grows by nothing is an error of the stream (RFC 9113, section 6.9): it is for us to reset it.
        flood.extend(frame(WINDOW_UPDATE, 0, n * 2 + 1, &0_u32.to_be_bytes()));
    }
    client.send(&flood).await;
    assert!(client.is_told_to_go().await);
    assert!(running.gateway.requests.lock().unwrap().len() < 5_000);
}

#[tokio::test]
async fn ten_thousand_streams_of_a_connection_are_a_hundred_requests_at_the_most() {
    let (running, mut client) = start(|_| {}).await;
    let mut flood = Vec::new();
    for n in 0..10_000_u32 {
        flood.extend(frame(HEADERS, END_HEADERS | END_STREAM, n * 2 + 1, &get("/wait")));
    }
    client.send(&flood).await;
    // Those above are refused one by one, or the connection is given up.
    loop {
        match client.next().await {
            Some(frame) if matches!(frame.kind, RST_STREAM | GOAWAY) => break,
            Some(_) => {}
            None => break,
        }
    }
    assert!(running.gateway.requests.lock().unwrap().len() <= 100);
    running.gateway.release.cancel();
}

#[tokio::test]
async fn a_hundred_streams_whose_windows_stay_closed_are_cut_and_others_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let pem = write_certificate(folder.path());
    let mut config = secured(folder.path());
    config.limits.body_stall_timeout = std::time::Duration::from_millis(500);
    let running = run(&config, Fake::default());
    let mut client = Client::open(&running, &pem).await;
    // SETTINGS_INITIAL_WINDOW_SIZE: nothing may be sent.
    let closed = [&4_u16.to_be_bytes()[..], &0_u32.to_be_bytes()].concat();
    client.send(&frame(SETTINGS, 0, 0, &closed)).await;
    for n in 0..100_u32 {
        client.send(&frame(HEADERS, END_HEADERS | END_STREAM, n * 2 + 1, &get("/chunks?160000"))).await;
    }
    let other = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes()).unwrap()])
        .build()
        .unwrap();
    let url = format!("https://localhost:{}/now", running.address.port());
    assert_eq!(other.get(url).send().await.unwrap().status(), 200);
    // Nobody takes the ten gigabytes that each of them asks for.
    until(|| {
        running.gateway.summaries.lock().unwrap().iter().filter(|summary| summary.label == "served").count() == 100
    })
    .await;
    let summaries = running.gateway.summaries.lock().unwrap();
    let held = summaries.iter().filter(|summary| summary.label == "served");
    assert!(held.clone().all(|summary| summary.ending != Ending::Complete));
    let sent: u64 = held.map(|summary| summary.bytes_out).sum();
    assert!(sent <= 100 * 1024 * 1024, "{sent} bytes were taken from handlers for clients that read nothing");
}

#[tokio::test]
async fn a_header_bomb_reaches_nobody() {
    let (running, mut client) = start(|_| {}).await;
    // One field of 4,000 bytes goes into the dynamic table, then 12,000 references of one byte name it again.
    let mut block = GET.to_vec();
    block.extend_from_slice(&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
    block.extend(std::iter::repeat_n(b'y', 4_000));
    block.extend(std::iter::repeat_n(0xbe, 12_000));
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)).await;
    let answer = loop {
        match client.next().await {
            Some(frame) if matches!(frame.kind, HEADERS | RST_STREAM | GOAWAY) => break frame,
            Some(_) => {}
            None => panic!("closed without a word"),
        }
    };
    // 431, or an error of the stream or the connection.
    assert!(answer.kind != HEADERS || !answer.payload.starts_with(&[0x88]), "it was answered 200");
    assert!(running.gateway.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_head_that_never_ends_closes_the_connection() {
    let (running, mut client) = start(|_| {}).await;
    let mut flood = frame(HEADERS, END_STREAM, 1, GET);
    for _ in 0..2_000 {
        flood.extend(frame(CONTINUATION, 0, 1, &[0x00, 1, b'x', 1, b'y'].repeat(200)));
    }
    client.send(&flood).await;
    assert!(client.is_told_to_go().await);
    assert!(running.gateway.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_declared_never_ends_cleanly() {
    for (length, data) in [(b'5', b"abc".as_slice()), (b'2', b"abc")] {
        let (running, mut client) = start(|_| {}).await;
        let mut block = POST.to_vec();
        // `content-length`, entry 28 of the static table.
        block.extend_from_slice(&[0x0f, 0x0d, 1, length]);
        client.send(&frame(HEADERS, END_HEADERS, 1, &block)).await;
        client.send(&frame(DATA, END_STREAM, 1, data)).await;
        let refused = loop {
            match client.next().await {
                Some(frame) if frame.kind == RST_STREAM => break frame.stream == 1,
                Some(frame) if frame.kind == GOAWAY => break true,
                Some(_) => {}
                None => break true,
            }
        };
        assert!(refused);
        if !running.gateway.requests.lock().unwrap().is_empty() {
            until(|| running.gateway.summary().is_some()).await;
            let error = *running.gateway.body_error.lock().unwrap();
            assert!(matches!(error, None | Some(BodyError::ClientGone)), "{error:?}");
            assert_ne!(running.gateway.summary().unwrap().status, 200);
        }
    }
}

#[tokio::test]
async fn nothing_is_reset_while_a_client_that_has_its_answer_is_still_sending() {
    let (_running, mut client) = start(|_| {}).await;
    for n in 0..50_u8 {
        let stream = u32::from(n) * 2 + 1;
        client.send(&frame(HEADERS, END_HEADERS, stream, &post("/refuse"))).await;
        client.send(&frame(DATA, 0, stream, &[0; 1000])).await;
        let mut answer = Vec::new();
        loop {
            let frame = client.next().await.expect("an answer");
            assert_ne!(frame.kind, RST_STREAM, "stream {stream} is reset before its answer");
            if frame.kind == DATA && frame.stream == stream {
                answer.extend_from_slice(&frame.payload);
                if frame.flags & END_STREAM != 0 {
                    break;
                }
            }
        }
        assert_eq!(answer, b"refused");
        for _ in 0..3 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            client.send(&frame(DATA, 0, stream, &[0; 1000])).await;
        }
        client.send(&frame(DATA, END_STREAM, stream, b"end")).await;
        // Comes back behind all that was sent before.
        client.send(&frame(PING, 0, 0, &[n; 8])).await;
        loop {
            let frame = client.next().await.expect("the connection goes on");
            assert!(!matches!(frame.kind, RST_STREAM | GOAWAY), "stream {stream} is reset after its answer");
            if frame.kind == PING && frame.payload == [n; 8] {
                break;
            }
        }
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let (_running, mut client) =
        start(|config| config.limits.idle_timeout = std::time::Duration::from_millis(200)).await;
    while client.next().await.is_some() {}
}

#[tokio::test]
async fn a_connection_that_never_says_http_2_is_closed_at_the_head_s_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let pem = write_certificate(folder.path());
    let mut config = secured(folder.path());
    config.limits.header_timeout = std::time::Duration::from_millis(200);
    let running = run(&config, Fake::default());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::pem::PemObject::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let mut tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls));
    let mut io = connector.connect("localhost".try_into().unwrap(), running.connect().await).await.unwrap();
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, io.read_to_end(&mut bytes)).await.expect("it is closed");
}
