//! Sessions, revocations, and what tokens are taken for.

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
    for (body, field) in
        [(json!({"kind": "token", "value": ""}), "value"), (json!({"kind": "token", "value": "a\nb"}), "value")]
    {
        let (status, error) = revoke(body).await;
        assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!(field)));
    }
    let (status, error) = revoke(json!({"kind": "session", "value": "x"})).await;
    assert_eq!((status, &error["details"]["field"]), (StatusCode::NOT_FOUND, &json!("value")));
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

#[tokio::test]
async fn a_page_may_end_at_a_revocation_of_any_kind_and_the_description_says_so() {
    let world = World::new().await;
    let description: Value = serde_json::from_str(&document()).unwrap();
    let parameters = description["paths"]["/-/api/v1/revocations"]["get"]["parameters"].as_array().unwrap();
    let after = parameters.iter().find(|parameter| parameter["name"] == "after").unwrap();
    for kind in ["token", "login", "subject"] {
        for value in ["kc/one", "kc/two"] {
            let body = json!({"kind": kind, "value": value});
            assert_eq!(world.ask(Method::POST, "/-/api/v1/revocations", Some(body)).await.0, StatusCode::NO_CONTENT);
        }
        let (_, page) = world.ask(Method::GET, "/-/api/v1/revocations?limit=1", None).await;
        let next = page["next"].as_str().unwrap();
        assert!(next.ends_with(&format!(".{kind}.kc/two")), "{next}");
        let pattern = after["schema"]["pattern"].as_str().unwrap();
        assert!(pattern.contains(&format!("{kind}|")) || pattern.contains(&format!("|{kind})")), "{kind}: {pattern}");
    }
}

#[tokio::test]
async fn whoever_may_ask_is_told_whom_a_token_speaks_of_or_why_it_is_not_accepted() {
    let world = World::new().await;
    let token = |further: Value| world.issuer.token("alice", &further).unwrap();
    let explain = async |token: &str| {
        let (status, told) = world.ask(Method::POST, "/-/api/v1/tokens/explain", Some(json!({"token": token}))).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        told
    };
    let good = token(json!({"jti": "one"}));
    let told = explain(&good).await;
    assert_eq!(
        (&told["accepted"], &told["principal"], &told["reason"]),
        (&json!(true), &json!("user/alice"), &Value::Null)
    );
    assert_eq!((&told["id"], &told["groups"]), (&json!("kc/id-of-alice"), &json!(["/staff"])));
    assert!(told["expires_at"].is_string(), "{told}");
    let strange = good.rsplit_once('.').unwrap().0.to_owned() + ".AAAA";
    for (token, reason) in [
        (token(json!({"aud": "other"})), "aud claim does not hold zas"),
        (token(json!({"iss": "https://other.example"})), "no issuer of this name is configured"),
        (strange, "the signature does not match"),
        ("no token".to_owned(), "a token has three parts"),
    ] {
        let told = explain(&token).await;
        assert_eq!((&told["accepted"], &told["principal"]), (&json!(false), &Value::Null));
        assert!(told["reason"].as_str().unwrap().contains(reason), "{told}");
        // Who shows such a token is not told more than that it is not accepted, unless the issuer has signed it.
        let shown =
            world.ask_with(Some(format!("Bearer {token}")), Method::GET, "/-/api/v1/whoami", String::new()).await;
        assert!(shown.0.is_client_error(), "{shown:?}");
    }
    // A key that may be new: whoever asks about the token has shown no wrong credential.
    let made_up = world.issuer.sign(&world.issuer.claims("alice"), &json!({"kid": "made-up"})).unwrap();
    let told = explain(&made_up).await;
    assert!(told["accepted"] == false && told["reason"].as_str().unwrap().contains("not known yet"), "{told}");
    let revocation = json!({"kind": "token", "value": "kc/one"});
    assert_eq!(world.ask(Method::POST, "/-/api/v1/revocations", Some(revocation)).await.0, StatusCode::NO_CONTENT);
    assert_eq!(explain(&good).await["reason"], json!("The token was revoked."));
    let bob = Some(format!("Bearer {}", world.issuer.token("bob", &Value::Null).unwrap()));
    let asked = json!({"token": good}).to_string();
    let (status, _) = world.ask_with(bob, Method::POST, "/-/api/v1/tokens/explain", asked).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}
