//! What changes while requests are served costs none of them: certificates, keys of issuers, policies, the key ring.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jsonwebtoken::Algorithm;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use zas_proxy::config::{RingKey, Secret, Tls};

use super::ask::{Ask, Client, PATIENCE, basic};
use super::sidecar::{ROOT, Replica, Sidecar};

/// Clients that go on asking until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<String>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    /// `ask` does one thing, and says what went wrong with it.
    fn of<F: Future<Output = Result<(), String>> + Send>(
        clients: usize,
        ask: impl Fn(usize) -> F + Clone + Send + Sync + 'static,
    ) -> Self {
        let mut load = Self { stop: Arc::default(), served: Arc::default(), failed: Arc::default(), tasks: Vec::new() };
        for client in 0..clients {
            let (stop, served, failed, ask) =
                (Arc::clone(&load.stop), Arc::clone(&load.served), Arc::clone(&load.failed), ask.clone());
            load.tasks.push(tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    match ask(client).await {
                        Ok(()) => drop(served.fetch_add(1, Ordering::Relaxed)),
                        Err(error) => failed.lock().unwrap().push(error),
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }));
        }
        load
    }

    fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }

    /// Ends it: every request was served, and there were enough of them to be a load.
    async fn must_have_been_served(self) {
        self.stop.store(true, Ordering::Relaxed);
        futures::future::join_all(self.tasks).await;
        let failed = self.failed.lock().unwrap();
        assert!(failed.is_empty(), "{} requests failed, such as {:?}", failed.len(), failed.first());
        assert!(self.served.load(Ordering::Relaxed) > 50, "that was no load");
    }
}

/// Asks once, and wants this status.
async fn want(client: &Client, ask: Ask, shown: &str, status: u16) -> Result<(), String> {
    match client.try_send(&ask, Some(shown)).await {
        Ok(answer) if answer.status == status => Ok(()),
        Ok(answer) => Err(format!("{} {}: {answer:?}", ask.method, ask.target)),
        Err(error) => Err(format!("{} {}: {error:?}", ask.method, ask.target)),
    }
}

/// Who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(parameters, key), pem }
    }

    /// Writes a new certificate and its key.
    fn write(&self, files: &Tls) {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        std::fs::write(&files.certificate, made.pem()).unwrap();
    }
}

fn files(folder: &Path) -> Tls {
    Tls { certificate: folder.join("tls.pem"), key: folder.join("tls-key.pem") }
}

