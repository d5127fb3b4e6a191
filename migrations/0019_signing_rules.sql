-- What is signed in buckets by itself: rules, and the objects that wait for it. An object waits from the transaction on in which it is
-- committed, whoever commits it, so that none is missed whatever ends when.

CREATE SEQUENCE signing_rules_version;

CREATE TABLE signing_rule_sets (
    bucket_id  bigint PRIMARY KEY REFERENCES buckets ON DELETE CASCADE,
    version    bigint NOT NULL DEFAULT nextval('signing_rules_version'),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by text NOT NULL
);
COMMENT ON TABLE signing_rule_sets IS 'The rules of a bucket are changed all at once: another version with each change.';

CREATE TABLE signing_rules (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bucket_id  bigint NOT NULL REFERENCES signing_rule_sets ON DELETE CASCADE,
    name       text COLLATE "C" NOT NULL,
    prefix     text COLLATE "C" NOT NULL,
    suffix     text COLLATE "C" NOT NULL,
    media_type text COLLATE "C",
    key_name   text COLLATE "C" NOT NULL,
    legacy     boolean NOT NULL,
    UNIQUE (bucket_id, name)
);
COMMENT ON COLUMN signing_rules.media_type IS 'A media type, or a family of them (image/*); NULL: any.';
COMMENT ON COLUMN signing_rules.key_name IS 'A signing key. No foreign key: the one that signs is looked for when something is to be signed.';
COMMENT ON COLUMN signing_rules.legacy IS 'Whether older clients shall find a signature too.';

CREATE TABLE signing_queue (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    object_id bigint NOT NULL REFERENCES objects ON DELETE CASCADE,
    rule_id   bigint NOT NULL REFERENCES signing_rules ON DELETE CASCADE,
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts  integer NOT NULL DEFAULT 0,
    error     text,
    failed_at timestamptz,
    UNIQUE (object_id, rule_id)
);
CREATE INDEX signing_queue_by_due ON signing_queue (due_at) WHERE failed_at IS NULL;
CREATE INDEX signing_queue_by_rule ON signing_queue (rule_id, id);
COMMENT ON COLUMN signing_queue.due_at IS 'Whoever signs it moves this ahead of itself for as long as it is at it.';
COMMENT ON COLUMN signing_queue.error IS 'What came of the last attempt, as the error table calls it.';
COMMENT ON COLUMN signing_queue.failed_at IS 'When it was given up, until somebody asks for it again.';

CREATE FUNCTION signing_enqueue() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    v_media_type text := artifact_media_type(NEW.headers->>'content-type');
BEGIN
    -- The lock makes a rule that is just being removed one that is gone, and not a foreign key that fails.
    INSERT INTO signing_queue (object_id, rule_id)
    SELECT NEW.id, matching.id FROM (
        SELECT r.id FROM signing_rules AS r
        WHERE r.bucket_id = NEW.bucket_id AND starts_with(NEW.key, r.prefix)
          AND right(NEW.key, length(r.suffix)) = r.suffix
          AND (r.media_type IS NULL OR r.media_type = v_media_type
               OR (right(r.media_type, 2) = '/*' AND starts_with(v_media_type, left(r.media_type, -1))))
        FOR KEY SHARE OF r
    ) AS matching;
    RETURN NULL;
END
$$;

CREATE TRIGGER signing_enqueue AFTER INSERT ON objects
FOR EACH ROW WHEN (NOT NEW.is_delete_marker) EXECUTE FUNCTION signing_enqueue();

CREATE FUNCTION put_signing_rules(
    p_bucket text, p_expected bigint, p_by text, p_names text[], p_prefixes text[], p_suffixes text[], p_media_types text[],
    p_key_names text[], p_legacies boolean[], OUT status text, OUT version bigint, OUT changed_at timestamptz
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
    v_version   bigint;
BEGIN
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket FOR KEY SHARE;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    SELECT s.version INTO v_version FROM signing_rule_sets AS s WHERE s.bucket_id = v_bucket_id FOR UPDATE;
    IF p_expected IS NOT NULL AND p_expected <> COALESCE(v_version, 0) THEN
        status := 'PreconditionFailed';
        RETURN;
    END IF;
    INSERT INTO signing_rule_sets AS s (bucket_id, changed_by) VALUES (v_bucket_id, p_by)
    ON CONFLICT (bucket_id) DO UPDATE
    SET version = nextval('signing_rules_version'), changed_at = clock_timestamp(), changed_by = EXCLUDED.changed_by
    RETURNING s.version, s.changed_at INTO version, changed_at;
    DELETE FROM signing_rules AS r WHERE r.bucket_id = v_bucket_id AND r.name <> ALL (p_names);
    -- A rule that stays keeps what waits for it.
    INSERT INTO signing_rules (bucket_id, name, prefix, suffix, media_type, key_name, legacy)
    SELECT v_bucket_id, new.* FROM unnest(p_names, p_prefixes, p_suffixes, p_media_types, p_key_names, p_legacies) AS new
    ON CONFLICT (bucket_id, name) DO UPDATE
    SET prefix = EXCLUDED.prefix, suffix = EXCLUDED.suffix, media_type = EXCLUDED.media_type, key_name = EXCLUDED.key_name,
        legacy = EXCLUDED.legacy;
    status := 'ok';
END
$$;
COMMENT ON FUNCTION put_signing_rules IS 'Makes the rules of a bucket what is given. Objects that are there already are not queued.';

CREATE FUNCTION delete_signing_rules(p_bucket text, p_expected bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
    v_version   bigint;
BEGIN
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN 'NoSuchBucket';
    END IF;
    SELECT version INTO v_version FROM signing_rule_sets WHERE bucket_id = v_bucket_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'NoSuchSigningRules';
    END IF;
    IF p_expected IS NOT NULL AND p_expected <> v_version THEN
        RETURN 'PreconditionFailed';
    END IF;
    DELETE FROM signing_rule_sets WHERE bucket_id = v_bucket_id;
    RETURN 'ok';
END
$$;

CREATE FUNCTION retry_signing(p_bucket text, OUT status text, OUT retried bigint)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
BEGIN
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket FOR KEY SHARE;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    UPDATE signing_queue AS q SET failed_at = NULL, attempts = 0, due_at = clock_timestamp()
    FROM signing_rules AS r WHERE r.bucket_id = v_bucket_id AND q.rule_id = r.id AND q.failed_at IS NOT NULL;
    GET DIAGNOSTICS retried = ROW_COUNT;
    status := 'ok';
END
$$;
COMMENT ON FUNCTION retry_signing IS 'Lets everything be tried again that was given up in a bucket.';
