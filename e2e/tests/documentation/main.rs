//! The examples of the documentation work as they stand there: those of the README, of the management API, of the tour of the supply
//! chain, and of the pages about verification policies, identity, policies and audit. What is not run says why, in `list.rs`.

mod api;
mod list;
mod pages;
mod readme;
mod supply_chain;

use std::path::Path;

use anyhow::Result;
use zas_e2e::{
    clients::Room,
    examples::provide,
    harness::{DevServer, Options, proxy_binary},
};

const README: &str = include_str!("../../../README.md");
const API: &str = include_str!("../../../docs/api.md");
const AUDIT: &str = include_str!("../../../docs/audit.md");
const IDENTITY: &str = include_str!("../../../docs/identity.md");
const POLICY: &str = include_str!("../../../docs/policy.md");
const SBOM: &str = include_str!("../../../docs/sbom.md");
const SUPPLY_CHAIN: &str = include_str!("../../../docs/supply-chain.md");
const VERIFICATION_POLICIES: &str = include_str!("../../../docs/verification-policies.md");

/// A `dev` as the pages have it, but for its port.
struct World {
    dev: DevServer,
}

impl World {
    fn start() -> Result<Self> {
        Self::start_with(&Options::default())
    }

    fn start_with(options: &Options) -> Result<Self> {
        Ok(Self { dev: DevServer::start(options)? })
    }

    /// A folder in which `dev` seems to have been started, with its command.
    fn room(&self) -> Result<Room<'_>> {
        let room = Room::new(self.dev.endpoint())?;
        for name in ["credentials", "zas.toml"] {
            let bytes = std::fs::read(self.dev.data_dir().join(name))?;
            room.write(&format!(".zas/{name}"), &bytes)?;
            room.write(name, &bytes)?;
        }
        let proxy = proxy_binary()?.display();
        provide(&room, "zas-proxy", &format!("exec '{proxy}' \"$@\""))?;
        // `cargo run --release -- COMMAND`
        provide(&room, "cargo", &format!("shift 3\nexec '{proxy}' \"$@\""))?;
        Ok(room)
    }
}

/// Whether a program of the machine can be run.
fn has(program: &str, argument: &str) -> bool {
    let mut command = std::process::Command::new(Path::new(program));
    zas_e2e::process::run(command.arg(argument), std::time::Duration::from_secs(60))
        .is_ok_and(|ran| ran.status.success())
}
