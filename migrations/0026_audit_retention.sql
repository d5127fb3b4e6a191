-- Retention of the audit log: rows of a day whose partition came late are moved into it, so that they go with their day; and a day
-- may be retired again where something of it came later still. What a webhook was not told of is waited for, and then told of as a
-- gap. At the end the history of policies: what goes with a policy or a role
-- is in it, and nothing is attached that is not there.

-- The day of a tombstone is no key any more: what is committed late for a day that is gone has a tombstone of its own.
ALTER TABLE audit_tombstone DROP CONSTRAINT audit_tombstone_pkey, ADD PRIMARY KEY (day, event_id);

CREATE OR REPLACE FUNCTION audit_prepare_day(p_day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '5s' AS $$
DECLARE
    v_parent   text;
    v_name     text;
    v_default  text;
    v_column   text;
    v_from     timestamptz := p_day::timestamp AT TIME ZONE 'UTC';
    v_to       timestamptz := (p_day + 1)::timestamp AT TIME ZONE 'UTC';
    v_strays   boolean;
    v_made     boolean := false;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('zas audit days', 0));
    FOREACH v_parent IN ARRAY ARRAY['audit_event', 'audit_seal'] LOOP
        v_name := v_parent || '_' || to_char(p_day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(v_name) IS NOT NULL;
        v_default := v_parent || '_default';
        v_column := CASE v_parent WHEN 'audit_event' THEN 'time' ELSE 'sealed_at' END;
        -- No partition is attached while the default partition has rows of its range. What attaching locks anyway is locked before
        -- the look, so that none comes in between.
        EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', v_default);
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', v_name, v_parent);
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %I >= $1 AND %I < $2)', v_default, v_column, v_column)
            INTO v_strays USING v_from, v_to;
        IF v_strays THEN
            -- The rows stay as they are, in the same transaction; nobody else sees the log without them, or the trigger off.
            EXECUTE format('ALTER TABLE %I DISABLE TRIGGER audit_insert_only', v_default);
            EXECUTE format('INSERT INTO %I SELECT * FROM %I WHERE %I >= $1 AND %I < $2', v_name, v_default, v_column, v_column)
                USING v_from, v_to;
            EXECUTE format('DELETE FROM %I WHERE %I >= $1 AND %I < $2', v_default, v_column, v_column) USING v_from, v_to;
            EXECUTE format('ALTER TABLE %I ENABLE TRIGGER audit_insert_only', v_default);
        END IF;
        EXECUTE format('CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()', v_name);
        -- Attached rather than made in place: that does not lock out those who write to other days.
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', v_parent, v_name, v_from, v_to);
        v_made := true;
    END LOOP;
    RETURN v_made;
END
$$;
COMMENT ON FUNCTION audit_prepare_day IS 'Makes the partitions of a day where they are missing, and moves into them what came before they were there.';

CREATE FUNCTION audit_stray_days() RETURNS SETOF date
LANGUAGE sql STABLE SECURITY DEFINER SET enable_seqscan = on AS $$
    -- What tells of a later time, from a clock that is wrong, waits until its day comes.
    SELECT (s.time AT TIME ZONE 'UTC')::date AS day
    FROM (SELECT time FROM audit_event_default UNION ALL SELECT sealed_at FROM audit_seal_default) AS s (time)
    WHERE s.time >= '0001-01-01 00:00+00' AND s.time < clock_timestamp() + interval '1 day'
    GROUP BY 1 ORDER BY 1 LIMIT 100
$$;
COMMENT ON FUNCTION audit_stray_days IS 'Days whose rows stand in a default partition, the oldest hundred: audit_prepare_day moves them.';

CREATE OR REPLACE FUNCTION audit_days() RETURNS SETOF date
LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT DISTINCT to_date(substring(c.relname FROM '_(\d{8})$'), 'YYYYMMDD')
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent IN ('audit_event'::regclass, 'audit_seal'::regclass) AND c.relname ~ '^audit_(event|seal)_\d{8}$'
    ORDER BY 1
$$;

CREATE FUNCTION audit_retire(p_day date, p_record text, p_heads text, p_gaps text[]) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '5s' AS $$
DECLARE
    v_parent text;
    v_name   text;
    v_said   json := p_record::json;
BEGIN
    IF p_day > (clock_timestamp() AT TIME ZONE 'UTC')::date - 2 THEN
        RAISE EXCEPTION 'a day is retired only when it is over' USING ERRCODE = '22023';
    END IF;
    IF v_said->>'kind' IS DISTINCT FROM 'tombstone' OR v_said->>'reference' IS DISTINCT FROM p_day::text THEN
        RAISE EXCEPTION 'a day is retired only by a tombstone that names it' USING ERRCODE = '22023';
    END IF;
    IF EXISTS (SELECT FROM unnest(p_gaps) AS gap WHERE gap::json->>'kind' IS DISTINCT FROM 'gap') THEN
        RAISE EXCEPTION 'a day is retired only with gaps beside its tombstone' USING ERRCODE = '22023';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('zas audit days', 0));
    IF EXISTS (SELECT FROM audit_tombstone WHERE day = p_day)
        AND to_regclass('audit_event_' || to_char(p_day, 'YYYYMMDD')) IS NULL
        AND to_regclass('audit_seal_' || to_char(p_day, 'YYYYMMDD')) IS NULL
    THEN
        RETURN false;
    END IF;
    PERFORM audit_append(array_prepend(p_record, p_gaps));
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

