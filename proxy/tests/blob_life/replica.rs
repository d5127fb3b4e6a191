//! A replica: a process with clients and a sweeper, that crashes and is started again.
//!
//! A process is a tokio runtime of its own. A crash shuts it down: every task ends where it stands, sockets close, no
//! clean-up runs, and what was sent is carried out by whoever got it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client;
use crate::world::World;

/// Clients of one process.
const CLIENTS: usize = 4;

/// Starts processes one after the other until the deadline.
pub(crate) fn spawn(world: &Arc<World>, mut rng: StdRng, deadline: Instant) -> JoinHandle<()> {
    let world = Arc::clone(world);
    tokio::spawn(async move {
        while Instant::now() < deadline {
            let life = Duration::from_millis(if rng.random_bool(0.5) {
                rng.random_range(20..400)
            } else {
                rng.random_range(400..3000)
            });
            let life = life.min(deadline.saturating_duration_since(Instant::now()));
            process(&world, &mut rng, life).await;
        }
    })
}

async fn process(world: &Arc<World>, rng: &mut StdRng, life: Duration) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let parts = {
        let _inside = runtime.enter();
        world.parts()
    };
    let stop = CancellationToken::new();
    let mut tasks = Vec::new();
    for _ in 0..CLIENTS {
        let client = client::run(Arc::clone(world), parts.clone(), StdRng::from_rng(rng), stop.clone());
        tasks.push(runtime.spawn(client));
    }
    let (blobs, until) = (parts.blobs.clone(), stop.clone());
    tasks.push(runtime.spawn(async move { blobs.run_sweeper(until).await }));
    drop(parts);
    tokio::time::sleep(life).await;
    if rng.random_bool(0.6) {
        world.ledger.count("crashes");
    } else {
        stop.cancel();
        for task in tasks {
            if let Err(error) = task.await {
                world.ledger.violation(format!("a task panicked: {error}"));
            }
        }
    }
    runtime.shutdown_background();
}
