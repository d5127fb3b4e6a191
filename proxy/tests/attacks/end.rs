//! The end of a real process, in the middle of transfers.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use serde_json::json;
use zas_proxy::postgres::testing::{self, TestDatabase};
use zas_registry::{Options, Registry, Server};

use super::ask::{Ask, Client, PATIENCE};
use super::program::Program;
use super::signing::Signer;

const ROOT: (&str, &str) = ("AKIA", "0123456789abcdef0123456789abcdef");
const MIB: usize = 1024 * 1024;
/// Of the objects that are sent and read while the process ends.
const SIZE: usize = 24 * MIB;

/// A process between a database and a registry.
struct World {
    program: Program,
    client: Client,
    configuration: PathBuf,
    database: TestDatabase,
    folder: tempfile::TempDir,
    _server: Server,
}

impl World {
    async fn start(grace: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = testing::database().await.unwrap();
        let registry = Registry::open(folder.path(), Options::default()).unwrap();
        let server = Server::start(registry, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let port = zas_proxy::free_port::free_port().unwrap();
        let text = toml::to_string(&json!({
            "listen": {"address": format!("127.0.0.1:{port}")},
            "database": {"url": database.url()},
            "store": {"url": format!("http://{}", server.local_addr()), "buffer": "1 MiB"},
            "drain": {"grace": grace},
            "access_keys": [{"id": ROOT.0, "secret": ROOT.1}],
        }));
        let configuration = folder.path().join("zas.toml");
        std::fs::write(&configuration, text.unwrap()).unwrap();
        let program = run(folder.path(), &configuration);
        let client = Client::new(format!("http://127.0.0.1:{port}"), None);
        let world = Self { program, client, configuration, database, folder, _server: server };
        world.wait_until_ready().await;
        world.send(Ask::put("/bucket")).await;
        world
    }

    async fn wait_until_ready(&self) {
        let ready = async {
            let probe = Ask::get("/-/readyz");
            while !self.client.try_send(&probe, None).await.is_ok_and(|answer| answer.status == 200) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let ready = tokio::time::timeout(PATIENCE, ready).await;
        assert!(ready.is_ok(), "{}", self.program.output());
    }

    async fn send(&self, ask: Ask) {
        let ask = Signer::new(ROOT.0, ROOT.1).sign(&self.client.base, ask);
        self.client.send(&ask, None).await.expect(200);
    }

    fn url(&self, ask: Ask) -> String {
        let signed = Signer::new(ROOT.0, ROOT.1).presign(&self.client.base, ask, Duration::from_secs(600));
        format!("{}{}", self.client.base, signed.target)
    }

    /// An upload of [`SIZE`] bytes, a MiB at a time with pauses in between; its status.
    fn upload(&self, key: &str, pause: Duration) -> tokio::task::JoinHandle<Result<u16, reqwest::Error>> {
        let pieces = futures::stream::iter(0..SIZE / MIB).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, std::io::Error>(Bytes::from(vec![7; MIB]))
        });
        let request = reqwest::Client::new().put(self.url(Ask::put(format!("/bucket/{key}"))));
        let request = request.header("content-length", SIZE).body(reqwest::Body::wrap_stream(pieces));
        tokio::spawn(async move { Ok(request.send().await?.status().as_u16()) })
    }

    /// A download that is read with pauses; how many bytes came.
    async fn download(&self, key: &str, pause: Duration) -> tokio::task::JoinHandle<Result<usize, reqwest::Error>> {
        let answer = reqwest::get(self.url(Ask::get(format!("/bucket/{key}")))).await.unwrap();
        assert_eq!(answer.status(), 200);
        tokio::spawn(async move {
            let (mut read, mut pieces, mut rest) = (0, answer.bytes_stream(), 0);
            while let Some(piece) = pieces.next().await {
                read += piece?.len();
                if read - rest > MIB {
                    rest = read;
                    tokio::time::sleep(pause).await;
                }
            }
            Ok(read)
        })
    }

    async fn count(&self, what: &str) -> i64 {
        let query = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {what}"));
        sqlx::query_scalar(query).fetch_one(&self.database.pool().unwrap()).await.unwrap()
    }
}

fn run(folder: &Path, configuration: &Path) -> Program {
    Program::start(folder, &["serve", "--config", configuration.to_str().unwrap()])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_asked_to_end_finishes_transfers_and_takes_no_new_connection() {
    let mut world = World::start("30s").await;
    world.send(Ask::put("/bucket/whole").body("x".repeat(SIZE))).await;
    let pause = Duration::from_millis(100);
    let (upload, download) = (world.upload("new", pause), world.download("whole", pause).await);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!upload.is_finished() && !download.is_finished(), "they end while it does");
    let address = world.client.base.strip_prefix("http://").unwrap().to_owned();
    let begun = Instant::now();
    let ending = tokio::spawn(world.program.stop());
    let refused = async {
        while TcpStream::connect(&address).is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3), refused).await.expect("new connections are refused at once");
    assert_eq!(tokio::time::timeout(PATIENCE, download).await.unwrap().unwrap().unwrap(), SIZE);
    assert_eq!(tokio::time::timeout(PATIENCE, upload).await.unwrap().unwrap().unwrap(), 200);
    let log = tokio::time::timeout(PATIENCE, ending).await.unwrap().unwrap();
    assert!(log.contains("drained") && log.contains("cut: 0"), "{log}");
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    // What was acknowledged is there.
    world.program = run(world.folder.path(), &world.configuration);
    world.wait_until_ready().await;
    let read = world.download("new", Duration::ZERO).await.await.unwrap().unwrap();
    assert_eq!(read, SIZE);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_outlives_the_grace_is_cut_and_leaves_nothing_and_the_process_ends_in_time() {
    let world = World::start("1s").await;
    let upload = world.upload("late", Duration::from_secs(1));
    let begun = async {
        while world.count("store_sessions").await == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.expect("the upload is on its way to the registry");
    let asked = Instant::now();
    let database = world.database.clone();
    let log = tokio::time::timeout(PATIENCE, world.program.stop()).await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(13), "{:?}", asked.elapsed());
    assert!(log.contains("cut: 1"), "{log}");
    let answer = tokio::time::timeout(PATIENCE, upload).await.unwrap().unwrap();
    assert!(!matches!(answer, Ok(200)), "{answer:?}");
    for table in ["objects", "store_sessions"] {
        let query = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let rows: i64 = sqlx::query_scalar(query).fetch_one(&database.pool().unwrap()).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}
