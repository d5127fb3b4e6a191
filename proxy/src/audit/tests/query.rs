use time::{Duration, OffsetDateTime};

use super::world::World;
use crate::audit::{Kind, Record, query};
use crate::error::Code;
use crate::index::AuditFilter;
use zas_policy::{Principal, Resource};

fn last_hour() -> AuditFilter {
    let now = OffsetDateTime::now_utc();
    AuditFilter {
        from: now - Duration::HOUR,
        to: now + Duration::HOUR,
        resource: None,
        principal: None,
        action: None,
        status: None,
        request_id: None,
    }
}

async fn world() -> World {
    let world = World::new().await;
    let records: Vec<Record> = (0..6_u16)
        .map(|i| {
            let (bucket, who) = if i % 2 == 0 { ("even", "one") } else { ("odd", "two") };
            Record::new(Kind::Operation)
                .principal(&Principal::root(if i < 3 { who } else { "three" }))
                .action("s3:PutObject")
                .on(&Resource::object(bucket, i.to_string()))
                .request(&format!("request-{i}"))
                .answered(200 + i, None)
        })
        .collect();
    world.index.append_audit(&records).await.unwrap();
    world
}

async fn keys(world: &World, filter: AuditFilter) -> Vec<String> {
    let page = query(&world.index, &filter, None, 100).await.unwrap();
    let key = |record: &str| {
        serde_json::from_str::<serde_json::Value>(record).unwrap()["reference"].as_str().unwrap().to_owned()
    };
    page.events.iter().map(|event| key(&event.record)).collect()
}

#[tokio::test]
async fn each_filter_picks_its_records() {
    let world = world().await;
    assert_eq!(keys(&world, last_hour()).await, ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(keys(&world, AuditFilter { resource: Some("odd".into()), ..last_hour() }).await, ["1", "3", "5"]);
    let three = Some("root/three".to_owned());
    assert_eq!(keys(&world, AuditFilter { principal: three.clone(), ..last_hour() }).await, ["3", "4", "5"]);
    let both = AuditFilter { principal: three, resource: Some("odd".into()), ..last_hour() };
    assert_eq!(keys(&world, both).await, ["3", "5"]);
    assert_eq!(keys(&world, AuditFilter { status: Some(204), ..last_hour() }).await, ["4"]);
    assert_eq!(keys(&world, AuditFilter { request_id: Some("request-2".into()), ..last_hour() }).await, ["2"]);
    assert!(keys(&world, AuditFilter { action: Some("s3:GetObject".into()), ..last_hour() }).await.is_empty());
    let past = AuditFilter { to: OffsetDateTime::now_utc() - Duration::MINUTE, ..last_hour() };
    assert!(keys(&world, past).await.is_empty());
}

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_overlap() {
    let world = world().await;
    let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = query(&world.index, &last_hour(), after, 4).await.unwrap();
        seen.extend(page.events.iter().map(|event| event.id));
        pages += 1;
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!((seen.len(), pages), (6, 2));
    assert!(seen.is_sorted());
}

#[tokio::test]
async fn an_empty_range_and_an_empty_page_are_refused() {
    let world = World::new().await;
    let empty = AuditFilter { to: last_hour().from, ..last_hour() };
    assert_eq!(query(&world.index, &empty, None, 1).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(query(&world.index, &last_hour(), None, 0).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn an_intent_without_an_outcome_is_shown_as_unknown_after_ten_minutes() {
    let world = World::new().await;
    let intents = [Record::new(Kind::Intent), Record::new(Kind::Intent), Record::new(Kind::Intent)];
    world.index.append_audit(&intents).await.unwrap();
    world.index.append_audit(&[Record::new(Kind::Outcome).of_intent(intents[0].id())]).await.unwrap();
    let aged = format!("UPDATE audit_intent SET time = time - interval '11 minutes' WHERE id = '{}'", intents[1].id());
    world.tamper(&aged).await;
    let page = query(&world.index, &last_hour(), None, 10).await.unwrap();
    let open: Vec<_> = page.events.iter().filter(|event| event.is_open).map(|event| event.id).collect();
    assert_eq!(open, [intents[1].id()]);
}
