//! Tools that are taken out of Debian's packages, with the libraries that they need, into the cache: nothing is installed. They have
//! the version of the machine's release.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::{ToolError, cache::Cache, say};
use crate::process::{run, run_ok};

/// Longest single step.
const DEADLINE: Duration = Duration::from_secs(10 * 60);

/// The path of the tool's executable, from the package of its name.
pub(super) fn provide(cache: &Cache, name: &'static str) -> Result<PathBuf, ToolError> {
    let mut missing = false;
    let entry = cache.entry(&format!("debian-{name}"), |folder| {
        if run(Command::new("apt-get").arg("--version"), DEADLINE).is_err() {
            missing = true;
            bail!("there is no `apt-get`");
        }
        say(&format!("unpacking Debian's {name} (once)"));
        unpack(name, folder)
    });
    match entry {
        Ok(folder) => Ok(folder.join(name)),
        Err(_) if missing => Err(ToolError::NoToolchain { tool: name, toolchain: "Debian's `apt-get`" }),
        Err(cause) => Err(ToolError::Failed { tool: name, cause }),
    }
}

/// Unpacks the package and the libraries below it, and writes what starts its program with them.
fn unpack(name: &str, folder: &Path) -> Result<()> {
    let (packages, root) = (folder.join("packages"), folder.join("root"));
    fs::create_dir_all(&packages)?;
    // The lists of packages may never have been fetched, or may name versions that are gone.
    if download(name, &packages).is_err() {
        run_ok(Command::new("apt-get").args(["-q", "update"]), DEADLINE)?;
        download(name, &packages)?;
    }
    let (mut known, mut waiting) = (BTreeSet::new(), vec![name.to_owned()]);
    while let Some(package) = waiting.pop() {
        let file = if known.is_empty() { file_of(&package, &packages)? } else { download(&package, &packages)? };
        known.insert(package);
        run_ok(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&root), DEADLINE)?;
        let depends = run_ok(Command::new("dpkg-deb").arg("-f").arg(&file).arg("Depends"), DEADLINE)?.stdout;
        waiting.extend(libraries(&depends).filter(|library| !known.contains(*library)).map(str::to_owned));
    }
    let script = format!(
        "#!/bin/sh\nroot=\"$(dirname \"$0\")/root\"\nfor folder in \"$root\"/lib/*/ \"$root\"/usr/lib/*/; do\n  \
         LD_LIBRARY_PATH=\"$LD_LIBRARY_PATH${{LD_LIBRARY_PATH:+:}}$folder\"\ndone\nexport LD_LIBRARY_PATH\n\
         exec \"$root/usr/bin/{name}\" \"$@\"\n"
    );
    let program = folder.join(name);
    fs::write(&program, script)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Fetches a package into a folder.
fn download(package: &str, folder: &Path) -> Result<PathBuf> {
    run_ok(Command::new("apt-get").args(["-q", "download", package]).current_dir(folder), DEADLINE)?;
    file_of(package, folder)
}

/// The file of a package.
fn file_of(package: &str, folder: &Path) -> Result<PathBuf> {
    let is_its = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.strip_prefix(package).is_some_and(|rest| rest.starts_with('_')) && name.ends_with(".deb")
    };
    let files = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    files.into_iter().find(is_its).with_context(|| format!("apt-get has left no {package}"))
}

/// The libraries that a package depends on; that of C is everywhere, and goes with the machine's own loader.
fn libraries(depends: &str) -> impl Iterator<Item = &str> {
    let names = depends.split(',').filter_map(|one| one.split('|').next()?.split_whitespace().next());
    names.map(|name| name.split(':').next().unwrap_or(name)).filter(|name| name.starts_with("lib") && *name != "libc6")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_of_a_package_are_followed_and_not_that_of_c() {
        let depends =
            "golang-common (>> 0.49), libc6 (>= 2.34), libdevmapper1.02.1 (>= 2:1.02.97), libgpgme11t64:any | x\n";
        assert_eq!(libraries(depends).collect::<Vec<_>>(), ["libdevmapper1.02.1", "libgpgme11t64"]);
        assert_eq!(libraries("").count(), 0);
    }
}
