//! [`Record`]: one line of the audit log, typed.
//!
//! A record is made of the fields below and of nothing else: no header, query or body gets in, so that no secret can.
//! Every text is cut at a bound, so that a client cannot grow the log at will.

mod recorded;

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;
use zas_policy::{Principal, Resource};

/// The version of the canonical form.
const VERSION: u8 = 1;

/// Longest name that a record keeps, in bytes: principals, repositories, user agents.
const NAME_BYTES: usize = 512;

/// Longest key or reference, in bytes: S3's own limit for keys.
const KEY_BYTES: usize = 1024;

/// Most statements that a record names.
const STATEMENTS: usize = 16;

/// Most tags that a record names: as many as one push may set.
const TAGS: usize = 46;

/// What kind of event a record tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A request that was served, or failed after it was allowed.
    Operation,
    /// A request that was refused for who asked, or for what they may.
    Denial,
    /// Somebody showed who they are.
    Login,
    /// A token or a session was issued.
    Token,
    /// A change is about to be forwarded to the registry.
    Intent,
    /// What became of an intent.
    Outcome,
    /// Records were lost, and how many.
    Gap,
    /// A checkpoint was made.
    Checkpoint,
    /// A day's records went with their retention.
    Tombstone,
}

impl Kind {
    /// The name, as in the canonical form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operation => "operation",
            Self::Denial => "denial",
            Self::Login => "login",
            Self::Token => "token",
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Gap => "gap",
            Self::Checkpoint => "checkpoint",
            Self::Tombstone => "tombstone",
        }
    }
}

/// What is known of a change whose answer nobody has heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reconciled {
    /// The registry was asked: what the change was about is there.
    Found,
    /// The registry was asked: it is not there.
    Absent,
    /// It cannot be told.
    Unknown,
    /// The registry was never told of it.
    #[serde(rename = "not_forwarded")]
    NotForwarded,
}

/// Which API was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// Amazon S3.
    S3,
    /// The OCI distribution API.
    Oci,
    /// AWS STS.
    Sts,
    /// Management (`/-/api`).
    Rest,
    /// The supply-chain API.
    Supply,
    /// The service itself.
    System,
}

/// What the policy said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decided {
    /// Whether it was allowed.
    pub allowed: bool,
    /// The statements that decided it, as `policy/statement`.
    pub statements: Vec<String>,
}

/// One record. Fields stand in the order of their names, which is the order of the canonical form.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<Api>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    intent: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Reconciled>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statements: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(serialize_with = "instant")]
    time: OffsetDateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    v: u8,
    writer: Option<Uuid>,
}

impl Record {
    /// A record of this moment with nothing in it but its kind.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let now = OffsetDateTime::now_utc();
        // Postgres keeps microseconds.
        let time = now.replace_nanosecond(now.nanosecond() / 1000 * 1000).unwrap_or(now);
        Self {
            access_key_id: None,
            action: None,
            api: None,
            bytes_in: None,
            bytes_out: None,
            decision: None,
            digest: None,
            duration_us: None,
            error: None,
            id: Uuid::now_v7(),
            intent: None,
            issuer: None,
            kind,
            lost: None,
            note: None,
            outcome: None,
            principal: None,
            principal_id: None,
            reference: None,
            request_id: None,
            resource: None,
            session: None,
            source_ip: None,
            statements: Vec::new(),
            status: None,
            tags: Vec::new(),
            time,
            tls: None,
            upstream: None,
            user_agent: None,
            v: VERSION,
            writer: None,
        }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// What kind of event it tells of.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The intent that it is the outcome of.
    #[must_use]
    pub const fn intent(&self) -> Option<Uuid> {
        self.intent
    }

    /// When it happened, to the microsecond.
    #[must_use]
    pub const fn time(&self) -> OffsetDateTime {
        self.time
    }

    /// Says who asked.
    #[must_use]
    pub fn principal(mut self, principal: &Principal) -> Self {
        self.principal = Some(cut(&principal.to_string(), NAME_BYTES));
        match principal {
            Principal::Root { access_key_id } => self.access_key_id = Some(cut(access_key_id, NAME_BYTES)),
            Principal::Identity(identity) => {
                self.principal_id = Some(cut(&identity.id, NAME_BYTES));
                self.issuer = named(&identity.issuer);
                self.access_key_id = identity.access_key_id.as_deref().and_then(named);
                self.session = identity.session.as_ref().and_then(|session| named(&session.name));
            }
            Principal::Anonymous => {}
        }
        self
    }

    /// Says whose word it was done on, where an issuer asked and no principal.
    #[must_use]
    pub fn issuer(mut self, name: &str) -> Self {
        self.issuer = named(name);
        self
    }

