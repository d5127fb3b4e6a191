-- The role that the service runs as where it does not own the schema: `zas_service`, without login, to be granted to a user of
-- its own (docs/audit.md, "Roles"). Of the audit log it may insert and read, and change or delete nothing.
--
-- No migration grants anything to it: after the last of them the program calls grant_service_role() (index/schema.rs), which
-- gives the role what it lacks. A new table, view or sequence is its own to read and write; one whose name begins with `audit_`
-- is not, unless it is listed below, in a later version of the function.

CREATE FUNCTION grant_service_role() RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_schema    regnamespace := current_schema()::regnamespace;
    v_object    regclass;
    v_function  regprocedure;
    v_right     text;
    v_granted   integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'zas_service') THEN
        RETURN 0;
    END IF;
    -- Replicas that start together would change the same rows of the catalog.
    PERFORM pg_advisory_xact_lock(hashtextextended('zas service role', 0));
    IF NOT has_schema_privilege('zas_service', v_schema::oid, 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %s TO zas_service', v_schema);
        v_granted := v_granted + 1;
    END IF;

    FOR v_object, v_right IN
        WITH ours AS (
            SELECT c.oid, c.relname FROM pg_class AS c
            WHERE c.relnamespace = v_schema AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
              AND pg_has_role(c.relowner, 'USAGE')
              AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        ), audit (relname, rights) AS (
            VALUES ('audit_event', 'SELECT INSERT'), ('audit_unsealed', 'SELECT INSERT'),
                   ('audit_intent', 'SELECT INSERT DELETE'), ('audit_writer', 'SELECT'), ('audit_seal', 'SELECT'),
                   ('audit_checkpoint', 'SELECT'), ('audit_published', 'SELECT UPDATE'), ('audit_tombstone', 'SELECT'),
                   ('audit_cursor', 'SELECT INSERT UPDATE'), ('audit_read', 'SELECT'), ('_sqlx_migrations', 'SELECT')
        ), wanted AS (
            SELECT ours.oid, audit.rights FROM ours JOIN audit ON audit.relname = ours.relname
            UNION ALL
            SELECT ours.oid, 'SELECT INSERT UPDATE DELETE' FROM ours
            WHERE ours.relname NOT LIKE 'audit\_%' AND ours.relname <> '_sqlx_migrations'
        )
        SELECT wanted.oid::regclass, named.name FROM wanted
        CROSS JOIN LATERAL string_to_table(wanted.rights, ' ') AS named (name)
        WHERE NOT has_table_privilege('zas_service', wanted.oid, named.name)
    LOOP
        EXECUTE format('GRANT %s ON %s TO zas_service', v_right, v_object);
        v_granted := v_granted + 1;
    END LOOP;

    FOR v_object IN
        SELECT c.oid::regclass FROM pg_class AS c
        WHERE c.relnamespace = v_schema AND c.relname NOT LIKE 'audit\_%' AND pg_has_role(c.relowner, 'USAGE')
          -- In this order, and no other: the function fails for what is no sequence, and a planner may ask it first.
          AND CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege('zas_service', c.oid, 'USAGE') ELSE FALSE END
    LOOP
        EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE %s TO zas_service', v_object);
        v_granted := v_granted + 1;
    END LOOP;

    -- All others may be called by everybody, and do what the caller may do.
    FOR v_function IN
        SELECT p.oid::regprocedure FROM pg_proc AS p
        WHERE p.pronamespace = v_schema AND p.prosecdef AND p.proname LIKE 'audit\_%'
          AND pg_has_role(p.proowner, 'USAGE') AND NOT has_function_privilege('zas_service', p.oid, 'EXECUTE')
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO zas_service', v_function);
        v_granted := v_granted + 1;
    END LOOP;
    RETURN v_granted;
END
$$;
COMMENT ON FUNCTION grant_service_role IS 'Gives the role of the service what it lacks; how much that was. Does nothing where there is no such role.';

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'zas_service') THEN
        CREATE ROLE zas_service NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN
        NULL;
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'role zas_service was not created: this user may not create roles (see docs/audit.md)';
END
$$;
