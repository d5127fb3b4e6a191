//! The role that a service runs as which does not own the schema: it has what it needs, and no more of the audit log.

use super::*;

/// Whether the role has a right on a table.
async fn may(world: &World, table: &str, right: &str) -> bool {
    let asked = sqlx::query_scalar("SELECT has_table_privilege('zas_service', $1::text, $2::text)");
    asked.bind(table.to_owned()).bind(right.to_owned()).fetch_one(&world.database.pool().unwrap()).await.unwrap()
}

#[tokio::test]
async fn the_service_may_read_and_write_every_table_but_those_of_the_audit_log() {
    let world = World::new().await;
    let tables =
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
                  AND NOT relispartition AND relname NOT LIKE 'audit%' AND relname <> '_sqlx_migrations'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&world.database.pool().unwrap()).await.unwrap();
    assert!(tables.len() > 20, "{tables:?}");
    for table in tables {
        for right in ["SELECT", "INSERT", "UPDATE", "DELETE"] {
            assert!(may(&world, &table, right).await, "no {right} on {table}");
        }
        assert!(!may(&world, &table, "TRUNCATE").await, "{table}");
    }
    let sequences = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND CASE
                     WHEN relkind = 'S' THEN NOT has_sequence_privilege('zas_service', oid, 'USAGE') ELSE FALSE END";
    assert_eq!(world.count(sequences).await, 0);
}

#[tokio::test]
async fn the_service_changes_and_deletes_nothing_of_the_audit_log() {
    let world = World::new().await;
    let tables =
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
                  AND relname LIKE 'audit%'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&world.database.pool().unwrap()).await.unwrap();
    assert!(tables.len() > 20, "the days are among them: {tables:?}");
    // What is in flight, and who has been told how far: no records.
    let movable = [("audit_intent", "DELETE"), ("audit_published", "UPDATE"), ("audit_cursor", "UPDATE")];
    for table in &tables {
        for right in ["UPDATE", "DELETE", "TRUNCATE"] {
            let expected = movable.contains(&(table.as_str(), right));
            assert_eq!(may(&world, table, right).await, expected, "{right} on {table}");
        }
    }
    for (table, right) in [("audit_event", "INSERT"), ("audit_event", "SELECT"), ("audit_seal", "SELECT")] {
        assert!(may(&world, table, right).await, "no {right} on {table}");
    }
    assert!(!may(&world, "audit_seal", "INSERT").await, "seals are made by a function alone");
}

#[tokio::test]
async fn intents_are_claimed_by_the_service_alone_for_whoever_claims_one_reads_its_record() {
    let world = World::new().await;
    let may = async |role: &'static str, function: &'static str| {
        let asked = sqlx::query_scalar::<_, bool>("SELECT has_function_privilege($1::text, $2::text, 'EXECUTE')");
        asked.bind(role).bind(function).fetch_one(&world.database.pool().unwrap()).await.unwrap()
    };
    const CLAIM: &str = "audit_claim_intent(double precision, double precision, double precision)";
    for (role, claims) in [
        ("zas_service", true),
        ("zas_audit_writer", false),
        ("zas_audit_reader", false),
        ("zas_audit_retention", false),
    ] {
        assert_eq!(may(role, CLAIM).await, claims, "{role}");
    }
    for role in ["zas_service", "zas_audit_writer"] {
        assert!(may(role, "audit_doubt_intents(uuid[])").await, "{role}");
    }
    assert!(!may("zas_audit_reader", "audit_doubt_intents(uuid[])").await);
}

#[tokio::test]
async fn what_a_later_migration_makes_is_granted_when_it_has_run() {
    let world = World::new().await;
    sqlx::query("CREATE TABLE later (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)")
        .execute(&world.database.pool().unwrap())
        .await
        .unwrap();
    assert!(!may(&world, "later", "INSERT").await);
    migrate(&world.index).await.unwrap();
    assert!(may(&world, "later", "INSERT").await);
    assert_eq!(world.count("SELECT grant_service_role()::bigint").await, 0, "what is granted is not granted again");
}
