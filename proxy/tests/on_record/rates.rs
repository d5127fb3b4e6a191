//! How often one may ask, and that nobody fills the log.

use super::ask::Ask;
use super::sidecar::Sidecar;
use super::*;

#[tokio::test]
async fn an_address_that_shows_too_many_wrong_credentials_is_not_listened_to_for_a_while() {
    let world = World::with(|config| config.rates.failures_per_minute = 3).await;
    for _ in 0..7 {
        assert_eq!(world.ask_as("AKIA", "a-wrong-secret", "GET", "/v2/", "").await.0, 401);
    }
    // With the right ones too: what is counted is the address.
    for (target, status) in [("/v2/", 429), ("/-/api/v1/whoami", 429), ("/-/token", 429), ("/bucket", 503)] {
        assert_eq!(world.ask("GET", target, "").await.0, status, "{target}");
    }
    assert_eq!(world.ask("GET", "/-/livez", "").await.0, 200);
    assert!(world.records_of_kind("login").await.len() <= 7);
}

#[tokio::test]
async fn whoever_asks_too_often_for_what_they_may_not_do_is_told_to_wait_and_does_not_fill_the_log() {
    let world = World::with(|config| config.rates.denials_per_minute = 3).await;
    let mut keys = Vec::new();
    for name in ["ci", "other"] {
        let (_, made) = world.ask("POST", "/-/api/v1/access-keys", &format!(r#"{{"name":"{name}"}}"#)).await;
        let made: Value = serde_json::from_str(&made).unwrap();
        keys.push((made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned()));
    }
    let [(id, secret), (other, others)] = <[(String, String); 2]>::try_from(keys).unwrap();
    let mut statuses = Vec::new();
    for _ in 0..30 {
        statuses.push(world.ask_as(&id, &secret, "GET", "/v2/team/app/tags/list", "").await.0);
    }
    let denied = statuses.iter().filter(|status| **status == 403).count();
    assert_eq!(statuses[..6], [403; 6], "the rate, twice at once: {statuses:?}");
    assert!(statuses[6..].contains(&429) && statuses[6..].iter().all(|one| matches!(one, 403 | 429)), "{statuses:?}");
    let waiting = async {
        while world.records_of_kind("denial").await.len() < denied {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    // What one may do, and others, go on; what was too much left no record of its own.
    assert_eq!(world.ask_as(&id, &secret, "GET", "/-/api/v1/whoami", "").await.0, 200);
    assert_eq!(world.ask_as(&other, &others, "GET", "/v2/team/app/tags/list", "").await.0, 403);
    world.expect("team/app", |record| record["principal"] == "user/service/other").await;
    assert_eq!(world.records_of_kind("denial").await.len(), denied + 1);
    // But one for a minute, or for what there was of it.
    world.stop.cancel();
    let too_many = statuses.len() - denied;
    let told = async {
        loop {
            let records = world.records_of_kind("denial").await;
            if let Some(record) = records.into_iter().find(|record| record["lost"].is_u64()) {
                return record;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await.unwrap();
    assert_eq!((&told["lost"], &told["principal"]), (&too_many.into(), &"user/service/ci".into()));
    assert_eq!((&told["source_ip"], &told["error"]), (&"127.0.0.1".into(), &"denied_too_often".into()));
}

#[tokio::test]
async fn who_asks_too_often_is_told_to_wait() {
    let world = World::with(|config| config.rates.tokens_per_minute = 2).await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(world.ask("GET", "/-/token", "").await.0);
    }
    assert!(statuses.iter().all(|status| matches!(status, 200 | 429)) && statuses.contains(&429), "{statuses:?}");
    let world = World::with(|config| config.rates.reads_per_second = 1).await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(world.ask("GET", "/-/api/v1/configuration", "").await.0);
    }
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn whoever_shows_tokens_that_have_expired_is_listened_to() {
    let sidecar = Sidecar::start(|config| config.rates.failures_per_minute = 3).await;
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let late = sidecar.issuer.token("alice", &serde_json::json!({"iat": now - 300, "exp": now - 120})).unwrap();
    let ask = Ask::get("/-/api/v1/whoami");
    for _ in 0..20 {
        sidecar.send(&ask, Some(&format!("Bearer {late}"))).await.expect(401);
    }
    let fresh = format!("Bearer {}", sidecar.token("alice", &[]));
    sidecar.send(&ask, Some(&fresh)).await.expect(200);
}
