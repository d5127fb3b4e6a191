//! A registry of a few lines that answers by script, for the tests of this folder: what a well-behaved server would not do
//! can be done with it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::Store;
use crate::config;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(super) struct Received {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Vec<u8>,
    /// Which connection it came by, from 0.
    pub(super) connection: usize,
    /// How many requests had come before, by all connections.
    pub(super) before: usize,
    /// Its body did not come whole.
    pub(super) broken_off: bool,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Method and target in one text.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// What follows an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    KeepAlive,
    Close,
    Hang,
}

/// What is sent back.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    head: String,
    body: Vec<u8>,
    says_length: bool,
    then: Then,
}

impl Answer {
    pub(super) fn status(code: u16) -> Self {
        Self { head: format!("HTTP/1.1 {code} x\r\n"), body: Vec::new(), says_length: true, then: Then::KeepAlive }
    }

    /// Nothing at all, and the connection is closed.
    pub(super) fn cut() -> Self {
        Self { head: String::new(), body: Vec::new(), says_length: false, then: Then::Close }
    }

    /// Nothing at all.
    pub(super) fn hang() -> Self {
        Self { then: Then::Hang, ..Self::cut() }
    }

    pub(super) fn header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub(super) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Declares another length than the body has, or that of an answer to HEAD.
    pub(super) fn length(self, length: u64) -> Self {
        Self { says_length: false, ..self.header("content-length", length) }
    }

    /// Sends the body as one chunk, without a length.
    pub(super) fn chunked(self) -> Self {
        let mut body = format!("{:x}\r\n", self.body.len()).into_bytes();
        body.extend_from_slice(&self.body);
        body.extend_from_slice(b"\r\n0\r\n\r\n");
        Self { says_length: false, ..self.header("transfer-encoding", "chunked").body(body) }
    }

    pub(super) fn then_close(self) -> Self {
        Self { then: Then::Close, ..self }
    }

    pub(super) fn then_hang(self) -> Self {
        Self { then: Then::Hang, ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        if self.head.is_empty() {
            return Vec::new();
        }
        let length = if self.says_length { format!("content-length: {}\r\n", self.body.len()) } else { String::new() };
        let mut bytes = format!("{}{length}\r\n", self.head).into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

type Script = dyn Fn(&Received) -> Answer + Send + Sync;

/// The server; it ends when dropped.
pub(super) struct Registry {
    pub(super) url: String,
    received: Arc<Mutex<Vec<Received>>>,
    begun: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Registry {
    /// Answers each request, when it has come whole, by `script`.
    pub(super) async fn start(script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        Self::listen(Arc::new(script), false).await
    }

    /// Answers each request when its head has come; its body is never read, and the
    /// connection is closed a little later, unless the answer hangs.
    pub(super) async fn start_impatient(script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        Self::listen(Arc::new(script), true).await
    }

    async fn listen(script: Arc<Script>, impatient: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let begun = Arc::new(AtomicUsize::new(0));
        let log = Log { received: Arc::clone(&received), begun: Arc::clone(&begun) };
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, connection, Arc::clone(&script), log.clone(), impatient));
            }
        });
        Self { url, received, begun, task }
    }

    /// How many heads of requests have come; shared, for those who wait for one.
    pub(super) fn begun(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.begun)
    }

    /// All requests so far.
    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Method and target of all requests so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.received().iter().map(Received::line).collect()
    }

    /// A client that is patient enough for a slow machine and quick with its retries.
    pub(super) fn store(&self) -> Store {
        self.store_with(|_| {})
    }

    pub(super) fn store_with(&self, change: impl FnOnce(&mut config::Store)) -> Store {
        let mut config = config::Store { url: self.url.clone(), ..config::Store::default() };
        config.retry.first_delay = Duration::from_millis(1);
        config.retry.max_delay = Duration::from_secs(1);
        change(&mut config);
        Store::new(&config).unwrap()
    }
}

#[derive(Clone)]
struct Log {
    received: Arc<Mutex<Vec<Received>>>,
    begun: Arc<AtomicUsize>,
}

impl Log {
    /// Notes a request; how many were there before.
    fn note(&self, request: &Received) -> usize {
        let mut received = self.received.lock().unwrap();
        received.push(request.clone());
        received.len() - 1
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, connection: usize, script: Arc<Script>, log: Log, impatient: bool) {
    let mut stream = BufReader::new(stream);
    while let Some(mut request) = head(&mut stream).await {
        request.connection = connection;
        log.begun.fetch_add(1, Ordering::SeqCst);
        if !impatient && body(&mut stream, &mut request).await.is_none() {
            request.broken_off = true;
            log.note(&request);
            return;
        }
        request.before = log.note(&request);
        let answer = script(&request);
        if stream.write_all(&answer.bytes()).await.is_err() {
            return;
        }
        if impatient && answer.then != Then::Hang {
            stream.get_mut().shutdown().await.ok();
            tokio::time::sleep(Duration::from_millis(500)).await;
            return;
        }
        match answer.then {
            Then::KeepAlive => {}
            Then::Close => return,
            Then::Hang => std::future::pending().await,
        }
    }
}

async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    match stream.read_line(&mut line).await {
        Ok(n) if n > 0 => Some(line.trim_end().to_owned()),
        _ => None,
    }
}

async fn head(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let first = line(stream).await?;
    let mut words = first.split(' ');
    let mut request =
        Received { method: words.next()?.to_owned(), target: words.next()?.to_owned(), ..Received::default() };
    loop {
        let header = line(stream).await?;
        let Some((name, value)) = header.split_once(": ") else { return Some(request) };
        request.headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
}

/// Reads the body; nothing where it ends early.
async fn body(stream: &mut BufReader<TcpStream>, request: &mut Received) -> Option<()> {
    if request.header("transfer-encoding") == "chunked" {
        loop {
            let size = usize::from_str_radix(&line(stream).await?, 16).ok()?;
            let mut chunk = vec![0; size];
            stream.read_exact(&mut chunk).await.ok()?;
            request.body.extend_from_slice(&chunk);
            line(stream).await?;
            if size == 0 {
                return Some(());
            }
        }
    }
    let mut bytes = vec![0; request.header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut bytes).await.ok()?;
    request.body = bytes;
    Some(())
}
