//! The log, asked by REST.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zas_policy::Resource;

use super::*;
use crate::audit::{Kind, Record};

#[tokio::test]
async fn the_audit_log_is_asked_in_pages_and_in_the_form_that_is_wanted() {
    let world = World::new().await;
    for key in ["a", "b", "c"] {
        let object = Resource::object("logs", key);
        let record = Record::new(Kind::Operation).action("s3:PutObject").on(&object).answered(200, None);
        world.app.index.append_audit(&[record]).await.unwrap();
    }
    let ask = async |rest: &str| {
        world.ask(Method::GET, &format!("/-/api/v1/audit?from=2020-01-01T00:00:00Z{rest}"), None).await.1
    };
    let to = (OffsetDateTime::now_utc() + time::Duration::HOUR).format(&Rfc3339).unwrap();
    let first = ask(&format!("&to={to}&resource=logs&limit=2")).await;
    assert_eq!((&first["records"][0]["reference"], &first["records"][1]["reference"]), (&json!("a"), &json!("b")));
    let next = first["next"].as_str().unwrap();
    let second = ask(&format!("&to={to}&resource=logs&format=ocsf&after={next}")).await;
    assert_eq!(second["records"].as_array().unwrap().len(), 1, "{second}");
    assert_eq!((&second["records"][0]["class_uid"], &second["next"]), (&json!(6003), &Value::Null));
    assert_eq!(ask("&resource=elsewhere").await["records"], json!([]));
    assert_eq!(ask("&limit=0").await["code"], json!("invalid_argument"));
    assert_eq!(ask("&after=x").await["code"], json!("invalid_argument"));
    assert_eq!(world.ask(Method::GET, "/-/api/v1/audit", None).await.1["code"], json!("invalid_argument"));
}
