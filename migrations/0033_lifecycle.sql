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

CREATE INDEX bucket_configurations_lifecycle ON bucket_configurations (bucket_id) WHERE kind = 'lifecycle';

-- Rules are known to every replica without asking, for answers tell when an object expires.
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
