//! Roles.

use super::*;

#[tokio::test]
async fn a_role_is_made_shown_changed_and_deleted_with_its_trust_policy() {
    let world = World::new().await;
    let trust =
        json!({"Statement": {"Effect": "Allow", "Principal": {"AWS": "user/alice"}, "Action": "sts:AssumeRole"}});
    let role = |max: i32| Some(json!({"trust_policy": trust, "max_session": max, "description": "deploys"}));
    let path = "/-/api/v1/roles/deploy";
    assert_eq!(world.ask(Method::GET, path, None).await.0, StatusCode::NOT_FOUND);
    let (status, tried) = world.ask(Method::PUT, &format!("{path}?dry_run=true"), role(3600)).await;
    assert_eq!((status, &tried["version"]), (StatusCode::OK, &json!(0)));
    assert_eq!(world.ask(Method::GET, path, None).await.0, StatusCode::NOT_FOUND);
    let (status, made) = world.ask(Method::PUT, path, role(7200)).await;
    assert_eq!(
        (status, &made["arn"], &made["max_session"]),
        (StatusCode::OK, &json!("arn:aws:iam:::role/deploy"), &json!(7200))
    );
    let (_, shown) = world.ask(Method::GET, path, None).await;
    assert_eq!((&shown["trust_policy"], &shown["version"]), (&trust, &made["version"]));
    let (_, listed) = world.ask(Method::GET, "/-/api/v1/roles", None).await;
    assert_eq!((&listed["roles"][0]["name"], listed["roles"][0].get("trust_policy")), (&json!("deploy"), None));
    let (status, error) = world.ask(Method::PUT, path, role(899)).await;
    assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("max_session")));
    let careless = json!({"trust_policy": {"Statement": {"Effect": "Allow", "Principal": {"Federated": "gh"},
        "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringLike": {"jwt:sub": "*"}}}}});
    let (status, error) = world.ask(Method::PUT, path, Some(careless)).await;
    assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &json!("malformed_policy")));
    assert_eq!(world.ask(Method::DELETE, path, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.ask(Method::DELETE, path, None).await.0, StatusCode::NOT_FOUND);
    let (_, history) = world.ask(Method::GET, &format!("{path}/history"), None).await;
    let changes: Vec<&str> =
        history["changes"].as_array().unwrap().iter().map(|c| c["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["delete", "put"]);
    assert_eq!(history["changes"][1]["state"]["max_session"], json!(7200));
}
