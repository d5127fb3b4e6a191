//! What a browser is told whose form was taken: nothing, a document, or where to go (AWS, "HTML form fields": `success_action_status`,
//! `success_action_redirect`).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::form::Fields;
use crate::error::escape_xml;
use crate::gateway::{Body, full};

/// What a path shows as it is (RFC 3986, section 3.3).
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The object that was made.
pub(super) struct Made<'a> {
    /// Where it is read.
    pub(super) place: String,
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    /// With its quotes.
    pub(super) etag: &'a str,
}

/// The answer. `is_known`: whether somebody who is known has posted the form; others are sent nowhere, for anybody could have written
/// where to.
pub(super) fn success(fields: &Fields, made: &Made<'_>, is_known: bool) -> Response<Body> {
    if let Some(target) = redirect(fields, made).filter(|_| is_known) {
        return answer(StatusCode::SEE_OTHER, made, &target, Bytes::new());
    }
    match fields.get("success_action_status") {
        Some("200") => answer(StatusCode::OK, made, &made.place, Bytes::new()),
        Some("201") => answer(StatusCode::CREATED, made, &made.place, document(made).into()),
        // AWS takes any other for none.
        _ => answer(StatusCode::NO_CONTENT, made, &made.place, Bytes::new()),
    }
}

/// Where the form wants the browser to go. What is no address of a web page is as if it were not there.
fn redirect(fields: &Fields, made: &Made<'_>) -> Option<String> {
    // `redirect` is its name of old.
    let wanted = fields.get("success_action_redirect").or_else(|| fields.get("redirect"))?;
    let mut target = Url::parse(wanted).ok().filter(|target| matches!(target.scheme(), "http" | "https"))?;
    target
        .query_pairs_mut()
        .append_pair("bucket", made.bucket)
        .append_pair("key", made.key)
        .append_pair("etag", made.etag);
    Some(target.into())
}

fn document(made: &Made<'_>) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>{}</Location><Bucket>{}</Bucket><Key>{}</Key><ETag>{}</ETag></PostResponse>",
        escape_xml(&made.place),
        escape_xml(made.bucket),
        escape_xml(made.key),
        escape_xml(made.etag)
    )
}

fn answer(status: StatusCode, made: &Made<'_>, location: &str, body: Bytes) -> Response<Body> {
    let mut headers = HeaderMap::new();
    let mut put = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put(header::LOCATION, location);
    put(header::ETAG, made.etag);
    if !body.is_empty() {
        put(header::CONTENT_TYPE, "application/xml");
    }
    if status != StatusCode::NO_CONTENT {
        put(header::CONTENT_LENGTH, &body.len().to_string());
    }
    let mut answer = Response::new(full(body));
    (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
    answer
}

/// The address of an object; without its bucket where `base` names that already.
pub(super) fn place(base: &str, bucket: Option<&str>, key: &str) -> String {
    let key = utf8_percent_encode(key, PATH);
    match bucket {
        Some(bucket) => format!("{base}/{bucket}/{key}"),
        None => format!("{base}/{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn made() -> Made<'static> {
        let key = "a b/<ü>";
        Made { place: place("https://store.example", Some("b"), key), bucket: "b", key, etag: "\"e\"" }
    }

    fn told(fields: &[(&str, &str)], is_known: bool) -> (u16, String) {
        let answer = success(&Fields::of(fields), &made(), is_known);
        assert_eq!(answer.headers()["etag"], "\"e\"");
        (answer.status().as_u16(), answer.headers()["location"].to_str().unwrap().to_owned())
    }

    #[test]
    fn a_form_says_how_it_is_answered_and_whatever_else_it_says_means_204() {
        let object = "https://store.example/b/a%20b/%3C%C3%BC%3E";
        for (wanted, status) in [("200", 200), ("201", 201), ("204", 204), ("404", 204), ("", 204)] {
            assert_eq!(told(&[("success_action_status", wanted)], true), (status, object.to_owned()), "{wanted}");
        }
        assert_eq!(told(&[], true).0, 204);
        assert_eq!(place("https://b.store.example", None, "k"), "https://b.store.example/k");
    }

    #[test]
    fn a_browser_is_sent_where_the_form_says_with_what_was_made() {
        let made = "bucket=b&key=a+b%2F%3C%C3%BC%3E&etag=%22e%22";
        for (name, wanted, target) in [
            ("success_action_redirect", "http://app.example/done", format!("http://app.example/done?{made}")),
            ("redirect", "https://app.example/?a=1#x", format!("https://app.example/?a=1&{made}#x")),
        ] {
            assert_eq!(told(&[(name, wanted), ("success_action_status", "201")], true), (303, target), "{wanted}");
            assert_eq!(told(&[(name, wanted)], false).0, 204, "nobody who is not known is sent anywhere");
        }
        for wanted in ["javascript:alert(1)", "//evil.example", "/done", "data:text/html,x", ""] {
            assert_eq!(told(&[("success_action_redirect", wanted)], true).0, 204, "{wanted}");
        }
    }

    #[tokio::test]
    async fn a_document_names_what_was_made() {
        let answer = success(&Fields::of(&[("success_action_status", "201")]), &made(), true);
        assert_eq!(answer.headers()["content-type"], "application/xml");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        for element in [
            "<Location>https://store.example/b/a%20b/%3C%C3%BC%3E</Location>",
            "<Bucket>b</Bucket>",
            "<Key>a b/&lt;ü&gt;</Key>",
            "<ETag>&quot;e&quot;</ETag>",
        ] {
            assert!(text.contains(element), "{text}");
        }
    }
}
