//! The AWS SDK for Java: the jars that `pom.xml` names, with what they need.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Result, bail};

use super::{
    ToolError,
    cache::{Cache, content_name},
    say,
};
use crate::process::{run, run_ok};

const POM: &str = include_str!("pom.xml");

/// What copies the jars, in one version as they are.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

const INSTALL_DEADLINE: Duration = Duration::from_secs(10 * 60);

/// The folder of the jars, filled first where the cache has none.
pub(super) fn provide(cache: &Cache, tool: &'static str) -> Result<PathBuf, ToolError> {
    // What is installed is no use without what runs it.
    if !["java", "javac"].into_iter().all(answers) {
        return Err(ToolError::NoToolchain { tool, toolchain: "a Java development kit (`java` and `javac`)" });
    }
    let mut missing = false;
    let entry = cache.entry(&content_name("java", &[POM]), |folder| {
        if !answers("mvn") {
            missing = true;
            bail!("there is no `mvn`");
        }
        say("installing the AWS SDK for Java (once)");
        let pom = folder.join("pom.xml");
        fs::write(&pom, POM)?;
        let mut mvn = Command::new("mvn");
        mvn.args(["--batch-mode", "--quiet", "--file"]).arg(&pom).args([COPY, "-DincludeScope=runtime"]);
        run_ok(mvn.arg(format!("-DoutputDirectory={}", folder.join("jars").display())), INSTALL_DEADLINE)?;
        Ok(())
    });
    match entry {
        Ok(folder) => Ok(folder.join("jars")),
        Err(_) if missing => Err(ToolError::NoToolchain { tool, toolchain: "Maven (`mvn`)" }),
        Err(cause) => Err(ToolError::Failed { tool, cause }),
    }
}

fn answers(program: &str) -> bool {
    run(Command::new(program).arg("--version"), Duration::from_secs(60)).is_ok_and(|ran| ran.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_jar_is_pinned_to_one_version() {
        let versions: Vec<&str> = POM.split("<version>").skip(1).filter_map(|rest| rest.split('<').next()).collect();
        assert!(versions.len() > 2 && POM.matches("<dependency>").count() + 1 == versions.len(), "{versions:?}");
        assert!(versions.iter().all(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.')), "{versions:?}");
    }
}
