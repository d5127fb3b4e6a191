//! A registry that breaks the rules of HTTP, or answers about something else.

use super::*;

const OTHER: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A registry that keeps its connections, and gives each request two answers.
async fn talkative() -> Upstream {
    const ANSWERS: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let requests = Arc::clone(&requests);
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                while socket.read_buf(&mut bytes).await.unwrap_or(0) > 0 {
                    if bytes.ends_with(b"\r\n\r\n") {
                        requests
                            .lock()
                            .unwrap()
                            .push(String::from_utf8_lossy(&std::mem::take(&mut bytes)).into_owned());
                        let _ = socket.write_all(ANSWERS).await;
                    }
                }
            });
        }
    });
    Upstream { address, seen }
}

#[tokio::test]
async fn what_follows_an_answer_is_not_the_answer_to_the_next_request() {
    let upstream = talkative().await;
    let sidecar = Sidecar::start(&upstream).await;
    for _ in 0..5 {
        let got = sidecar.ask("GET", "/v2/a/manifests/latest", "", "").await;
        assert!(status(&got) == 200 && got.ends_with("ok") && !got.contains("secret"), "{got}");
    }
    assert_eq!(upstream.seen().len(), 5, "no answer was taken for another request's");
}

#[tokio::test]
async fn an_answer_that_is_shorter_than_it_says_is_never_a_whole_one() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let upstream = Upstream::start(answer).await;
        let sidecar = Sidecar::start(&upstream).await;
        let got = sidecar.ask("GET", "/v2/a/manifests/latest", "", "").await;
        let (head, body) = got.split_once("\r\n\r\n").unwrap();
        let head = head.to_lowercase();
        let whole = match head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
            Some(length) => body.len() >= length.parse().unwrap(),
            None => body.ends_with("0\r\n\r\n"),
        };
        assert!(status(&got) == 503 || !whole, "{answer:?}: {got}");
    }
}

#[tokio::test]
async fn an_answer_with_two_lengths_or_none_that_can_be_read_is_not_passed_on() {
    for fields in [
        "content-length: 2\r\ncontent-length: 6",
        "content-length: 2\r\ntransfer-encoding: chunked",
        "content-length: +2",
        "content-length: two",
    ] {
        let upstream = Upstream::start(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nokay")).await;
        let sidecar = Sidecar::start(&upstream).await;
        let got = sidecar.ask("GET", "/v2/a/manifests/latest", "", "").await;
        let lengths = got.to_lowercase().matches("\r\ncontent-length:").count();
        let codings = got.to_lowercase().matches("\r\ntransfer-encoding:").count();
        assert!(lengths + codings <= 1, "{fields:?} reaches the client: {got}");
    }
}

#[tokio::test]
async fn an_answer_about_other_content_is_not_passed_on() {
    let answer = format!("HTTP/1.1 200 OK\r\ndocker-content-digest: {OTHER}\r\ncontent-length: 6\r\n\r\nsecret");
    let upstream = Upstream::start(&answer).await;
    let sidecar = Sidecar::start(&upstream).await;
    for target in [format!("/v2/a/blobs/{DIGEST}"), format!("/v2/a/manifests/{DIGEST}")] {
        let got = sidecar.ask("GET", &target, "", "").await;
        assert_eq!(status(&got), 503, "{got}");
        assert!(!got.contains("secret"), "{got}");
    }
    // Which content a tag names the registry alone knows.
    assert_eq!(status(&sidecar.ask("GET", "/v2/a/manifests/latest", "", "").await), 200);
}
