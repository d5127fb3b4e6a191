//! A world for one test, and requests that AWS's signer signs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use zas_proxy::app::App;
use zas_proxy::config::{AccessKey, Config, RingKey, Secret};
use zas_proxy::gateway::{Body, BoxError};
use zas_proxy::identity::{Issued, NewKey, ServiceAccount};
use zas_proxy::index::{Attachment, DocumentKind, NewDocument};
use zas_proxy::postgres::testing::TestDatabase;
use zas_proxy::{s3, sts};
use zas_registry::{Faults, Options, Registry, Server};

pub(crate) const HOST: &str = "localhost:9800";
pub(crate) const KEY: &str = "AKIATEST";
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Everything behind one test.
pub(crate) struct World {
    pub(crate) app: Arc<App>,
    pub(crate) faults: Faults,
    pub(crate) database: TestDatabase,
    service: s3::Service,
    sts: sts::Service,
    folder: tempfile::TempDir,
    _server: Server,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With a bucket named `bucket` in it.
    pub(crate) async fn with_bucket() -> Self {
        let world = Self::new().await;
        world.put("/bucket").send().await.expect(200);
        world
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let database = zas_proxy::postgres::testing::database().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path(), Options::default()).unwrap();
        let faults = registry.faults().clone();
        let server = Server::start(registry, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let mut config = Config::default();
        config.database.url = Secret::new(database.url());
        config.store.url = format!("http://{}", server.local_addr());
        config.store.shards = 2;
        config.access_keys = vec![AccessKey { id: KEY.into(), secret: Some(Secret::new(SECRET)), secret_file: None }];
        let secret = Some(Secret::new(zas_proxy::identity::generate_ring_key()));
        config.identity.key_ring = vec![RingKey { id: "test".into(), secret, secret_file: None }];
        change(&mut config);
        let app = App::new(config, Vec::new()).unwrap();
        // Where Postgres is out of reach on purpose, nothing is known.
        let _ = app.authority.policies().refresh(&app.index).await;
        if let Some(revocations) = app.identity.revocations() {
            let _ = revocations.refresh(&app.index).await;
        }
        let (service, sts) = (s3::service(Arc::clone(&app)), sts::service(Arc::clone(&app)));
        Self { app, faults, database, service, sts, folder, _server: server }
    }

    /// Another service on the same state, that refuses writes.
    pub(crate) fn refusing_writes(&self) -> s3::Service {
        s3::service(App::new(self.app.config.clone(), vec!["storage.subPaths./s3.gc: want false".into()]).unwrap())
    }

    /// Another service on the same state, as another replica would be.
    pub(crate) fn replica(&self) -> s3::Service {
        s3::service(App::new(self.app.config.clone(), Vec::new()).unwrap())
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        Answer::of(s3::call(&self.service, request).await).await
    }

    /// What STS answers.
    pub(crate) async fn send_to_sts(&self, request: Request<Body>) -> Answer {
        let (parts, body) = sts::call(self.sts.clone(), request).await.into_parts();
        Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    /// An action of STS, to be signed or not.
    pub(crate) fn sts(&self, form: &[(&str, &str)]) -> Ask<'_> {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        text.append_pair("Version", "2011-06-15").extend_pairs(form);
        let mut ask = self.post("/").header("content-type", "application/x-www-form-urlencoded").body(text.finish());
        ask.service = "sts";
        ask
    }

    /// The answer with its body still flowing.
    pub(crate) async fn call(&self, request: Request<Body>) -> Response<Body> {
        s3::call(&self.service, request).await
    }

