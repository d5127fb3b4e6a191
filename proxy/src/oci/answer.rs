//! What the client sees of the upstream's answer: known headers, links that lead back here, and no answer that is about us.

use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tracing::Span;
use url::Url;

use super::artifact::Ahead;
use super::name::{ContentDigest, Name};
use super::on_record::OnRecord;
use super::path::Route;
use super::transfer::Transfer;
use crate::error::{Code, Error, Result};
use crate::failpoint::Failpoint;
use crate::listener::{Answer, HeaderChanges, Summary};
use crate::store::Passage;
use crate::supply_chain::evidence::Pushing;
use crate::telemetry;

/// The response headers that mean something to a registry's client, besides those that begin with `oci-`.
const PASSED: [HeaderName; 21] = [
    header::ACCEPT_RANGES,
    header::ALLOW,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::LINK,
    header::LOCATION,
    header::RANGE,
    header::RETRY_AFTER,
    header::TRANSFER_ENCODING,
    header::WARNING,
    HeaderName::from_static("blob-upload-uuid"),
    HeaderName::from_static("docker-content-digest"),
    HeaderName::from_static("docker-distribution-api-version"),
    HeaderName::from_static("docker-upload-uuid"),
];

/// Which content an answer is about (distribution-spec 1.1, "Pulling Blobs").
const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// What is known of a forwarded request when its answer comes.
#[derive(Debug)]
pub(super) struct OciAnswer {
    /// The repository as the client calls it.
    pub(super) name: Name,
    /// The content that was asked for, where the path says which.
    pub(super) digest: Option<ContentDigest>,
    /// The repository at the upstream.
    pub(super) home: Name,
    pub(super) upstream: Url,
    /// The request's span; it ends with the request.
    pub(super) span: Span,
    pub(super) transfer: Transfer,
    /// What the breaker is told; taken with the first verdict.
    pub(super) passage: Mutex<Option<Passage>>,
    /// What is told to the audit log when the request has ended.
    pub(super) on_record: Option<OnRecord>,
    /// Whose bytes they are, where a blob is sent ahead of what will name it.
    pub(super) ahead: Option<Ahead>,
    /// A manifest that is put or deleted: what it is about is looked at when the request has ended.
    pub(super) pushing: Option<Pushing>,
}

impl Answer for OciAnswer {
    /// `UpstreamUnavailable` where the registry failed, refused *our* credentials, or sends the client elsewhere, where
    /// we would not protect it.
    fn changes(&self, status: StatusCode, headers: &HeaderMap) -> Result<HeaderChanges> {
        if self.on_record.as_ref().is_some_and(OnRecord::is_change) {
            Failpoint::OciAnswered.reached();
        }
        telemetry::record_status(&self.span, status);
        if let Some(passage) = self.take_passage() {
            passage.answered(status);
        }
        check_status(status)?;
        self.check_digest(headers)?;
        self.transfer.answered(headers);
        let is_unknown = |name: &&HeaderName| !PASSED.contains(name) && !name.as_str().starts_with("oci-");
        let mut changes =
            HeaderChanges { remove: headers.keys().filter(is_unknown).cloned().collect(), set: HeaderMap::new() };
        if let Some(location) = one(headers, &header::LOCATION)? {
            changes.set.insert(header::LOCATION, self.local(location)?);
        }
        if let Some(link) = one(headers, &header::LINK)? {
            changes.set.insert(header::LINK, self.local_link(link)?);
        }
        Ok(changes)
    }

    fn missed(&self) {
        if let Some(passage) = self.take_passage() {
            passage.missed();
        }
    }

    fn ended(&self, summary: &Summary) {
        self.transfer.ended(&self.home, summary);
        if let Some(on_record) = &self.on_record {
            on_record.ended(summary);
        }
        if let Some(ahead) = &self.ahead {
            ahead.ended(summary);
        }
        if let Some(pushing) = &self.pushing {
            pushing.ended();
        }
    }
}

