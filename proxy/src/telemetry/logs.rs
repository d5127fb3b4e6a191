//! Log lines: where they go and what they look like. Lines of crates that use `log` (pingora does) join ours.

use std::io::IsTerminal;

use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::{FilterExt, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use super::{TelemetryError, traces};
use crate::config::{self, LogFormat};

/// Installs logs, and traces where there is a provider, for the whole process. Lines go to stderr: stdout belongs to
/// what a command answers.
pub(super) fn install(config: &config::Telemetry, provider: Option<&SdkTracerProvider>) -> Result<(), TelemetryError> {
    let filter = filter(config)?;
    let colours = std::io::stderr().is_terminal();
    let lines = lines(config.log_format, colours, std::io::stderr).with_filter(filter.and(ceiling()));
    Registry::default().with(lines).with(provider.map(traces::layer)).try_init()?;
    Ok(())
}

/// Which lines are written.
pub(super) fn filter(config: &config::Telemetry) -> Result<EnvFilter, TelemetryError> {
    Ok(EnvFilter::builder().parse(&config.log_filter)?)
}

/// What is written at the most, whatever the filter says. Below this level other crates print heads of requests, frames and
/// keys, and nobody here decides what stands in them.
fn ceiling() -> Targets {
    const OURS: [&str; 3] = ["zas_proxy", "zas_policy", "zas_registry"];
    Targets::new().with_default(Level::INFO).with_targets(OURS.map(|target| (target, Level::TRACE)))
}

/// The layer that writes lines.
fn lines<S, W>(format: LogFormat, colours: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    match format {
        LogFormat::Human => Box::new(fmt::layer().with_writer(writer).with_ansi(colours)),
        LogFormat::Json => Box::new(
            fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false).with_writer(writer),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat, work: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = Registry::default().with(lines(format, false, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, work);
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_line_has_message_level_fields_and_the_request_it_belongs_to() {
        let text = written(LogFormat::Json, || {
            let span = tracing::info_span!("request", request_id = "abc");
            let _entered = span.enter();
            tracing::warn!(store = "default", "gone");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "gone");
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["store"], "default");
        assert_eq!(line["span"]["request_id"], "abc");
    }

    #[test]
    fn a_human_line_is_one_line_without_colours_where_none_are_wanted() {
        let text = written(LogFormat::Human, || tracing::info!(n = 1, "hello"));
        assert!(text.contains("hello") && text.contains("n=1"), "{text}");
        assert!(!text.contains('\u{1b}') && text.matches('\n').count() == 1, "{text:?}");
    }

    #[test]
    fn a_line_feed_in_a_field_cannot_forge_a_second_line() {
        for format in [LogFormat::Human, LogFormat::Json] {
            let text = written(format, || tracing::info!(key = "a\nINFO forged", "hello"));
            assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        }
    }

    #[test]
    fn other_crates_write_nothing_below_info_whatever_the_filter_says() {
        let everything = config::Telemetry { log_filter: "trace".to_owned(), ..config::Telemetry::default() };
        let captured = Captured::default();
        let writer = captured.clone();
        let filter = filter(&everything).unwrap().and(ceiling());
        let lines = lines(LogFormat::Human, false, move || writer.clone()).with_filter(filter);
        tracing::subscriber::with_default(Registry::default().with(lines), || {
            tracing::trace!(target: "zas_proxy::access", "ours");
            tracing::info!(target: "hyper", "theirs");
            tracing::debug!(target: "hyper", "their secrets");
            tracing::trace!(target: "pingora_proxy", "their secrets");
        });
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("ours") && text.contains("theirs") && !text.contains("secrets"), "{text}");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_refused() {
        let config = config::Telemetry { log_filter: "info,=nope=".to_owned(), ..config::Telemetry::default() };
        assert!(matches!(install(&config, None), Err(TelemetryError::Filter(_))));
    }
}
