use super::*;

fn open(url: &str) -> Index {
    let config = config::Database {
        url: config::Secret::new(url),
        acquire_timeout: Duration::from_millis(500),
        max_connections: 1,
        ..config::Database::default()
    };
    Index::open(&config).unwrap()
}

#[tokio::test]
async fn a_postgres_that_is_down_is_told_as_unavailable_and_keeps_the_password() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let index = open(&format!("postgres://user:hunter2@127.0.0.1:{port}/zas"));
    for error in
        [index.ping().await.unwrap_err(), index.bucket("b").await.unwrap_err(), migrate(&index).await.unwrap_err()]
    {
        assert_eq!(error.code(), Code::IndexUnavailable, "{}", error.for_log());
        assert!(error.retry_after_seconds().is_some());
        assert!(!format!("{error:?} {}", error.for_log()).contains("hunter2"));
    }
    assert!(!format!("{index:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_url_that_cannot_be_read_is_not_repeated() {
    let config = config::Database { url: config::Secret::new("postgres//u:hunter2@h"), ..config::Database::default() };
    let error = Index::open(&config).unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_server_that_never_answers_costs_no_more_than_the_deadline() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let index = open(&format!("postgres://u:p@127.0.0.1:{port}/zas"));
    let answer = tokio::time::timeout(Duration::from_secs(60), index.bucket("b")).await.expect("a deadline of its own");
    assert_code(answer, Code::IndexUnavailable);
}

#[tokio::test]
async fn a_statement_that_runs_too_long_is_given_up() {
    let database = testing::database().await.unwrap();
    let config = config::Database {
        url: config::Secret::new(database.url()),
        statement_timeout: Duration::from_millis(200),
        ..config::Database::default()
    };
    let index = Index::open(&config).unwrap();
    index.create_bucket(new_bucket("b")).await.unwrap();
    // A pool of its own: the index's connections may not idle in a transaction for longer than a statement may run.
    let mut other = database.pool().unwrap().begin().await.unwrap();
    sqlx::query("LOCK TABLE objects IN ACCESS EXCLUSIVE MODE").execute(&mut *other).await.unwrap();
    assert_code(index.object("b", "k").await, Code::IndexUnavailable);
    other.rollback().await.unwrap();
    assert_code(index.object("b", "k").await, Code::NoSuchKey);
}

#[tokio::test]
async fn a_read_only_postgres_refuses_writes_as_unavailable() {
    let world = World::new().await;
    let database: String =
        sqlx::query_scalar("SELECT current_database()").fetch_one(&world.database.pool().unwrap()).await.unwrap();
    let alter = format!("ALTER DATABASE {database} SET default_transaction_read_only = on");
    sqlx::raw_sql(sqlx::AssertSqlSafe(alter)).execute(&world.database.pool().unwrap()).await.unwrap();
    let index = open(world.database.url());
    assert_code(index.commit_object(world.new_object("k", None)).await, Code::IndexUnavailable);
    assert_code(index.object("b", "k").await, Code::NoSuchKey);
}

#[tokio::test]
async fn connections_that_were_cut_are_replaced() {
    let world = World::new().await;
    let index = open(world.database.url());
    index.ping().await.unwrap();
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert!(world.count(cut).await > 0);
    // Postgres carries it out a moment later.
    let left =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'zas-proxy'";
    while world.count(left).await > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // A connection that has just been used is trusted: the first request may still meet the broken one.
    if let Err(error) = index.bucket("b").await {
        assert_eq!(error.code(), Code::IndexUnavailable, "{}", error.for_log());
    }
    index.bucket("b").await.unwrap();
}

#[tokio::test]
async fn a_transaction_in_the_way_is_tried_again() {
    let world = World::new().await;
    // Fails twice with a serialization failure, then lets the write through.
    sqlx::raw_sql(
        "CREATE SEQUENCE tries;
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('tries') < 3 THEN RAISE EXCEPTION 'in the way' USING ERRCODE = '40001'; END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON objects FOR EACH ROW EXECUTE FUNCTION refuse();",
    )
    .execute(&world.database.pool().unwrap())
    .await
    .unwrap();
    world.index.commit_object(world.new_object("k", None)).await.unwrap();
    sqlx::raw_sql("ALTER SEQUENCE tries RESTART").execute(&world.database.pool().unwrap()).await.unwrap();
    sqlx::raw_sql("ALTER SEQUENCE tries INCREMENT BY -1 MINVALUE -100 START 1 RESTART")
        .execute(&world.database.pool().unwrap())
        .await
        .unwrap();
    assert_code(world.index.commit_object(world.new_object("k", None)).await, Code::OperationAborted);
}
