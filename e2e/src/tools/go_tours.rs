//! The tours of S3 clients that are Go libraries: programs of our own in `tests/clients/go`, one module, built together. What they
//! depend on is pinned by its `go.mod` and `go.sum`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::digest::{Context, SHA256};

use super::{ToolError, cache::Cache, say};
use crate::process::{run, run_ok};

const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/go");

const BUILD_DEADLINE: Duration = Duration::from_secs(20 * 60);

/// The path of the executable of the tour `name`, built first where the cache has none of these sources.
pub(super) fn provide(cache: &Cache, name: &'static str) -> Result<PathBuf, ToolError> {
    let mut missing = false;
    let built = digest_of(Path::new(MODULE)).and_then(|digest| {
        // Named by its content: other sources are another entry.
        cache.entry(&format!("go-tours-{digest}"), |folder| {
            if run(Command::new("go").arg("version"), Duration::from_secs(60)).is_err() {
                missing = true;
                bail!("there is no `go`");
            }
            say("building the tours of Go libraries (once, this may take minutes)");
            run_ok(&mut build(folder), BUILD_DEADLINE)?;
            Ok(())
        })
    });
    match built {
        Ok(folder) => Ok(folder.join(name)),
        Err(_) if missing => Err(ToolError::NoToolchain { tool: name, toolchain: "a Go toolchain (`go`)" }),
        Err(cause) => Err(ToolError::Failed { tool: name, cause }),
    }
}

/// The command that builds every program of the module into a folder, as it builds other Go tools: without C, and behind the tests.
fn build(folder: &Path) -> Command {
    let mut go = Command::new("nice");
    go.args(["-n", "10", "go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o"]);
    go.arg(folder).arg("./...").current_dir(MODULE).env("CGO_ENABLED", "0");
    go
}

/// A digest over the names and the bytes of all files below a folder, in 12 hexadecimal digits.
fn digest_of(folder: &Path) -> Result<String> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    let mut digest = Context::new(&SHA256);
    for file in files {
        let bytes = fs::read(&file)?;
        let name = file.strip_prefix(folder)?.to_string_lossy().into_owned();
        digest.update(format!("{name}\n{}\n", bytes.len()).as_bytes());
        digest.update(&bytes);
    }
    let digest = hex::encode(digest.finish());
    Ok(digest.get(..12).unwrap_or(&digest).to_owned())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_a_folder_tells_names_and_contents_apart() {
        let made = |files: &[(&str, &str)]| {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("a")).unwrap();
            for (name, content) in files {
                fs::write(folder.path().join(name), content).unwrap();
            }
            digest_of(folder.path()).unwrap()
        };
        assert_eq!(made(&[("a/x", "1"), ("y", "2")]), made(&[("y", "2"), ("a/x", "1")]));
        assert_ne!(made(&[("a/x", "1")]), made(&[("a/x", "2")]));
        assert_ne!(made(&[("a/x", "1")]), made(&[("x", "1")]));
    }

    #[test]
    fn every_tour_is_a_program_of_the_module() {
        for tour in ["aws-sdk-go", "minio-go"] {
            assert!(Path::new(MODULE).join(tour).join("main.go").exists(), "{tour}");
        }
    }
}
