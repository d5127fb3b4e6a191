//! Records as others read them: our own JSON, CloudEvents 1.0, OCSF 1.3 (API Activity, Authentication).

use serde_json::{Map, Value, json};

use crate::config::AuditFormat;
use crate::index::AuditEvent;

/// One event as one line of JSON, without the line feed. An intent whose outcome was not heard of says
/// `"outcome":"unknown"`.
#[must_use]
pub fn render(event: &AuditEvent, format: AuditFormat) -> String {
    match format {
        AuditFormat::Jsonl if !event.is_open => event.record.clone(),
        AuditFormat::Jsonl => record(event).to_string(),
        AuditFormat::CloudEvents => cloud_event(event).to_string(),
        AuditFormat::Ocsf => ocsf(event).to_string(),
    }
}

fn record(event: &AuditEvent) -> Value {
    let mut record = serde_json::from_str(&event.record).unwrap_or_else(|_| Value::Object(Map::new()));
    if let (true, Some(fields)) = (event.is_open, record.as_object_mut()) {
        fields.insert("outcome".to_owned(), "unknown".into());
    }
    record
}

/// CloudEvents 1.0.2, "JSON Event Format".
fn cloud_event(event: &AuditEvent) -> Value {
    let data = record(event);
    let mut cloud = json!({
        "specversion": "1.0",
        "id": event.id,
        "source": format!("/zot-artifact-store/{}", event.writer),
        "type": format!("zot-artifact-store.audit.{}", event.kind),
        "time": data.get("time"),
        "datacontenttype": "application/json",
        "data": data,
    });
    if let (Some(resource), Some(fields)) = (&event.resource, cloud.as_object_mut()) {
        fields.insert("subject".to_owned(), resource.as_str().into());
    }
    cloud
}

/// OCSF 1.3: classes 3002 (Authentication) and 6003 (API Activity); `type_uid` is the class times 100 plus the activity.
fn ocsf(event: &AuditEvent) -> Value {
    let data = record(event);
    let is_authentication = matches!(event.kind.as_str(), "login" | "token");
    let (category, class, activity): (u32, u32, u32) = match event.kind.as_str() {
        "login" => (3, 3002, 1),
        // Authentication Ticket.
        "token" => (3, 3002, 3),
        _ => (6, 6003, activity(event.action.as_deref().unwrap_or_default())),
    };
    let failed = event.status.is_some_and(|status| status >= 400) || event.kind == "denial";
    let field = |name: &str| data.get(name).cloned().unwrap_or(Value::Null);
    let user =
        json!({ "name": field("principal"), "uid": field("principal_id"), "credential_uid": field("access_key_id") });
    let mut ocsf = json!({
        "category_uid": category,
        "class_uid": class,
        "activity_id": activity,
        "type_uid": class * 100 + activity,
        "severity_id": if event.kind == "denial" { 3 } else { 1 },
        "status_id": status(&data, event, failed),
        "status_code": field("error"),
        "time": event.time.unix_timestamp_nanos() / 1_000_000,
        "metadata": {
            "uid": event.id,
            "version": "1.3.0",
            "product": { "name": "Zot Artifact Store", "vendor_name": "zot-artifact-store" },
        },
        "actor": { "user": user },
        "src_endpoint": { "ip": field("source_ip") },
        "http_request": { "uid": field("request_id"), "user_agent": field("user_agent") },
        "unmapped": data,
    });
    let Some(fields) = ocsf.as_object_mut() else { return ocsf };
    if is_authentication {
        fields.insert("user".to_owned(), user);
    } else {
        let api = json!({
            "operation": event.action,
            "service": { "name": data.get("api") },
            "response": { "code": event.status },
        });
        fields.insert("api".to_owned(), api);
        let resources: Vec<Value> = event.resource.iter().map(|name| json!({ "name": name })).collect();
        fields.insert("resources".to_owned(), resources.into());
    }
    ocsf
}

/// `status_id`: 0 unknown, 1 success, 2 failure. Where the registry was asked afterwards, a deletion has succeeded if nothing is
/// there, and anything else if something is. What says nothing of how a request went (0: nobody was answered) is not taken for a
/// success.
fn status(data: &Value, event: &AuditEvent, failed: bool) -> u32 {
    let deletes = activity(event.action.as_deref().unwrap_or_default()) == 4;
    let is_of_a_request = matches!(event.kind.as_str(), "operation" | "intent" | "outcome");
    match data.get("outcome").and_then(Value::as_str) {
        Some("found") => 1 + u32::from(deletes),
        Some("absent") => 1 + u32::from(!deletes),
        Some("not_forwarded") => 2,
        Some(_) => 0,
        None if is_of_a_request && event.status.unwrap_or_default() == 0 => 0,
        None => 1 + u32::from(failed),
    }
}

