//! One test body, several kinds of server behind it.

use std::fmt;

use anyhow::Result;

use super::{DevServer, Endpoint, Options, Upstream, Zot};
use crate::tools::say;

/// A kind of server that a test runs against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The sidecar with its embedded registry.
    Embedded,
    /// The sidecar with the stock Zot that `ZOT_BIN` names; left out where it names none.
    Zot,
    /// A server that runs already: `ZAS_E2E_ENDPOINT` (a URL), `ZAS_E2E_ACCESS_KEY` and `ZAS_E2E_SECRET_KEY`; left out
    /// where they are not set. So a deployment, or another product, can be put to the same tests.
    Named,
}

/// Why a test failed, printed by the test runner as the text that a person reads: without the stack of a test body, which
/// says nothing that the step's sentence does not.
pub struct Failure(anyhow::Error);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// Runs `body` against a server of the kind `backend`. When it fails, the end of the server's log is shown.
///
/// # Errors
/// When the server does not start, or `body` fails.
pub fn run_on(backend: Backend, test: &str, body: impl FnOnce(&Endpoint) -> Result<()>) -> Result<(), Failure> {
    Ok(start_and_run(backend, test, body)?)
}

fn start_and_run(backend: Backend, test: &str, body: impl FnOnce(&Endpoint) -> Result<()>) -> Result<()> {
    let upstream = match backend {
        Backend::Embedded => Upstream::Embedded,
        Backend::Zot => match Zot::binary() {
            Some(path) => Upstream::Zot(path),
            None => {
                no_zot(test);
                return Ok(());
            }
        },
        Backend::Named => return named().map_or(Ok(()), |endpoint| body(&endpoint)),
    };
    let server = DevServer::start(&Options { upstream, ..Options::default() })?;
    let mut log = LogOnFailure { server: &server, passed: false };
    body(server.endpoint())?;
    log.passed = true;
    Ok(())
}

/// Says that `test` is left out for want of a stock Zot, which is no failure anywhere: the tests install none.
pub fn no_zot(test: &str) {
    say(&format!("LEFT OUT {test} on a stock Zot: ZOT_BIN names none"));
}

fn named() -> Option<Endpoint> {
    let value = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Some(Endpoint {
        url: value("ZAS_E2E_ENDPOINT")?.trim_end_matches('/').to_owned(),
        access_key: value("ZAS_E2E_ACCESS_KEY").unwrap_or_default(),
        secret_key: value("ZAS_E2E_SECRET_KEY").unwrap_or_default(),
    })
}

/// Shows the log of the server when the test leaves, by an error or a panic, before it has passed.
struct LogOnFailure<'a> {
    server: &'a DevServer,
    passed: bool,
}

impl Drop for LogOnFailure<'_> {
    fn drop(&mut self) {
        if !self.passed {
            say(&self.server.log_tail());
        }
    }
}

/// Makes `fn body(server: &Endpoint) -> Result<()>` into three tests of a module: on the embedded registry, on a stock Zot
/// and on a server named by the environment.
#[macro_export]
macro_rules! on_each_backend {
    ($body:ident) => {
        mod $body {
            use $crate::harness::{Backend, Failure, run_on};

            #[test]
            fn on_the_embedded_registry() -> Result<(), Failure> {
                run_on(Backend::Embedded, stringify!($body), super::$body)
            }

            #[test]
            fn on_a_stock_zot() -> Result<(), Failure> {
                run_on(Backend::Zot, stringify!($body), super::$body)
            }

            #[test]
            fn on_a_server_named_by_the_environment() -> Result<(), Failure> {
                run_on(Backend::Named, stringify!($body), super::$body)
            }
        }
    };
}
