//! Access keys: of service accounts, and of people.

use time::OffsetDateTime;

use super::*;

#[tokio::test]
async fn an_access_key_is_made_used_rotated_disabled_and_deleted() {
    let world = World::new().await;
    let body = json!({"name": "ci-bot", "groups": ["/teams/build"], "description": "pushes"});
    let (status, made) = world.ask(Method::POST, "/-/api/v1/access-keys", Some(body)).await;
    assert_eq!((status, &made["name"]), (StatusCode::CREATED, &json!("service/ci-bot")), "{made}");
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let me = async |id: &str, secret: &str| {
        let pair = STANDARD.encode(format!("{id}:{secret}"));
        let request = Request::builder().uri("/-/api/v1/whoami").header(header::AUTHORIZATION, format!("Basic {pair}"));
        let response = world.api.call(request.body(full(bytes::Bytes::new())).unwrap()).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice::<Value>(&bytes).unwrap())
    };
    let (status, whoami) = me(id, secret).await;
    assert_eq!(
        (status, &whoami["principal"], &whoami["groups"]),
        (StatusCode::OK, &json!("user/service/ci-bot"), &json!(["/teams/build"])),
        "{whoami}"
    );
    let path = format!("/-/api/v1/access-keys/{id}");
    let (_, shown) = world.ask(Method::GET, &path, None).await;
    assert_eq!((&shown["secret"], &shown["created_by"]), (&Value::Null, &json!("root/AKIA")));
    let (status, second) = world.ask(Method::POST, &format!("{path}/rotate"), Some(json!({}))).await;
    assert_eq!((status, &second["account"]), (StatusCode::CREATED, &made["account"]));
    assert_eq!(me(second["id"].as_str().unwrap(), second["secret"].as_str().unwrap()).await.0, StatusCode::OK);
    let (status, third) = world.ask(Method::POST, &format!("{path}/rotate"), Some(json!({}))).await;
    assert_eq!((status, &third["code"]), (StatusCode::CONFLICT, &json!("limit_exceeded")));
    let ended = json!({"expires_at": "2020-01-01T00:00:00Z"});
    let (status, error) = world.ask(Method::POST, &format!("{path}/rotate"), Some(ended)).await;
    assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("expires_at")));
    let (status, changed) = world.ask(Method::PATCH, &path, Some(json!({"disabled": true}))).await;
    assert_eq!((status, &changed["disabled"]), (StatusCode::OK, &json!(true)), "{changed}");
    assert_eq!(me(id, secret).await.0, StatusCode::UNAUTHORIZED);
    world.ask(Method::PATCH, &path, Some(json!({"disabled": false}))).await;
    assert_eq!(me(id, secret).await.0, StatusCode::OK);
    assert_eq!(world.ask(Method::DELETE, &path, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(me(id, secret).await.0, StatusCode::UNAUTHORIZED);
    let (_, listed) = world.ask(Method::GET, "/-/api/v1/access-keys", None).await;
    assert_eq!(listed["access_keys"].as_array().unwrap().len(), 1);
    assert!(!listed.to_string().contains("secret"), "{listed}");
}

#[tokio::test]
async fn what_an_access_key_may_do_is_what_policies_say() {
    let world = World::new().await;
    let body = json!({"name": "auditor-bot", "groups": ["/auditors"]});
    let (_, made) = world.ask(Method::POST, "/-/api/v1/access-keys", Some(body)).await;
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let ask = async |path: &str| {
        let pair = STANDARD.encode(format!("{id}:{secret}"));
        let request = Request::builder().uri(path).header(header::AUTHORIZATION, format!("Basic {pair}"));
        world.api.call(request.body(full(bytes::Bytes::new())).unwrap()).await.status()
    };
    assert_eq!(ask("/-/api/v1/policies").await, StatusCode::FORBIDDEN);
    let attach = "/-/api/v1/policies/auditor/attachments?kind=group&name=/auditors";
    assert_eq!(world.ask(Method::PUT, attach, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ask("/-/api/v1/policies").await, StatusCode::OK);
    assert_eq!(ask("/-/api/v1/buckets/none/effective?user=a").await, StatusCode::NOT_FOUND);
    world.ask(Method::DELETE, attach, None).await;
    assert_eq!(ask("/-/api/v1/policies").await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_access_key_that_cannot_be_is_refused_by_field() {
    let world = World::new().await;
    for (body, field) in [
        (json!({"name": ""}), "name"),
        (json!({"name": "a/b"}), "name"),
        (json!({"name": "a", "expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
        (json!({"name": "a", "policy": {"Statement": []}}), "policy.Statement"),
        (json!({"name": "a", "policy": 7}), "policy"),
    ] {
        let (status, error) = world.ask(Method::POST, "/-/api/v1/access-keys", Some(body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(error.to_string().contains(&format!("\"{field}\"")), "{error}");
    }
    let missing = world.ask(Method::GET, "/-/api/v1/access-keys/ZASKAAAAAAAAAAAAAAAA", None).await;
    assert_eq!((missing.0, &missing.1["code"]), (StatusCode::NOT_FOUND, &json!("no_such_entity")));
}

#[tokio::test]
async fn people_make_access_keys_for_themselves_and_see_nobody_elses() {
    let world = World::new().await;
    let own = json!({"document": {"Statement": {"Effect": "Allow", "Action": "admin:*Own*", "Resource": "*"}}});
    assert_eq!(world.ask(Method::PUT, "/-/api/v1/policies/own-keys", Some(own)).await.0, StatusCode::OK);
    let attach = "/-/api/v1/policies/own-keys/attachments?kind=group&name=/staff";
    assert!(world.ask(Method::PUT, attach, None).await.0.is_success());
    let bearer = |user: &str, further: Value| Some(format!("Bearer {}", world.issuer.token(user, &further).unwrap()));
    let me = "/-/api/v1/me/access-keys";
    let alice = bearer("alice", Value::Null);
    let (status, made) =
        world.ask_with(alice.clone(), Method::POST, me, json!({"description": "laptop"}).to_string()).await;
    assert_eq!(
        (status, &made["name"], &made["account"]),
        (StatusCode::CREATED, &json!("alice"), &json!("kc/id-of-alice"))
    );
    assert!(made["expires_at"].is_string(), "nobody's is good for ever");
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let one = format!("{me}/{id}");
    assert_eq!(world.ask_with(alice.clone(), Method::GET, &one, String::new()).await.0, StatusCode::OK);
    let (_, listed) = world.ask_with(alice.clone(), Method::GET, me, String::new()).await;
    assert_eq!(listed["access_keys"].as_array().unwrap().len(), 1, "{listed}");
    // Others see nothing of it, and a key is no way to another.
    let bob = bearer("bob", Value::Null);
    assert_eq!(world.ask_with(bob.clone(), Method::DELETE, &one, String::new()).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.ask_with(bob, Method::GET, me, String::new()).await.1["access_keys"], json!([]));
    let key = Some(format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))));
    let (status, who) = world.ask_with(key.clone(), Method::GET, "/-/api/v1/whoami", String::new()).await;
    assert_eq!((status, &who["principal"]), (StatusCode::OK, &json!("user/alice")), "{who}");
    assert_eq!(world.ask_with(key.clone(), Method::POST, me, "{}".into()).await.0, StatusCode::FORBIDDEN);
    assert_eq!(world.ask(Method::POST, me, Some(json!({}))).await.0, StatusCode::FORBIDDEN, "root is no person");
    let late = json!({"expires_at": "2099-01-01T00:00:00Z"}).to_string();
    let (status, error) = world.ask_with(alice.clone(), Method::POST, me, late).await;
    assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("expires_at")));
    let off = json!({"disabled": true}).to_string();
    assert_eq!(world.ask_with(alice.clone(), Method::PATCH, &one, off).await.0, StatusCode::OK);
    assert_eq!(world.ask_with(key, Method::GET, "/-/api/v1/whoami", String::new()).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(world.ask_with(alice, Method::DELETE, &one, String::new()).await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_persons_key_has_the_groups_of_the_last_token_and_ends_with_the_person() {
    let world = World::new().await;
    let attach = "/-/api/v1/policies/admin/attachments?kind=group&name=/staff";
    assert!(world.ask(Method::PUT, attach, None).await.0.is_success());
    let bearer = |further: Value| Some(format!("Bearer {}", world.issuer.token("alice", &further).unwrap()));
    let me = "/-/api/v1/me/access-keys";
    let (status, made) = world.ask_with(bearer(Value::Null), Method::POST, me, "{}".into()).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let key = || Some(format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))));
    let buckets = async || world.ask_with(key(), Method::GET, "/-/api/v1/buckets", String::new()).await.0;
    assert_eq!(buckets().await, StatusCode::OK);
    // Taken out of the group: known with the next token.
    world.ask_with(bearer(json!({"groups": []})), Method::GET, "/-/api/v1/whoami", String::new()).await;
    let begun = std::time::Instant::now();
    while buckets().await != StatusCode::FORBIDDEN {
        assert!(begun.elapsed() < std::time::Duration::from_secs(10));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let gone = json!({"kind": "subject", "value": "kc/id-of-alice", "reason": "left"});
    assert_eq!(world.ask(Method::POST, "/-/api/v1/revocations", Some(gone)).await.0, StatusCode::NO_CONTENT);
    world.app.identity.stored().unwrap().forget(id).await;
    assert_eq!(buckets().await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        world.ask_with(bearer(Value::Null), Method::GET, "/-/api/v1/whoami", String::new()).await.0,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_restricted_key_makes_no_other_and_a_person_takes_along_what_the_person_made() {
    let world = World::new().await;
    let attach = "/-/api/v1/policies/admin/attachments?kind=group&name=/staff";
    assert!(world.ask(Method::PUT, attach, None).await.0.is_success());
    let alice = Some(format!("Bearer {}", world.issuer.token("alice", &Value::Null).unwrap()));
    let keys = "/-/api/v1/access-keys";
    let make = async |by: Option<String>, body: Value| world.ask_with(by, Method::POST, keys, body.to_string()).await;
    let as_key = |made: &Value| {
        let pair = format!("{}:{}", made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
        Some(format!("Basic {}", STANDARD.encode(pair)))
    };
    let everything = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
    let (_, narrowed) =
        make(alice.clone(), json!({"name": "narrowed", "groups": ["/staff"], "policy": everything})).await;
    let (status, error) = make(as_key(&narrowed), json!({"name": "wider", "groups": ["/staff"]})).await;
    assert_eq!((status, &error["code"]), (StatusCode::FORBIDDEN, &json!("access_denied")), "{error}");
    let rotate = format!("{keys}/{}/rotate", narrowed["id"].as_str().unwrap());
    let (status, _) = world.ask_with(as_key(&narrowed), Method::POST, &rotate, "{}".into()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (_, plain) = make(alice, json!({"name": "plain", "groups": ["/staff"]})).await;
    assert_eq!(make(as_key(&plain), json!({"name": "more"})).await.0, StatusCode::CREATED);
    let gone = json!({"kind": "subject", "value": "kc/id-of-alice"});
    assert_eq!(world.ask(Method::POST, "/-/api/v1/revocations", Some(gone)).await.0, StatusCode::NO_CONTENT);
    let (_, shown) = world.ask(Method::GET, &format!("{keys}/{}", plain["id"].as_str().unwrap()), None).await;
    assert_eq!(shown["disabled"], json!(true), "{shown}");
}

#[tokio::test]
async fn an_access_key_is_made_to_end_sooner_or_later() {
    let world = World::new().await;
    let (_, made) = world.ask(Method::POST, "/-/api/v1/access-keys", Some(json!({"name": "ci-bot"}))).await;
    let path = format!("/-/api/v1/access-keys/{}", made["id"].as_str().unwrap());
    let end = "2099-01-01T00:00:00Z";
    let (status, changed) = world.ask(Method::PATCH, &path, Some(json!({"expires_at": end}))).await;
    assert_eq!((status, &changed["expires_at"]), (StatusCode::OK, &json!(end)), "{changed}");
    let (_, changed) = world.ask(Method::PATCH, &path, Some(json!({"expires_at": null}))).await;
    assert_eq!((&changed["expires_at"], &changed["disabled"]), (&Value::Null, &json!(false)));
    for wrong in [json!({}), json!({"disabled": true, "expires_at": end}), json!({"disabled": null})] {
        let (status, error) = world.ask(Method::PATCH, &path, Some(wrong.clone())).await;
        assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("disabled")), "{wrong}");
    }
    let (_, changed) = world.ask(Method::PATCH, &path, Some(json!({"expires_at": "2020-01-01T00:00:00Z"}))).await;
    assert_eq!(changed["expires_at"], json!("2020-01-01T00:00:00Z"));
    let key = basic(made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let whoami = world.ask_with(Some(key), Method::GET, "/-/api/v1/whoami", String::new()).await;
    assert_eq!(whoami.0, StatusCode::UNAUTHORIZED, "it has ended");
}

#[tokio::test]
async fn a_persons_key_is_nobody_elses_way_in_and_no_way_to_stay_for_longer() {
    let world = World::new().await;
    let own = json!({"document": {"Statement": {"Effect": "Allow", "Action": "admin:*Own*", "Resource": "*"}}});
    assert_eq!(world.ask(Method::PUT, "/-/api/v1/policies/own-keys", Some(own)).await.0, StatusCode::OK);
    let attach = "/-/api/v1/policies/own-keys/attachments?kind=group&name=/staff";
    assert!(world.ask(Method::PUT, attach, None).await.0.is_success());
    let alice = Some(format!("Bearer {}", world.issuer.token("alice", &Value::Null).unwrap()));
    let me = "/-/api/v1/me/access-keys";
    let soon = (OffsetDateTime::now_utc() + time::Duration::days(2)).replace_nanosecond(0).unwrap();
    let at = |moment: OffsetDateTime| moment.format(&time::format_description::well_known::Rfc3339).unwrap();
    let first = json!({"expires_at": at(soon)}).to_string();
    let (_, made) = world.ask_with(alice.clone(), Method::POST, me, first).await;
    let id = made["id"].as_str().unwrap();
    // Somebody who manages keys may end it, and gets no secret of it.
    let (status, _) = world.ask(Method::POST, &format!("/-/api/v1/access-keys/{id}/rotate"), Some(json!({}))).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let for_ever = Some(json!({"expires_at": "2099-01-01T00:00:00Z"}));
    let (status, error) = world.ask(Method::PATCH, &format!("/-/api/v1/access-keys/{id}"), for_ever).await;
    assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("expires_at")));
    // Whoever has found the key cannot keep it alive.
    let found = Some(basic(id, made["secret"].as_str().unwrap()));
    let (one, rotate) = (format!("{me}/{id}"), format!("{me}/{id}/rotate"));
    let later = json!({"expires_at": at(soon + time::Duration::days(1))}).to_string();
    for (method, path) in [(Method::POST, &rotate), (Method::PATCH, &one)] {
        let (status, error) = world.ask_with(found.clone(), method.clone(), path, later.clone()).await;
        assert_eq!((status, &error["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("expires_at")), "{method}");
    }
    let (status, second) = world.ask_with(found.clone(), Method::POST, &rotate, "{}".into()).await;
    assert_eq!((status, &second["expires_at"]), (StatusCode::CREATED, &made["expires_at"]), "{second}");
    let (_, ended) = world.ask_with(found, Method::PATCH, &one, json!({"expires_at": null}).to_string()).await;
    assert_eq!(ended["expires_at"], made["expires_at"]);
    // The person may.
    let (status, longer) = world.ask_with(alice, Method::PATCH, &one, later).await;
    assert_eq!((status, &longer["expires_at"]), (StatusCode::OK, &json!(at(soon + time::Duration::days(1)))));
}
