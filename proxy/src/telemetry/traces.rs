//! Traces: the span of a request, its parent from the client, its context for the upstream, its way to the collector.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_http::{Bytes, HeaderExtractor, HeaderInjector, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::field::Empty;
use tracing::{Level, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use super::TelemetryError;
use crate::config;
use crate::error::RequestId;

/// How long the collector may take for one batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// The provider of a configuration; `None` where no endpoint is set.
pub(super) fn provider(config: &config::Telemetry) -> Result<Option<SdkTracerProvider>, TelemetryError> {
    let Some(endpoint) = &config.otlp_endpoint else { return Ok(None) };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(OnRuntime::new()?)
        .with_endpoint(traces_url(endpoint.expose())?)
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|error| TelemetryError::Otlp(error.to_string()))?;
    let resource = Resource::builder()
        .with_service_name(env!("CARGO_PKG_NAME"))
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.trace_ratio)));
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(sampler)
        .with_resource(resource)
        .build();
    Ok(Some(provider))
}

/// The URL for traces below an OTLP endpoint (OTLP specification, "OTLP/HTTP Request").
/// Whether the endpoint can be used, where one is set.
pub(super) fn check(config: &config::Telemetry) -> Result<(), TelemetryError> {
    config.otlp_endpoint.as_ref().map_or(Ok(()), |endpoint| traces_url(endpoint.expose()).map(drop))
}

fn traces_url(endpoint: &str) -> Result<String, TelemetryError> {
    let url = url::Url::parse(endpoint).map_err(|error| TelemetryError::Otlp(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(TelemetryError::Otlp("must be an http or https URL with a host".to_owned()));
    }
    let base = endpoint.trim_end_matches('/');
    Ok(if base.ends_with("/v1/traces") { base.to_owned() } else { format!("{base}/v1/traces") })
}

/// The layer that turns our spans into traces. Spans of other crates stay out: the exporter's own would never end.
pub(super) fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("zas-proxy"))
        .with_location(false)
        .with_threads(false)
        .with_filter(Targets::new().with_target("zas_proxy", Level::INFO))
}

/// The batch processor exports from a thread of its own, but the HTTP client needs a reactor: its requests run on the
/// runtime that was current when it was made.
#[derive(Debug)]
struct OnRuntime {
    client: reqwest::Client,
    runtime: tokio::runtime::Handle,
}

impl OnRuntime {
    fn new() -> Result<Self, TelemetryError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| TelemetryError::Otlp(error.to_string()))?;
        let client = reqwest::Client::builder()
            .timeout(EXPORT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| TelemetryError::Otlp(error.to_string()))?;
        Ok(Self { client, runtime })
    }
}

#[async_trait::async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}

/// The span of a request: a child of the client's `traceparent` where there is one. `route` is a template such as
/// `/v2/{name}/blobs/{digest}` or an operation such as `s3:PutObject`, never what the client sent.
#[must_use]
pub fn request_span(method: &Method, route: &'static str, headers: &HeaderMap) -> Span {
    let method = method_label(method);
    let span = tracing::info_span!(
        "request",
        otel.name = format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        request_id = Empty,
    );
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers));
    if parent.span().span_context().is_valid() {
        // Fails only where no collector is configured, and then there is no trace to join.
        drop(span.set_parent(parent));
    }
    span
}

/// Records the request's id in its span: its log lines carry it too.
pub fn record_request_id(span: &Span, request_id: &RequestId) {
    span.record("request_id", request_id.as_str());
}

/// Methods are client input too: what HTTP does not name becomes `_OTHER` (OpenTelemetry, HTTP conventions).
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| method.as_str() == *known).unwrap_or("_OTHER")
}

