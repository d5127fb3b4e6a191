//! `zas-proxy fsck`: compares the index with the registry.
//!
//! Exits with 0 where nothing is left to mend, with 1 where something is, with 2 where it could not come to its end.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytesize::ByteSize;
use clap::ValueEnum;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use zas_proxy::error::Error;
use zas_proxy::fsck::{Effort, Finding, Fsck, Listener, Options as Wanted, Repair, Report};

use super::ConfigFile;

/// It could not come to its end.
const UNFINISHED: u8 = 2;

/// What is looked at, what is mended, and how fast.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    config: ConfigFile,
    /// Go on with this run, with what was asked for when it was begun.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["read_data", "read_data_share", "repair", "stale_after", "registry_root"])]
    resume: Option<i64>,
    /// Read every blob and compare its digest; otherwise only sizes are compared.
    #[arg(long, conflicts_with = "read_data_share")]
    read_data: bool,
    /// Read this share of the blobs, another one in each run: 0.1 for every tenth.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    read_data_share: Option<f64>,
    /// Mend this, or `all`; several with commas. Nothing is mended otherwise, and lost bytes never delete an object.
    #[arg(long, value_name = "WHAT", value_enum, value_delimiter = ',')]
    repair: Vec<RepairArgument>,
    /// How long something that should end by itself may be overdue.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = humantime::parse_duration)]
    stale_after: Duration,
    /// The folder of the registry's store of S3 bytes, where it can be read here: finds blobs that the index does not know.
    #[arg(long, value_name = "FOLDER")]
    registry_root: Option<PathBuf>,
    /// Requests to the registry a second.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    requests_per_second: u64,
    /// Bytes that are read from the registry a second.
    #[arg(long, value_name = "SIZE", default_value = "50MiB")]
    bytes_per_second: ByteSize,
    /// Blobs that are looked at at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// How long a registry that is in trouble is waited for.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    patience: Duration,
    /// Stop after this long, to be resumed.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    stop_after: Option<Duration>,
    /// One JSON object a line: each finding, and a summary at the end.
    #[arg(long)]
    json: bool,
    /// Write the metrics of the run to this file, in Prometheus' text format.
    #[arg(long, value_name = "FILE")]
    metrics_file: Option<PathBuf>,
}

/// What may be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RepairArgument {
    /// Counts of what buckets hold are set right.
    Counters,
    /// Blobs and manifests that nothing names are given to the sweepers of `serve`.
    Orphans,
    /// Upload sessions that are long over are cancelled and forgotten.
    Sessions,
    /// Blobs that are missing are copied back from another of our repositories, where that has them.
    Copies,
    /// All of these.
    All,
}

impl RepairArgument {
    const fn repairs(self) -> &'static [Repair] {
        match self {
            Self::Counters => &[Repair::Counters],
            Self::Orphans => &[Repair::Orphans],
            Self::Sessions => &[Repair::Sessions],
            Self::Copies => &[Repair::Copies],
            Self::All => Repair::ALL,
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if share > 0.0 && share <= 1.0 { Ok(share) } else { Err("not above 0 and up to 1".to_owned()) }
}

impl Options {
    fn wanted(&self) -> Wanted {
        Wanted {
            read_share: if self.read_data { 1.0 } else { self.read_data_share.unwrap_or(0.0) },
            stale_after: self.stale_after,
            repairs: self.repair.iter().flat_map(|repair| repair.repairs()).copied().collect::<BTreeSet<_>>(),
            registry_root: self.registry_root.clone(),
        }
    }

    fn effort(&self) -> Effort {
        Effort {
            requests_per_second: self.requests_per_second,
            bytes_per_second: self.bytes_per_second.as_u64(),
            concurrency: usize::from(self.concurrency),
            patience: self.patience,
            ..Effort::default()
        }
    }
}

/// Runs the command; its own errors count as "could not come to its end".
pub(super) async fn run(options: Options) -> ExitCode {
    match Box::pin(check(&options)).await {
        Ok(code) => code,
        Err(error) => {
            super::complain(&error);
            ExitCode::from(UNFINISHED)
        }
    }
}

async fn check(options: &Options) -> anyhow::Result<ExitCode> {
    let failed = |error: Error| anyhow::anyhow!(error.for_operator());
    let config = options.config.load()?;
    // Before the first finding is counted.
    let metrics = options.metrics_file.as_deref().map(|path| (path, zas_proxy::telemetry::metrics()));
    let is_json = options.json;
    let listener: Listener = Arc::new(move |finding: &Finding| super::say(line(finding, is_json)));
    let fsck = match options.resume {
        Some(run) => Fsck::resume(&config, run, options.effort(), listener).await,
        None => Fsck::begin(&config, options.wanted(), options.effort(), listener).await,
    };
    let fsck = fsck.map_err(failed)?;
    if !is_json {
        super::say(format_args!("run {} (to go on with it: --resume {0})", fsck.id()));
    }
    let stop = CancellationToken::new();
    tokio::spawn(super::serve::cancel_on_signal(stop.clone()));
    if let Some(limit) = options.stop_after {
        let stop = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(limit).await;
            stop.cancel();
        });
    }
    let report = Box::pin(fsck.run(stop)).await;
    if let Some((path, metrics)) = metrics {
        let index = zas_proxy::index::Index::open(&config.database).map_err(failed)?;
        write_whole(path, &metrics.render(&index)).with_context(|| path.display().to_string())?;
    }
    super::say(if is_json { summary(&report).to_string() } else { in_words(&report) });
    Ok(ExitCode::from(code(&report)))
}

