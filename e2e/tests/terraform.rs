//! Terraform: the S3 backend of OpenTofu, which is Terraform's, keeps and locks its state on a running server; and the requests that
//! the AWS provider makes (`clients/terraform_tour.py`).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use http::Method;
use serde_json::Value;
use zas_e2e::{
    clients::{Room, run_tour},
    harness::{Backend, Endpoint, Failure, Tour, run_on},
    on_each_backend,
    process::{Finished, run},
    s3::{Answer, S3},
    tools::{Tool, require},
};

const REQUESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/terraform_tour.py");

/// Longest run of one command, and longest wait for another one's lock.
const DEADLINE: Duration = Duration::from_secs(120);

/// A resource that is built in, and holds the lock while it is made until the file `go` is there.
const CONFIGURATION: &str = r#"
terraform {
  backend "s3" {
    bucket       = "tofu-state"
    key          = "team a/app+1.tfstate"
    use_lockfile = true
  }
}
variable "text" { default = "first" }
variable "go" { default = "/" }
resource "terraform_data" "one" {
  input = var.text
  triggers_replace = var.text
  provisioner "local-exec" { command = "for n in $(seq 600); do test -e '${var.go}' && exit 0; sleep 0.1; done; exit 1" }
}
output "one" { value = terraform_data.one.output }
"#;

const STATE: &str = "/tofu-state/team a/app+1.tfstate";
const LOCK: &str = "/tofu-state/team a/app+1.tfstate.tflock";

/// OpenTofu in a folder of its own, with the state that all of them share.
struct Tofu<'a> {
    room: &'a Room<'a>,
    program: &'a Path,
    folder: PathBuf,
}

