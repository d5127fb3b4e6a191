//! Runs that are stopped, killed, resumed and fought over.

use std::collections::BTreeSet;

use http::Method;
use zas_registry::{Fault, FaultKind, Route};

use super::*;

/// Objects whose bytes are lost, each with bytes of its own.
const LOST: usize = 20;

async fn with_losses() -> World {
    let world = World::new().await;
    for n in 0..LOST {
        let pinned = world.put("a", &format!("{n:02}"), &format!("lost {n}")).await;
        world.lose(&pinned);
    }
    world
}

fn keys(world: &World) -> BTreeSet<String> {
    world.heard.lock().unwrap().iter().filter_map(|finding| finding.key.clone()).collect()
}

/// One thing at a time, each saved.
fn careful() -> Effort {
    Effort { concurrency: 1, save_every: Duration::ZERO, ..World::effort() }
}

#[tokio::test]
async fn a_run_that_is_killed_anywhere_goes_on_where_it_was_and_skips_nothing() {
    let world = with_losses().await;
    let fsck = Fsck::begin(&world.config, Options::default(), careful(), world.listener()).await.unwrap();
    let id = fsck.id();
    let mut running = Box::pin(fsck.run(CancellationToken::new()));
    for rounds in 1.. {
        // As if killed: what it is at is dropped in the middle, and it saves nothing more.
        let heard = async {
            while world.heard.lock().unwrap().len() < (rounds * 6).min(LOST) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            _ = &mut running => break,
            () = heard => {}
        }
        drop(running);
        let resumed = resume(&world, id, careful()).await;
        running = Box::pin(resumed.run(CancellationToken::new()));
        if rounds == 3 {
            let report = running.await;
            assert!(report.unfinished.is_none(), "{report:?}");
            // What was found and not passed before a kill is told once more, and counted once.
            assert_eq!((report.left(), report.tally.looked_at["blobs"]), (LOST as u64, LOST as u64));
            break;
        }
    }
    assert_eq!(keys(&world).len(), LOST);
    let report = resume(&world, id, careful()).await.run(CancellationToken::new());
    assert_eq!(Box::pin(report).await.left(), LOST as u64, "one that has ended tells its end again");
}

/// The connection of a process that was killed takes a moment to be missed.
async fn resume(world: &World, id: i64, effort: Effort) -> Fsck {
    for _ in 0..1000 {
        match Fsck::resume(&world.config, id, effort.clone(), world.listener()).await {
            Err(error) if error.code() == Code::OperationAborted => tokio::time::sleep(Duration::from_millis(10)).await,
            other => return other.unwrap(),
        }
    }
    panic!("run {id} stays held");
}

#[tokio::test]
async fn a_run_is_held_by_one_process_at_a_time() {
    let world = World::new().await;
    let fsck = Fsck::begin(&world.config, Options::default(), World::effort(), world.listener()).await.unwrap();
    let second = Fsck::resume(&world.config, fsck.id(), World::effort(), world.listener()).await;
    assert_eq!(second.err().map(|error| error.code()), Some(Code::OperationAborted));
    let another = Fsck::begin(&world.config, Options::default(), World::effort(), world.listener()).await.unwrap();
    assert_ne!(fsck.id(), another.id());
    let report = Box::pin(fsck.run(CancellationToken::new())).await;
    assert!(report.unfinished.is_none());
    let none = Fsck::resume(&world.config, 999_999, World::effort(), world.listener()).await;
    assert_eq!(none.err().map(|error| error.code()), Some(Code::NoSuchEntity));
}

#[tokio::test]
async fn one_whose_run_was_taken_over_saves_nothing_more() {
    let world = World::new().await;
    let fsck = Fsck::begin(&world.config, Options::default(), World::effort(), world.listener()).await.unwrap();
    // As if its connection were lost, and another process had taken the run.
    world.sql("UPDATE fsck_runs SET holder = gen_random_uuid(), phase = 'pins'").await;
    let report = Box::pin(fsck.run(CancellationToken::new())).await;
    assert_eq!(report.unfinished.map(|error| error.code()), Some(Code::OperationAborted));
    assert_eq!(world.count("fsck_runs WHERE phase = 'pins' AND ended_at IS NULL").await, 1);
}

#[tokio::test]
async fn one_that_is_asked_to_stop_saves_its_place_and_is_not_complete() {
    let world = with_losses().await;
    let fsck = Fsck::begin(&world.config, mending(Repair::Counters), careful(), world.listener()).await.unwrap();
    let (id, stop) = (fsck.id(), CancellationToken::new());
    stop.cancel();
    let report = Box::pin(fsck.run(stop)).await;
    assert_eq!(report.unfinished.map(|error| error.code()), Some(Code::ShuttingDown));
    let resumed = resume(&world, id, World::effort()).await;
    assert!(resumed.context.repairs(Repair::Counters), "it goes on as it was begun");
    let report = Box::pin(resumed.run(CancellationToken::new())).await;
    assert_eq!((report.unfinished.is_none(), report.left()), (true, LOST as u64));
}

#[tokio::test]
async fn a_registry_that_is_away_is_waited_for_and_never_taken_for_one_that_has_lost_everything() {
    let world = World::new().await;
    world.put("a", "k", "bytes").await;
    world.registry.faults().inject(Fault::everywhere(FaultKind::Status(503)));
    let effort = Effort { patience: Duration::from_secs(1), ..World::effort() };
    let fsck = Fsck::begin(&world.config, Options::default(), effort, world.listener()).await.unwrap();
    let id = fsck.id();
    let report = Box::pin(fsck.run(CancellationToken::new())).await;
    assert_eq!(report.unfinished.map(|error| error.code()), Some(Code::UpstreamUnavailable));
    assert!(world.heard.lock().unwrap().is_empty());
    world.registry.faults().clear();
    let report = Box::pin(resume(&world, id, World::effort()).await.run(CancellationToken::new())).await;
    assert_eq!((report.unfinished.is_none(), report.left(), report.tally.looked_at["blobs"]), (true, 0, 1));
}

#[tokio::test]
async fn a_run_asks_no_faster_than_it_was_told() {
    let world = World::new().await;
    for n in 0..8 {
        world.put("a", &n.to_string(), &n.to_string()).await;
    }
    let begun = tokio::time::Instant::now();
    let effort = Effort { requests_per_second: 10, ..World::effort() };
    let fsck = Fsck::begin(&world.config, Options::default(), effort, world.listener()).await.unwrap();
    world.registry.faults().reset_requests();
    Box::pin(fsck.run(CancellationToken::new())).await;
    let asked = u32::try_from(world.registry.faults().total_requests()).unwrap();
    assert!(asked > 8 && world.registry.faults().requests_with(Route::Blob, &Method::HEAD) == 8, "{asked}");
    assert!(begun.elapsed() >= Duration::from_millis(100) * (asked - 1), "{asked} in {:?}", begun.elapsed());
}
