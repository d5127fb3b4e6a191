//! Where a request carries its credentials, and what stands in them besides the signature.

use http::{HeaderMap, header};

use super::Service;
use crate::config;
use crate::error::{Code, Error, Result};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The query parameters of a presigned URL (AWS, *Authenticating requests: using query parameters*).
pub(super) const PARAMETERS: [&str; 6] =
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"];

/// Where the credentials are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// In the Authorization header.
    Header,
    /// In the query, with the lifetime in seconds as it was sent.
    Query { expires: String },
    /// In the fields of a form.
    Form,
}

/// The parts of a Signature Version 4 that are not the signature.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) source: Source,
    /// Names of the signed headers, in lower case.
    pub(super) headers: Vec<String>,
    pub(super) access_key_id: String,
    /// The day of the scope, as it was sent.
    pub(super) day: String,
    region: String,
    service: String,
}

/// Finds the credentials; `None` for an anonymous request.
///
/// # Errors
/// Two credentials, Signature Version 2, or a header or query that cannot be read.
pub(super) fn of(headers: &HeaderMap, query: &[(String, String)]) -> Result<Option<Signed>> {
    let header = authorization(headers)?;
    let has = |name: &str| query.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
    if has("AWSAccessKeyId") || has("Signature") {
        return Err(Code::UnsupportedSignature.into());
    }
    let presigned = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"].into_iter().any(has);
    match (header, presigned) {
        (Some(_), true) => Err(Error::new(
            Code::InvalidArgument,
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the Authorization header should be specified.",
        )),
        (Some(header), false) => from_header(header).map(Some),
        (None, true) => from_query(query).map(Some),
        (None, false) => Ok(None),
    }
}

fn authorization(headers: &HeaderMap) -> Result<Option<&str>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::new(Code::AuthorizationHeaderMalformed, "There is more than one Authorization header."));
    }
    let value = value.to_str().map_err(|_| Code::AuthorizationHeaderMalformed)?;
    if value.split(' ').next() != Some(ALGORITHM) {
        return Err(Code::UnsupportedSignature.into());
    }
    Ok(Some(value))
}

/// `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`
fn from_header(value: &str) -> Result<Signed> {
    let malformed = |what: &'static str| Error::new(Code::AuthorizationHeaderMalformed, what);
    let fields = value.strip_prefix(ALGORITHM).unwrap_or_default();
    let field = |name: &str| {
        let mut found =
            fields.split(',').filter_map(|field| field.trim().strip_prefix(name)?.strip_prefix('=')).map(str::to_owned);
        let first = found.next();
        if found.next().is_some() { None } else { first }
    };
    let credential = field("Credential").ok_or_else(|| malformed("The authorization header needs one Credential."))?;
    let headers =
        field("SignedHeaders").ok_or_else(|| malformed("The authorization header needs one SignedHeaders."))?;
    field("Signature").ok_or_else(|| malformed("The authorization header needs one Signature."))?;
    Signed::new(Source::Header, &credential, &headers)
        .ok_or_else(|| malformed("The Credential must read <key>/<date>/<region>/s3/aws4_request."))
}

fn from_query(query: &[(String, String)]) -> Result<Signed> {
    let field = |name: &'static str| {
        let mut found = query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match (found.next(), found.next()) {
            (Some(value), None) => Ok(value),
            _ => Err(query_error(
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters, each once.",
            )),
        }
    };
    for name in PARAMETERS {
        field(name)?;
    }
    if field("X-Amz-Algorithm")? != ALGORITHM {
        return Err(query_error("X-Amz-Algorithm only supports AWS4-HMAC-SHA256."));
    }
    let source = Source::Query { expires: field("X-Amz-Expires")?.to_owned() };
    Signed::new(source, field("X-Amz-Credential")?, field("X-Amz-SignedHeaders")?)
        .ok_or_else(|| query_error("Error parsing the X-Amz-Credential parameter."))
}

/// Of a form: it has no headers that could be signed.
///
/// # Errors
/// `AuthorizationQueryParametersError`, which is what S3 has for it.
pub(super) fn of_form(credential: &str) -> Result<Signed> {
    Signed::new(Source::Form, credential, "")
        .ok_or_else(|| query_error("Error parsing the X-Amz-Credential parameter."))
}

fn query_error(what: &'static str) -> Error {
    Error::new(Code::AuthorizationQueryParametersError, what)
}

impl Signed {
    /// `credential` reads `<key>/<date>/<region>/<service>/aws4_request`; a key may hold slashes.
    fn new(source: Source, credential: &str, headers: &str) -> Option<Self> {
        let mut scope = credential.rsplitn(5, '/');
        let (terminator, service, region) = (scope.next()?, scope.next()?, scope.next()?);
        let (day, key) = (scope.next()?.to_owned(), scope.next()?.to_owned());
        if terminator != "aws4_request" || key.is_empty() {
            return None;
        }
        let headers = headers.split(';').map(str::to_ascii_lowercase).collect();
        Some(Self { source, headers, access_key_id: key, day, region: region.to_owned(), service: service.to_owned() })
    }

    /// The scope must be ours: a signature for another region or service was not made for this one.
    pub(super) fn check_scope(&self, config: &config::S3, service: Service) -> Result<()> {
        let expected = match service {
            Service::S3 => "s3",
            Service::Sts => "sts",
        };
        if self.service != expected {
            let text = format!("incorrect service '{}'; expecting '{expected}'", printable(&self.service));
            return Err(self.scope_error(text));
        }
        if self.region != config.region {
            let text = format!("the region '{}' is wrong; expecting '{}'", printable(&self.region), config.region);
            return Err(self.scope_error(text).with("Region", &config.region));
        }
        Ok(())
    }

    fn scope_error(&self, what: String) -> Error {
        match self.source {
            Source::Header => Error::new(
                Code::AuthorizationHeaderMalformed,
                format!("The authorization header is malformed; {what}."),
            ),
            Source::Query { .. } | Source::Form => Error::new(
                Code::AuthorizationQueryParametersError,
                format!("Error parsing the X-Amz-Credential parameter; {what}."),
            ),
        }
    }

    /// From one second to the longest lifetime of the configuration, which is 7 days at the most.
    pub(super) fn check_lifetime(&self, config: &config::S3) -> Result<()> {
        let Source::Query { expires } = &self.source else { return Ok(()) };
        let longest = config.max_presign.as_secs().min(7 * 24 * 3600);
        let digits = !expires.is_empty() && expires.bytes().all(|byte| byte.is_ascii_digit());
        match expires.parse::<u64>() {
            Ok(seconds) if digits && seconds > longest => Err(Error::new(
                Code::AuthorizationQueryParametersError,
                format!("X-Amz-Expires must be at most {longest} seconds."),
            )),
            Ok(seconds) if digits && seconds > 0 => Ok(()),
            _ => Err(query_error("X-Amz-Expires must be a number of seconds from 1.")),
        }
    }
}

/// What a client sent, short enough and plain enough to repeat.
fn printable(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(64).collect()
}
