//! The real program, with its output in a file.

#![allow(dead_code, reason = "each test that includes this file uses a part of it")]

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zas_proxy::dev::child::Child;

use super::ask::PATIENCE;

/// A running `zas-proxy`.
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_with(folder, arguments, &[])
    }

    /// As [`Self::start`], with these besides our own environment.
    pub(crate) fn start_with(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let log = folder.join("output");
        let program = OsStr::new(env!("CARGO_BIN_EXE_zas-proxy"));
        let child = Child::spawn(program, arguments, environment, File::create(&log).unwrap()).unwrap();
        Self { child, log }
    }

    /// Waits until it has ended by itself; the status as a shell tells it, 128 and the signal for one that was killed.
    pub(crate) async fn wait_for_end(mut self) -> Option<i32> {
        let waiting = async {
            loop {
                if let Some(status) = self.child.ended().unwrap() {
                    return status.code();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(code) => code,
            Err(_) => panic!("it goes on: {}", self.output()),
        }
    }

    /// What it has written so far.
    pub(crate) fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits until it has written something.
    pub(crate) async fn wait_for(&mut self, text: &str) -> String {
        let waiting = async {
            loop {
                let output = self.output();
                if let Some(line) = output.lines().find(|line| line.contains(text)) {
                    return line.to_owned();
                }
                if let Some(status) = self.child.ended().unwrap() {
                    panic!("it ended with {status}: {output}");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(line) => line,
            Err(_) => panic!("no {text:?} in {}", self.output()),
        }
    }

    /// Asks it to stop; gives all that it has written.
    pub(crate) async fn stop(self) -> String {
        let log = self.log.clone();
        self.child.stop().await;
        String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned()
    }
}