/// How often certificates were read again with this outcome.
async fn reloads(sidecar: &Sidecar, outcome: &str) -> u32 {
    let metrics = sidecar.as_root(&Ask::get("/-/metrics")).await.expect(200).body;
    let series = format!("zas_tls_certificate_reloads_total{{outcome=\"{outcome}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&series)).map_or(0, |count| count.parse().unwrap())
}

async fn until_reloaded(sidecar: &Sidecar, outcome: &str, times: u32) {
    let waiting = async {
        while reloads(sidecar, outcome).await < times {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "the certificate was not read {times} times with the outcome {outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_change_under_load_cost_no_request_and_a_bad_one_is_told_and_not_used() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let files = files(folder.path());
    authority.write(&files);
    let tls = files.clone();
    let sidecar = Sidecar::start_with(Some(&authority.pem), |config| config.listen.tls = Some(tls)).await;
    let (base, pem) = (sidecar.client.base.clone(), authority.pem.clone());
    // A new client a request is a new handshake a request.
    let load = Load::of(4, move |_| {
        let (base, pem) = (base.clone(), pem.clone());
        async move { want(&Client::new(base, Some(&pem)), Ask::get("/-/livez"), "", 200).await }
    });
    let good = reloads(&sidecar, "ok").await;
    for round in 1..=2 {
        authority.write(&files);
        until_reloaded(&sidecar, "ok", good + round).await;
    }
    let bad = reloads(&sidecar, "error").await;
    let other = tempfile::tempdir().unwrap();
    authority.write(&self::files(other.path()));
    std::fs::copy(self::files(other.path()).key, &files.key).unwrap();
    until_reloaded(&sidecar, "error", bad + 1).await;
    let served = load.served();
    while load.served() < served + 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    load.must_have_been_served().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_the_issuer_and_policies_that_change_under_load_cost_no_request() {
    let sidecar = Arc::new(Sidecar::start(|_| {}).await);
    let readers = json!({"Statement": {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}});
    sidecar.attach("readers", &readers, "/staff").await;
    sidecar.refresh().await;
    let asking = Arc::clone(&sidecar);
    // Each token is new, and signed with the newest key.
    let load = Load::of(4, move |client| {
        let sidecar = Arc::clone(&asking);
        async move {
            let token = sidecar.token(&format!("user-{client}"), &["/staff"]);
            want(&sidecar.client, Ask::get("/-/api/v1/buckets"), &format!("Bearer {token}"), 200).await
        }
    });
    // The issuer was asked when the first token came, and is asked again after ten seconds at the earliest.
    let begun = std::time::Instant::now();
    let mut round = 0;
    while begun.elapsed() < Duration::from_millis(10_500) {
        round += 1;
        let change = json!({ "document": readers, "description": format!("round {round}") });
        sidecar.as_root(&Ask::put("/-/api/v1/policies/readers").json(&change)).await.expect(200);
        let other = format!("/-/api/v1/policies/other-{}", round % 3);
        sidecar.as_root(&Ask::put(other).json(&change)).await.expect(200);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    sidecar.issuer.add(Algorithm::ES256).unwrap();
    let served = load.served();
    while load.served() < served + 50 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    load.must_have_been_served().await;
}

/// The replicas that take requests.
type Live = Arc<Mutex<Vec<Arc<Client>>>>;

fn ring(order: &[&'static str], keys: &[(&'static str, String)]) -> Vec<RingKey> {
    let key = |id: &&'static str| {
        let secret = keys.iter().find(|(known, _)| known == id).map(|(_, secret)| Secret::new(secret.clone()));
        RingKey { id: (*id).to_owned(), secret, secret_file: None }
    };
    order.iter().map(key).collect()
}

/// Everything that the ring seals, made by one replica and used at another: a registry token and a stored access key.
async fn use_what_is_sealed(live: Live, key: (String, String), turn: usize) -> Result<(), String> {
    let (one, other) = {
        let live = live.lock().unwrap();
        (Arc::clone(&live[turn % live.len()]), Arc::clone(&live[(turn + 1) % live.len()]))
    };
    let shown = basic(&key.0, &key.1);
    want(&other, Ask::get("/-/api/v1/whoami"), &shown, 200).await?;
    let query = Ask::get("/-/token?service=zot-artifact-store&scope=repository:a:pull&offline_token=true");
    let answer = one.try_send(&query, Some(&shown)).await.map_err(|error| error.to_string())?;
    if answer.status != 200 {
        return Err(format!("{answer:?}"));
    }
    let token = answer.json()["token"].as_str().unwrap_or_default().to_owned();
    want(&other, Ask::get("/v2/"), &format!("Bearer {token}"), 200).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ring_that_is_rotated_replica_by_replica_costs_no_request() {
    let keys = [("old", zas_proxy::identity::generate_ring_key()), ("new", zas_proxy::identity::generate_ring_key())];
    let sidecar = Sidecar::start(|config| config.identity.key_ring = ring(&["old"], &keys)).await;
    let made =
        sidecar.as_root(&Ask::post("/-/api/v1/access-keys").json(&json!({"name": "ci"}))).await.expect(201).json();
    let key = (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned());
    assert_ne!(key.0, ROOT.0);
    let start =
        async |order: &[&'static str]| sidecar.replica(|config| config.identity.key_ring = ring(order, &keys)).await;
    let live: Live = Arc::default();
    let mut replicas: Vec<Replica> = Vec::new();
    for _ in 0..2 {
        replicas.push(start(&["old"]).await);
    }
    let share = |replicas: &[Replica]| {
        let clients = replicas.iter().map(|replica| Arc::new(Client::new(replica.client.base.clone(), None)));
        *live.lock().unwrap() = clients.collect();
    };
    share(&replicas);
    let turns = Arc::new(AtomicUsize::new(0));
    let (asking, counting) = (Arc::clone(&live), Arc::clone(&turns));
    let load =
        Load::of(3, move |_| use_what_is_sealed(asking.clone(), key.clone(), counting.fetch_add(1, Ordering::Relaxed)));
    // The new key is first put behind the old one everywhere, so that everybody opens what it seals; then before it; then alone.
    for order in [&["old", "new"][..], &["new", "old"], &["new"]] {
        for _ in 0..2 {
            let next = start(order).await;
            let last = replicas.remove(0);
            replicas.push(next);
            share(&replicas);
            // What was begun at the one that goes is finished there.
            tokio::time::sleep(Duration::from_millis(300)).await;
            last.stop().await;
        }
        let served = load.served();
        while load.served() < served + 20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    load.must_have_been_served().await;
}