    /// Says through which API.
    #[must_use]
    pub const fn api(mut self, api: Api) -> Self {
        self.api = Some(api);
        self
    }

    /// Says what was asked for, as policies name it.
    #[must_use]
    pub fn action(mut self, action: impl std::fmt::Display) -> Self {
        self.action = Some(cut(&action.to_string(), NAME_BYTES));
        self
    }

    /// Says on what: bucket and key, or repository.
    #[must_use]
    pub fn on(mut self, resource: &Resource) -> Self {
        match resource {
            Resource::Service => {}
            Resource::Bucket { bucket } => self.resource = named(bucket),
            Resource::Object { bucket, key } => {
                self.resource = named(bucket);
                self.reference = Some(cut(key, KEY_BYTES));
            }
            Resource::Repository { name } | Resource::Role { name } | Resource::Managed { name, .. } => {
                self.resource = named(name);
            }
        }
        self
    }

    /// Says on which key, tag or digest of the resource.
    #[must_use]
    pub fn reference(mut self, reference: &str) -> Self {
        self.reference = Some(cut(reference, KEY_BYTES));
        self
    }

    /// Says which tags are set, where the reference is a digest.
    #[must_use]
    pub fn tags(mut self, tags: &[String]) -> Self {
        self.tags = tags.iter().take(TAGS).map(|tag| cut(tag, NAME_BYTES)).collect();
        self
    }

    /// Says which bytes.
    #[must_use]
    pub fn digest(mut self, digest: impl std::fmt::Display) -> Self {
        self.digest = Some(cut(&digest.to_string(), NAME_BYTES));
        self
    }

    /// Says what the policy decided.
    #[must_use]
    pub fn decided(mut self, decided: &Decided) -> Self {
        self.decision = Some(if decided.allowed { "allow" } else { "deny" });
        self.statements = decided.statements.iter().take(STATEMENTS).map(|name| cut(name, NAME_BYTES)).collect();
        self
    }

    /// Says which request it was.
    #[must_use]
    pub fn request(mut self, id: &str) -> Self {
        self.request_id = Some(cut(id, NAME_BYTES));
        self
    }

    /// Says where the request came from.
    #[must_use]
    pub fn client(mut self, source: Option<IpAddr>, user_agent: Option<&str>, tls: bool) -> Self {
        self.source_ip = source;
        self.user_agent = user_agent.and_then(named);
        self.tls = Some(tls);
        self
    }

    /// Says where requests came from, where nothing else is known of them.
    pub(crate) const fn source(mut self, source: Option<IpAddr>) -> Self {
        self.source_ip = source;
        self
    }

    /// Says what was answered: the HTTP status and, where it is an error, its code.
    #[must_use]
    pub fn answered(mut self, status: u16, error: Option<crate::error::Code>) -> Self {
        self.status = Some(status);
        self.error = error.map(|code| code.row().label);
        self
    }

    /// Says how many bytes came in and went out.
    #[must_use]
    pub const fn bytes(mut self, bytes_in: u64, bytes_out: u64) -> Self {
        self.bytes_in = Some(bytes_in);
        self.bytes_out = Some(bytes_out);
        self
    }

    /// Says how long it took.
    #[must_use]
    pub fn took(mut self, duration: Duration) -> Self {
        self.duration_us = Some(duration.as_micros().try_into().unwrap_or(u64::MAX));
        self
    }

    /// Says which intent it is the outcome of.
    #[must_use]
    pub const fn of_intent(mut self, intent: Uuid) -> Self {
        self.intent = Some(intent);
        self
    }

    /// Says which repository of the registry it is about: that is not always what the client calls it.
    #[must_use]
    pub(crate) fn upstream(mut self, repository: &str) -> Self {
        self.upstream = named(repository);
        self
    }

    /// Says what is known in place of the registry's answer.
    #[must_use]
    pub const fn reconciled(mut self, outcome: Reconciled) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// Says how many records were lost.
    pub(crate) const fn lost(mut self, lost: u64) -> Self {
        self.lost = Some(lost);
        self
    }

    /// A text of the service's own, for its own records.
    pub(crate) fn note(mut self, note: String) -> Self {
        self.note = Some(note);
        self
    }

    /// A text of the service's own besides what is noted already.
    pub(crate) fn noted_too(mut self, note: &str) -> Self {
        self.note = Some(match self.note {
            Some(noted) => format!("{noted}; {note}"),
            None => note.to_owned(),
        });
        self
    }

    /// The same facts as a record of their own: another id, and another key.
    #[must_use]
    pub fn again(&self, reference: &str) -> Self {
        Self { id: Uuid::now_v7(), ..self.clone() }.reference(reference)
    }

