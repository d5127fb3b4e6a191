//! Forms as browsers send them, with policies that AWS's signer signs.

#![allow(dead_code, reason = "each test that includes this file uses a part of it")]

use std::time::{Duration, SystemTime};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// What separates the parts.
const BOUNDARY: &str = "----a-boundary-of-a-browser";

/// A form in the making.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    fields: Vec<(String, String)>,
    behind: Vec<(String, String)>,
    conditions: Vec<Value>,
    filename: String,
    content: Vec<u8>,
    lifetime: Duration,
    at: SystemTime,
    region: String,
}

/// The content type of every form.
pub(crate) fn content_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

impl Form {
    /// With a key, for a bucket. Its policy asks for nothing but the bucket.
    pub(crate) fn new(bucket: &str, key: &str) -> Self {
        let conditions = vec![json!({"bucket": bucket}), json!(["starts-with", "$key", ""])];
        Self {
            fields: vec![("key".to_owned(), key.to_owned())],
            behind: Vec::new(),
            conditions,
            filename: "file.txt".to_owned(),
            content: b"content".to_vec(),
            lifetime: Duration::from_secs(60),
            at: SystemTime::now(),
            region: "us-east-1".to_owned(),
        }
    }

    /// A field that the policy is about.
    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.conditions.push(json!(["eq", format!("${name}"), value]));
        self.stray(name, value)
    }

    /// A field that the policy is not about; in place of the one of this name.
    pub(crate) fn stray(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(own, _)| own != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The form without a field.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(own, _)| own != name);
        self
    }

    /// A field behind the file.
    pub(crate) fn behind(mut self, name: &str, value: &str) -> Self {
        self.behind.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn condition(mut self, condition: Value) -> Self {
        self.conditions.push(condition);
        self
    }

    pub(crate) fn filename(mut self, filename: &str) -> Self {
        self.filename = filename.to_owned();
        self
    }

    pub(crate) fn content(mut self, content: impl Into<Vec<u8>>) -> Self {
        self.content = content.into();
        self
    }

    /// How long the policy holds.
    pub(crate) fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// When it is signed.
    pub(crate) fn at(mut self, at: SystemTime) -> Self {
        self.at = at;
        self
    }

    pub(crate) fn region(mut self, region: &str) -> Self {
        self.region = region.to_owned();
        self
    }

    /// The form as somebody signs it; what is changed afterwards is not signed.
    pub(crate) fn signed(self, id: &str, secret: &str) -> Self {
        let at = OffsetDateTime::from(self.at);
        let date = at.format(format_description!("[year][month][day]T[hour][minute][second]Z")).unwrap();
        let scope = format!("{id}/{}/{}/s3/aws4_request", &date[..8], self.region);
        let form = self
            .field("x-amz-algorithm", "AWS4-HMAC-SHA256")
            .field("x-amz-credential", &scope)
            .field("x-amz-date", &date);
        let expiration = (at + form.lifetime).format(&Rfc3339).unwrap();
        let policy = json!({"expiration": expiration, "conditions": form.conditions}).to_string();
        let policy = STANDARD.encode(policy);
        let key = generate_signing_key(secret, form.at, &form.region, "s3");
        let signature = calculate_signature(key, policy.as_bytes());
        form.stray("policy", &policy).stray("x-amz-signature", &signature)
    }

    /// The value of a field.
    pub(crate) fn value(&self, name: &str) -> &str {
        &self.fields.iter().find(|(own, _)| own == name).unwrap().1
    }

    /// The bytes of the form.
    pub(crate) fn body(&self) -> Vec<u8> {
        let part = |name: &str, more: &str| {
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n")
        };
        let field = |(name, value): &(String, String)| format!("{}\r\n{value}\r\n", part(name, ""));
        let head: String = self.fields.iter().map(field).collect();
        let file = part("file", &format!("; filename=\"{}\"", self.filename)) + "Content-Type: image/png\r\n\r\n";
        let tail: String = self.behind.iter().map(field).collect();
        let tail = format!("\r\n{tail}--{BOUNDARY}--\r\n");
        [head.as_bytes(), file.as_bytes(), &self.content, tail.as_bytes()].concat()
    }
}
