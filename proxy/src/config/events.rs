//! `[events]`: webhooks that may be told what happens to objects, and how hard it is tried.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PrivateUrl, Secret};

/// Events of objects. Which bucket tells which target is said by PutBucketNotificationConfiguration.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Events {
    /// Whether this replica tells targets. What happens is written down all the same, for those that do.
    pub deliver: bool,
    /// How many events each replica tells one target at once.
    pub concurrency: u32,
    /// How often one event is tried before it is dead. The pauses grow from 5 seconds to an hour: 24 attempts take about 15 hours.
    pub attempts: u32,
    /// How long dead events are kept, for somebody to ask for them again.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub dead_retention: Duration,
    /// Dead events that are kept for one target; beyond that the oldest go, and are counted.
    pub dead_events: u32,
    /// Events of one bucket that may wait for one target; those beyond it are dead soon, and counted. No write fails for it.
    pub waiting_events: u32,
    /// Networks that targets made through the management API may be in although they are not public, such as `10.0.0.0/8`.
    #[schemars(with = "Vec<String>")]
    pub allowed_networks: Vec<IpNet>,
    /// Targets; more can be made through the management API.
    pub targets: Vec<EventTarget>,
}

/// A webhook that buckets may name as `arn:zas:webhook:::<name>`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-list" = true))]
pub struct EventTarget {
    /// The name: 1 to 64 letters, digits, `.`, `_` and `-`. What waits is stored under it.
    pub name: String,
    /// Where events are posted to. Redirects are not followed. May hold a token, so only its host is ever shown.
    pub url: PrivateUrl,
    /// `s3` or `cloudevents`.
    #[serde(default)]
    pub format: EventFormat,
    /// Signs each body: `X-Zas-Signature: sha256=<hex HMAC-SHA256>`. Give this or `secret_file`; with neither nothing is signed.
    pub secret: Option<Secret>,
    /// A file that holds the secret, such as a mounted Kubernetes secret; white space around it is ignored.
    pub secret_file: Option<PathBuf>,
}

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventFormat {
    /// As S3 sends it to queues and topics: `{"Records": […]}`, one record.
    #[default]
    S3,
    /// CloudEvents 1.0, structured JSON.
    CloudEvents,
}

impl EventFormat {
    /// As the index and REST have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::CloudEvents => "cloudevents",
        }
    }

    /// Reads it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::S3, Self::CloudEvents].into_iter().find(|format| format.as_str() == text)
    }
}

impl Default for Events {
    fn default() -> Self {
        Self {
            deliver: true,
            concurrency: 4,
            attempts: 24,
            dead_retention: Duration::from_secs(7 * 24 * 3600),
            dead_events: 1_000_000,
            waiting_events: 1_000_000,
            allowed_networks: Vec::new(),
            targets: Vec::new(),
        }
    }
}

/// Whether targets can be told apart, and named in an ARN.
/// # Errors
/// The field below `events`, and what is wanted.
pub(super) fn check(events: &Events) -> Result<(), (String, &'static str)> {
    let counts = [
        ("concurrency", events.concurrency),
        ("attempts", events.attempts),
        ("dead_events", events.dead_events),
        ("waiting_events", events.waiting_events),
    ];
    if let Some((field, _)) = counts.iter().find(|(_, count)| *count == 0) {
        return Err(((*field).to_owned(), "must be at least 1"));
    }
    let mut names = std::collections::HashSet::new();
    for (i, target) in events.targets.iter().enumerate() {
        let wrong = |field: &str, text| Err((format!("targets[{i}].{field}"), text));
        if !is_target_name(&target.name) {
            return wrong("name", "must be 1 to 64 letters, digits, ., _ and -, and begin with a letter or a digit");
        }
        if !names.insert(target.name.as_str()) {
            return wrong("name", "is there twice");
        }
        if target.secret.as_ref().is_some_and(Secret::is_empty) {
            return wrong("secret", "must not be empty");
        }
    }
    Ok(())
}

/// Whether a text can be the name of a target.
#[must_use]
pub fn is_target_name(name: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_alphanumeric();
    (1..=64).contains(&name.len())
        && name.bytes().next().is_some_and(first)
        && name.bytes().all(|byte| first(byte) || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str) -> EventTarget {
        EventTarget {
            name: name.to_owned(),
            url: PrivateUrl::new("https://hooks.example"),
            format: EventFormat::S3,
            secret: None,
            secret_file: None,
        }
    }

    #[test]
    fn targets_have_names_of_their_own_that_can_stand_in_an_arn() {
        let with =
            |targets: Vec<EventTarget>| check(&Events { targets, ..Events::default() }).map_err(|(field, _)| field);
        assert_eq!(with(vec![target("ci"), target("A.b_c-1")]), Ok(()));
        for name in ["", "a:b", "a/b", ".a", "-", "ä", "a b", &"a".repeat(65)] {
            assert_eq!(with(vec![target("ci"), target(name)]), Err("targets[1].name".to_owned()), "{name}");
        }
        assert_eq!(with(vec![target("ci"), target("ci")]), Err("targets[1].name".to_owned()));
        let unsigned = EventTarget { secret: Some(Secret::new("")), ..target("ci") };
        assert_eq!(with(vec![unsigned]), Err("targets[0].secret".to_owned()));
        let none = Events { attempts: 0, ..Events::default() };
        assert_eq!(check(&none).unwrap_err().0, "attempts");
    }
}
