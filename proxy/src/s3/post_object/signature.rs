//! Who has signed a form: Signature Version 4 over its policy (AWS, "POST policy"; "Calculating a signature").

use aws_lc_rs::hmac;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};
use zeroize::Zeroizing;

use super::form::Fields;
use crate::config;
use crate::error::{Code, Error, Result};
use crate::s3::guard;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The fields of a signature, but for the token of a session.
const FIELDS: [&str; 5] = ["policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"];

/// The token of a session.
const SESSION_TOKEN: &str = "x-amz-security-token";

/// The fields of Signature Version 2.
const VERSION_2: [&str; 2] = ["awsaccesskeyid", "signature"];

/// How far ahead a client's clock may be.
const SKEW: Duration = Duration::minutes(15);

/// The longest time that a signature serves (AWS: a signing key is good for seven days).
const LONGEST: Duration = Duration::days(7);

/// A form that says to be signed.
pub(super) struct Signed<'a> {
    /// The policy, in base64: what is signed.
    pub(super) policy: &'a str,
    pub(super) access_key_id: String,
    pub(super) session_token: Option<&'a str>,
    /// When it was signed.
    pub(super) at: OffsetDateTime,
    day: String,
    signature: &'a str,
}

impl<'a> Signed<'a> {
    /// What a form says of its signature; none where it is not signed, and has no policy either.
    ///
    /// # Errors
    /// `UnsupportedSignature`; `InvalidArgument`, naming a field that is missing or cannot be read; `InvalidToken` for the token of a
    /// session without a signature; `AuthorizationQueryParametersError` for a signature that is for another region or service.
    pub(super) fn of(fields: &'a Fields, config: &config::S3) -> Result<Option<Self>> {
        if VERSION_2.iter().any(|name| fields.get(name).is_some()) {
            return Err(Code::UnsupportedSignature.into());
        }
        let session_token = fields.get(SESSION_TOKEN);
        if FIELDS.iter().all(|name| fields.get(name).is_none()) {
            return if session_token.is_some() { Err(Code::InvalidToken.into()) } else { Ok(None) };
        }
        let field = |name: &'static str| {
            fields.get(name).ok_or_else(|| {
                let text = format!(
                    "Bucket POST must contain a field named '{name}'. If it is specified, please check the order of the fields."
                );
                Error::new(Code::InvalidArgument, text)
            })
        };
        if field("x-amz-algorithm")? != ALGORITHM {
            return Err(Code::UnsupportedSignature.into());
        }
        let (access_key_id, day) = guard::check_form_credential(field("x-amz-credential")?, config)?;
        let date = field("x-amz-date")?;
        let at = parse(date).ok_or_else(|| {
            Error::new(Code::InvalidArgument, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\".")
        })?;
        if date.get(..8) != Some(day.as_str()) {
            return Err(Error::new(Code::InvalidArgument, "X-Amz-Date and the date of X-Amz-Credential differ."));
        }
        let (policy, signature) = (field("policy")?, field("x-amz-signature")?);
        Ok(Some(Self { policy, access_key_id, session_token, at, day, signature }))
    }

    /// Whether it was signed with this secret, and lately enough.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch`, `RequestTimeTooSkewed`, `ExpiredRequest`.
    pub(super) fn check(&self, secret: &str, config: &config::S3, now: OffsetDateTime) -> Result<()> {
        let mut signature = [0; 32];
        hex::decode_to_slice(self.signature, &mut signature).map_err(|_| Code::SignatureDoesNotMatch)?;
        // In constant time.
        hmac::verify(&self.key(secret, &config.region), self.policy.as_bytes(), &signature)
            .map_err(|_| Code::SignatureDoesNotMatch)?;
        let longest = Duration::try_from(config.max_presign).unwrap_or(LONGEST).min(LONGEST);
        if self.at > now + SKEW {
            Err(Code::RequestTimeTooSkewed.into())
        } else if now - self.at > longest {
            Err(Code::ExpiredRequest.into())
        } else {
            Ok(())
        }
    }

    fn key(&self, secret: &str, region: &str) -> hmac::Key {
        let first = Zeroizing::new(format!("AWS4{secret}"));
        let first = hmac::Key::new(hmac::HMAC_SHA256, first.as_bytes());
        [self.day.as_str(), region, "s3", "aws4_request"]
            .into_iter()
            .fold(first, |key, part| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref()))
    }
}

