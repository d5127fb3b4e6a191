//! A thousand clients that take their time, and what they cost others.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::ask::{Ask, basic};
use super::sidecar::{ROOT, Sidecar};
use super::signing::Signer;

const SLOW: usize = 999;

/// Latencies of requests that are sent one after the other for a while: the median and the 99th percentile.
async fn latencies(sidecar: &Sidecar, time: Duration) -> (Duration, Duration) {
    let (begun, mut all) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        let asked = Instant::now();
        sidecar.as_root(&Ask::get("/-/api/v1/buckets/bucket")).await.expect(200);
        all.push(asked.elapsed());
    }
    all.sort_unstable();
    (all[all.len() / 2], all[all.len() * 99 / 100])
}

/// One client: a head, a body, or a reader that hardly moves.
async fn slow(sidecar: &Sidecar, number: usize) -> tokio::task::JoinHandle<()> {
    let base = format!("http://{}", sidecar.address);
    let signer = Signer::new(ROOT.0, ROOT.1);
    let presigned = |ask: Ask| signer.presign(&base, ask, Duration::from_secs(600)).target;
    let head = match number % 3 {
        0 => format!("GET / HTTP/1.1\r\nhost: {}\r\nx-slow: ", sidecar.address),
        1 => {
            let target = presigned(Ask::put(format!("/bucket/slow-{number}")));
            format!("PUT {target} HTTP/1.1\r\nhost: {}\r\ncontent-length: 1000000\r\n\r\n", sidecar.address)
        }
        _ => format!("GET {} HTTP/1.1\r\nhost: {}\r\n\r\n", presigned(Ask::get("/bucket/large")), sidecar.address),
    };
    let mut socket = TcpStream::connect(sidecar.address).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    tokio::spawn(async move {
        let mut byte = [0];
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let goes_on = match number % 3 {
                2 => socket.read_exact(&mut byte).await.is_ok(),
                _ => socket.write_all(b"x").await.is_ok(),
            };
            if !goes_on {
                return;
            }
        }
    })
}

/// Connections that the sidecar has open, of those that were opened since somebody first asked.
async fn connections(sidecar: &Sidecar) -> i64 {
    let metrics = sidecar.as_root(&Ask::get("/-/metrics")).await.expect(200).body;
    metrics.lines().find_map(|line| line.strip_prefix("zas_connections ")).map_or(0, |count| count.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, to be run alone: --ignored --nocapture a_thousand_slow_clients"]
async fn a_thousand_slow_clients_leave_the_others_alone() {
    let sidecar = Sidecar::start(|_| {}).await;
    connections(&sidecar).await;
    let root = basic(ROOT.0, ROOT.1);
    let bucket = Ask::post("/-/api/v1/buckets").json(&serde_json::json!({"name": "bucket"}));
    sidecar.send(&bucket, Some(&root)).await.expect(201);
    let base = format!("http://{}", sidecar.address);
    let large = Signer::new(ROOT.0, ROOT.1).sign(&base, Ask::put("/bucket/large").body("x".repeat(8 * 1024 * 1024)));
    sidecar.send(&large, None).await.expect(200);
    latencies(&sidecar, Duration::from_secs(2)).await;
    let alone = latencies(&sidecar, Duration::from_secs(5)).await;
    let mut clients = Vec::new();
    for number in 0..SLOW {
        clients.push(slow(&sidecar, number).await);
    }
    let beside = latencies(&sidecar, Duration::from_secs(5)).await;
    println!("median and p99 alone: {alone:?}; beside {SLOW} slow clients: {beside:?}");
    // Each is closed at its deadline; a reader may not have noticed.
    let begun = Instant::now();
    assert!(connections(&sidecar).await > 900);
    while connections(&sidecar).await > 10 {
        assert!(begun.elapsed() < Duration::from_secs(120), "{} are left", connections(&sidecar).await);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    println!("all were closed {:?} later", begun.elapsed());
    sidecar.as_root(&Ask::get("/-/api/v1/buckets/bucket")).await.expect(200);
}