/// Whoever collects the file never sees a half of it.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}

fn code(report: &Report) -> u8 {
    match (&report.unfinished, report.left()) {
        (Some(_), _) => UNFINISHED,
        (None, 0) => 0,
        (None, _) => 1,
    }
}

fn line(finding: &Finding, is_json: bool) -> String {
    if !is_json {
        return finding.to_string();
    }
    let mut value = serde_json::to_value(finding).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("type".to_owned(), Value::from("finding"));
    }
    value.to_string()
}

fn summary(report: &Report) -> Value {
    json!({
        "type": "summary",
        "run": report.run,
        "complete": report.unfinished.is_none(),
        "unfinished": report.unfinished.as_ref().map(Error::for_operator),
        "left": report.left(),
        "looked_at": report.tally.looked_at,
        "found": report.tally.found,
        "repaired": report.tally.repaired,
        "bytes_read": report.tally.bytes_read,
        "not_looked_at": report.not_looked_at,
    })
}

fn in_words(report: &Report) -> String {
    let mut lines = Vec::new();
    let looked_at = report.tally.looked_at.iter().map(|(phase, number)| format!("{number} {phase}"));
    let looked_at = looked_at.collect::<Vec<_>>().join(", ");
    lines.push(format!("looked at: {looked_at}; {} bytes read", report.tally.bytes_read));
    lines.extend(report.not_looked_at.iter().map(|what| format!("not looked at: {what}")));
    for (kind, number) in &report.tally.found {
        let repaired = report.tally.repaired.get(kind).copied().unwrap_or_default();
        lines.push(format!("{kind}: {number} found, {repaired} repaired"));
    }
    lines.push(match (&report.unfinished, report.left()) {
        (Some(error), _) => {
            format!("It did not come to its end: {}. To go on: --resume {}", error.for_operator(), report.run)
        }
        (None, 0) => "Index and registry fit together.".to_owned(),
        (None, left) => format!("{left} findings are left."),
    });
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use zas_proxy::fsck::{Kind, Tally};

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn parse(arguments: &str) -> Result<Options, clap::Error> {
        Line::try_parse_from(std::iter::once("fsck").chain(arguments.split_whitespace())).map(|line| line.options)
    }

    fn report(unfinished: Option<Error>, found: u64, repaired: u64) -> Report {
        let count = |number: u64| [("wrong_counter".to_owned(), number)].into();
        let tally = Tally { found: count(found), repaired: count(repaired), ..Tally::default() };
        Report { run: 7, tally, not_looked_at: vec!["bytes".to_owned()], unfinished }
    }

    #[test]
    fn nothing_is_read_or_mended_unless_asked_for() {
        let wanted = parse("").unwrap().wanted();
        assert_eq!(wanted, Wanted::default());
        let wanted = parse("--read-data-share 0.1 --repair counters,orphans --repair copies").unwrap().wanted();
        assert_eq!((wanted.read_share, wanted.repairs.len()), (0.1, 3));
        assert_eq!(parse("--read-data --repair all").unwrap().wanted().repairs.len(), Repair::ALL.len());
    }

    #[test]
    fn a_run_that_is_resumed_keeps_what_it_was_begun_with() {
        assert!(parse("--resume 3 --requests-per-second 5 --json").is_ok());
        for other in ["--read-data", "--read-data-share 0.5", "--repair all", "--stale-after 2h", "--registry-root /x"]
        {
            assert!(parse(&format!("--resume 3 {other}")).is_err(), "{other}");
        }
        for wrong in
            ["--read-data-share 0", "--read-data-share 1.5", "--read-data-share x", "--repair moon", "--concurrency 0"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_exit_code_says_whether_anything_is_left_and_whether_it_came_to_its_end() {
        assert_eq!(code(&report(None, 0, 0)), 0);
        assert_eq!(code(&report(None, 2, 2)), 0);
        assert_eq!(code(&report(None, 2, 1)), 1);
        assert_eq!(code(&report(Some(Error::internal("x")), 0, 0)), 2);
    }

    #[test]
    fn each_line_of_json_is_an_object_that_says_what_it_is() {
        let finding = line(&Finding::new(Kind::NoBytes, "x"), true);
        let finding: Value = serde_json::from_str(&finding).unwrap();
        assert_eq!((&finding["type"], &finding["kind"]), (&Value::from("finding"), &Value::from("no_bytes")));
        let summary = summary(&report(Some(Error::internal("gone")), 3, 1));
        assert_eq!(
            (&summary["complete"], &summary["left"], &summary["unfinished"]),
            (&json!(false), &json!(2), &json!("gone"))
        );
        assert!(in_words(&report(None, 2, 1)).ends_with("1 findings are left."));
    }
}
