//! What `zas-proxy dev` says.

use zas_proxy::postgres::testing;

use super::program::Program;
use super::secrets::Secrets;

pub(crate) async fn says_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let database = testing::empty_database().await.unwrap();
    let data = folder.path().join("data");
    let arguments = ["dev", "--listen", "127.0.0.1:0", "--zot", "embedded", "--postgres", database.url(), "--tls"];
    let arguments = [&arguments[..], &["--data-dir", data.to_str().unwrap()]].concat();
    let mut program = Program::start(folder.path(), &arguments);
    program.wait_for("Ctrl-C stops everything").await;
    let said = program.stop().await;
    let mut secrets = Secrets::default();
    let read = |name: &str| std::fs::read_to_string(data.join(name)).unwrap();
    let credentials = read("credentials");
    let value = |key: &str| {
        let line = credentials.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_once(" = ").unwrap().1.to_owned()
    };
    secrets.add("the access key's secret", &value("aws_secret_access_key"));
    secrets.add("the ring's key", read("ring-key").trim());
    secrets.add("the audit key", read("audit-key.pem").lines().nth(1).unwrap());
    secrets.add("the database's password", url::Url::parse(database.url()).unwrap().password().unwrap());
    assert!(said.contains(&value("aws_access_key_id")), "{said}");
    assert_eq!(secrets.found_in("what dev says", said.as_bytes()), [""; 0]);
}
