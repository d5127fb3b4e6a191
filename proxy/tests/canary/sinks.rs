//! Everything that a service writes, and the marks that show that it was looked at.

use zas_proxy::config;

use super::ask::{Ask, basic};
use super::installation::{Installation, ROOT};
use super::secrets::{Secrets, find};

/// A bucket whose name is meant to be seen: in logs, records, metrics and answers.
pub(crate) const MARK: &str = "a-bucket-to-be-seen";

/// The trace that clients say to be part of.
pub(crate) const TRACE: [u8; 16] =
    [0x5e, 0xe7, 0xe5, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd];

/// One place, and what must stand there.
struct Sink {
    name: &'static str,
    bytes: Vec<u8>,
    mark: Vec<u8>,
}

/// All places.
pub(crate) struct Sinks(Vec<Sink>);

impl Sinks {
    /// Stops the service, and gathers what it has written; `refusals` are its answers to what it refused.
    pub(crate) async fn of(installation: Installation, refusals: String) -> Self {
        let root = basic(ROOT, installation.secret("the access key's secret"));
        let mut sinks = vec![sink("the answers", refusals, MARK)];
        for (name, target, mark) in [
            ("the metrics", "/-/metrics", MARK),
            ("the configuration as it is shown", "/-/api/v1/configuration", ROOT),
            ("the records as they are asked for", "/-/api/v1/audit?from=2026-01-01T00:00:00Z&limit=1000", MARK),
            ("the records in OCSF", "/-/api/v1/audit?from=2026-01-01T00:00:00Z&limit=1000&format=ocsf", MARK),
            (
                "the records as CloudEvents",
                "/-/api/v1/audit?from=2026-01-01T00:00:00Z&limit=1000&format=cloudevents",
                MARK,
            ),
        ] {
            let answer = installation.client.send(&Ask::get(target), Some(&root)).await.expect(200);
            sinks.push(sink(name, answer.body, mark));
        }
        let read = config::from_toml(&installation.configuration, "test", []).unwrap();
        sinks.push(sink("the configuration for debugging", format!("{read:?}"), ROOT));
        sinks.push(sink("the database", everything_in(&installation).await, MARK));
        // Webhooks are told, and traces sent, when it ends at the latest.
        wait_for_webhooks(&installation).await;
        let (traces, records) = (installation.traces.clone(), installation.records.clone());
        sinks.push(sink("the log", installation.program.stop().await, MARK));
        sinks.push(Sink { name: "the traces", bytes: traces.bytes(), mark: TRACE.to_vec() });
        sinks.push(Sink { name: "what webhooks were told", bytes: records.bytes(), mark: MARK.into() });
        Self(sinks)
    }

    pub(crate) fn must_hold_their_marks(&self) {
        for sink in &self.0 {
            let text = String::from_utf8_lossy(&sink.bytes);
            assert!(find(&sink.bytes, &sink.mark).is_some(), "{} is not what it should be: {text}", sink.name);
        }
    }

    pub(crate) fn must_hold_none_of(&self, secrets: &Secrets) {
        let found: Vec<String> = self.0.iter().flat_map(|sink| secrets.found_in(sink.name, &sink.bytes)).collect();
        assert!(found.is_empty(), "{} secrets got out:\n{}", found.len(), found.join("\n"));
    }
}

fn sink(name: &'static str, text: String, mark: &str) -> Sink {
    Sink { name, bytes: text.into_bytes(), mark: mark.into() }
}

/// Every row of every table as text; bytes are in hexadecimal there.
async fn everything_in(installation: &Installation) -> String {
    let pool = installation.database.pool().unwrap();
    let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&pool).await.unwrap();
    let mut all = String::new();
    for table in tables {
        let rows =
            sqlx::AssertSqlSafe(format!("SELECT coalesce(string_agg(row::text, E'\\n'), '') FROM \"{table}\" AS row"));
        let rows: String = sqlx::query_scalar(rows).fetch_one(&pool).await.unwrap();
        all.push_str(&rows);
    }
    all
}

async fn wait_for_webhooks(installation: &Installation) {
    let told = async {
        while find(&installation.records.bytes(), MARK.as_bytes()).is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let told = tokio::time::timeout(super::ask::PATIENCE, told).await;
    assert!(told.is_ok(), "no webhook was told: {}", installation.program.output());
}
