//! Objects through the other door: pulled as OCI artifacts, signed, described, and what becomes of that.

mod attaching;
mod legacy;
mod lifetime;
mod listings;
mod pulling;
mod quotas;
mod replacing;
mod rights;

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use zas_proxy::digest::Digest;
use zas_proxy::gateway::Gate;
use zas_proxy::listener::Listener;

use crate::support::{KEY, SECRET, World};

pub(crate) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// The service on a socket, as clients of the registry see it.
pub(crate) struct Door {
    address: SocketAddr,
    client: reqwest::Client,
    stop: CancellationToken,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Something to attach.
pub(crate) struct Note<'a> {
    pub(crate) subject: &'a str,
    pub(crate) artifact_type: &'a str,
    pub(crate) layer_type: &'a str,
    pub(crate) text: &'a str,
}

impl Door {
    pub(crate) async fn open(world: &World) -> Self {
        let mut config = world.app.config.clone();
        config.listen.address = "127.0.0.1:0".to_owned();
        let listener = Listener::bind(&config, Arc::new(Gate::new(Arc::clone(&world.app)))).unwrap();
        let (address, stop) = (listener.local_addr(), CancellationToken::new());
        tokio::spawn(listener.run(stop.clone()));
        let (app, drained) = (Arc::clone(&world.app), stop.clone());
        tokio::spawn(async move { app.journal.run(drained).await });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { address, client, stop }
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("http://{}/v2/{path}", self.address))
    }

    /// As root.
    pub(crate) async fn send(&self, method: Method, path: &str) -> Reply {
        Reply::of(self.ask(method, path).basic_auth(KEY, Some(SECRET))).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path).await
    }

    pub(crate) async fn put_manifest(&self, repository: &str, reference: &str, manifest: &str) -> Reply {
        let ask = self.ask(Method::PUT, &format!("{repository}/manifests/{reference}")).header("content-type", IMAGE);
        Reply::of(ask.body(manifest.to_owned()).basic_auth(KEY, Some(SECRET))).await
    }

    pub(crate) async fn push_blob(&self, repository: &str, bytes: &'static [u8]) -> Digest {
        let digest = Digest::of(bytes);
        let ask = self.ask(Method::POST, &format!("{repository}/blobs/uploads/?digest={digest}"));
        let ask = ask.header("content-type", "application/octet-stream").body(bytes);
        Reply::of(ask.basic_auth(KEY, Some(SECRET))).await.expect(201);
        digest
    }

    /// Sends the head of a request whose body never comes; the whole answer.
    pub(crate) async fn send_head(&self, method: &str, path: &str, fields: &str) -> String {
        let basic = STANDARD.encode(format!("{KEY}:{SECRET}"));
        let host = self.address;
        let head = format!(
            "{method} /v2/{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Basic {basic}\r\nconnection: close\r\n{fields}\r\n"
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Pushes blobs and manifest, as clients do; the manifest's digest.
    pub(crate) async fn attach(&self, repository: &str, note: &Note<'_>) -> String {
        let text: &'static str = note.text.to_owned().leak();
        self.push_blob(repository, text.as_bytes()).await;
        let manifest = note.manifest();
        let digest = Digest::of(manifest.as_bytes()).to_string();
        let reply = self.put_manifest(repository, &digest, &manifest).await.expect(201);
        assert_eq!(reply.header("docker-content-digest"), digest);
        assert_eq!(reply.header("oci-subject"), note.subject);
        digest
    }

    /// The digests of what refers to something.
    pub(crate) async fn referrers(&self, repository: &str, subject: &str) -> Vec<String> {
        let list = self.get(&format!("{repository}/referrers/{subject}")).await.expect(200).json();
        list["manifests"].as_array().unwrap().iter().map(|one| one["digest"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Note<'_> {
    pub(crate) fn manifest(&self) -> String {
        json!({
            "schemaVersion": 2, "mediaType": IMAGE, "artifactType": self.artifact_type,
            "config": {"mediaType": EMPTY, "digest": Digest::of(b"{}").to_string(), "size": 2},
            "layers": [{"mediaType": self.layer_type, "size": self.text.len(),
                        "digest": Digest::of(self.text.as_bytes()).to_string()}],
            "subject": {"mediaType": IMAGE, "digest": self.subject, "size": 1},
            "annotations": {"org.example.text": self.text},
        })
        .to_string()
    }
}

/// A note that is nothing that needs a right of its own.
pub(crate) fn note<'a>(subject: &'a str, text: &'a str) -> Note<'a> {
    Note { subject, artifact_type: "application/vnd.example.note", layer_type: "text/plain", text }
}

impl Reply {
    pub(crate) async fn of(ask: reqwest::RequestBuilder) -> Self {
        let response = ask.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.bytes().await.unwrap() }
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.headers, String::from_utf8_lossy(&self.body));
        self
    }

    /// Panics where the error has another code.
    #[track_caller]
    pub(crate) fn expect_error(self, status: u16, code: &str) -> Self {
        let reply = self.expect(status);
        assert_eq!(reply.json()["errors"][0]["code"], code, "{}", String::from_utf8_lossy(&reply.body));
        reply
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).to_str().unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Puts an object; the digest of its manifest.
pub(crate) async fn put(world: &World, key: &str, body: impl Into<Bytes>) -> String {
    world.put(&format!("/bucket/{key}")).body(body).send().await.expect(200).header("x-zas-oci-digest").to_owned()
}