impl<'a> Tofu<'a> {
    fn begin(room: &'a Room<'a>, program: &'a Path, name: &str) -> Result<Self> {
        let configuration = room.write(&format!("{name}/main.tf"), CONFIGURATION.as_bytes())?;
        let folder = configuration.parent().context("a file has a folder")?.to_owned();
        let tofu = Self { room, program, folder };
        tofu.ok(&["init"])?;
        Ok(tofu)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.room.command(self.program, arguments);
        command.current_dir(&self.folder).env("TF_IN_AUTOMATION", "1").env("TF_INPUT", "0");
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<Finished> {
        run(&mut self.command(arguments), DEADLINE)
    }

    fn ok(&self, arguments: &[&str]) -> Result<String> {
        let finished = self.run(arguments)?;
        ensure!(finished.status.success(), "tofu {}: {}{}", arguments.join(" "), finished.stdout, finished.stderr);
        Ok(finished.stdout)
    }

    fn apply(&self, text: &str, go: &Path) -> Result<Finished> {
        self.run(&["apply", "-auto-approve", &format!("-var=text={text}"), &format!("-var=go={}", go.display())])
    }
}

fn get(s3: &S3, path: &str) -> Result<Answer> {
    s3.send(Method::GET, path, bytes::Bytes::new())
}

/// Waits until there is a lock, and gives what it says.
fn lock_of_another(s3: &S3) -> Result<Value> {
    let until = Instant::now() + DEADLINE;
    loop {
        let answer = get(s3, LOCK)?;
        if answer.status.is_success() {
            return Ok(serde_json::from_slice(&answer.body)?);
        }
        ensure!(Instant::now() < until, "nobody has locked the state");
        thread::sleep(Duration::from_millis(100));
    }
}

fn opentofu_keeps_and_locks_its_state(server: &Endpoint) -> Result<()> {
    let Some(program) = require(Tool::Tofu, "opentofu_keeps_and_locks_its_state")? else { return Ok(()) };
    let (room, s3) = (Room::new(server)?, S3::new(server));
    ensure!(s3.put("/tofu-state", bytes::Bytes::new()), "no bucket");
    let begin = |name| Tofu::begin(&room, &program, name);
    let (anna, ben, cleo) = (&begin("anna")?, &begin("ben")?, &begin("cleo")?);
    let anywhere = Path::new("/");
    let mut tour = Tour::new("OpenTofu");

    tour.step("what is applied is in the bucket, and is read by everybody", || {
        let applied = anna.apply("first", anywhere)?;
        ensure!(applied.status.success(), "{}", applied.stderr);
        let state: Value = serde_json::from_slice(&get(&s3, STATE)?.body)?;
        ensure!(state.pointer("/outputs/one/value") == Some(&"first".into()), "{state}");
        ensure!(ben.ok(&["output", "-raw", "one"])? == "first");
        ensure!(get(&s3, LOCK)?.status == 404, "the lock is still there");
        Ok(())
    });
    tour.step("of those who apply at once one does, and the others are told who holds the lock", || {
        let go = &room.path("go");
        let (outcomes, wrote) = thread::scope(|scope| {
            let running = [anna, ben, cleo].map(|tofu| scope.spawn(move || tofu.apply("second", go)));
            // The one who holds the lock waits for the file until the others have ended.
            let until = Instant::now() + DEADLINE;
            while running.iter().filter(|thread| thread.is_finished()).count() < 2 && Instant::now() < until {
                thread::sleep(Duration::from_millis(50));
            }
            let wrote = fs::write(go, "");
            (running.map(thread::ScopedJoinHandle::join), wrote)
        });
        wrote?;
        let mut won = 0;
        for outcome in outcomes {
            let Ok(finished) = outcome else { bail!("a thread panicked") };
            let finished = finished?;
            won += usize::from(finished.status.success());
            let told = finished.stderr;
            ensure!(finished.status.success() || told.contains("Error acquiring the state lock"), "{told}");
        }
        ensure!(won == 1, "{won} of three have applied");
        ensure!(cleo.ok(&["output", "-raw", "one"])? == "second");
        Ok(())
    });
    tour.step("who waits for the lock gets it when it is let go", || {
        let go = room.path("go on");
        thread::scope(|scope| {
            let holder = scope.spawn(|| anna.apply("third", &go));
            let held = lock_of_another(&s3);
            let waiter =
                scope.spawn(|| ben.run(&["plan", "-lock-timeout=100s", "-detailed-exitcode", "-var=text=third"]));
            thread::sleep(Duration::from_secs(1));
            fs::write(&go, "")?;
            let (Ok(applied), Ok(planned)) = (holder.join(), waiter.join()) else { bail!("a thread panicked") };
            let (held, applied, planned) = (held?, applied?, planned?);
            ensure!(held.get("Operation") == Some(&"OperationTypeApply".into()), "{held}");
            ensure!(applied.status.success(), "{}", applied.stderr);
            // 0: there is nothing to change, so it has seen what was applied meanwhile.
            ensure!(planned.status.code() == Some(0), "{}{}", planned.stdout, planned.stderr);
            Ok(())
        })
    });
    tour.step("a lock that was left behind is removed by its id", || {
        let lock = r#"{"ID":"11111111-2222-3333-4444-555555555555","Operation":"OperationTypeApply","Info":"","Who":"gone","Version":"1","Created":"2026-01-02T03:04:05Z","Path":""}"#;
        ensure!(s3.put(LOCK, lock.into()));
        let refused = anna.apply("fourth", anywhere)?;
        ensure!(!refused.status.success() && refused.stderr.contains("11111111-2222"), "{}", refused.stderr);
        anna.ok(&["force-unlock", "-force", "11111111-2222-3333-4444-555555555555"])?;
        let applied = anna.apply("fourth", anywhere)?;
        ensure!(applied.status.success(), "{}", applied.stderr);
        Ok(())
    });
    tour.step("a workspace has a state of its own, and is gone when it is deleted", || {
        ben.ok(&["workspace", "new", "other"])?;
        ensure!(ben.apply("elsewhere", anywhere)?.status.success());
        ensure!(anna.ok(&["workspace", "list"])?.contains("other"));
        ensure!(anna.ok(&["output", "-raw", "one"])? == "fourth");
        ensure!(ben.ok(&["state", "list"])?.trim() == "terraform_data.one");
        ben.ok(&["destroy", "-auto-approve"])?;
        ben.ok(&["workspace", "select", "default"])?;
        ben.ok(&["workspace", "delete", "other"])?;
        ensure!(!anna.ok(&["workspace", "list"])?.contains("other"));
        Ok(())
    });
    tour.step("what is destroyed is out of the state", || {
        anna.ok(&["destroy", "-auto-approve"])?;
        let state: Value = serde_json::from_slice(&get(&s3, STATE)?.body)?;
        ensure!(state.pointer("/resources") == Some(&Value::Array(Vec::new())), "{state}");
        ensure!(get(&s3, LOCK)?.status == 404, "the lock is still there");
        Ok(())
    });
    tour.finish()
}

on_each_backend!(opentofu_keeps_and_locks_its_state);

fn requests(server: &Endpoint, which: &str) -> Result<()> {
    let Some(python) = require(Tool::Python, "the requests of Terraform")? else { return Ok(()) };
    run_tour(&mut Room::new(server)?.command(&python, [REQUESTS, which]))
}

#[test]
fn an_aws_s3_bucket_is_applied_refreshed_and_destroyed() -> Result<(), Failure> {
    run_on(Backend::Embedded, "an_aws_s3_bucket_is_applied_refreshed_and_destroyed", |server| {
        requests(server, "resources")
    })
}

#[test]
fn an_aws_s3_bucket_with_objects_is_destroyed_by_force() -> Result<(), Failure> {
    run_on(Backend::Embedded, "an_aws_s3_bucket_with_objects_is_destroyed_by_force", |server| {
        requests(server, "versions")
    })
}