impl OciAnswer {
    fn take_passage(&self) -> Option<Passage> {
        self.passage.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// An answer that says to be about other content than was asked for is about something that nobody here has looked at.
    fn check_digest(&self, headers: &HeaderMap) -> Result<()> {
        let said = one(headers, &DIGEST)?;
        match (&self.digest, said) {
            (Some(digest), Some(said)) if digest.as_str() != said => Err(refused("it is about other content")),
            _ => Ok(()),
        }
    }

    /// `<target>; rel="next"` with a target that leads to us (RFC 8288).
    fn local_link(&self, link: &str) -> Result<HeaderValue> {
        let unreadable = || refused("its Link cannot be read");
        let (target, rest) = link.strip_prefix('<').and_then(|link| link.split_once('>')).ok_or_else(unreadable)?;
        let target = self.local(target)?;
        let link = [b"<", target.as_bytes(), b">", rest.as_bytes()].concat();
        HeaderValue::try_from(link).map_err(|_| unreadable())
    }

    /// A link to the upstream as a link to us: path and query. It must lead to a route of the same repository.
    fn local(&self, link: &str) -> Result<HeaderValue> {
        let elsewhere = || refused("it leads elsewhere");
        let target = if link.starts_with('/') && !link.starts_with("//") {
            link.to_owned()
        } else {
            let url = Url::parse(link).map_err(|_| elsewhere())?;
            if url.origin() != self.upstream.origin() {
                return Err(elsewhere());
            }
            let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
            format!("{}{query}", url.path())
        };
        let path = target.split('?').next().unwrap_or_default();
        let route = Route::parse(path).map_err(|_| elsewhere())?;
        if route.name() != Some(&self.home)
            || !target.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'#' | b'<' | b'>'))
        {
            return Err(elsewhere());
        }
        let query = target.get(path.len()..).unwrap_or_default();
        HeaderValue::try_from(format!("{}{query}", route.within(self.name.clone()))).map_err(|_| elsewhere())
    }
}

fn check_status(status: StatusCode) -> Result<()> {
    match status {
        StatusCode::NOT_MODIFIED => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Err(refused("it does not accept this service's credentials"))
        }
        _ if status.is_redirection() => Err(refused("it redirects")),
        _ if status.is_server_error() => Err(refused(&format!("it answered {status}"))),
        _ => Ok(()),
    }
}

fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| refused("a header of it cannot be read")),
        (Some(_), Some(_)) => Err(refused("a header of it is there twice")),
    }
}

