//! A record that is made of another one: the outcome of an intent that nobody has said the outcome of.

use serde_json::Value;
use uuid::Uuid;

use super::{Kind, Reconciled, Record};

impl Record {
    /// An outcome of an intent by its canonical form: who asked, for what, on what; the moment is now. `None` where the text is
    /// no record.
    #[must_use]
    pub(crate) fn outcome_of(intent: &Value) -> Option<Self> {
        let text = |name: &str| intent.get(name).and_then(Value::as_str).map(str::to_owned);
        let id = Uuid::parse_str(intent.get("id")?.as_str()?).ok()?;
        let api = intent.get("api").and_then(|api| serde_json::from_value(api.clone()).ok());
        let outcome = Self {
            access_key_id: text("access_key_id"),
            action: text("action"),
            api,
            digest: text("digest"),
            issuer: text("issuer"),
            note: text("note"),
            principal: text("principal"),
            principal_id: text("principal_id"),
            reference: text("reference"),
            request_id: text("request_id"),
            resource: text("resource"),
            session: text("session"),
            upstream: text("upstream"),
            ..Self::new(Kind::Outcome)
        };
        Some(outcome.of_intent(id))
    }

    /// The outcome of this intent, whose request was given up before anything was forwarded.
    #[must_use]
    pub(crate) fn not_forwarded(&self) -> Self {
        let Self { id, kind, time, .. } = Self::new(Kind::Outcome);
        let outcome = Self { id, kind, time, duration_us: None, ..self.clone() };
        outcome.of_intent(self.id).reconciled(Reconciled::NotForwarded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Api;
    use zas_policy::{Principal, Resource};

    const SAME: [&str; 9] =
        ["access_key_id", "action", "api", "note", "principal", "reference", "request_id", "resource", "upstream"];

    #[test]
    fn an_outcome_says_of_whom_and_of_what_it_is_and_has_a_time_and_an_id_of_its_own() {
        let intent = Record::new(Kind::Intent)
            .principal(&Principal::root("AKIA"))
            .api(Api::Oci)
            .action("oci:Push")
            .on(&Resource::repository("team/app"))
            .reference("v1")
            .note("PushManifest".to_owned())
            .upstream("zas/app")
            .request("r");
        let canonical: Value = serde_json::from_str(&intent.canonical(Uuid::nil())).unwrap();
        let outcome = Record::outcome_of(&canonical).unwrap().reconciled(Reconciled::Absent);
        assert_eq!((outcome.kind(), outcome.intent()), (Kind::Outcome, Some(intent.id())));
        assert!(outcome.id() != intent.id() && outcome.time() >= intent.time());
        let text: Value = serde_json::from_str(&outcome.canonical(Uuid::nil())).unwrap();
        for name in SAME {
            assert!(canonical[name].is_string());
            assert_eq!(text[name], canonical[name], "{name}");
        }
        assert_eq!(text["outcome"], "absent");
    }

    #[test]
    fn what_was_not_forwarded_is_an_outcome_of_its_own() {
        let intent = Record::new(Kind::Intent).reference("v1").took(std::time::Duration::from_millis(3));
        let outcome = intent.not_forwarded();
        assert_eq!((outcome.kind(), outcome.intent()), (Kind::Outcome, Some(intent.id())));
        assert!(outcome.id() != intent.id() && outcome.time() >= intent.time());
        let text: Value = serde_json::from_str(&outcome.canonical(Uuid::nil())).unwrap();
        assert_eq!((&text["outcome"], &text["reference"]), (&"not_forwarded".into(), &"v1".into()));
        assert!(text["duration_us"].is_null());
    }

    #[test]
    fn what_is_no_record_has_no_outcome() {
        for text in ["null", "{}", r#"{"id": "x"}"#, "[]"] {
            assert_eq!(Record::outcome_of(&serde_json::from_str(text).unwrap()), None, "{text}");
        }
    }
}
