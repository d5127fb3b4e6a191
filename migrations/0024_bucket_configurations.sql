-- What buckets are configured with: one document a kind. What a document says the program knows (`proxy/src/bucket_configuration.rs`).
--
-- Some kinds are known to every replica without asking, together with the policies: a change of them counts as a change of policies.

CREATE SEQUENCE bucket_configurations_version;

CREATE TABLE bucket_configurations (
    bucket_id  bigint NOT NULL REFERENCES buckets ON DELETE CASCADE,
    kind       text COLLATE "C" NOT NULL CHECK (kind ~ '^[a-z][a-z-]{0,31}$'),
    document   jsonb NOT NULL,
    version    bigint NOT NULL DEFAULT nextval('bucket_configurations_version'),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by text NOT NULL,
    PRIMARY KEY (bucket_id, kind)
);
COMMENT ON TABLE bucket_configurations IS 'What somebody has set. They go with their bucket: a later bucket of the same name is somebody else''s.';
COMMENT ON COLUMN bucket_configurations.version IS 'Another with each change.';
-- What replicas read when policies have changed, without what they need not know.
CREATE INDEX bucket_configurations_known ON bucket_configurations (bucket_id) WHERE kind IN ('cors', 'public-access-block');

CREATE FUNCTION tell_of_bucket_configuration() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM next_policy_revision();
    RETURN NULL;
END
$$;
CREATE TRIGGER tell_of_bucket_configuration AFTER INSERT OR UPDATE ON bucket_configurations
FOR EACH ROW WHEN (NEW.kind IN ('cors', 'public-access-block')) EXECUTE FUNCTION tell_of_bucket_configuration();
CREATE TRIGGER tell_of_forgotten_bucket_configuration AFTER DELETE ON bucket_configurations
FOR EACH ROW WHEN (OLD.kind IN ('cors', 'public-access-block')) EXECUTE FUNCTION tell_of_bucket_configuration();

CREATE FUNCTION put_bucket_configuration(p_bucket text, p_kind text, p_document jsonb, p_by text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
BEGIN
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN 'NoSuchBucket';
    END IF;
    INSERT INTO bucket_configurations (bucket_id, kind, document, changed_by)
    VALUES (v_bucket_id, p_kind, p_document, p_by)
    ON CONFLICT (bucket_id, kind) DO UPDATE
    SET document = EXCLUDED.document, version = EXCLUDED.version, changed_at = clock_timestamp(), changed_by = EXCLUDED.changed_by;
    RETURN 'ok';
END
$$;

CREATE FUNCTION delete_bucket_configuration(p_bucket text, p_kind text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
BEGIN
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN 'NoSuchBucket';
    END IF;
    DELETE FROM bucket_configurations WHERE bucket_id = v_bucket_id AND kind = p_kind;
    RETURN 'ok';
END
$$;
COMMENT ON FUNCTION delete_bucket_configuration IS 'What was not set is as good as deleted, as at S3.';

CREATE FUNCTION put_bucket_policy(
    p_bucket text, p_document text, p_public boolean, p_expected bigint, p_by text, OUT status text, OUT version bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
BEGIN
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket FOR KEY SHARE;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    IF p_public THEN
        -- Whoever changes the block holds this row too until they have committed, so that what is seen here is final.
        PERFORM FROM policy_revision FOR UPDATE;
        PERFORM FROM bucket_configurations AS c
        WHERE c.bucket_id = v_bucket_id AND c.kind = 'public-access-block' AND (c.document->>'block_public_policy')::boolean;
        IF FOUND THEN
            status := 'PublicPolicyBlocked';
            RETURN;
        END IF;
    END IF;
    SELECT put.status, put.version INTO status, version
    FROM put_policy_document('bucket', p_bucket, p_document, '', NULL, p_expected, p_by) AS put;
END
$$;
COMMENT ON FUNCTION put_bucket_policy IS 'p_public: whether the policy lets everybody in. p_expected as in put_policy_document.';

CREATE FUNCTION suspend_versioning(p_bucket text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE buckets SET versioning = 'suspended' WHERE name = p_bucket;
    RETURN CASE WHEN FOUND THEN 'ok' ELSE 'NoSuchBucket' END;
END
$$;