/// Records the status of a request's answer in its span; a 5xx marks the span as failed.
pub fn record_status(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// Writes the context of `span` into the headers of an outgoing request (W3C Trace Context). Headers stay as they are
/// where the span belongs to no trace.
pub fn inject(span: &Span, headers: &mut HeaderMap) {
    let context = span.context();
    if context.span().span_context().is_valid() {
        TraceContextPropagator::new().inject_context(&context, &mut HeaderInjector(headers));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tracing_subscriber::Registry;
    use tracing_subscriber::layer::SubscriberExt;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const TRACE_ID: &[u8] =
        &[0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c];

    fn config(endpoint: String, trace_ratio: f64) -> config::Telemetry {
        config::Telemetry {
            otlp_endpoint: Some(config::PrivateUrl::new(endpoint)),
            trace_ratio,
            ..config::Telemetry::default()
        }
    }

    fn headers(parent: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static("traceparent"), parent.parse().unwrap())])
    }

    /// Accepts one request, answers 200, gives back its head and its body.
    async fn accept(listener: TcpListener) -> (String, Vec<u8>) {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        loop {
            socket.read_buf(&mut bytes).await.unwrap();
            let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
            let length: usize =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
            if bytes.len() >= end + 4 + length {
                socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                return (head, bytes[end + 4..].to_vec());
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_request_reaches_the_collector_as_a_child_of_the_clients_span() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let collector = tokio::spawn(accept(listener));
        let provider = provider(&config(endpoint, 0.0)).unwrap().unwrap();

        let request_id = RequestId::generate();
        let mut outgoing = HeaderMap::new();
        tracing::subscriber::with_default(Registry::default().with(layer(&provider)), || {
            let span = request_span(&Method::PUT, "s3:PutObject", &headers(PARENT));
            record_request_id(&span, &request_id);
            inject(&span, &mut outgoing);
            record_status(&span, StatusCode::SERVICE_UNAVAILABLE);
        });
        let telemetry = super::super::Telemetry { provider: Some(provider) };
        telemetry.shutdown(Duration::from_secs(30)).await;

        let (head, body) = tokio::time::timeout(Duration::from_secs(30), collector).await.unwrap().unwrap();
        assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
        let has = |needle: &[u8]| body.windows(needle.len()).any(|w| w == needle);
        assert!(has(b"PUT s3:PutObject") && has(b"zas-proxy") && has(b"http.response.status_code"));
        assert!(has(request_id.as_str().as_bytes()), "the span has no request id");
        assert!(has(TRACE_ID), "the span is not part of the client's trace");
        let traceparent = outgoing["traceparent"].to_str().unwrap();
        assert!(traceparent.starts_with(&PARENT[..36]) && traceparent != PARENT, "{traceparent}");
    }

    #[tokio::test]
    async fn a_client_that_does_not_want_to_be_traced_is_not() {
        let provider = provider(&config("http://127.0.0.1:1".to_owned(), 1.0)).unwrap().unwrap();
        let unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        let mut outgoing = HeaderMap::new();
        tracing::subscriber::with_default(Registry::default().with(layer(&provider)), || {
            let span = request_span(&Method::GET, "s3:GetObject", &headers(unsampled));
            inject(&span, &mut outgoing);
        });
        assert!(outgoing["traceparent"].to_str().unwrap().ends_with("-00"));
    }

    #[test]
    fn without_a_collector_the_clients_context_is_left_as_it_is() {
        let mut outgoing = headers(PARENT);
        tracing::subscriber::with_default(Registry::default(), || {
            let span = request_span(&Method::GET, "s3:GetObject", &headers(PARENT));
            inject(&span, &mut outgoing);
        });
        assert_eq!(outgoing["traceparent"], PARENT);
    }

    #[test]
    fn an_endpoint_may_name_the_signal_or_not() {
        for endpoint in ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"] {
            assert_eq!(traces_url(endpoint).unwrap(), "http://c:4318/v1/traces");
        }
        assert_eq!(traces_url("https://c/otlp").unwrap(), "https://c/otlp/v1/traces");
    }

    #[test]
    fn an_endpoint_that_is_no_url_is_refused() {
        for endpoint in ["", "c:4318", "ftp://c", "unix:/x"] {
            assert!(traces_url(endpoint).is_err(), "{endpoint}");
        }
    }

    #[test]
    fn an_invented_method_is_no_label_of_its_own() {
        assert_eq!(method_label(&Method::PATCH), "PATCH");
        assert_eq!(method_label(&"BREW".parse().unwrap()), "_OTHER");
    }
}
