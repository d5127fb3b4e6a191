//! One HTTP/1.1 connection of one worker: opened when first needed, and again after the server has closed it.

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::content::Payload;

/// Most of an error's text that is kept, in bytes.
const ERROR_BYTES: usize = 400;

/// A connection to `address`, or none yet.
#[derive(Debug)]
pub(super) struct Connection {
    address: String,
    sender: Option<SendRequest<Payload>>,
}

/// What was read of a response's body.
#[derive(Debug)]
pub(super) struct Received {
    /// Its first bytes, up to eight.
    pub(super) start: Vec<u8>,
    /// The number of its bytes.
    pub(super) length: u64,
}

impl Connection {
    pub(super) fn new(address: &str) -> Self {
        Self { address: address.to_owned(), sender: None }
    }

    /// Sends a request; the answer must have this status. The connection is given up after any failure, for what is left
    /// of an answer would be read as the next one.
    pub(super) async fn send(&mut self, request: Request<Payload>, expected: StatusCode) -> Result<Response<Incoming>> {
        let mut sender = match self.sender.take() {
            Some(sender) => self.usable(sender).await?,
            None => self.open().await?,
        };
        let response = sender.send_request(request).await.context("the request failed")?;
        if response.status() != expected {
            let status = response.status();
            let text = read_error(response).await;
            bail!("{status} instead of {expected}: {text}");
        }
        self.sender = Some(sender);
        Ok(response)
    }

    /// Gives the connection up, where the rest of an answer will not be read.
    pub(super) fn close(&mut self) {
        self.sender = None;
    }

    /// This connection, or a new one: that the server has closed one while it was idle is no failure of the operation.
    async fn usable(&self, mut sender: SendRequest<Payload>) -> Result<SendRequest<Payload>> {
        match sender.ready().await {
            Ok(()) => Ok(sender),
            Err(_) => self.open().await,
        }
    }

    async fn open(&self) -> Result<SendRequest<Payload>> {
        let stream =
            TcpStream::connect(&self.address).await.with_context(|| format!("cannot connect to {}", self.address))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends with the sender, or with an error that the sender's user gets too.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// Reads a body to its end and keeps none of it but its start.
pub(super) async fn drain(response: Response<Incoming>) -> Result<Received> {
    let mut body = response.into_body();
    let mut received = Received { start: Vec::new(), length: 0 };
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the body was cut")?;
        let Some(data) = frame.data_ref() else { continue };
        received.length += data.len() as u64;
        let missing = 8usize.saturating_sub(received.start.len());
        received.start.extend(data.iter().take(missing));
    }
    Ok(received)
}

/// Reads a body to its end and gives all of it.
pub(super) async fn read(response: Response<Incoming>) -> Result<Bytes> {
    Ok(response.into_body().collect().await.context("the body was cut")?.to_bytes())
}

async fn read_error(response: Response<Incoming>) -> String {
    let mut body = response.into_body();
    let mut text = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        text.extend(frame.data_ref().into_iter().flatten());
        if text.len() >= ERROR_BYTES {
            break;
        }
    }
    text.truncate(ERROR_BYTES);
    String::from_utf8_lossy(&text).replace('\n', " ")
}
