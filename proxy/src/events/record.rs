//! How an event is written: as S3's own record (AWS, *Event message structure*, version 2.1), or that record in a CloudEvent
//! (CloudEvents 1.0, JSON format; names as the CloudEvents adapter for AWS S3 has them).
//!
//! What the outbox does not know is empty: the address of whoever has asked. The id of an event stands where S3 has the request's.

use serde_json::{Value, json};
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use crate::config::EventFormat;
use crate::error::{Error, Result};
use crate::index::Event;

/// What bodies are.
const JSON: &str = "application/json";
const CLOUD_EVENT: &str = "application/cloudevents+json; charset=utf-8";

/// What is posted: the type of the body, and the body.
pub(super) type Message = (&'static str, String);

/// An event.
/// # Errors
/// `InternalError`: its time cannot be written.
pub(super) fn message(event: &Event, format: EventFormat) -> Result<Message> {
    let record = record(event)?;
    Ok(match format {
        EventFormat::S3 => (JSON, json!({ "Records": [record] }).to_string()),
        EventFormat::CloudEvents => {
            let source = format!("aws:s3.{}.{}", event.region, event.bucket);
            let subject = url_encoded(&event.key);
            let id = sequencer(event);
            (
                CLOUD_EVENT,
                cloud_event(&id, &source, &event.event, Some(&subject), &written(event.occurred_at)?, &record),
            )
        }
    })
}

/// What S3 sends when a configuration is set.
/// # Errors
/// `InternalError`: the time cannot be written.
pub(super) fn test_message(bucket: &str, region: &str, request_id: &str, format: EventFormat) -> Result<Message> {
    let time = written(OffsetDateTime::now_utc())?;
    let test = json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": time,
        "Bucket": bucket,
        "RequestId": request_id,
        "HostId": request_id,
    });
    Ok(match format {
        EventFormat::S3 => (JSON, test.to_string()),
        EventFormat::CloudEvents => {
            let source = format!("aws:s3.{region}.{bucket}");
            (CLOUD_EVENT, cloud_event(request_id, &source, "TestEvent", None, &time, &test))
        }
    })
}

fn cloud_event(id: &str, source: &str, event: &str, subject: Option<&str>, time: &str, data: &Value) -> String {
    let mut written = json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": format!("com.amazonaws.s3.{event}"),
        "time": time,
        "datacontenttype": JSON,
        "data": data,
    });
    if let (Some(subject), Value::Object(fields)) = (subject, &mut written) {
        fields.insert("subject".to_owned(), subject.into());
    }
    written.to_string()
}

fn record(event: &Event) -> Result<Value> {
    let id = sequencer(event);
    let mut object = json!({ "key": url_encoded(&event.key), "sequencer": id });
    if let Value::Object(fields) = &mut object {
        let known = [
            ("size", event.size.map(Value::from)),
            ("eTag", event.etag.as_deref().map(Value::from)),
            ("versionId", event.version_id.as_deref().map(Value::from)),
        ];
        fields.extend(known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    Ok(json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": event.region,
        "eventTime": written(event.occurred_at)?,
        "eventName": event.event,
        "userIdentity": { "principalId": event.principal.as_deref().unwrap_or_default() },
        "requestParameters": { "sourceIPAddress": "" },
        "responseElements": { "x-amz-request-id": id, "x-amz-id-2": id },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": event.rule,
            "bucket": {
                "name": event.bucket,
                "ownerIdentity": { "principalId": event.owner },
                "arn": format!("arn:aws:s3:::{}", event.bucket),
            },
            "object": object,
        },
    }))
}

/// Greater for what happened later to the same key, compared as texts of this length.
fn sequencer(event: &Event) -> String {
    format!("{:018X}", event.id)
}

/// As S3 writes keys: a form's encoding, in which slashes stay.
fn url_encoded(key: &str) -> String {
    url::form_urlencoded::byte_serialize(key.as_bytes()).collect::<String>().replace("%2F", "/")
}

