//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a POST that comes again is answered again, and not carried out again.
//!
//! The key is claimed, the change made and the answer kept in one transaction of the index ([`crate::index::Unit`]). So an answer is
//! there exactly where the change is, whatever process ends when, and on every replica; and whoever comes while the first is
//! under way is told so at once. What is asked for must be allowed each time: a key opens nothing.
//! What does not live here: how an answer is written down (`answer.rs`), and the rows (`index`).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Uri, header};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use zas_policy::Principal;

use super::Refusal;
use super::answer::Answer;
use crate::app::App;
use crate::audit::Kind;
use crate::authz::Permit;
use crate::config::Config;
use crate::digest::Digest;
use crate::error::{Code, Error, RequestId, Result, status_elsewhere};
use crate::gateway::RequestContext;
use crate::identity::{KeyRing, Purpose, Seal};
use crate::index::{Claimed, Index, KeptAnswer, OnceRequest, Unit};

/// The header.
pub(super) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// Characters of a key.
pub(super) const LONGEST: usize = 255;

/// How often answers that have lapsed are cleared away, and how many at once.
const CLEAR: Duration = Duration::from_secs(60);
const BATCH: u32 = 1000;

/// What is kept of answers, and for how long.
#[derive(Debug)]
pub struct Answers {
    ring: Option<KeyRing>,
    keep: Duration,
    most: u32,
}

impl Answers {
    /// By configuration; sealed where there is a key ring.
    ///
    /// # Errors
    /// A key of the ring cannot be used.
    pub fn new(config: &Config) -> Result<Self> {
        let ring = &config.identity.key_ring;
        let ring = (!ring.is_empty()).then(|| KeyRing::new(ring, Purpose::KeptAnswer)).transpose()?;
        let crate::config::Idempotency { keep, keys_per_principal } = config.idempotency;
        Ok(Self { ring, keep, most: keys_per_principal })
    }

    /// An answer as it is kept. A secret is never kept as it is: without a ring the change that made it is undone.
    fn seal(&self, once: &OnceRequest<'_>, answer: &Answer) -> Result<KeptAnswer> {
        let bytes = answer.write()?;
        let Some(ring) = &self.ring else {
            let text = "An answer with a secret is kept only where identity.key_ring is configured: leave Idempotency-Key out.";
            return if answer.holds_secret() {
                Err(Error::new(Code::NotImplemented, text))
            } else {
                Ok(KeptAnswer { bytes, ring_key: None })
            };
        };
        let sealed = ring.seal(&bound_to(once), &bytes)?;
        Ok(KeptAnswer { bytes: sealed.bytes, ring_key: Some(sealed.ring_key) })
    }

    fn open(&self, once: &OnceRequest<'_>, kept: &KeptAnswer) -> Result<Answer> {
        let lost = |error: Error| Error::from(Code::IdempotencyAnswerLost).detail(error.for_log());
        match (&kept.ring_key, &self.ring) {
            (None, _) => Answer::read(&kept.bytes),
            (Some(_), Some(ring)) => Answer::read(&ring.open(&bound_to(once), &kept.bytes).map_err(lost)?),
            (Some(key), None) => {
                Err(lost(Error::internal(format!("it is sealed under {key}, and there is no key ring"))))
            }
        }
    }
}

/// An answer that is moved to another row does not open.
fn bound_to(once: &OnceRequest<'_>) -> String {
    format!("{} {}", hex::encode(once.owner), once.key)
}

/// Forgets answers that have lapsed, until `stop`.
pub async fn forget_answers(index: &Index, stop: CancellationToken) {
    let clear = async {
        loop {
            tokio::time::sleep(CLEAR).await;
            let cleared = async {
                while index.forget_answers(BATCH).await? > 0 {}
                Ok::<_, Error>(())
            };
            if let Err(error) = cleared.await {
                tracing::warn!("answers that have lapsed were not cleared away: {}", error.for_log());
            }
        }
    };
    tokio::select! {
        () = clear => {}
        () = stop.cancelled() => {}
    }
}

/// The JSON body of a POST, and the wish to have it carried out once.
#[derive(Debug)]
pub(super) struct Posted<T> {
    /// What was sent.
    pub(super) body: T,
    /// Carries it out.
    pub(super) once: Once,
}

/// A request that is carried out once where it has a key, and each time where it has none.
#[derive(Debug)]
pub(super) struct Once {
    key: Option<String>,
    asked: Digest,
    request_id: RequestId,
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Posted<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Refusal> {
        let (parts, bytes, once) = received(request, app).await?;
        let Json(body) = Json::from_request(Request::from_parts(parts, bytes.into()), app).await?;
        Ok(Self { body, once })
    }
}

/// The body of a POST that is a document of a type of its own, and the wish to have it carried out once.
#[derive(Debug)]
pub(super) struct PostedDocument {
    /// Its bytes.
    pub(super) bytes: Bytes,
    /// What it is said to be.
    pub(super) media_type: Option<String>,
    /// Carries it out.
    pub(super) once: Once,
}

