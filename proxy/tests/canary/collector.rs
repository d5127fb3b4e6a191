//! A server that keeps what is posted to it: the collector of traces, and the receiver of records.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};

/// It runs until the test ends.
#[derive(Debug, Clone)]
pub(crate) struct Collector {
    pub(crate) url: String,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    posts: Vec<Vec<u8>>,
    /// Whether the next one is refused.
    is_tired: bool,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // The first delivery fails, for what is then logged.
        let kept = Arc::new(Mutex::new(Kept { posts: Vec::new(), is_tired: true }));
        let router = Router::new().fallback(keep).with_state(Arc::clone(&kept));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, kept }
    }

    /// All that was taken.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.kept.lock().unwrap().posts.join(&b'\n')
    }
}

async fn keep(State(kept): State<Arc<Mutex<Kept>>>, _: Uri, _: HeaderMap, body: Bytes) -> StatusCode {
    let mut kept = kept.lock().unwrap();
    if std::mem::take(&mut kept.is_tired) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    kept.posts.push(body.to_vec());
    StatusCode::OK
}