COMMENT ON FUNCTION audit_retire(date, text, text, text[]) IS 'Writes the tombstone of a day, and gaps of what nobody was told of before, and drops its events and seals, in one transaction. The one way in which audit records go.';

-- As programs of before call it.
CREATE OR REPLACE FUNCTION audit_retire(p_day date, p_record text, p_heads text) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET lock_timeout = '5s' AS $$
    SELECT audit_retire(p_day, p_record, p_heads, '{}')
$$;
COMMENT ON FUNCTION audit_retire(date, text, text) IS 'As with no gaps.';

CREATE FUNCTION audit_untold(p_name text, p_day date) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET enable_seqscan = on AS $$
    SELECT COALESCE(sum(cardinality(s.ids)), 0)::bigint FROM audit_seal AS s
    LEFT JOIN audit_cursor AS c ON c.name = p_name AND c.writer = s.writer
    WHERE s.sealed_at >= p_day::timestamp AT TIME ZONE 'UTC' AND s.sealed_at < (p_day + 1)::timestamp AT TIME ZONE 'UTC'
      AND s.number > COALESCE(c.number, 0)
      -- A webhook that never asked is told of what comes from when it does.
      AND EXISTS (SELECT FROM audit_cursor AS l WHERE l.name = p_name AND l.writer = '00000000-0000-0000-0000-000000000000')
$$;
COMMENT ON FUNCTION audit_untold IS 'How many records that were sealed on a day a webhook was not told of.';

-- As in 0008: what acts with its owner's rights looks for tables where this migration puts them, and may not be called by everybody.
DO $$
DECLARE
    v_function regprocedure;
BEGIN
    FOREACH v_function IN ARRAY ARRAY[
        'audit_prepare_day(date)', 'audit_stray_days()', 'audit_days()', 'audit_retire(date, text, text, text[])',
        'audit_retire(date, text, text)', 'audit_untold(text, date)'
    ]::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', v_function, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', v_function);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'zas_audit_writer') THEN
        GRANT EXECUTE ON FUNCTION audit_stray_days() TO zas_audit_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'zas_audit_retention') THEN
        GRANT EXECUTE ON FUNCTION audit_retire(date, text, text, text[]), audit_untold(text, date) TO zas_audit_retention;
    END IF;
END
$$;

-- --- policies

-- Beside the function of 0007, which programs of before call while they are being replaced.
CREATE FUNCTION attach_policy(p_policy text, p_target_kind text, p_target text, p_is_builtin boolean, p_by text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_version bigint;
BEGIN
    PERFORM FROM policy_attachments
    WHERE policy = p_policy AND target_kind = p_target_kind AND target = p_target;
    IF FOUND THEN
        RETURN 'ok';
    END IF;
    v_version := next_policy_revision();
    -- Only now, for whoever deletes the policy has to take the revision's row too: it is not deleted any more before this commits.
    PERFORM FROM policy_documents WHERE kind = 'policy' AND name = p_policy;
    IF NOT FOUND AND NOT p_is_builtin THEN
        RAISE EXCEPTION USING ERRCODE = 'ZA003';
    END IF;
    INSERT INTO policy_attachments (policy, target_kind, target, version, changed_by)
    VALUES (p_policy, p_target_kind, p_target, v_version, p_by)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'ok';
    END IF;
    INSERT INTO policy_history (version, kind, name, change, state, changed_by)
    VALUES (v_version, 'attachment', p_policy, 'attach',
        jsonb_build_object('target_kind', p_target_kind, 'target', p_target), p_by);
    RETURN 'ok';
END
$$;
COMMENT ON FUNCTION attach_policy(text, text, text, boolean, text) IS 'Built-in policies are the program''s, so that it says which are. ZA003: there is no such policy.';

CREATE OR REPLACE FUNCTION delete_policy_document(p_kind text, p_name text, p_expected bigint, p_by text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_version bigint;
    v_current bigint;
    v_gone    record;
BEGIN
    v_version := next_policy_revision();
    DELETE FROM policy_documents AS d WHERE d.kind = p_kind AND d.name = p_name RETURNING d.version INTO v_current;
    IF v_current IS NULL THEN
        -- Undoes the revision too: nothing has changed.
        RAISE EXCEPTION USING ERRCODE = 'ZA003';
    END IF;
    IF p_expected <> v_current THEN
        RAISE EXCEPTION USING ERRCODE = 'ZA002';
    END IF;
    FOR v_gone IN
        SELECT a.policy, a.target_kind, a.target FROM policy_attachments AS a
        WHERE (p_kind = 'policy' AND a.policy = p_name) OR (p_kind = 'role' AND a.target_kind = 'role' AND a.target = p_name)
        ORDER BY a.policy, a.target_kind, a.target
    LOOP
        DELETE FROM policy_attachments AS a
        WHERE a.policy = v_gone.policy AND a.target_kind = v_gone.target_kind AND a.target = v_gone.target;
        INSERT INTO policy_history (version, kind, name, change, state, changed_by)
        VALUES (v_version, 'attachment', v_gone.policy, 'detach',
            jsonb_build_object('target_kind', v_gone.target_kind, 'target', v_gone.target,
                'because', format('the %s was deleted', p_kind)), p_by);
        v_version := next_policy_revision();
    END LOOP;
    INSERT INTO policy_history (version, kind, name, change, state, changed_by)
    VALUES (v_version, p_kind, p_name, 'delete', '{}', p_by);
    RETURN 'ok';
END
$$;
COMMENT ON FUNCTION delete_policy_document IS 'What is attached goes with it, each with an entry in the history, so that a later document of the same name begins with nothing. ZA003: there is none.';
