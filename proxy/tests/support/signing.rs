//! Requests that AWS's signer signs.

#![allow(dead_code, reason = "each test that includes this file uses a part of it")]

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::Request;

use super::ask::Ask;

/// Who signs, for which service, and when.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) session_token: Option<String>,
    /// `s3` or `sts`.
    pub(crate) service: &'static str,
    pub(crate) at: SystemTime,
}

impl Signer {
    pub(crate) fn new(id: &str, secret: &str) -> Self {
        Self { id: id.into(), secret: secret.into(), session_token: None, service: "s3", at: SystemTime::now() }
    }

    /// The request with its signature in the header.
    pub(crate) fn sign(&self, base: &str, ask: Ask) -> Ask {
        self.signed(base, ask, None)
    }

    /// The request with its signature in the URL, good for `lifetime`.
    pub(crate) fn presign(&self, base: &str, ask: Ask, lifetime: Duration) -> Ask {
        self.signed(base, ask, Some(lifetime))
    }

    fn signed(&self, base: &str, mut ask: Ask, lifetime: Option<Duration>) -> Ask {
        let url = format!("{base}{}", ask.target);
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        // SDKs send no hash of a body to STS.
        settings.payload_checksum_kind = match (self.service, lifetime) {
            ("s3", None) => PayloadChecksumKind::XAmzSha256,
            _ => PayloadChecksumKind::NoHeader,
        };
        if lifetime.is_some() {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = lifetime;
        }
        let identity = Credentials::new(&self.id, &self.secret, self.session_token.clone(), None, "test").into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(self.service)
            .time(self.at)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let body = match lifetime {
            Some(_) => SignableBody::UnsignedPayload,
            None => SignableBody::Bytes(ask.body.as_bytes()),
        };
        let headers = ask.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let signable = SignableRequest::new(ask.method.as_str(), url.clone(), headers, body).unwrap();
        let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
        let mut request = Request::builder().uri(url).body(()).unwrap();
        instructions.apply_to_request_http1x(&mut request);
        ask.target = request.uri().path_and_query().unwrap().to_string();
        let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        ask.headers.extend(request.headers().iter().map(|(name, value)| (name.to_string(), text(value))));
        ask
    }
}
