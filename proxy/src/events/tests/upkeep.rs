//! What is given up and forgotten, by whom, and what happens when targets come, go and change.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::World;
use crate::events::Target;
use crate::events::sender::Told;
use crate::events::upkeep::Upkeep;
use crate::index::{Event, EventBacklog, EventOverflow};

#[tokio::test]
async fn beyond_the_bound_of_a_bucket_the_newest_are_dead_and_nothing_is_lost() {
    let mut world = World::new().await;
    (world.config.events.waiting_events, world.config.events.dead_events) = (2, 2);
    for etag in ["1", "2", "3", "4", "5"] {
        world.put(&format!("in/{etag}"), etag).await;
    }
    let overflow = |events| [EventOverflow { target: "ci".to_owned(), bucket: "b".to_owned(), events }];
    assert_eq!(world.index.bound_events(2, 1).await.unwrap(), overflow(1), "no more at a time than was said");
    assert_eq!(world.index.bound_events(2, 10).await.unwrap(), overflow(2));
    assert!(world.index.bound_events(2, 10).await.unwrap().is_empty(), "it is within the bound now");
    assert_eq!(world.count("SELECT count(*) FROM event_lanes").await, 2, "lanes go with what waited in them");
    world.tell_all().await;
    assert_eq!(world.receiver.told().len(), 2);
    let dead = |events: &[Event]| events.iter().map(|event| event.etag.clone().unwrap()).collect::<Vec<_>>();
    assert_eq!(dead(&world.index.dead_events("ci", 0, 10).await.unwrap().0), ["3", "4", "5"]);
    let upkeep = Upkeep::new(world.index.clone(), world.config.events.clone());
    upkeep.round(&mut HashSet::new()).await.unwrap();
    assert_eq!(dead(&world.index.dead_events("ci", 0, 10).await.unwrap().0), ["4", "5"], "of the dead the oldest go");
    let gone = world.index.forget_dead_events(Duration::ZERO, 10, 1).await.unwrap();
    assert_eq!(gone, [("ci".to_owned(), 1_u64)], "no more at a time than was said");
}

#[tokio::test]
async fn a_target_that_takes_nothing_takes_nothing_from_the_others_of_its_bucket() {
    let mut world = World::new().await;
    world.config.events.waiting_events = 2;
    for etag in ["1", "2", "3", "4"] {
        world.put(&format!("in/{etag}"), etag).await;
    }
    world.also_tell("other").await;
    world.put("in/5", "5").await;
    Upkeep::new(world.index.clone(), world.config.events.clone()).round(&mut HashSet::new()).await.unwrap();
    let backlogs = world.index.event_backlog(Some(&["ci", "other", "none"])).await.unwrap();
    let counts = |backlog: &EventBacklog| (backlog.target.clone(), backlog.pending, backlog.failed);
    let wanted = [("ci".to_owned(), 2_i64, 3_i64), ("other".to_owned(), 1, 0)];
    assert_eq!(backlogs.iter().map(counts).collect::<Vec<_>>(), wanted);
    let of_ci = world.index.event_backlog(Some(&["ci"])).await.unwrap();
    assert_eq!(of_ci.iter().map(counts).collect::<Vec<_>>(), wanted[..1], "of those alone that are asked for");
}

#[tokio::test]
async fn one_round_of_upkeep_goes_on_for_as_long_as_there_is_more_than_a_batch() {
    let mut world = World::new().await;
    (world.config.events.waiting_events, world.config.events.dead_events) = (1, 2);
    for etag in ["1", "2", "3", "4", "5", "6"] {
        world.put(&format!("in/{etag}"), etag).await;
    }
    let mut upkeep = Upkeep::new(world.index.clone(), world.config.events.clone());
    upkeep.batch = 1;
    upkeep.round(&mut HashSet::new()).await.unwrap();
    let backlog = world.index.event_backlog(None).await.unwrap();
    assert_eq!((backlog[0].pending, backlog[0].failed), (1, 2), "of five that were given up three are forgotten");
}

#[tokio::test]
async fn one_replica_at_a_time_keeps_events_up() {
    let world = World::new().await;
    for etag in ["1", "2", "3"] {
        world.put(&format!("in/{etag}"), etag).await;
    }
    let other = world.index.begin().await.unwrap();
    assert_eq!(other.index().bound_events(2, 10).await.unwrap()[0].events, 1);
    assert!(world.index.bound_events(1, 10).await.unwrap().is_empty(), "another is at it");
    assert!(world.index.forget_dead_events(Duration::ZERO, 1, 10).await.unwrap().is_empty());
    assert!(world.index.end_stray_events(&[], Duration::ZERO, 10).await.unwrap().is_empty());
    other.commit().await.unwrap();
    assert_eq!(world.index.bound_events(1, 10).await.unwrap()[0].events, 1);
}

#[tokio::test]
async fn what_waits_for_a_target_that_there_is_not_is_dead_after_a_while() {
    let world = World::new().await;
    world.put("in/a", "1").await;
    world.also_tell("lost").await;
    world.also_tell("other").await;
    world.put("in/b", "2").await;
    world.forget_target("lost").await;
    let configured = ["ci".to_owned()];
    let hour = Duration::from_secs(3600);
    assert!(world.index.end_stray_events(&configured, hour, 10).await.unwrap().is_empty(), "it may come yet");
    let ended = world.index.end_stray_events(&configured, Duration::ZERO, 10).await.unwrap();
    assert_eq!(ended, [("lost".to_owned(), 1_u64)]);
    let (dead, _) = world.index.dead_events("lost", 0, 10).await.unwrap();
    assert_eq!((dead.len(), dead[0].key.as_str()), (1, "in/b"), "a target of the same name can have it");
    assert_eq!(world.waiting().await, 3, "of the others nothing is dead");
    let lanes = "SELECT count(*) FILTER (WHERE target = 'lost') * 10 + count(*) FROM event_lanes";
    assert_eq!(world.count(lanes).await, 3, "its lanes are gone, and theirs are not");
}

#[tokio::test]
async fn a_target_that_changes_is_begun_afresh_and_the_others_go_on() {
    let mut world = World::new().await;
    world.config.events.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    world.store_target("made", true).await;
    let (mut told, stop) = (Told::default(), CancellationToken::new());
    let change = async |told: &mut Told| told.change(world.targets().enabled().await.unwrap().0, &stop);
    let begun = change(&mut told).await;
    let names = |begun: &[(Arc<Target>, CancellationToken)]| {
        begun.iter().map(|(target, _)| target.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&begun), ["ci", "made"]);
    assert!(change(&mut told).await.is_empty(), "nothing has changed");
    world.store_target("made", true).await;
    let afresh = change(&mut told).await;
    assert_eq!(names(&afresh), ["made"]);
    let is_over = |begun: &[(Arc<Target>, CancellationToken)]| {
        begun.iter().map(|(_, over)| over.is_cancelled()).collect::<Vec<_>>()
    };
    assert_eq!((is_over(&begun), is_over(&afresh)), (vec![false, true], vec![false]));
    world.store_target("made", false).await;
    assert!(change(&mut told).await.is_empty());
    assert_eq!((is_over(&begun), is_over(&afresh)), (vec![false, true], vec![true]));
    stop.cancel();
    assert_eq!(is_over(&begun), [true, true]);
}