/// With milliseconds, as S3 has them.
fn written(time: OffsetDateTime) -> Result<String> {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    time.to_offset(UtcOffset::UTC).format(format).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn event() -> Event {
        Event {
            id: 255,
            claim: 1,
            attempts: 1,
            rule: "new".to_owned(),
            bucket: "releases".to_owned(),
            owner: "user/alice".to_owned(),
            region: "us-east-1".to_owned(),
            key: "linux/a b+ü.tgz".to_owned(),
            event: "ObjectCreated:Put".to_owned(),
            version_id: Some("0af7".to_owned()),
            size: Some(7),
            etag: Some("abc".to_owned()),
            principal: Some("user/bob".to_owned()),
            occurred_at: datetime!(2026-01-02 03:04:05.678 +01:00),
            error: None,
            failed_at: None,
        }
    }

    fn read((content_type, body): Message) -> (&'static str, Value) {
        (content_type, serde_json::from_str(&body).unwrap())
    }

    #[test]
    fn a_record_has_the_fields_of_s3() {
        let (content_type, body) = read(message(&event(), EventFormat::S3).unwrap());
        assert_eq!(content_type, "application/json");
        let wanted = json!({"Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "us-east-1",
            "eventTime": "2026-01-02T02:04:05.678Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": "user/bob"},
            "requestParameters": {"sourceIPAddress": ""},
            "responseElements": {"x-amz-request-id": "0000000000000000FF", "x-amz-id-2": "0000000000000000FF"},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "new",
                "bucket": {
                    "name": "releases",
                    "ownerIdentity": {"principalId": "user/alice"},
                    "arn": "arn:aws:s3:::releases",
                },
                "object": {
                    "key": "linux/a+b%2B%C3%BC.tgz",
                    "size": 7,
                    "eTag": "abc",
                    "versionId": "0af7",
                    "sequencer": "0000000000000000FF",
                },
            },
        }]});
        assert_eq!(body, wanted);
    }

    #[test]
    fn what_is_not_known_of_an_object_that_is_gone_is_left_out() {
        let gone = Event { size: None, etag: None, version_id: None, principal: None, ..event() };
        let (_, body) = read(message(&gone, EventFormat::S3).unwrap());
        let object = body["Records"][0]["s3"]["object"].as_object().unwrap();
        assert_eq!(object.keys().collect::<Vec<_>>(), ["key", "sequencer"]);
        assert_eq!(body["Records"][0]["userIdentity"]["principalId"], "");
    }

    #[test]
    fn a_cloud_event_carries_the_record() {
        let (content_type, body) = read(message(&event(), EventFormat::CloudEvents).unwrap());
        assert!(content_type.starts_with("application/cloudevents+json"));
        let (_, plain) = read(message(&event(), EventFormat::S3).unwrap());
        let wanted = json!({
            "specversion": "1.0",
            "id": "0000000000000000FF",
            "source": "aws:s3.us-east-1.releases",
            "type": "com.amazonaws.s3.ObjectCreated:Put",
            "subject": "linux/a+b%2B%C3%BC.tgz",
            "time": "2026-01-02T02:04:05.678Z",
            "datacontenttype": "application/json",
            "data": plain["Records"][0],
        });
        assert_eq!(body, wanted);
    }

    #[test]
    fn a_test_says_which_bucket_it_is_from() {
        let (_, plain) = read(test_message("releases", "us-east-1", "r-1", EventFormat::S3).unwrap());
        assert_eq!((&plain["Event"], &plain["Bucket"]), (&json!("s3:TestEvent"), &json!("releases")));
        let (_, cloud) = read(test_message("releases", "us-east-1", "r-1", EventFormat::CloudEvents).unwrap());
        assert_eq!((&cloud["type"], &cloud["id"]), (&json!("com.amazonaws.s3.TestEvent"), &json!("r-1")));
        assert_eq!(cloud["data"]["Event"], "s3:TestEvent");
        assert!(cloud.get("subject").is_none());
    }

    #[test]
    fn what_happens_later_has_a_greater_sequencer() {
        let of = |id| sequencer(&Event { id, ..event() });
        assert!(of(9) < of(10) && of(15) < of(16) && of(1) < of(i64::MAX));
    }
}