    pub(crate) fn ask(&self, method: Method, uri: &str) -> Ask<'_> {
        Ask {
            world: self,
            method,
            uri: uri.to_owned(),
            headers: Vec::new(),
            late: Vec::new(),
            body: Bytes::new(),
            payload: Payload::Signed,
            key: (KEY.into(), SECRET.into()),
            token: None,
            service: "s3",
            region: "us-east-1".into(),
            time: SystemTime::now(),
            presigned: None,
        }
    }

    pub(crate) fn get(&self, uri: &str) -> Ask<'_> {
        self.ask(Method::GET, uri)
    }

    pub(crate) fn head(&self, uri: &str) -> Ask<'_> {
        self.ask(Method::HEAD, uri)
    }

    pub(crate) fn put(&self, uri: &str) -> Ask<'_> {
        self.ask(Method::PUT, uri)
    }

    pub(crate) fn post(&self, uri: &str) -> Ask<'_> {
        self.ask(Method::POST, uri)
    }

    pub(crate) fn delete(&self, uri: &str) -> Ask<'_> {
        self.ask(Method::DELETE, uri)
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        let query = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        sqlx::query_scalar(query).fetch_one(&self.database.pool().unwrap()).await.unwrap()
    }

    /// No object, no upload, and after a sweep no blob and no session, neither in the index nor at the registry.
    pub(crate) async fn expect_nothing_left(&self) {
        for table in ["objects", "object_segments", "upload_parts", "upload_segments"] {
            assert_eq!(self.count(table).await, 0, "{table}");
        }
        self.sweep().await;
        for table in ["blobs", "blob_pins", "store_sessions"] {
            assert_eq!(self.count(table).await, 0, "{table}");
        }
        assert_eq!(self.blobs_at_the_registry(), Vec::<String>::new());
    }

    /// Lets every pin and session lapse, and sweeps until nothing is left to sweep.
    pub(crate) async fn sweep(&self) {
        let pool = self.database.pool().unwrap();
        for _ in 0..10 {
            for table in ["blob_pins", "store_sessions"] {
                let query = format!("UPDATE {table} SET due_at = now() - interval '1 hour'");
                sqlx::query(sqlx::AssertSqlSafe(query)).execute(&pool).await.unwrap();
            }
            self.app.blobs.sweep_once().await;
        }
    }

    /// Files of blobs and of open uploads.
    pub(crate) fn blobs_at_the_registry(&self) -> Vec<String> {
        let mut found = Vec::new();
        collect(self.folder.path(), &mut found);
        found
    }
}

fn collect(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = path.to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, found);
        } else if text.contains("/blobs/") || text.contains("upload") {
            found.push(text);
        }
    }
}

/// How a body is signed.
#[derive(Clone)]
pub(crate) enum Payload {
    Signed,
    Unsigned,
    /// The value of `x-amz-content-sha256`.
    Precomputed(String),
}

/// A request in the making.
pub(crate) struct Ask<'a> {
    world: &'a World,
    method: Method,
    uri: String,
    headers: Vec<(String, String)>,
    late: Vec<(String, String)>,
    body: Bytes,
    payload: Payload,
    key: (String, String),
    token: Option<String>,
    service: &'static str,
    region: String,
    time: SystemTime,
    presigned: Option<Duration>,
}