impl FromRequest<Arc<App>> for PostedDocument {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Refusal> {
        let (parts, bytes, once) = received(request, app).await?;
        let media_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Ok(Self { bytes, media_type: media_type.map(str::to_owned), once })
    }
}

/// For a POST that says all in its path.
impl FromRequest<Arc<App>> for Once {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Refusal> {
        let (_, bytes, once) = received(request, app).await?;
        if bytes.is_empty() {
            Ok(once)
        } else {
            Err(Error::new(Code::InvalidRequest, "There is nothing to say in a body here: leave it out.").into())
        }
    }
}

async fn received(request: Request, app: &Arc<App>) -> Result<(Parts, Bytes, Once), Refusal> {
    let (parts, body) = request.into_parts();
    let key = key(&parts.headers)?;
    let id = parts.extensions.get::<RequestContext>().map(|context| context.request_id.clone());
    let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), app).await?;
    let asked = asked(&parts.method, &parts.uri, &bytes);
    let once = Once { key, asked, request_id: id.unwrap_or_else(RequestId::generate) };
    Ok((parts, bytes, once))
}

impl Once {
    /// Carries a change out and gives its answer; or, where it was carried out before, gives that answer again. The change is all that
    /// `change` does with the index that it is given. Whatever is to be refused for who asks, or for what is sent, is refused before:
    /// the answer of a change is kept where it succeeded, and where what there is kept it from succeeding.
    pub(super) async fn carry_out(
        self,
        app: &App,
        permit: &Permit,
        change: impl AsyncFnOnce(Index) -> Result<Answer>,
    ) -> Result<Answer, Refusal> {
        let Some(key) = &self.key else { return Ok(change(app.index.clone()).await?) };
        let owner = owner(permit.principal());
        let once = OnceRequest { owner: *owner.as_bytes(), key, request: *self.asked.as_bytes() };
        let unit = app.index.begin().await?;
        match unit.index().claim(&once, app.answers.most).await {
            Ok(Claimed::First) => {}
            Ok(Claimed::Answered(kept)) => {
                unit.abandon().await;
                let answer = app.answers.open(&once, &kept)?;
                record_replay(app, permit, &answer).await?;
                return Ok(answer.replayed());
            }
            Err(error) => {
                unit.abandon().await;
                return Err(error.into());
            }
        }
        match change(unit.index().clone()).await {
            Ok(answer) => {
                keep(app, unit, &once, &answer).await?;
                Ok(answer)
            }
            Err(error) if is_kept(&error) => {
                unit.undo().await?;
                keep(app, unit, &once, &Answer::refused(&error, &self.request_id)).await?;
                Err(error.into())
            }
            Err(error) => {
                unit.abandon().await;
                Err(error.into())
            }
        }
    }
}

impl Once {
    /// Carries out what is done at the registry too, or takes long, and so cannot be done in a transaction of the index. Where it was done
    /// before its answer is given again; two at the very same time, or one that was cut off before its answer was kept, may both have
    /// been carried out. For what does no harm when it is there twice.
    pub(super) async fn carry_out_elsewhere(
        self,
        app: &App,
        permit: &Permit,
        work: impl AsyncFnOnce() -> Result<Answer>,
    ) -> Result<Answer, Refusal> {
        if let Some(answer) = self.before(app, permit).await? {
            return Ok(answer);
        }
        let answer = work().await?;
        self.carry_out(app, permit, async |_| Ok(answer)).await
    }

    /// The answer that was given before.
    async fn before(&self, app: &App, permit: &Permit) -> Result<Option<Answer>> {
        let Some(key) = &self.key else { return Ok(None) };
        let once = OnceRequest { owner: *owner(permit.principal()).as_bytes(), key, request: *self.asked.as_bytes() };
        let unit = app.index.begin().await?;
        let claimed = unit.index().claim(&once, app.answers.most).await;
        unit.abandon().await;
        match claimed? {
            Claimed::First => Ok(None),
            Claimed::Answered(kept) => {
                let answer = app.answers.open(&once, &kept)?;
                record_replay(app, permit, &answer).await?;
                Ok(Some(answer.replayed()))
            }
        }
    }
}

/// Keeps an answer and commits it with all that was done.
async fn keep(app: &App, unit: Unit, once: &OnceRequest<'_>, answer: &Answer) -> Result<()> {
    let kept = app.answers.seal(once, answer)?;
    unit.index().keep_answer(once, &kept, app.answers.keep).await?;
    unit.commit().await
}

/// Whether a refusal is kept: one that says what there is. Any other may be another the next time, or is for what was sent.
fn is_kept(error: &Error) -> bool {
    matches!(status_elsewhere(error.code()), 404 | 409 | 412) && !error.row().retryable
}

/// A replay shows what was done, and perhaps a secret: it is on record as a read is.
async fn record_replay(app: &App, permit: &Permit, answer: &Answer) -> Result<()> {
    let Some(record) = permit.recorded(Kind::Operation) else { return Ok(()) };
    let record = record.answered(answer.status().as_u16(), None);
    app.journal.record(record.note("answered again for its Idempotency-Key".to_owned())).await
}

