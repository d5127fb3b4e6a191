-- Intents whose process is gone before it could say what became of them, or has heard no answer: one replica at a time asks the
-- registry, and what it says is recorded as their outcome.

ALTER TABLE audit_intent
    ADD COLUMN writer       uuid,
    ADD COLUMN event_time   timestamptz,
    ADD COLUMN leased_until timestamptz,
    ADD COLUMN doubted      boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN audit_intent.writer IS 'Whose intent it is: who is silent is gone.';
COMMENT ON COLUMN audit_intent.event_time IS 'Where its record is, together with its id.';
COMMENT ON COLUMN audit_intent.leased_until IS 'Until then somebody is asking the registry about it.';
COMMENT ON COLUMN audit_intent.doubted IS 'Whether its process has forwarded it and heard no answer: it may have been done or not, though the process lives.';

UPDATE audit_intent AS i SET writer = e.writer, event_time = e.time FROM audit_event AS e
WHERE e.id = i.id AND e.time BETWEEN i.time - interval '1 hour' AND i.time + interval '1 hour';

CREATE OR REPLACE FUNCTION audit_append_batch(p_records text[], p_intents uuid[], p_outcomes uuid[]) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(p_intents) > 0 THEN
        INSERT INTO audit_intent (id, time, writer, event_time)
        SELECT f.id, clock_timestamp(), f.writer, f.time
        FROM unnest(p_records) AS r (record)
        CROSS JOIN LATERAL json_to_record(r.record::json) AS f (time timestamptz, id uuid, writer uuid)
        WHERE f.id = ANY (p_intents)
        ON CONFLICT DO NOTHING;
    END IF;
    IF cardinality(p_outcomes) > 0 THEN
        DELETE FROM audit_intent WHERE id = ANY (p_outcomes);
    END IF;
    RETURN audit_append(p_records);
END
$$;

CREATE FUNCTION audit_doubt_intents(p_intents uuid[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    v_doubted bigint;
BEGIN
    UPDATE audit_intent SET doubted = true WHERE id = ANY (p_intents) AND NOT doubted;
    GET DIAGNOSTICS v_doubted = ROW_COUNT;
    RETURN v_doubted;
END
$$;
COMMENT ON FUNCTION audit_doubt_intents IS 'Marks intents that were forwarded and not answered; how many of them had no outcome and no mark.';

-- Whoever calls this reads whole records, so that its arguments are bounded: nothing is claimed that has just begun, and nobody
-- holds an intent for long.
CREATE FUNCTION audit_claim_intent(
    p_age_seconds double precision, p_silence_seconds double precision, p_lease_seconds double precision
) RETURNS TABLE (id uuid, record text)
LANGUAGE sql SECURITY DEFINER AS $$
    WITH next AS (
        -- An intent whose record went with its day is nobody's any more, and must not stand before the others.
        SELECT i.id, e.record FROM audit_intent AS i
        JOIN audit_event AS e ON e.time = i.event_time AND e.id = i.id
        LEFT JOIN audit_writer AS w ON w.id = i.writer
        WHERE i.time < clock_timestamp() - make_interval(secs => GREATEST(p_age_seconds, 1))
          AND (i.leased_until IS NULL OR i.leased_until < clock_timestamp())
          -- No request takes a day: what a living process has not said by then was lost.
          AND (i.doubted
               OR COALESCE(w.seen_at, i.time) < clock_timestamp() - make_interval(secs => GREATEST(p_silence_seconds, 1))
               OR i.time < clock_timestamp() - interval '1 day')
        ORDER BY i.time, i.id LIMIT 1 FOR UPDATE OF i SKIP LOCKED
    )
    UPDATE audit_intent AS i
    SET leased_until = clock_timestamp() + make_interval(secs => LEAST(GREATEST(p_lease_seconds, 1), 3600))
    FROM next WHERE i.id = next.id
    RETURNING i.id, next.record
$$;
COMMENT ON FUNCTION audit_claim_intent IS 'The oldest intent that has had no outcome for so long, and is in doubt or of a process that was not heard of for so long; the caller''s alone until the lease ends.';

CREATE FUNCTION audit_settle_intent(p_intent uuid, p_record text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM audit_intent WHERE id = p_intent;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM audit_append(ARRAY[p_record]);
    RETURN true;
END
$$;
COMMENT ON FUNCTION audit_settle_intent IS 'Records the outcome of an intent that still has none; false where somebody else was faster.';

-- As in 0008: what acts with its owner's rights looks for tables where this migration puts them. Intents are claimed by the service
-- alone, whose role is given its rights after the last migration: who only writes reads no record.
DO $$
DECLARE
    v_function regproc;
BEGIN
    FOREACH v_function IN ARRAY ARRAY['audit_claim_intent', 'audit_doubt_intents']::regproc[] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', v_function, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', v_function);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'zas_audit_writer') THEN
        GRANT EXECUTE ON FUNCTION audit_doubt_intents TO zas_audit_writer;
    END IF;
END
$$;
