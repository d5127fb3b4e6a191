//! Kills the registry with SIGKILL in the middle of uploads and looks at what is left: every acknowledged blob and
//! manifest is there, and nothing is visible that is not whole.

#[cfg(test)]
mod crash {
    use std::{
        collections::BTreeSet,
        io::{BufRead, BufReader},
        path::Path,
        process::{Child, Command, Stdio},
        sync::{Arc, Mutex},
        time::Duration,
    };

    use zas_registry::{Algorithm, Digest, Options, Registry};

    const EMPTY: &[u8] = b"{}";

    /// Long enough for the slowest machine; only a failing test waits for it.
    const PATIENCE: Duration = Duration::from_secs(120);

    /// Does not outlive the test, however that ends.
    struct Running(Child);

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn start(root: &Path) -> (Running, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_zas-registry"))
            .args(["--listen", "127.0.0.1:0", "--root"])
            .arg(root)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (Running(child), line.trim().strip_prefix("listening on ").unwrap().to_owned())
    }

    fn sha256(bytes: &[u8]) -> Digest {
        Digest::of(Algorithm::Sha256, bytes)
    }

    /// Content of many sizes, some of which are streamed in several pieces.
    fn content(client: usize, number: usize) -> Vec<u8> {
        let length = [10, 4096, 200_000, 1_000_000][number % 4];
        format!("{client}/{number}/").bytes().cycle().take(length).collect()
    }

    fn manifest(client: usize, number: usize) -> String {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[],
            "config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{}","size":2}},
            "annotations":{{"which":"{client}/{number}"}}}}"#,
            sha256(EMPTY)
        )
    }

    /// What the registry has acknowledged: (blobs, tags).
    type Acknowledged = Arc<Mutex<(BTreeSet<Digest>, BTreeSet<String>)>>;

    /// Uploads until the registry is gone.
    async fn upload(url: String, client: usize, acknowledged: Acknowledged) {
        let http = reqwest::Client::new();
        for number in 0.. {
            let blob = content(client, number);
            let digest = sha256(&blob);
            let to = format!("{url}/v2/crash/blobs/uploads/?digest={digest}");
            match http.post(to).body(blob).send().await {
                Ok(answer) => assert_eq!(answer.status(), 201),
                Err(_) => return,
            }
            acknowledged.lock().unwrap().0.insert(digest);
            let tag = format!("t{client}-{number}");
            let put = http
                .put(format!("{url}/v2/crash/manifests/{tag}"))
                .header("content-type", "application/vnd.oci.image.manifest.v1+json")
                .body(manifest(client, number));
            match put.send().await {
                Ok(answer) => assert_eq!(answer.status(), 201),
                Err(_) => return,
            }
            acknowledged.lock().unwrap().1.insert(tag);
        }
    }

    async fn get(registry: &Registry, path: &str) -> u16 {
        let request = http::Request::get(path).body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
        registry.call(request).await.status().as_u16()
    }

    /// Every file under `blobs/` has the digest that its name says.
    fn every_visible_blob_is_whole(root: &Path) -> usize {
        let files = std::fs::read_dir(root.join("crash/blobs/sha256")).unwrap();
        let mut count = 0;
        for file in files {
            let path = file.unwrap().path();
            let digest = sha256(&std::fs::read(&path).unwrap());
            assert_eq!(path.file_name().unwrap().to_str().unwrap(), digest.hex());
            count += 1;
        }
        count
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_acknowledged_survives_a_kill_and_nothing_else_is_visible() {
        let root = tempfile::tempdir().unwrap();
        let acknowledged = Acknowledged::default();
        for round in 0..3 {
            let (child, url) = start(root.path());
            let config = format!("{url}/v2/crash/blobs/uploads/?digest={}", sha256(EMPTY));
            assert_eq!(reqwest::Client::new().post(config).body(EMPTY).send().await.unwrap().status(), 201);
            let before = acknowledged.lock().unwrap().1.len();
            let clients: Vec<_> =
                (0..4).map(|c| tokio::spawn(upload(url.clone(), round * 10 + c, acknowledged.clone()))).collect();
            let enough = async {
                while acknowledged.lock().unwrap().1.len() < before + 12 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::time::timeout(PATIENCE, enough).await.unwrap();
            drop(child);
            for client in clients {
                client.await.unwrap();
            }
            let registry = Registry::open(root.path(), Options::default()).unwrap();
            let (blobs, tags) = acknowledged.lock().unwrap().clone();
            assert!(every_visible_blob_is_whole(root.path()) >= blobs.len());
            for blob in &blobs {
                assert_eq!(get(&registry, &format!("/v2/crash/blobs/{blob}")).await, 200);
            }
            for tag in &tags {
                assert_eq!(get(&registry, &format!("/v2/crash/manifests/{tag}")).await, 200, "{tag}");
            }
            assert_eq!(std::fs::read_dir(root.path().join("_uploads")).unwrap().count(), 0);
        }
    }
}
