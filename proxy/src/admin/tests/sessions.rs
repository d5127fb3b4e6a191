//! Sessions and revocations.

use super::*;

#[tokio::test]
async fn what_was_issued_is_ended_before_its_time() {
    let world = World::new().await;
    let revoke = async |body: Value| world.ask(Method::POST, "/-/api/v1/revocations", Some(body)).await;
    assert_eq!(revoke(json!({"kind": "subject", "value": "kc/1", "reason": "left"})).await.0, StatusCode::NO_CONTENT);
    assert_eq!(revoke(json!({"kind": "token", "value": "kc/jti"})).await.0, StatusCode::NO_CONTENT);
    let (_, listed) = world.ask(Method::GET, "/-/api/v1/revocations", None).await;
    assert_eq!(listed["revocations"].as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(
        (&listed["revocations"][1]["reason"], &listed["revocations"][1]["revoked_by"]),
        (&json!("left"), &json!("root/AKIA"))
    );
    for (body, field) in [
        (json!({"kind": "token", "value": ""}), "value"),
        (json!({"kind": "token", "value": "a\nb"}), "value"),
        (json!({"kind": "session", "value": "x"}), "value"),
    ] {
        let (status, error) = revoke(body).await;
        assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!(field)));
    }
    let none = "/-/api/v1/sessions/00000000-0000-0000-0000-000000000000";
    assert_eq!(world.ask(Method::DELETE, none, None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.ask(Method::GET, none, None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.ask(Method::GET, "/-/api/v1/sessions", None).await.1["sessions"], json!([]));
}

#[tokio::test]
async fn what_was_revoked_is_listed_in_pages_the_latest_first() {
    let world = World::new().await;
    let mut all: Vec<String> = (0..5).map(|number| format!("kc/a.b-{number}")).collect();
    for value in &all {
        let body = json!({"kind": "token", "value": value});
        assert_eq!(world.ask(Method::POST, "/-/api/v1/revocations", Some(body)).await.0, StatusCode::NO_CONTENT);
    }
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let (status, page) = world.ask(Method::GET, &format!("/-/api/v1/revocations?limit=2{next}"), None).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        seen.extend(
            page["revocations"].as_array().unwrap().iter().map(|one| one["value"].as_str().unwrap().to_owned()),
        );
        let Some(after) = page["next"].as_str() else { break };
        next = format!("&after={after}");
    }
    all.reverse();
    assert_eq!(seen, all);
}