fn parse(text: &str) -> Option<OffsetDateTime> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    PrimitiveDateTime::parse(text, format).ok().map(PrimitiveDateTime::assume_utc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    // AWS, "Examples: Browser-based upload using HTTP POST (using AWS Signature Version 4)".
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const POLICY: &str = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9";
    const SIGNATURE: &str = "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e";
    const CREDENTIAL: &str = "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request";
    const AT: OffsetDateTime = datetime!(2015-12-29 00:00 UTC);

    /// The example with some fields replaced; without those that have no value.
    fn fields(changes: &[(&str, &str)]) -> Fields {
        let mut fields = vec![
            ("policy", POLICY),
            ("x-amz-algorithm", ALGORITHM),
            ("x-amz-credential", CREDENTIAL),
            ("x-amz-date", "20151229T000000Z"),
            ("x-amz-signature", SIGNATURE),
        ];
        for (name, value) in changes {
            fields.retain(|(own, _)| own != name);
            if !value.is_empty() {
                fields.push((*name, *value));
            }
        }
        Fields::of(&fields)
    }

    fn check(changes: &[(&str, &str)], secret: &str, now: OffsetDateTime) -> Option<Code> {
        let (fields, config) = (fields(changes), config::S3::default());
        let checked = Signed::of(&fields, &config).and_then(|signed| signed.unwrap().check(secret, &config, now));
        checked.err().map(|error| error.code())
    }

    #[test]
    fn the_example_of_the_documentation_is_signed() {
        assert_eq!(check(&[], SECRET, AT), None);
        let (fields, config) = (fields(&[]), config::S3::default());
        let signed = Signed::of(&fields, &config).unwrap().unwrap();
        assert_eq!(
            (signed.access_key_id.as_str(), signed.session_token, signed.at),
            ("AKIAIOSFODNN7EXAMPLE", None, AT)
        );
    }

    #[test]
    fn another_secret_policy_or_signature_is_not() {
        assert_eq!(check(&[], "another secret", AT), Some(Code::SignatureDoesNotMatch));
        let other = POLICY.replacen('e', "f", 1);
        let flipped = SIGNATURE.replacen('8', "9", 1);
        for (name, value) in [
            ("policy", other.as_str()),
            ("x-amz-signature", &flipped),
            ("x-amz-signature", "00"),
            ("x-amz-signature", "no hexadecimal"),
            ("x-amz-credential", "AKIA/20151228/us-east-1/s3/aws4_request"),
        ] {
            let date = if value.contains("20151228") { "20151228T000000Z" } else { "20151229T000000Z" };
            let changes = [(name, value), ("x-amz-date", date)];
            assert_eq!(check(&changes, SECRET, AT), Some(Code::SignatureDoesNotMatch), "{name} {value}");
        }
    }

    #[test]
    fn a_signature_has_all_of_its_fields() {
        for name in FIELDS {
            assert_eq!(check(&[(name, "")], SECRET, AT), Some(Code::InvalidArgument), "{name}");
        }
        assert!(Signed::of(&Fields::of(&[("key", "a")]), &config::S3::default()).unwrap().is_none());
        let token = Signed::of(&Fields::of(&[("x-amz-security-token", "x")]), &config::S3::default()).err();
        assert_eq!(token.unwrap().code(), Code::InvalidToken);
    }

    #[test]
    fn other_ways_to_sign_and_other_scopes_are_refused() {
        let other_scope = Code::AuthorizationQueryParametersError;
        for (name, value, code) in [
            ("signature", "x", Code::UnsupportedSignature),
            ("awsaccesskeyid", "x", Code::UnsupportedSignature),
            ("x-amz-algorithm", "AWS4-ECDSA-P256-SHA256", Code::UnsupportedSignature),
            ("x-amz-credential", "AKIA/20151229/eu-west-1/s3/aws4_request", other_scope),
            ("x-amz-credential", "AKIA/20151229/us-east-1/sts/aws4_request", other_scope),
            ("x-amz-credential", "AKIA", other_scope),
            ("x-amz-date", "20151230T000000Z", Code::InvalidArgument),
            ("x-amz-date", "yesterday", Code::InvalidArgument),
        ] {
            assert_eq!(check(&[(name, value)], SECRET, AT), Some(code), "{name} {value}");
        }
    }

    #[test]
    fn a_signature_serves_for_seven_days_and_not_before_it_was_made() {
        for (now, code) in [
            (AT - Duration::minutes(14), None),
            (AT - Duration::minutes(16), Some(Code::RequestTimeTooSkewed)),
            (AT + Duration::days(7), None),
            (AT + Duration::days(7) + Duration::SECOND, Some(Code::ExpiredRequest)),
        ] {
            assert_eq!(check(&[], SECRET, now), code, "{now}");
        }
    }
}