fn refused(why: &str) -> Error {
    Error::from(Code::UpstreamUnavailable).detail(format!("the registry's answer is not passed on: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> OciAnswer {
        let upstream = Url::parse("http://zot:5000/").unwrap();
        let (transfer, passage) = (Transfer::Nothing, Mutex::default());
        OciAnswer {
            name: Name::parse("team/app").unwrap(),
            digest: None,
            home: Name::parse("team/app").unwrap(),
            upstream,
            span: Span::none(),
            transfer,
            passage,
            on_record: None,
            ahead: None,
            pushing: None,
        }
    }

    fn pass(status: u16, pairs: &[(&'static str, &str)]) -> Result<HeaderChanges> {
        let headers: HeaderMap =
            pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::try_from(*v).unwrap())).collect();
        answer().changes(StatusCode::from_u16(status).unwrap(), &headers)
    }

    fn location(value: &str) -> Result<String> {
        let changes = pass(202, &[("location", value)])?;
        Ok(changes.set[header::LOCATION].to_str().unwrap().to_owned())
    }

    #[test]
    fn a_location_in_the_same_repository_becomes_a_path() {
        let upload = "/v2/team/app/blobs/uploads/1?_state=x";
        assert_eq!(location(upload).unwrap(), upload);
        assert_eq!(location(&format!("http://zot:5000{upload}")).unwrap(), upload);
    }

    #[test]
    fn a_location_of_a_repository_with_another_name_here_gets_that_name() {
        let answer = OciAnswer {
            name: Name::parse("s3/releases").unwrap(),
            home: Name::parse("zas/referrers/s3/7").unwrap(),
            ..answer()
        };
        let local = |link: &str| answer.local(link).map(|value| value.to_str().unwrap().to_owned());
        let there = "/v2/zas/referrers/s3/7/blobs/uploads/1?_state=x";
        assert_eq!(local(there).unwrap(), "/v2/s3/releases/blobs/uploads/1?_state=x");
        assert_eq!(local(&format!("http://zot:5000{there}")).unwrap(), "/v2/s3/releases/blobs/uploads/1?_state=x");
        assert!(local("/v2/s3/releases/blobs/uploads/1").is_err());
    }

    #[test]
    fn a_location_elsewhere_is_never_passed_on() {
        for elsewhere in [
            "http://evil/v2/team/app/blobs/uploads/1",
            "https://zot:5000/v2/team/app/blobs/uploads/1",
            "http://zot:5001/v2/team/app/blobs/uploads/1",
            "http://zot:5000@evil/v2/team/app/blobs/uploads/1",
            "//evil/v2/team/app/blobs/uploads/1",
            "/\\evil",
            "/v2/team/other/blobs/uploads/1",
            "/v2/s3/x/blobs/uploads/1",
            "/v2/team/app/../other/blobs/uploads/1",
            "/zot/auth/login",
            "uploads/1",
            "",
            "/v2/team/app/blobs/uploads/1#x",
        ] {
            assert!(location(elsewhere).is_err(), "{elsewhere}");
        }
    }

    #[test]
    fn a_link_to_the_next_page_stays_one() {
        let changes =
            pass(200, &[("link", r#"<http://zot:5000/v2/team/app/tags/list?n=2&last=b>; rel="next""#)]).unwrap();
        assert_eq!(changes.set[header::LINK], r#"</v2/team/app/tags/list?n=2&last=b>; rel="next""#);
        assert!(pass(200, &[("link", "</v2/s3/x/tags/list>; rel=next")]).is_err());
        assert!(pass(200, &[("link", "nonsense")]).is_err());
    }

    #[test]
    fn an_answer_about_other_content_than_was_asked_for_is_not_passed_on() {
        let digest = |byte: &str| format!("sha256:{}", byte.repeat(32));
        let asked = OciAnswer { digest: ContentDigest::parse(&digest("ab")), ..answer() };
        let pass = |said: &[String]| {
            let value = |said: &String| (DIGEST, HeaderValue::try_from(said).unwrap());
            asked.changes(StatusCode::OK, &said.iter().map(value).collect()).is_ok()
        };
        assert!(pass(&[]) && pass(&[digest("ab")]));
        assert!(!pass(&[digest("cd")]) && !pass(&["nonsense".to_owned()]) && !pass(&[digest("ab"), digest("ab")]));
    }

    #[test]
    fn headers_about_the_registry_itself_are_dropped() {
        let changes = pass(
            200,
            &[
                ("server", "zot"),
                ("www-authenticate", "Basic"),
                ("set-cookie", "session=1"),
                ("access-control-allow-origin", "*"),
                ("strict-transport-security", "max-age=1"),
                ("docker-content-digest", "sha256:00"),
                ("content-type", "text/plain"),
                ("oci-filters-applied", "artifactType"),
                ("oci-subject", "sha256:00"),
            ],
        )
        .unwrap();
        let mut removed: Vec<&str> = changes.remove.iter().map(HeaderName::as_str).collect();
        removed.sort_unstable();
        let expected =
            ["access-control-allow-origin", "server", "set-cookie", "strict-transport-security", "www-authenticate"];
        assert_eq!(removed, expected);
    }

    #[test]
    fn redirects_failures_and_a_refusal_of_us_become_a_503() {
        for status in [300, 301, 302, 303, 307, 308, 401, 407, 500, 502, 503, 507] {
            let error = pass(status, &[]).unwrap_err();
            assert_eq!(error.row().status, 503, "{status}");
        }
    }

    #[test]
    fn what_the_client_did_wrong_it_reads_from_the_registry() {
        for status in [200, 201, 202, 204, 206, 304, 400, 403, 404, 405, 413, 416, 429] {
            assert!(pass(status, &[]).is_ok(), "{status}");
        }
    }
}
