-- Audit: what was done, by whom, and the chains that show whether anybody has changed what stands here.
--
-- Events and seals are RANGE-partitioned by day (UTC) and are only ever inserted; a day goes as a whole, by audit_retire,
-- which leaves a record of what went. A row that no partition of a day takes falls into the default partition: nothing is
-- lost because nobody has made tomorrow in time.

CREATE TABLE audit_event (
    time        timestamptz NOT NULL,
    id          uuid NOT NULL,
    writer      uuid NOT NULL,
    kind        text NOT NULL,
    request_id  text,
    principal   text,
    resource    text COLLATE "C",
    action      text,
    status      integer,
    record      text NOT NULL,
    PRIMARY KEY (time, id)
) PARTITION BY RANGE (time);
CREATE INDEX audit_event_by_resource ON audit_event (resource, time, id) WHERE resource IS NOT NULL;
CREATE INDEX audit_event_by_principal ON audit_event (principal, time, id) WHERE principal IS NOT NULL;
CREATE TABLE audit_event_default PARTITION OF audit_event DEFAULT;
COMMENT ON COLUMN audit_event.record IS 'The canonical bytes: JSON with sorted keys. The other columns repeat what stands in it; `zas-proxy audit verify` sees to it that they agree.';

CREATE TABLE audit_unsealed (
    writer  uuid NOT NULL,
    time    timestamptz NOT NULL,
    id      uuid NOT NULL,
    PRIMARY KEY (writer, time, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE audit_unsealed IS 'Events that no seal covers yet: a short queue, so that the sealer never looks for them among millions.';

CREATE TABLE audit_intent (
    id    uuid PRIMARY KEY,
    time  timestamptz NOT NULL
);
COMMENT ON TABLE audit_intent IS 'Intents whose outcome has not been recorded yet. Only for showing them; the events themselves are the truth.';

CREATE TABLE audit_writer (
    id           uuid PRIMARY KEY,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    number       bigint NOT NULL DEFAULT 0,
    hash         bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (octet_length(hash) = 32),
    records      bigint NOT NULL DEFAULT 0,
    checkpointed bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE audit_writer IS 'The processes that write, and the head of the chain of each: a shortcut to what audit_seal says.';

CREATE TABLE audit_seal (
    sealed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    writer      uuid NOT NULL,
    number      bigint NOT NULL CHECK (number > 0),
    origin      uuid,
    previous    bytea NOT NULL CHECK (octet_length(previous) = 32),
    times       timestamptz[] NOT NULL,
    ids         uuid[] NOT NULL,
    hashes      bytea NOT NULL,
    hash        bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (writer, number, sealed_at),
    CHECK (cardinality(ids) = cardinality(times) AND octet_length(hashes) = 32 * cardinality(ids))
) PARTITION BY RANGE (sealed_at);
CREATE TABLE audit_seal_default PARTITION OF audit_seal DEFAULT;
COMMENT ON TABLE audit_seal IS 'One chain a writer: each seal holds the SHA-256 of the records that it covers and the hash of the seal before it.';
COMMENT ON COLUMN audit_seal.origin IS 'Whose events these are, where the writer has taken over those of a process that is gone.';

CREATE TABLE audit_checkpoint (
    number   bigint PRIMARY KEY CHECK (number > 0),
    made_at  timestamptz NOT NULL,
    note     text NOT NULL,
    heads    text NOT NULL
);
COMMENT ON TABLE audit_checkpoint IS 'Signed notes over the heads of the chains; the same notes are published in the upstream registry.';

CREATE TABLE audit_published (
    single  boolean PRIMARY KEY DEFAULT true CHECK (single),
    number  bigint NOT NULL DEFAULT 0
);
INSERT INTO audit_published DEFAULT VALUES;
COMMENT ON TABLE audit_published IS 'The last checkpoint that the registry is known to hold.';

CREATE TABLE audit_tombstone (
    day         date PRIMARY KEY,
    event_time  timestamptz NOT NULL,
    event_id    uuid NOT NULL,
    heads       text NOT NULL
);
COMMENT ON TABLE audit_tombstone IS 'Days that were retired: the event that says so, and where each chain stood at the last seal that went with the day.';

CREATE TABLE audit_cursor (
    name          text NOT NULL,
    writer        uuid NOT NULL,
    number        bigint NOT NULL,
    holder        uuid,
    leased_until  timestamptz,
    PRIMARY KEY (name, writer)
);
COMMENT ON TABLE audit_cursor IS 'How far each webhook has been told, by chain: the last seal. By seal and not by time, for a record that had to wait is committed late. The row of the nil writer says which process is at it.';

CREATE FUNCTION audit_lease(p_name text, p_holder uuid, p_seconds double precision) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_cursor (name, writer, number, holder, leased_until)
    VALUES (p_name, '00000000-0000-0000-0000-000000000000', 0, p_holder, clock_timestamp())
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        -- A new webhook is told of what happens from now on.
        INSERT INTO audit_cursor (name, writer, number) SELECT p_name, id, number FROM audit_writer WHERE number > 0
        ON CONFLICT DO NOTHING;
    END IF;
    UPDATE audit_cursor SET holder = p_holder, leased_until = clock_timestamp() + make_interval(secs => p_seconds)
    WHERE name = p_name AND writer = '00000000-0000-0000-0000-000000000000'
        AND (holder = p_holder OR leased_until <= clock_timestamp());
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION audit_lease IS 'Whether the holder is the one process that tells this webhook now.';

-- --- insert-only

CREATE FUNCTION audit_refuse() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: audit records are only ever inserted', TG_OP, TG_TABLE_NAME USING ERRCODE = '42501';
END
$$;

-- Triggers of rows are inherited by every partition, triggers of TRUNCATE are not.
CREATE TRIGGER audit_insert_only BEFORE UPDATE OR DELETE ON audit_event FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_insert_only BEFORE UPDATE OR DELETE ON audit_seal FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_insert_only BEFORE UPDATE OR DELETE ON audit_checkpoint FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_insert_only BEFORE UPDATE OR DELETE ON audit_tombstone FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_event FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_event_default FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_seal FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_seal_default FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_tombstone FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();

-- --- writing

CREATE FUNCTION audit_append(p_records text[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_written bigint;
BEGIN
    -- A batch may come again after a connection broke while it committed: what stands already is not written twice.
    WITH written AS (
        INSERT INTO audit_event (time, id, writer, kind, request_id, principal, resource, action, status, record)
        SELECT f.time, f.id, f.writer, f.kind, f.request_id, f.principal, f.resource, f.action, f.status, r.record
        FROM unnest(p_records) AS r (record)
        CROSS JOIN LATERAL json_to_record(r.record::json) AS f (
            time timestamptz, id uuid, writer uuid, kind text, request_id text, principal text, resource text,
            action text, status integer
        )
        ON CONFLICT DO NOTHING
        RETURNING time, id, writer
    )
    INSERT INTO audit_unsealed (writer, time, id) SELECT writer, time, id FROM written;
    GET DIAGNOSTICS v_written = ROW_COUNT;
    RETURN v_written;
END
$$;
COMMENT ON FUNCTION audit_append IS 'Writes records; how many were new. Part of the caller''s transaction: the change that they tell of commits with them or not at all.';

CREATE FUNCTION audit_append_batch(p_records text[], p_intents uuid[], p_outcomes uuid[]) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(p_intents) > 0 THEN
        INSERT INTO audit_intent (id, time) SELECT id, clock_timestamp() FROM unnest(p_intents) AS id ON CONFLICT DO NOTHING;
    END IF;
    IF cardinality(p_outcomes) > 0 THEN
        DELETE FROM audit_intent WHERE id = ANY (p_outcomes);
    END IF;
    RETURN audit_append(p_records);
END
$$;

-- --- sealing

CREATE FUNCTION audit_seal_hash(
    p_writer uuid, p_number bigint, p_origin uuid, p_previous bytea, p_ids uuid[], p_hashes bytea
) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(
        'zas-audit-seal/v1'::bytea || uuid_send(p_writer) || int8send(p_number)
        || uuid_send(COALESCE(p_origin, '00000000-0000-0000-0000-000000000000'::uuid)) || p_previous
        || int8send(cardinality(p_ids)::bigint)
        || (SELECT COALESCE(string_agg(uuid_send(i.id), ''::bytea ORDER BY i.place), ''::bytea)
            FROM unnest(p_ids) WITH ORDINALITY AS i (id, place))
        || p_hashes
    )
$$;

CREATE FUNCTION audit_seal_next(p_writer uuid, p_origin uuid, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    v_owner    uuid := COALESCE(p_origin, p_writer);
    v_number   bigint;
    v_previous bytea;
    v_times    timestamptz[];
    v_ids      uuid[];
    v_from     timestamptz;
    v_to       timestamptz;
    v_hashes   bytea;
    v_hash     bytea;
BEGIN
    UPDATE audit_writer SET seen_at = clock_timestamp()
    WHERE id = p_writer AND seen_at < clock_timestamp() - interval '5 seconds';
    IF NOT EXISTS (SELECT FROM audit_unsealed WHERE writer = v_owner) THEN
        RETURN 0;
    END IF;
    INSERT INTO audit_writer (id) VALUES (p_writer) ON CONFLICT DO NOTHING;
    SELECT number + 1, hash INTO v_number, v_previous FROM audit_writer WHERE id = p_writer FOR UPDATE;

    -- Two may be at the events of a writer that is slow rather than gone: each event goes to one of them.
    WITH next AS (
        SELECT writer, time, id FROM audit_unsealed WHERE writer = v_owner
        ORDER BY time, id LIMIT p_limit FOR UPDATE SKIP LOCKED
    ), taken AS (
        DELETE FROM audit_unsealed AS u USING next
        WHERE u.writer = next.writer AND u.time = next.time AND u.id = next.id
        RETURNING u.time, u.id
    )
    SELECT array_agg(time ORDER BY time, id), array_agg(id ORDER BY time, id), min(time), max(time)
    INTO v_times, v_ids, v_from, v_to FROM taken;
    IF v_ids IS NULL THEN
        RETURN 0;
    END IF;
    -- An event that is not there any more has no bytes; its place says so, and verification finds it.
    SELECT string_agg(
        COALESCE(sha256(convert_to(e.record, 'UTF8')), decode(repeat('00', 32), 'hex')), ''::bytea ORDER BY t.place
    ) INTO v_hashes
    FROM unnest(v_times, v_ids) WITH ORDINALITY AS t (time, id, place)
    LEFT JOIN audit_event AS e ON e.time = t.time AND e.id = t.id AND e.time BETWEEN v_from AND v_to;

    v_hash := audit_seal_hash(p_writer, v_number, p_origin, v_previous, v_ids, v_hashes);
    INSERT INTO audit_seal (writer, number, origin, previous, times, ids, hashes, hash)
    VALUES (p_writer, v_number, p_origin, v_previous, v_times, v_ids, v_hashes, v_hash);
    UPDATE audit_writer
    SET number = v_number, hash = v_hash, records = records + cardinality(v_ids), seen_at = clock_timestamp()
    WHERE id = p_writer;
    RETURN cardinality(v_ids);
END
$$;
COMMENT ON FUNCTION audit_seal_next IS 'Seals up to p_limit events of a writer, or of the origin whose events it takes over, by one seal on the writer''s chain; how many it was.';

CREATE FUNCTION audit_orphans(p_silence_seconds double precision) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER AS $$
    WITH RECURSIVE pending AS (
        (SELECT writer, time FROM audit_unsealed ORDER BY writer, time LIMIT 1)
        UNION ALL
        SELECT next.writer, next.time FROM pending
        CROSS JOIN LATERAL (
            SELECT u.writer, u.time FROM audit_unsealed AS u WHERE u.writer > pending.writer
            ORDER BY u.writer, u.time LIMIT 1
        ) AS next
    )
    SELECT pending.writer FROM pending LEFT JOIN audit_writer AS w ON w.id = pending.writer
    WHERE COALESCE(w.seen_at, pending.time) < clock_timestamp() - make_interval(secs => p_silence_seconds)
$$;
COMMENT ON FUNCTION audit_orphans IS 'Writers that have unsealed events and were not heard of for so long.';

-- --- checkpoints

CREATE FUNCTION audit_add_checkpoint(
    p_number bigint, p_made_at timestamptz, p_note text, p_heads text, p_writers uuid[], p_records bigint[]
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO audit_checkpoint (number, made_at, note, heads) VALUES (p_number, p_made_at, p_note, p_heads)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE audit_writer SET checkpointed = covered.records
    FROM unnest(p_writers, p_records) AS covered (id, records) WHERE audit_writer.id = covered.id;
    RETURN true;
END
$$;
COMMENT ON FUNCTION audit_add_checkpoint IS 'Stores a checkpoint; false where another process was faster with that number.';

-- --- days

CREATE FUNCTION audit_prepare_day(p_day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '5s' AS $$
DECLARE
    v_parent   text;
    v_name     text;
    v_from     timestamptz := p_day::timestamp AT TIME ZONE 'UTC';
    v_to       timestamptz := (p_day + 1)::timestamp AT TIME ZONE 'UTC';
    v_strays   boolean;
    v_made     boolean := false;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('zas audit days', 0));
    FOREACH v_parent IN ARRAY ARRAY['audit_event', 'audit_seal'] LOOP
        v_name := v_parent || '_' || to_char(p_day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(v_name) IS NOT NULL;
        -- Rows of the day that came before its partition stay in the default partition, and the day with them.
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %I >= $1 AND %I < $2)', v_parent || '_default',
            CASE v_parent WHEN 'audit_event' THEN 'time' ELSE 'sealed_at' END,
            CASE v_parent WHEN 'audit_event' THEN 'time' ELSE 'sealed_at' END) INTO v_strays USING v_from, v_to;
        CONTINUE WHEN v_strays;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', v_name, v_parent);
        EXECUTE format('CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()', v_name);
        -- Attached rather than made in place: that does not lock out those who write.
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', v_parent, v_name, v_from, v_to);
        v_made := true;
    END LOOP;
    RETURN v_made;
END
$$;
COMMENT ON FUNCTION audit_prepare_day IS 'Makes the partitions of a day where they are missing.';

CREATE FUNCTION audit_days() RETURNS SETOF date
LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT to_date(substring(c.relname FROM 'audit_event_(\d{8})$'), 'YYYYMMDD')
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'audit_event'::regclass AND c.relname ~ '^audit_event_\d{8}$'
    ORDER BY 1
$$;

CREATE FUNCTION audit_day_heads(p_day date) RETURNS TABLE (writer uuid, number bigint, hash bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET enable_seqscan = on AS $$
    SELECT DISTINCT ON (s.writer) s.writer, s.number, s.hash FROM audit_seal AS s
    WHERE s.sealed_at >= p_day::timestamp AT TIME ZONE 'UTC' AND s.sealed_at < (p_day + 1)::timestamp AT TIME ZONE 'UTC'
    ORDER BY s.writer, s.number DESC
$$;
COMMENT ON FUNCTION audit_day_heads IS 'Where each chain stood at the end of a day.';

CREATE FUNCTION audit_retire(p_day date, p_record text, p_heads text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '5s' AS $$
DECLARE
    v_parent text;
    v_name   text;
    v_said   json := p_record::json;
BEGIN
    IF p_day > (clock_timestamp() AT TIME ZONE 'UTC')::date - 2 THEN
        RAISE EXCEPTION 'a day is retired only when it is over' USING ERRCODE = '22023';
    END IF;
    IF v_said->>'kind' <> 'tombstone' OR v_said->>'reference' <> p_day::text THEN
        RAISE EXCEPTION 'a day is retired only by a tombstone that names it' USING ERRCODE = '22023';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('zas audit days', 0));
    IF EXISTS (SELECT FROM audit_tombstone WHERE day = p_day) THEN
        RETURN false;
    END IF;
    PERFORM audit_append(ARRAY[p_record]);
    INSERT INTO audit_tombstone (day, event_time, event_id, heads)
    VALUES (p_day, (v_said->>'time')::timestamptz, (v_said->>'id')::uuid, p_heads);
    FOREACH v_parent IN ARRAY ARRAY['audit_event', 'audit_seal'] LOOP
        v_name := v_parent || '_' || to_char(p_day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(v_name) IS NULL;
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', v_parent, v_name);
        EXECUTE format('DROP TABLE %I', v_name);
    END LOOP;
    RETURN true;
END
$$;
COMMENT ON FUNCTION audit_retire IS 'Writes the tombstone of a day and drops its events and seals, in one transaction. The one way in which audit records go.';

DO $$
BEGIN
    FOR day IN 0..7 LOOP
        PERFORM audit_prepare_day((clock_timestamp() AT TIME ZONE 'UTC')::date + day);
    END LOOP;
END
$$;

-- --- rights

CREATE VIEW audit_read AS SELECT time, id, writer, kind, request_id, principal, resource, action, status, record FROM audit_event;

-- Functions that act with their owner's rights look for tables where this migration puts them, and nowhere else.
DO $$
DECLARE
    v_function regprocedure;
BEGIN
    FOR v_function IN
        SELECT oid::regprocedure FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace AND proname LIKE 'audit\_%' AND prosecdef
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', v_function, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', v_function);
    END LOOP;
END
$$;

DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['zas_audit_writer', 'zas_audit_reader', 'zas_audit_retention'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = v_role) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL;
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'role % was not created: this user may not create roles (see docs/audit.md)', v_role;
        END;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'zas_audit_writer') THEN
        GRANT INSERT, SELECT (time, id, writer) ON audit_event TO zas_audit_writer;
        GRANT INSERT ON audit_unsealed TO zas_audit_writer;
        GRANT SELECT (writer, time, id) ON audit_unsealed TO zas_audit_writer;
        GRANT SELECT, INSERT, DELETE ON audit_intent TO zas_audit_writer;
        GRANT SELECT ON audit_writer, audit_checkpoint TO zas_audit_writer;
        GRANT SELECT, UPDATE ON audit_published TO zas_audit_writer;
        GRANT EXECUTE ON FUNCTION audit_seal_next, audit_orphans, audit_add_checkpoint, audit_prepare_day
            TO zas_audit_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'zas_audit_reader') THEN
        GRANT SELECT ON audit_read, audit_seal, audit_writer, audit_checkpoint, audit_tombstone, audit_unsealed, audit_intent
            TO zas_audit_reader;
        GRANT SELECT, INSERT, UPDATE ON audit_cursor TO zas_audit_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'zas_audit_retention') THEN
        GRANT EXECUTE ON FUNCTION audit_days, audit_day_heads, audit_retire TO zas_audit_retention;
        GRANT SELECT ON audit_tombstone TO zas_audit_retention;
    END IF;
END
$$;
