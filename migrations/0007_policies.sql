-- Policies as data: documents, what they are attached to, and who changed them when.

CREATE TABLE policy_revision (
    revision bigint NOT NULL,
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);
INSERT INTO policy_revision (revision) VALUES (1);
COMMENT ON TABLE policy_revision IS 'Counts the changes of everything below. Its one row is locked by each change: they are few, and their order is that of the revisions.';

CREATE TABLE policy_documents (
    kind        text COLLATE "C" NOT NULL CHECK (kind IN ('policy', 'bucket', 'role')),
    name        text COLLATE "C" NOT NULL,
    -- The text as it was sent: an identity policy, a bucket's policy, or the trust policy of a role.
    document    text NOT NULL,
    description text NOT NULL DEFAULT '',
    -- Roles: the longest session, in seconds.
    max_session integer CHECK (max_session BETWEEN 900 AND 43200),
    -- The revision of the change that made it what it is; its ETag.
    version     bigint NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by  text NOT NULL,
    PRIMARY KEY (kind, name),
    CHECK ((kind = 'role') = (max_session IS NOT NULL))
);

CREATE TABLE policy_attachments (
    policy      text COLLATE "C" NOT NULL,
    target_kind text COLLATE "C" NOT NULL CHECK (target_kind IN ('user', 'role', 'group')),
    target      text COLLATE "C" NOT NULL,
    version     bigint NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by  text NOT NULL,
    PRIMARY KEY (policy, target_kind, target)
);
CREATE INDEX policy_attachments_target ON policy_attachments (target_kind, target);
COMMENT ON TABLE policy_attachments IS 'Which identity policies whom concern. A policy may be one of those that the program brings along, so that there is no foreign key.';

CREATE TABLE policy_history (
    version    bigint PRIMARY KEY,
    -- As in policy_documents, or 'attachment'.
    kind       text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    change     text NOT NULL CHECK (change IN ('put', 'delete', 'attach', 'detach')),
    -- The new state as JSON: document, description, max_session; or target_kind and target.
    state      jsonb NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by text NOT NULL
);
CREATE INDEX policy_history_name ON policy_history (kind, name, version);

CREATE FUNCTION next_policy_revision() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_revision bigint;
BEGIN
    UPDATE policy_revision SET revision = revision + 1 RETURNING revision INTO v_revision;
    -- Delivered when the transaction commits.
    PERFORM pg_notify('zas_policies', v_revision::text);
    RETURN v_revision;
END
$$;

CREATE FUNCTION put_policy_document(
    p_kind text, p_name text, p_document text, p_description text, p_max_session integer,
    p_expected bigint, p_by text, OUT status text, OUT version bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    v_current bigint;
BEGIN
    IF p_kind = 'bucket' THEN
        PERFORM FROM buckets WHERE buckets.name = p_name FOR KEY SHARE;
        IF NOT FOUND THEN
            status := 'NoSuchBucket';
            RETURN;
        END IF;
    END IF;
    version := next_policy_revision();
    SELECT d.version INTO v_current FROM policy_documents AS d WHERE d.kind = p_kind AND d.name = p_name;
    IF p_expected <> coalesce(v_current, 0) THEN
        RAISE EXCEPTION USING ERRCODE = 'ZA002';
    END IF;
    INSERT INTO policy_documents (kind, name, document, description, max_session, version, changed_by)
    VALUES (p_kind, p_name, p_document, p_description, p_max_session, put_policy_document.version, p_by)
    ON CONFLICT (kind, name) DO UPDATE SET
        document = EXCLUDED.document, description = EXCLUDED.description, max_session = EXCLUDED.max_session,
        version = EXCLUDED.version, changed_at = clock_timestamp(), changed_by = EXCLUDED.changed_by;
    INSERT INTO policy_history (version, kind, name, change, state, changed_by)
    VALUES (put_policy_document.version, p_kind, p_name, 'put',
        jsonb_build_object('document', p_document, 'description', p_description, 'max_session', p_max_session), p_by);
    status := 'ok';
END
$$;
COMMENT ON FUNCTION put_policy_document IS 'p_expected: the version that is to be replaced, 0 for none, NULL for whatever there is. ZA002: it is another one.';

CREATE FUNCTION delete_policy_document(p_kind text, p_name text, p_expected bigint, p_by text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_version bigint;
    v_current bigint;
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
    INSERT INTO policy_history (version, kind, name, change, state, changed_by)
    VALUES (v_version, p_kind, p_name, 'delete', '{}', p_by);
    IF p_kind = 'policy' THEN
        DELETE FROM policy_attachments WHERE policy = p_name;
    ELSIF p_kind = 'role' THEN
        DELETE FROM policy_attachments WHERE target_kind = 'role' AND target = p_name;
    END IF;
    RETURN 'ok';
END
$$;
COMMENT ON FUNCTION delete_policy_document IS 'What is attached goes with it, so that a later document of the same name begins with nothing. ZA003: there is none.';

CREATE FUNCTION attach_policy(p_policy text, p_target_kind text, p_target text, p_by text) RETURNS text
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
    INSERT INTO policy_attachments (policy, target_kind, target, version, changed_by)
    VALUES (p_policy, p_target_kind, p_target, v_version, p_by)
    ON CONFLICT DO NOTHING;
    INSERT INTO policy_history (version, kind, name, change, state, changed_by)
    VALUES (v_version, 'attachment', p_policy, 'attach',
        jsonb_build_object('target_kind', p_target_kind, 'target', p_target), p_by);
    RETURN 'ok';
END
$$;

CREATE FUNCTION detach_policy(p_policy text, p_target_kind text, p_target text, p_by text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_version bigint;
BEGIN
    v_version := next_policy_revision();
    DELETE FROM policy_attachments
    WHERE policy = p_policy AND target_kind = p_target_kind AND target = p_target;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'ZA003';
    END IF;
    INSERT INTO policy_history (version, kind, name, change, state, changed_by)
    VALUES (v_version, 'attachment', p_policy, 'detach',
        jsonb_build_object('target_kind', p_target_kind, 'target', p_target), p_by);
    RETURN 'ok';
END
$$;

-- A bucket's policy goes with it: a later bucket of the same name is somebody else's.
CREATE FUNCTION forget_bucket_policy() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    v_version bigint;
BEGIN
    PERFORM FROM policy_documents WHERE kind = 'bucket' AND name = OLD.name;
    IF FOUND THEN
        v_version := next_policy_revision();
        DELETE FROM policy_documents WHERE kind = 'bucket' AND name = OLD.name;
        INSERT INTO policy_history (version, kind, name, change, state, changed_by)
        VALUES (v_version, 'bucket', OLD.name, 'delete', '{"because": "the bucket was deleted"}', '');
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_bucket_policy AFTER DELETE ON buckets FOR EACH ROW EXECUTE FUNCTION forget_bucket_policy();

-- Answers to POST requests with an Idempotency-Key, so that a repeated request is answered, not carried out, again.
CREATE TABLE idempotency_keys (
    principal    text COLLATE "C" NOT NULL,
    key          text COLLATE "C" NOT NULL,
    request_hash bytea NOT NULL,
    -- NULL while the first request is being carried out.
    status       smallint,
    response     bytea,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