/// Whose key it is. A session and whoever took its role are two, as policies see them.
fn owner(principal: &Principal) -> Digest {
    let id = match principal {
        Principal::Identity(identity) => identity.id.as_str(),
        Principal::Root { .. } | Principal::Anonymous => "",
    };
    Digest::of(format!("{principal}\n{id}").as_bytes())
}

/// What is asked for: each part with its length, so that two requests never read the same.
fn asked(method: &Method, uri: &Uri, body: &[u8]) -> Digest {
    let parts = [method.as_str().as_bytes(), uri.path().as_bytes(), uri.query().unwrap_or_default().as_bytes(), body];
    let bytes: Vec<u8> = parts.iter().flat_map(|part| [&part.len().to_be_bytes()[..], part].concat()).collect();
    Digest::of(&bytes)
}

/// The key of a request: a string of RFC 9651 (section 3.3.3), or the bare text that most clients send.
fn key(headers: &HeaderMap) -> Result<Option<String>> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let key = text.and_then(|text| match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted.strip_suffix('"')?),
        None => text.bytes().all(is_bare).then(|| text.to_owned()),
    });
    let key = key.filter(|key| (1..=LONGEST).contains(&key.len()));
    key.map(Some).ok_or_else(|| {
        let text = "Idempotency-Key is one string of 1 to 255 visible characters, in quotes or without.";
        Error::new(Code::InvalidArgument, text).with("field", "Idempotency-Key")
    })
}

/// What may stand in a bare key: no space, and nothing that quotes or divides.
const fn is_bare(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b',' | b';')
}

/// The text between the quotes.
fn unquote(quoted: &str) -> Option<String> {
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(c) = characters.next() {
        let c = match c {
            '\\' => characters.next().filter(|c| matches!(c, '"' | '\\'))?,
            '"' => return None,
            c => c,
        };
        text.push(c);
    }
    text.chars().all(|c| c == ' ' || c.is_ascii_graphic()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(values: &[&str]) -> Result<Option<String>> {
        let headers = values.iter().map(|value| (HEADER, http::HeaderValue::from_str(value).unwrap()));
        key(&headers.collect())
    }

    #[test]
    fn a_key_is_read_with_quotes_and_without() {
        assert_eq!(keys(&[]).unwrap(), None);
        for (value, key) in [
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            (r#""8e03978e""#, "8e03978e"),
            (r#""a \"b\" \\ c""#, r#"a "b" \ c"#),
            ("a=b/c+d:e", "a=b/c+d:e"),
        ] {
            assert_eq!(keys(&[value]).unwrap().as_deref(), Some(key));
        }
    }

    #[test]
    fn a_key_that_is_none_is_refused_by_name() {
        let long = "x".repeat(LONGEST + 1);
        for values in [
            &[""][..],
            &[r#""""#],
            &[r#"""#],
            &[r#""a"#],
            &[r#""a\b""#],
            &[r#""a\"#],
            &[r#""a";p=1"#],
            &["a b"],
            &["a,b"],
            &["a;p"],
            &["ä"],
            &[&long],
            &["a", "a"],
        ] {
            let error = keys(values).unwrap_err();
            assert_eq!(error.details().next(), Some(("field", "Idempotency-Key")), "{values:?}");
        }
        assert!(keys(&[&"x".repeat(LONGEST)]).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn a_key_reads_as_it_was_quoted(key in "[ -~]{1,255}") {
            let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
            proptest::prop_assert_eq!(keys(&[&quoted]).unwrap(), Some(key));
        }

        #[test]
        fn whatever_is_sent_is_a_key_or_is_refused(value in "[ -~\t]{0,300}") {
            if let Ok(Some(key)) = keys(&[&value]) {
                proptest::prop_assert!((1..=LONGEST).contains(&key.len()));
            }
        }
    }

    #[test]
    fn requests_that_differ_anywhere_are_others() {
        let of =
            |method: Method, uri: &'static str, body: &str| asked(&method, &Uri::from_static(uri), body.as_bytes());
        let all = [
            of(Method::POST, "/a", "{}"),
            of(Method::PUT, "/a", "{}"),
            of(Method::POST, "/a?b", "{}"),
            of(Method::POST, "/ab", "{}"),
            of(Method::POST, "/a", "{} "),
            of(Method::POST, "/a?", "b{}"),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().skip(at + 1).all(|other| other != one), "{at}");
        }
    }

    #[test]
    fn keys_are_of_whoever_asks_as_policies_see_them() {
        let identity = zas_policy::Identity { id: "kc/1".into(), name: "alice".into(), ..Default::default() };
        let session = zas_policy::Identity {
            roles: vec!["deploy".into()],
            session: Some(zas_policy::Session { name: "job".into(), ..Default::default() }),
            ..identity.clone()
        };
        let again = zas_policy::Identity { id: "kc/2".into(), ..identity.clone() };
        let owners = [
            owner(&Principal::identity(identity)),
            owner(&Principal::identity(session)),
            owner(&Principal::identity(again)),
            owner(&Principal::root("AKIA")),
        ];
        assert!(owners.iter().enumerate().all(|(at, one)| !owners[at + 1..].contains(one)));
    }
}
