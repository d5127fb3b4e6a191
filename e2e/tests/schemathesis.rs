//! The management API does what its description says: schemathesis makes requests of it, good ones and bad ones, and holds the answers to
//! it. How it is told to, and what it is not told to ask for, stands in `clients/schemathesis.toml`.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use zas_e2e::{
    clients::Room,
    harness::{DevServer, Options, Tour},
    process::run,
    tools::{Tool, require},
};

const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/schemathesis.toml");

/// Longest run: it takes about a minute on two cores.
const DEADLINE: Duration = Duration::from_secs(480);

/// What can be listed with root's key.
const LISTS: [&str; 9] = [
    "buckets",
    "policies",
    "roles",
    "access-keys",
    "sessions",
    "revocations",
    "signing-keys",
    "trusted-keys",
    "trusted-identities",
];

#[test]
fn the_management_api_is_as_it_is_described() -> Result<()> {
    const TEST: &str = "the_management_api_is_as_it_is_described";
    let Some(schemathesis) = require(Tool::Schemathesis, TEST)? else { return Ok(()) };
    // It shows many wrong credentials in a minute, asks for much that it may not do, and shall be listened to all the same.
    let unlimited = ["ZAS_RATES__FAILURES_PER_MINUTE", "ZAS_RATES__DENIALS_PER_MINUTE"];
    let environment = unlimited.map(|name| (name.to_owned(), "0".to_owned())).to_vec();
    let dev = DevServer::start(&Options { environment, ..Options::default() })?;
    let api = Api { room: Room::new(dev.endpoint())?, url: dev.endpoint().url.clone() };
    let root = (dev.endpoint().access_key.clone(), dev.endpoint().secret_key.clone());
    let mut tour = Tour::new("schemathesis");
    tour.step("whoever may read and nothing else changes nothing", || {
        let auditor = api.auditor(&root)?;
        let before = api.everything(&root)?;
        api.examine(&schemathesis, &auditor)?;
        ensure!(api.everything(&root)? == before, "an auditor has changed something");
        Ok(())
    });
    tour.step("root meets nothing that is not described", || api.examine(&schemathesis, &root));
    tour.step("root still gets in, and what root does is on record", || {
        let new = json!({"name": "still-here"}).to_string();
        api.ask(&root, &["-H", "content-type: application/json", "-d", &new], "buckets")?;
        let asked = ["-G", "-d", "from=2020-01-01T00:00:00Z", "-d", "resource=still-here", "-d", "status=200"];
        let found = api.ask(&root, &asked, "audit")?;
        ensure!(found["records"].as_array().is_some_and(|records| records.len() == 1), "{found}");
        Ok(())
    });
    tour.finish()
}

/// An access key id and its secret.
type Credentials = (String, String);

/// The API of a running server.
struct Api<'a> {
    room: Room<'a>,
    url: String,
}

impl Api<'_> {
    /// Lets schemathesis loose on every operation.
    fn examine(&self, schemathesis: &Path, (user, password): &Credentials) -> Result<()> {
        let description = format!("{}/-/api/openapi.json", self.url);
        let arguments = ["--config-file", CONFIGURATION, "run", "--no-color", &description];
        let mut command = self.room.command(schemathesis, arguments);
        command.env("ZAS_USER", user).env("ZAS_PASSWORD", password).env("PYTHONUTF8", "1");
        let told = run(&mut command, DEADLINE)?;
        ensure!(told.status.success(), "{}{}", told.stdout, told.stderr);
        let described: Value = serde_json::from_str(&self.room.ok("curl".as_ref(), &["-sf", &description])?)?;
        let items = described.get("paths").and_then(Value::as_object).context("no paths")?.values();
        let operations: usize = items.filter_map(|item| Some(item.as_object()?.len())).sum();
        let tested = format!("Tested: {operations}");
        ensure!(told.stdout.contains(&tested), "not all of {operations} operations: {}", told.stdout);
        Ok(())
    }

    /// Somebody who may read everything.
    fn auditor(&self, root: &Credentials) -> Result<Credentials> {
        self.ask(root, &["-X", "PUT"], "policies/auditor/attachments?kind=group&name=/auditors")?;
        let new = json!({"name": "auditor", "groups": ["/auditors"]}).to_string();
        let made = self.ask(root, &["-H", "content-type: application/json", "-d", &new], "access-keys")?;
        let text = |name: &str| made.get(name).and_then(Value::as_str).map(str::to_owned).context("no key was made");
        Ok((text("id")?, text("secret")?))
    }

    /// All that there is, but when keys were last used.
    fn everything(&self, root: &Credentials) -> Result<Vec<Value>> {
        let mut lists = LISTS.iter().map(|list| self.ask(root, &[], list)).collect::<Result<Vec<_>>>()?;
        for key in lists.iter_mut().filter_map(|list| list["access_keys"].as_array_mut()).flatten() {
            key["last_used_at"] = Value::Null;
        }
        Ok(lists)
    }

    fn ask(&self, (user, password): &Credentials, arguments: &[&str], path: &str) -> Result<Value> {
        let (credentials, url) = (format!("{user}:{password}"), format!("{}/-/api/v1/{path}", self.url));
        let told = self
            .room
            .ok("curl".as_ref(), &[&["-sS", "--fail-with-body", "-u", &credentials], arguments, &[&url]].concat())?;
        if told.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&told)?) }
    }
}