    /// The canonical bytes: JSON without white space, keys sorted. `writer` is the process that writes it down.
    #[must_use]
    pub fn canonical(&self, writer: Uuid) -> String {
        // Nothing in the struct can fail to become JSON: no map with keys that are no texts, no foreign `Serialize`.
        serde_json::to_string(&Self { writer: Some(writer), ..self.clone() }).unwrap_or_default()
    }
}

fn named(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| cut(text, NAME_BYTES))
}

/// Cuts a text at a bound, between characters. Postgres knows no NUL; it becomes U+FFFD.
fn cut(text: &str, bytes: usize) -> String {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().replace('\0', "\u{fffd}")
}

/// RFC 3339 in UTC with six digits of the second.
pub(crate) const INSTANT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

fn instant<S: serde::Serializer>(time: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    let text = time.to_offset(UtcOffset::UTC).format(INSTANT).map_err(serde::ser::Error::custom)?;
    serializer.serialize_str(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn full() -> Record {
        Record::new(Kind::Operation)
            .principal(&Principal::root("AKIA"))
            .api(Api::S3)
            .action("s3:PutObject")
            .on(&Resource::object("b", "k"))
            .digest("sha256:00")
            .decided(&Decided { allowed: true, statements: vec!["p/1".to_owned()] })
            .request("r")
            .client(Some(IpAddr::from([10, 0, 0, 1])), Some("aws-cli"), true)
            .answered(503, Some(crate::error::Code::SlowDown))
            .bytes(1, 2)
            .took(Duration::from_millis(3))
            .of_intent(Uuid::nil())
            .tags(&["v1".to_owned()])
            .lost(4)
            .note("n".to_owned())
            .upstream("zas/x")
            .reconciled(Reconciled::Found)
    }

    #[test]
    fn the_canonical_form_is_json_with_sorted_keys_and_no_white_space() {
        let text = full().canonical(Uuid::nil());
        let value: Value = serde_json::from_str(&text).unwrap();
        // serde_json's own map is sorted.
        assert_eq!(serde_json::to_string(&value).unwrap(), text);
        for (key, wanted) in [("kind", "operation"), ("resource", "b"), ("reference", "k"), ("error", "slow_down")] {
            assert_eq!(value[key], wanted, "{key}");
        }
        assert_eq!(value["source_ip"], "10.0.0.1");
        assert_eq!(value["duration_us"], 3000);
    }

    #[test]
    fn the_same_record_has_the_same_bytes() {
        let record = full();
        assert_eq!(record.canonical(Uuid::nil()), record.canonical(Uuid::nil()));
        assert_ne!(record.canonical(Uuid::nil()), record.canonical(Uuid::max()));
        assert_ne!(record.canonical(Uuid::nil()), record.again("other").canonical(Uuid::nil()));
    }

    #[test]
    fn texts_are_cut_between_characters_and_hold_no_nul() {
        let key = "ä".repeat(2000);
        let record = Record::new(Kind::Denial).on(&Resource::object("b\0b", key));
        assert_eq!(record.reference.as_ref().unwrap().len(), KEY_BYTES);
        assert_eq!(record.resource.as_deref(), Some("b\u{fffd}b"));
        let agent = "x".repeat(9000);
        let record = record.client(None, Some(&agent), false);
        assert_eq!(record.user_agent.unwrap().len(), NAME_BYTES);
    }

    #[test]
    fn the_time_is_kept_to_the_microsecond() {
        let record = Record::new(Kind::Login);
        assert_eq!(record.time().nanosecond() % 1000, 0);
        let value: Value = serde_json::from_str(&record.canonical(Uuid::nil())).unwrap();
        let read =
            OffsetDateTime::parse(value["time"].as_str().unwrap(), &time::format_description::well_known::Rfc3339)
                .unwrap();
        assert_eq!(read, record.time());
    }

    #[test]
    fn a_session_tells_whose_it_is() {
        let identity = zas_policy::Identity {
            id: "kc/123".into(),
            name: "alice".into(),
            issuer: "kc".into(),
            roles: vec!["deploy".into()],
            access_key_id: Some("ASIA1".into()),
            session: Some(zas_policy::Session { name: "job-7".into(), ..Default::default() }),
            ..Default::default()
        };
        let record = Record::new(Kind::Operation).principal(&Principal::identity(identity));
        assert_eq!(record.principal.as_deref(), Some("role/deploy/job-7"));
        assert_eq!(record.principal_id.as_deref(), Some("kc/123"));
        assert_eq!(record.issuer.as_deref(), Some("kc"));
        assert_eq!(record.access_key_id.as_deref(), Some("ASIA1"));
        assert_eq!(record.session.as_deref(), Some("job-7"));
    }
}