impl Ask<'_> {
    /// A header that is signed.
    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.into(), value.to_string()));
        self
    }

    /// A header that is added after the signature.
    pub(crate) fn late_header(mut self, name: &str, value: impl ToString) -> Self {
        self.late.push((name.into(), value.to_string()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    pub(crate) fn key(mut self, id: &str, secret: &str) -> Self {
        self.key = (id.into(), secret.into());
        self
    }

    /// The credentials of a session: key, secret and token.
    pub(crate) fn session(mut self, (id, secret, token): &(String, String, String)) -> Self {
        self.token = Some(token.clone());
        self.key(id, secret)
    }

    pub(crate) fn region(mut self, region: &str) -> Self {
        self.region = region.into();
        self
    }

    pub(crate) fn at(mut self, time: SystemTime) -> Self {
        self.time = time;
        self
    }

    pub(crate) fn presigned(mut self, lifetime: Duration) -> Self {
        self.presigned = Some(lifetime);
        self
    }

    /// Without any signature.
    pub(crate) fn anonymous(self) -> Request<Body> {
        self.unsigned(&self.uri.clone())
    }

    pub(crate) async fn send(self) -> Answer {
        let world = self.world;
        world.send(self.signed()).await
    }

    /// The signed request.
    pub(crate) fn signed(self) -> Request<Body> {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        // SDKs send no hash of a body to STS.
        settings.payload_checksum_kind = match self.service {
            "sts" => PayloadChecksumKind::NoHeader,
            _ => PayloadChecksumKind::XAmzSha256,
        };
        if let Some(lifetime) = self.presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
            settings.expires_in = Some(lifetime);
        }
        let identity = Credentials::new(&self.key.0, &self.key.1, self.token.clone(), None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time(self.time)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let absolute = format!("http://{HOST}{}", self.uri);
        let body = match (&self.payload, self.presigned) {
            (_, Some(_)) | (Payload::Unsigned, _) => SignableBody::UnsignedPayload,
            (Payload::Signed, _) => SignableBody::Bytes(&self.body),
            (Payload::Precomputed(value), _) => SignableBody::Precomputed(value.clone()),
        };
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let signable = SignableRequest::new(self.method.as_str(), absolute, headers, body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        let mut signed = Request::builder().uri(format!("http://{HOST}{}", self.uri)).body(()).unwrap();
        instructions.apply_to_request_http1x(&mut signed);
        let (parts, ()) = signed.into_parts();
        let mut request = self.unsigned(parts.uri.path_and_query().unwrap().as_str());
        request.headers_mut().extend(parts.headers);
        request
    }

    fn unsigned(&self, path_and_query: &str) -> Request<Body> {
        let mut request = Request::builder().method(self.method.clone()).uri(path_and_query).header("host", HOST);
        for (name, value) in self.headers.iter().chain(&self.late) {
            request = request.header(name, value);
        }
        let has_length = self.headers.iter().chain(&self.late).any(|(name, _)| name == "content-length");
        if matches!(self.method, Method::PUT | Method::POST) && !has_length {
            request = request.header("content-length", self.body.len());
        }
        request.body(full(self.body.clone())).unwrap()
    }
}

/// A body of these bytes.
pub(crate) fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// A body of these pieces, which may end with an error.
pub(crate) fn pieces(pieces: Vec<Result<Bytes, BoxError>>) -> Body {
    let frames = pieces.into_iter().map(|piece| piece.map(http_body::Frame::data));
    StreamBody::new(futures::stream::iter(frames)).boxed_unsync()
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        assert!(parts.headers.contains_key("x-amz-request-id"), "every answer has a request id");
        Self { status: parts.status, headers: parts.headers, body }
    }

    /// Panics, with the answer, where the status is another.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n{:?}", self.text(), self.headers);
        self
    }

    /// Panics where the error is another.
    #[track_caller]
    pub(crate) fn expect_error(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status.as_u16(), self.element("Code").as_str()), (status, code), "{}", self.text());
        assert!(!self.element("RequestId").is_empty() && !self.element("Resource").is_empty(), "{}", self.text());
        self
    }

    /// As [`Self::expect_error`], for answers that name no resource.
    #[track_caller]
    pub(crate) fn expect_code(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status.as_u16(), self.element("Code").as_str()), (status, code), "{}", self.text());
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).to_str().unwrap()
    }

    /// The text of the first element of a name; empty where there is none.
    pub(crate) fn element(&self, name: &str) -> String {
        self.elements(name).into_iter().next().unwrap_or_default()
    }

    /// The texts of all elements of a name.
    pub(crate) fn elements(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        text.split(&open)
            .skip(1)
            .filter_map(|rest| rest.split_once(&close))
            .map(|(value, _)| value.to_owned())
            .collect()
    }

    pub(crate) fn etag(&self) -> String {
        self.header("etag").trim_matches('"').to_owned()
    }
}

/// Bytes that do not repeat soon.
pub(crate) fn bytes(length: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ length as u64;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(length);
    out.into()
}

/// MD5 in hex.
pub(crate) fn md5_hex(bytes: &[u8]) -> String {
    use md5::Digest;
    hex::encode(md5::Md5::digest(bytes))
}

/// A service account that may do what a policy says, and nothing else.
pub(crate) async fn account(world: &World, document: &str) -> Issued {
    let new = NewKey {
        owner: "root/test".into(),
        service_account: Some(ServiceAccount::New),
        name: "service/ci".into(),
        groups: vec!["/build".into()],
        created_by: "root/test".into(),
        ..NewKey::default()
    };
    let policy = NewDocument {
        kind: DocumentKind::Policy,
        name: "account",
        document,
        description: "",
        max_session: None,
        expected: None,
        by: "test",
        audit: &[],
    };
    let index = &world.app.index;
    index.put_policy_document(policy).await.unwrap();
    let attachment = Attachment { policy: "account".into(), target_kind: "group".into(), target: "/build".into() };
    index.attach_policy(&attachment, "test", &[]).await.unwrap();
    world.app.authority.policies().refresh(index).await.unwrap();
    world.app.identity.stored().unwrap().create(new, |_| None).await.unwrap()
}
