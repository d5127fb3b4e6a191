//! [`Trail`]: what is known of a request when it is authorised, so that a handler can record what it does.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use zas_policy::{Action, Principal, Resource};

use http::{HeaderMap, header};

use super::{Api, Kind, Record};
use crate::error::RequestId;
use crate::gateway::RequestContext;

/// What is known of a request besides who asks for what.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The request's id.
    pub request_id: String,
    /// Which API was used.
    pub api: Api,
    /// The client's address.
    pub source_ip: Option<IpAddr>,
    /// What the client calls itself; the `User-Agent` header.
    pub user_agent: Option<String>,
    /// Whether the request came over TLS.
    pub tls: bool,
    /// When the request began.
    pub begun: Instant,
}

impl Facts {
    /// Of something that the service begins now of itself.
    #[must_use]
    pub fn of_the_service() -> Self {
        Self {
            request_id: RequestId::generate().as_str().to_owned(),
            api: Api::System,
            source_ip: None,
            user_agent: None,
            tls: false,
            begun: Instant::now(),
        }
    }

    /// Of a request that begins now.
    #[must_use]
    pub fn of(api: Api, context: &RequestContext, headers: &HeaderMap) -> Self {
        Self {
            request_id: context.request_id.as_str().to_owned(),
            api,
            source_ip: context.peer.map(|peer| peer.ip()),
            user_agent: headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).map(str::to_owned),
            tls: context.secure,
            begun: Instant::now(),
        }
    }
}

/// A request's facts, or none for what the service does of itself. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Trail(Option<Arc<Facts>>);

impl Trail {
    /// Of a request.
    #[must_use]
    pub fn of(facts: Facts) -> Self {
        Self(Some(Arc::new(facts)))
    }

    /// Leaves no record.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// The request's facts.
    #[must_use]
    pub fn facts(&self) -> Option<&Facts> {
        self.0.as_deref()
    }

    /// A record of this request; `None` where nothing is to be recorded.
    #[must_use]
    pub fn record(&self, kind: Kind, principal: &Principal, action: Action, resource: &Resource) -> Option<Record> {
        let facts = self.facts()?;
        let record = Record::new(kind)
            .principal(principal)
            .api(facts.api)
            .action(action)
            .on(resource)
            .request(&facts.request_id)
            .client(facts.source_ip, facts.user_agent.as_deref(), facts.tls)
            .took(facts.begun.elapsed());
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_a_trail_leaves_no_record() {
        let principal = Principal::root("AKIA");
        let none = Trail::none().record(Kind::Operation, &principal, Action::PutObject, &Resource::Service);
        assert_eq!(none, None);
    }

    #[test]
    fn a_trail_fills_in_what_is_known_of_the_request() {
        let trail = Trail::of(Facts {
            request_id: "r-1".into(),
            api: Api::S3,
            source_ip: Some(IpAddr::from([127, 0, 0, 1])),
            user_agent: Some("test".into()),
            tls: true,
            begun: Instant::now(),
        });
        let principal = Principal::root("AKIA");
        let record = trail.record(Kind::Operation, &principal, Action::PutObject, &Resource::object("b", "k")).unwrap();
        let text = record.canonical(uuid::Uuid::nil());
        for part in [r#""request_id":"r-1""#, r#""principal":"root/AKIA""#, r#""tls":true"#] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}