/// `activity_id` of API Activity: 1 create, 2 read, 3 update, 4 delete, 99 other.
fn activity(action: &str) -> u32 {
    let verb = action.rsplit(':').next().unwrap_or_default();
    let begins = |verbs: &[&str]| verbs.iter().any(|one| verb.starts_with(one));
    if begins(&["Create", "Initiate"]) {
        1
    } else if begins(&["Get", "Head", "List", "Pull"]) {
        2
    } else if begins(&["Put", "Push", "Copy", "Upload", "Complete", "Update"]) {
        3
    } else if begins(&["Delete", "Abort", "ForceDelete", "Retire"]) {
        4
    } else {
        99
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Kind, Record};
    use uuid::Uuid;
    use zas_policy::{Principal, Resource};

    fn event(kind: Kind, action: &str, status: u16) -> AuditEvent {
        let record = Record::new(kind)
            .principal(&Principal::root("AKIA"))
            .action(action)
            .on(&Resource::object("b", "k"))
            .answered(status, None);
        AuditEvent {
            time: record.time(),
            id: record.id(),
            writer: Uuid::nil(),
            kind: kind.as_str().to_owned(),
            request_id: None,
            principal: Some("root/AKIA".to_owned()),
            resource: Some("b".to_owned()),
            action: Some(action.to_owned()),
            status: Some(status.into()),
            record: record.canonical(Uuid::nil()),
            is_open: false,
        }
    }

    fn rendered(event: &AuditEvent, format: AuditFormat) -> Value {
        serde_json::from_str(&render(event, format)).unwrap()
    }

    #[test]
    fn our_own_form_is_the_record_as_it_was_sealed() {
        let event = event(Kind::Operation, "s3:PutObject", 200);
        assert_eq!(render(&event, AuditFormat::Jsonl), event.record);
    }

    #[test]
    fn an_intent_without_an_outcome_says_that_it_is_not_known() {
        let open = AuditEvent { is_open: true, ..event(Kind::Intent, "oci:PushManifest", 202) };
        assert_eq!(rendered(&open, AuditFormat::Jsonl)["outcome"], "unknown");
        assert_eq!(rendered(&open, AuditFormat::CloudEvents)["data"]["outcome"], "unknown");
        assert_eq!(rendered(&open, AuditFormat::Ocsf)["status_id"], 0);
    }

    #[test]
    fn an_outcome_that_the_registry_was_asked_for_succeeded_where_it_says_so() {
        use crate::audit::Reconciled::{Absent, Found, NotForwarded, Unknown};
        for (action, outcome, status_id) in [
            ("oci:Push", Found, 1),
            ("oci:Push", Absent, 2),
            ("oci:Push", Unknown, 0),
            ("oci:Delete", Found, 2),
            ("oci:Delete", Absent, 1),
            ("oci:Delete", NotForwarded, 2),
            ("oci:Push", NotForwarded, 2),
        ] {
            let record = Record::new(Kind::Outcome).action(action).reconciled(outcome);
            let event =
                AuditEvent { record: record.canonical(Uuid::nil()), status: None, ..event(Kind::Outcome, action, 0) };
            assert_eq!(rendered(&event, AuditFormat::Ocsf)["status_id"], status_id, "{action} {outcome:?}");
        }
    }

    #[test]
    fn what_does_not_say_how_it_went_is_no_success() {
        for kind in [Kind::Operation, Kind::Intent, Kind::Outcome] {
            for status in [None, Some(0)] {
                let event = AuditEvent { status, ..event(kind, "oci:Push", 0) };
                assert_eq!(rendered(&event, AuditFormat::Ocsf)["status_id"], 0, "{kind:?} {status:?}");
            }
        }
        let denial = AuditEvent { status: None, ..event(Kind::Denial, "oci:Push", 0) };
        assert_eq!(rendered(&denial, AuditFormat::Ocsf)["status_id"], 2);
    }

    #[test]
    fn a_cloud_event_has_the_attributes_that_it_must_have() {
        let event = event(Kind::Denial, "s3:PutObject", 403);
        let cloud = rendered(&event, AuditFormat::CloudEvents);
        assert_eq!(cloud["specversion"], "1.0");
        assert_eq!(cloud["type"], "zot-artifact-store.audit.denial");
        assert_eq!(cloud["id"], event.id.to_string());
        assert_eq!(cloud["subject"], "b");
        assert_eq!(cloud["data"]["reference"], "k");
    }

    #[test]
    fn ocsf_has_classes_activities_and_types() {
        for (kind, action, status, class, kind_uid, status_id) in [
            (Kind::Operation, "s3:PutObject", 200, 6003, 600_303, 1),
            (Kind::Operation, "s3:GetObject", 200, 6003, 600_302, 1),
            (Kind::Operation, "s3:CreateBucket", 409, 6003, 600_301, 2),
            (Kind::Denial, "s3:DeleteObject", 403, 6003, 600_304, 2),
            (Kind::Login, "sts:x", 200, 3002, 300_201, 1),
            (Kind::Token, "sts:x", 200, 3002, 300_203, 1),
        ] {
            let ocsf = rendered(&event(kind, action, status), AuditFormat::Ocsf);
            assert_eq!((&ocsf["class_uid"], &ocsf["type_uid"]), (&json!(class), &json!(kind_uid)), "{action}");
            assert_eq!(ocsf["status_id"], status_id, "{action}");
            assert_eq!(ocsf["actor"]["user"]["name"], "root/AKIA");
        }
    }
}
