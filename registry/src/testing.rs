//! What the tests of several files share.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tempfile::TempDir;

use crate::{Algorithm, Digest, Options, Registry};

/// A registry on a folder that goes with it.
pub(crate) struct Fixture {
    pub(crate) registry: Registry,
    pub(crate) root: TempDir,
}

/// An answer with its body read.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of the first error.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let root = tempfile::tempdir().unwrap();
        Self { registry: Registry::open(root.path(), options).unwrap(), root }
    }

    /// The same folder in a new registry.
    pub(crate) fn reopened(self) -> Self {
        let Self { registry, root } = self;
        drop(registry);
        Self { registry: Registry::open(root.path(), Options::default()).unwrap(), root }
    }

    pub(crate) async fn call(&self, request: Request<Full<Bytes>>) -> Got {
        let (parts, body) = self.registry.call(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Got { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Got {
        self.send_with(method, path, &[], body).await
    }

    pub(crate) async fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Got {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.call(request.body(Full::new(body.into())).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.send(Method::GET, path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Bytes>) -> Got {
        self.send(Method::POST, path, body).await
    }

    /// Uploads a blob and gives its digest.
    pub(crate) async fn blob(&self, repository: &str, content: &'static [u8]) -> Digest {
        let digest = sha256(content);
        let got = self.post(&format!("/v2/{repository}/blobs/uploads/?digest={digest}"), content).await;
        assert_eq!(got.status, StatusCode::CREATED, "{got:?}");
        digest
    }

    /// Opens an upload session and gives its location.
    pub(crate) async fn session(&self, repository: &str) -> String {
        let got = self.post(&format!("/v2/{repository}/blobs/uploads/"), "").await;
        assert_eq!(got.status, StatusCode::ACCEPTED, "{got:?}");
        got.header("location").to_owned()
    }

    /// Files in the folder of unfinished bytes.
    pub(crate) fn unfinished(&self) -> usize {
        std::fs::read_dir(self.root.path().join("_uploads")).unwrap().count()
    }
}
