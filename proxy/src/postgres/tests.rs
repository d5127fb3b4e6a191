use std::process::{Command, Stdio};
use std::time::Instant;

use super::*;

const HELPER_FOLDER: &str = "ZAS_POSTGRES_TEST_FOLDER";

fn options() -> Options {
    Options { fsync: false, max_connections: 20, shared_buffers: "16MB".to_owned(), ..Options::default() }
}

/// A folder that is removed at the end, and with it the home elsewhere that root may need.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

async fn query(server: &Server, statement: &str) -> i32 {
    let mut connection = sqlx::PgConnection::connect(&server.url("kept")).await.unwrap();
    sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_one(&mut connection).await.unwrap()
}

fn postmaster(server: &Server) -> u32 {
    stale::recorded_pid(&server.home.data().join("postmaster.pid")).unwrap()
}

fn kill(signal: &str, pid: u32) -> bool {
    let status =
        Command::new("sh").args(["-c", "kill -$0 $1", signal, &pid.to_string()]).stderr(Stdio::null()).status();
    status.unwrap().success()
}

async fn until_gone(pid: u32) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while kill("0", pid) {
        assert!(Instant::now() < deadline, "process {pid} did not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_is_written_is_there_after_a_stop_and_a_start() {
    let folder = folder();
    let server = Server::start(folder.path(), options()).await.unwrap();
    server.create_database("kept").await.unwrap();
    server.create_database("kept").await.unwrap();
    server.execute("kept", "CREATE TABLE t AS SELECT 7 AS a").await.unwrap();
    let pid = postmaster(&server);
    server.stop().await.unwrap();
    assert!(!kill("0", pid), "stop waits for the end");
    let server = Server::start(folder.path(), options()).await.unwrap();
    assert_eq!(query(&server, "SELECT a FROM t").await, 7);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_postmaster_is_recovered_from() {
    let folder = folder();
    let server = Server::start(folder.path(), Options { fsync: true, ..options() }).await.unwrap();
    server.create_database("kept").await.unwrap();
    server.execute("kept", "CREATE TABLE t AS SELECT 7 AS a").await.unwrap();
    assert!(kill("KILL", postmaster(&server)));
    server.stop().await.unwrap();
    let server = Server::start(folder.path(), options()).await.unwrap();
    assert_eq!(query(&server, "SELECT a FROM t").await, 7);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_postgres_that_an_earlier_run_left_running_is_stopped_first() {
    let folder = folder();
    let server = Server::start(folder.path(), options()).await.unwrap();
    let (data, program, log) = (server.home.data(), server.installation.bin.join("postgres"), server.log_file());
    let account = server.home.account().cloned();
    server.stop().await.unwrap();

    let port = crate::free_port::free_port().unwrap();
    let mut orphan = watchdog::command(program, account.as_ref())
        .arg("-D")
        .arg(&data)
        .args(["-c", "unix_socket_directories=", "-c", "listen_addresses=127.0.0.1", "-c", &format!("port={port}")])
        .stderr(File::options().append(true).open(log).unwrap())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !std::fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default().contains("ready") {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Reaps it, as init would.
    let reaper = std::thread::spawn(move || orphan.wait().unwrap());
    let server = Server::start(folder.path(), options()).await.unwrap();
    assert!(reaper.join().unwrap().success());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_trace_that_names_another_program_does_not_keep_postgres_from_starting() {
    let folder = folder();
    let server = Server::start(folder.path(), options()).await.unwrap();
    let trace = server.home.data().join("postmaster.pid");
    let account = server.home.account().cloned();
    server.stop().await.unwrap();
    // A live process of the same user that is no Postgres.
    let mut other = watchdog::command("sleep", account.as_ref()).arg("600").spawn().unwrap();
    std::fs::write(&trace, format!("{}\n/nowhere\n0\n", other.id())).unwrap();
    home::own(&trace, account.as_ref(), 0o600).unwrap();
    let started = Server::start(folder.path(), options()).await;
    assert!(other.try_wait().unwrap().is_none(), "the other program is left alone");
    other.kill().unwrap();
    other.wait().unwrap();
    started.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_in_use_is_refused() {
    let folder = folder();
    let server = Server::start(folder.path(), options()).await.unwrap();
    assert!(matches!(Server::start(folder.path(), options()).await, Err(PostgresError::InUse { .. })));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_dropped_server_ends_and_takes_its_folder_along_when_told_to() {
    let folder = folder();
    let server = Server::start(folder.path(), Options { remove_at_end: true, ..options() }).await.unwrap();
    let (pid, data) = (postmaster(&server), server.home.data());
    drop(server);
    until_gone(pid).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while data.exists() {
        assert!(Instant::now() < deadline, "the data is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn data_of_another_major_version_is_told_apart() {
    let folder = folder();
    let home = home::open(folder.path(), home::account(folder.path()).unwrap()).await.unwrap();
    std::fs::create_dir(home.data()).unwrap();
    std::fs::write(home.data().join("PG_VERSION"), "9\n").unwrap();
    let options = Options { source: Source::Installed, ..options() };
    assert!(matches!(Server::start(folder.path(), options).await, Err(PostgresError::NotInstalled)));
}

/// Not a test of its own: the process that the next test kills.
#[tokio::test]
#[ignore = "the other half of nothing_stays_behind_when_this_process_is_killed"]
async fn helper_that_runs_until_it_is_killed() {
    let Some(folder) = std::env::var_os(HELPER_FOLDER) else { return };
    let server = Server::start(Path::new(&folder), options()).await.unwrap();
    std::fs::write(Path::new(&folder).join("pid"), postmaster(&server).to_string()).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn nothing_stays_behind_when_this_process_is_killed() {
    let folder = folder();
    let mut helper = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "postgres::tests::helper_that_runs_until_it_is_killed", "--ignored"])
        .env(HELPER_FOLDER, folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    let pid = loop {
        let text = std::fs::read_to_string(folder.path().join("pid")).unwrap_or_default();
        if let Ok(pid) = text.parse::<u32>() {
            break pid;
        }
        assert!(Instant::now() < deadline && helper.try_wait().unwrap().is_none(), "the helper did not start");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    helper.kill().unwrap();
    helper.wait().unwrap();
    until_gone(pid).await;
    let server = Server::start(folder.path(), options()).await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "downloads from Maven Central: cargo test --workspace --lib -- --ignored a_fetched_postgres_runs"]
async fn a_fetched_postgres_runs() {
    let (folder, cache) = (folder(), folder());
    let options = Options { source: Source::Fetched, install_dir: Some(cache.path().to_owned()), ..options() };
    let server = Server::start(folder.path(), options.clone()).await.unwrap();
    assert!(server.description().contains(" 17."), "{}", server.description());
    server.create_database("kept").await.unwrap();
    server.stop().await.unwrap();
    // The second start needs no download.
    let began = Instant::now();
    Server::start(folder.path(), options).await.unwrap().stop().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(120));
}
