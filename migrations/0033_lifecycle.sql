-- Lifecycle: passes over buckets whose rules let objects expire. What rules say the program knows (`proxy/src/bucket_configuration/lifecycle.rs`).
--
-- A bucket has one row here as long as it has rules. Whoever takes it holds it until due_at, and moves that on with every page; one that
-- ends without a word leaves it to the others, who go on where it was. Other rules begin anew, and take it from whoever holds it.

CREATE TABLE lifecycle_passes (
    bucket_id bigint PRIMARY KEY REFERENCES buckets ON DELETE CASCADE,
    due_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    holder    uuid,
    stage     text CHECK (stage IN ('versions', 'objects', 'uploads')),
    after_key text COLLATE "C" NOT NULL DEFAULT '',
    after_id  text COLLATE "C" NOT NULL DEFAULT '',
    begun_at  timestamptz,
    ended_at  timestamptz,
    looked    bigint NOT NULL DEFAULT 0,
    objects   bigint NOT NULL DEFAULT 0,
    versions  bigint NOT NULL DEFAULT 0,
    markers   bigint NOT NULL DEFAULT 0,
    uploads   bigint NOT NULL DEFAULT 0,
    locked    bigint NOT NULL DEFAULT 0,
    spared    bigint NOT NULL DEFAULT 0,
    error     text
);
CREATE INDEX lifecycle_passes_due ON lifecycle_passes (due_at);
COMMENT ON TABLE lifecycle_passes IS 'The pass over a bucket that is under way, or the last one.';
COMMENT ON COLUMN lifecycle_passes.due_at IS 'When it is taken: the next pass, or one that whoever held it has not gone on with.';
COMMENT ON COLUMN lifecycle_passes.stage IS 'What is being looked at; NULL: nothing, the next pass begins.';
COMMENT ON COLUMN lifecycle_passes.after_id IS 'Of the key after_key, behind which row or upload it goes on.';
COMMENT ON COLUMN lifecycle_passes.error IS 'Why it was interrupted last; NULL where it goes on well, or has ended.';

-- Rules are known to every replica without asking, for answers tell when an object expires.
DROP INDEX bucket_configurations_known;
CREATE INDEX bucket_configurations_known ON bucket_configurations (bucket_id)
    WHERE kind IN ('cors', 'public-access-block', 'ownership-controls', 'lifecycle');

CREATE FUNCTION begin_lifecycle() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lifecycle_passes (bucket_id) VALUES (NEW.bucket_id)
    ON CONFLICT (bucket_id) DO UPDATE
    SET due_at = clock_timestamp(), holder = NULL, stage = NULL, after_key = '', after_id = '', error = NULL;
    PERFORM next_policy_revision();
    RETURN NULL;
END
$$;
CREATE TRIGGER begin_lifecycle AFTER INSERT OR UPDATE ON bucket_configurations
FOR EACH ROW WHEN (NEW.kind = 'lifecycle') EXECUTE FUNCTION begin_lifecycle();

CREATE FUNCTION end_lifecycle() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM lifecycle_passes WHERE bucket_id = OLD.bucket_id;
    PERFORM next_policy_revision();
    RETURN NULL;
END
$$;
CREATE TRIGGER end_lifecycle AFTER DELETE ON bucket_configurations
FOR EACH ROW WHEN (OLD.kind = 'lifecycle') EXECUTE FUNCTION end_lifecycle();

CREATE FUNCTION is_aborted_by_rule(p_bucket_id bigint, p_key text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM bucket_configurations AS c
        CROSS JOIN LATERAL jsonb_array_elements(c.document -> 'rules') AS said (rule)
        WHERE c.bucket_id = p_bucket_id AND c.kind = 'lifecycle'
          AND (rule ->> 'enabled')::boolean AND (rule ->> 'abort_days') IS NOT NULL
          AND starts_with(p_key, COALESCE(rule #>> '{scope,prefix}', ''))
    )
$$;
COMMENT ON FUNCTION is_aborted_by_rule IS 'Whether a rule in force says when uploads of a key are given up. Such a rule asks for no tags and no size.';

-- The rule has its say, also where it keeps them for longer: clients are told its date.
CREATE OR REPLACE FUNCTION abort_stale_uploads(
    p_ttl_seconds double precision, p_limit bigint, p_grace_seconds double precision
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_ids text[];
BEGIN
    SELECT array_agg(id) INTO v_ids
    FROM (
        SELECT id FROM uploads
        WHERE initiated_at < now() - make_interval(secs => p_ttl_seconds) AND NOT is_aborted_by_rule(bucket_id, key)
        ORDER BY initiated_at
        LIMIT p_limit
        FOR UPDATE SKIP LOCKED
    ) AS stale;
    IF v_ids IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM remove_uploads(v_ids, p_grace_seconds);
    RETURN cardinality(v_ids);
END
$$;
COMMENT ON FUNCTION abort_stale_uploads IS 'Gives up uploads that began too long ago, but for those that a lifecycle rule gives up.';
