//! Signature version 4 by the AWS crate, as an S3 client makes it.

use std::time::SystemTime;

use anyhow::Result;
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use http::Request;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters, as signatures want it.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// As [`QUERY`], in a path.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// `text` as a value of a query.
pub(crate) fn in_query(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

/// `text` as a path, its slashes kept.
pub(crate) fn in_path(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

/// What a signature says of the body.
#[derive(Debug, Clone)]
pub(crate) enum Hash {
    /// Nothing.
    Unsigned,
    /// Its SHA-256, in hexadecimal.
    Sha256(String),
}

/// Adds the headers of the signature to `request`, whose URI is a path with a query, for the server at `origin`.
pub(crate) fn add<B>(request: &mut Request<B>, origin: &str, key: &str, secret: &str, hash: Hash) -> Result<()> {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let identity = Credentials::new(key, secret, None, None, "load").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("s3")
        .time(SystemTime::now())
        .settings(settings)
        .build()?
        .into();
    let url = format!("{origin}{}", request.uri());
    let body = match hash {
        Hash::Unsigned => SignableBody::UnsignedPayload,
        Hash::Sha256(hash) => SignableBody::Precomputed(hash),
    };
    let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let signable = SignableRequest::new(request.method().as_str(), url, headers, body)?;
    let (instructions, _) = sign(signable, &parameters)?.into_parts();
    let (headers, _) = instructions.into_parts();
    for header in headers {
        let mut value = http::HeaderValue::from_str(header.value())?;
        value.set_sensitive(header.sensitive());
        request.headers_mut().insert(header.name(), value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_request_names_its_key_and_what_it_signed() {
        let mut request = Request::get("/bucket/a%20b?list-type=2").header("host", "127.0.0.1:1").body(()).unwrap();
        add(&mut request, "http://127.0.0.1:1", "AKID", "secret", Hash::Unsigned).unwrap();
        let authorization = request.headers()["authorization"].to_str().unwrap();
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/"), "{authorization}");
        assert!(authorization.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date"), "{authorization}");
        assert_eq!(request.headers()["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
    }

    #[test]
    fn names_are_encoded_as_signatures_want_them() {
        assert_eq!(in_path("a b/ü~+"), "a%20b/%C3%BC~%2B");
        assert_eq!(in_query("a/b="), "a%2Fb%3D");
    }
}
