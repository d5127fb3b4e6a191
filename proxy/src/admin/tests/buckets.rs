//! Buckets by REST.

use super::*;

#[tokio::test]
async fn a_bucket_is_made_shown_listed_and_deleted() {
    let world = World::new().await;
    for name in ["releases", "logs", "scratch"] {
        let (status, made) = world.ask(Method::POST, "/-/api/v1/buckets", Some(json!({"name": name}))).await;
        assert_eq!((status, &made["name"], &made["owner"]), (StatusCode::CREATED, &json!(name), &json!("root/AKIA")));
    }
    let (status, again) = world.ask(Method::POST, "/-/api/v1/buckets", Some(json!({"name": "logs"}))).await;
    assert_eq!((status, &again["code"]), (StatusCode::CONFLICT, &json!("bucket_already_owned_by_you")));
    let (_, first) = world.ask(Method::GET, "/-/api/v1/buckets?limit=2", None).await;
    assert_eq!(first["next"], json!("releases"));
    let (_, second) = world.ask(Method::GET, "/-/api/v1/buckets?limit=2&after=releases", None).await;
    assert_eq!((&second["buckets"][0]["name"], &second["next"]), (&json!("scratch"), &Value::Null));
    assert_eq!(world.ask(Method::GET, "/-/api/v1/buckets/logs", None).await.0, StatusCode::OK);
    assert_eq!(world.ask(Method::DELETE, "/-/api/v1/buckets/logs", None).await.0, StatusCode::NO_CONTENT);
    let (status, gone) = world.ask(Method::GET, "/-/api/v1/buckets/logs", None).await;
    assert_eq!((status, &gone["code"]), (StatusCode::NOT_FOUND, &json!("no_such_bucket")));
}
