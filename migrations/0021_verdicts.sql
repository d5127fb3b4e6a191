-- Verification policies, what came of holding artifacts against them, and verifications that wait to be carried out.

CREATE SEQUENCE verification_policies_version;

CREATE TABLE verification_policies (
    name        text COLLATE "C" PRIMARY KEY,
    -- The text as it was sent, written anew.
    document    text NOT NULL,
    digest      bytea NOT NULL CHECK (octet_length(digest) = 32),
    description text NOT NULL,
    version     bigint NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by  text NOT NULL
);
COMMENT ON COLUMN verification_policies.digest IS 'SHA-256 of the text: a verdict is about this very one.';

CREATE TABLE verification_policy_history (
    version     bigint PRIMARY KEY,
    name        text COLLATE "C" NOT NULL,
    change      text NOT NULL CHECK (change IN ('put', 'delete')),
    -- The new state as JSON: document, digest and description.
    state       jsonb NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by  text NOT NULL
);
CREATE INDEX verification_policy_history_name ON verification_policy_history (name, version);

CREATE TABLE verdicts (
    id             uuid PRIMARY KEY,
    scope_id       bigint NOT NULL REFERENCES sbom_scopes,
    -- The object's key in its bucket; empty in a repository.
    key            text COLLATE "C" NOT NULL,
    subject        bytea NOT NULL CHECK (octet_length(subject) = 32),
    policy         text COLLATE "C" NOT NULL,
    policy_digest  bytea NOT NULL CHECK (octet_length(policy_digest) = 32),
    inputs_digest  bytea NOT NULL CHECK (octet_length(inputs_digest) = 32),
    trust_revision bigint NOT NULL,
    passed         boolean NOT NULL,
    verdict        text NOT NULL,
    carriers       bytea[] NOT NULL,
    summary        bytea,
    attached       bytea CHECK (octet_length(attached) = 32),
    host           text,
    made_at        timestamptz NOT NULL,
    made_by        text NOT NULL,
    valid_until    timestamptz,
    is_withdrawn   boolean NOT NULL DEFAULT false,
    told_at        timestamptz,
    held_until     timestamptz,
    attempts       integer NOT NULL DEFAULT 0,
    UNIQUE (scope_id, subject, key, policy)
);
CREATE INDEX verdicts_by_policy ON verdicts (policy);
CREATE INDEX verdicts_told ON verdicts (told_at) WHERE told_at IS NOT NULL;
CREATE INDEX verdicts_by_trust ON verdicts (trust_revision) WHERE passed;
CREATE INDEX verdicts_by_end ON verdicts (valid_until) WHERE passed AND valid_until IS NOT NULL;
CREATE INDEX verdicts_by_age ON verdicts (made_at);
COMMENT ON TABLE verdicts IS 'The last verdict of each policy on each artifact. It counts while the policy and whom we believe are what they were, its time is not over and nothing that it rests on was removed.';
COMMENT ON COLUMN verdicts.subject IS 'Digest of the artifact''s manifest.';
COMMENT ON COLUMN verdicts.inputs_digest IS 'SHA-256 of all evidence that it was made of, and of what came of asking who has made that.';
COMMENT ON COLUMN verdicts.trust_revision IS 'By which revision of whom we believe it was made.';
COMMENT ON COLUMN verdicts.verdict IS 'The verdict as JSON, rule by rule.';
COMMENT ON COLUMN verdicts.carriers IS 'Digests of the manifests that hold what it rests on.';
COMMENT ON COLUMN verdicts.summary IS 'The verdict as a signed statement (a sigstore bundle); NULL where nothing signs verdicts.';
COMMENT ON COLUMN verdicts.attached IS 'Digest of the manifest by which that is attached to the artifact; NULL where it is not.';
COMMENT ON COLUMN verdicts.host IS 'Host and port at which clients reach the registry, as whoever asked said: older signatures name it.';
COMMENT ON COLUMN verdicts.is_withdrawn IS 'Whether something that it rests on was removed since.';
COMMENT ON COLUMN verdicts.told_at IS 'When something changed that may change it; NULL: nothing has.';
COMMENT ON COLUMN verdicts.held_until IS 'Until when nobody makes it anew.';

CREATE TABLE verifications (
    id          uuid PRIMARY KEY,
    artifact    text NOT NULL,
    request     text NOT NULL,
    owner       text NOT NULL,
    queued_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts    integer NOT NULL DEFAULT 0,
    begun_at    timestamptz,
    finished_at timestamptz,
    status      smallint,
    answer      text
);
CREATE INDEX verifications_by_due ON verifications (due_at) WHERE finished_at IS NULL;
CREATE INDEX verifications_by_end ON verifications (finished_at) WHERE finished_at IS NOT NULL;
COMMENT ON TABLE verifications IS 'Verifications that somebody waits for: a queue, and their answers for a while. Whoever carries one out moves due_at ahead of itself.';
COMMENT ON COLUMN verifications.request IS 'What was asked, as JSON.';
COMMENT ON COLUMN verifications.status IS 'The HTTP status of the answer.';

-- --- policies

CREATE FUNCTION put_verification_policy(
    p_name text, p_document text, p_digest bytea, p_description text, p_expected bigint, p_by text, p_most bigint,
    OUT status text, OUT version bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    v_current verification_policies;
BEGIN
    -- Whoever makes the first of a name, and whoever makes the last that there may be, wait for each other.
    PERFORM pg_advisory_xact_lock(hashtextextended('verification_policies', 0));
    SELECT * INTO v_current FROM verification_policies AS p WHERE p.name = p_name;
    IF p_expected <> COALESCE(v_current.version, 0) THEN
        RAISE EXCEPTION USING ERRCODE = 'ZA002';
    END IF;
    IF v_current.name IS NULL AND (SELECT count(*) FROM verification_policies) >= p_most THEN
        status := 'LimitExceeded';
        RETURN;
    END IF;
    version := nextval('verification_policies_version');
    INSERT INTO verification_policies (name, document, digest, description, version, changed_by)
    VALUES (p_name, p_document, p_digest, p_description, put_verification_policy.version, p_by)
    ON CONFLICT (name) DO UPDATE SET
        document = EXCLUDED.document, digest = EXCLUDED.digest, description = EXCLUDED.description,
        version = EXCLUDED.version, changed_at = clock_timestamp(), changed_by = EXCLUDED.changed_by;
    INSERT INTO verification_policy_history (version, name, change, state, changed_by)
    VALUES (put_verification_policy.version, p_name, 'put', jsonb_build_object(
        'document', p_document, 'digest', 'sha256:' || encode(p_digest, 'hex'), 'description', p_description), p_by);
    IF v_current.digest <> p_digest THEN
        UPDATE verdicts SET told_at = clock_timestamp() WHERE policy = p_name AND told_at IS NULL;
    END IF;
    status := 'ok';
END
$$;
COMMENT ON FUNCTION put_verification_policy IS 'p_expected: the version that is to be replaced, 0 for none, NULL for whatever there is. ZA002: it is another one. Verdicts of another text are made anew.';

CREATE FUNCTION delete_verification_policy(p_name text, p_expected bigint, p_by text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_current bigint;
BEGIN
    DELETE FROM verification_policies AS p WHERE p.name = p_name RETURNING p.version INTO v_current;
    IF v_current IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'ZA003';
    END IF;
    IF p_expected <> v_current THEN
        RAISE EXCEPTION USING ERRCODE = 'ZA002';
    END IF;
    INSERT INTO verification_policy_history (version, name, change, state, changed_by)
    VALUES (nextval('verification_policies_version'), p_name, 'delete', '{}', p_by);
    -- A later policy of the same name is another one.
    DELETE FROM verdicts WHERE policy = p_name;
    RETURN 'ok';
END
$$;
COMMENT ON FUNCTION delete_verification_policy IS 'ZA003: there is none.';

-- --- verdicts

CREATE FUNCTION store_verdict(
    p_id uuid, p_kind text, p_scope text, p_key text, p_subject bytea, p_policy text, p_policy_digest bytea,
    p_inputs_digest bytea, p_trust_revision bigint, p_passed boolean, p_verdict text, p_carriers bytea[], p_summary bytea,
    p_attached bytea, p_host text, p_made_at timestamptz, p_made_by text, p_valid_until timestamptz, p_told_at timestamptz,
    p_pause_seconds double precision,
    OUT status text, OUT replaced bytea
)
LANGUAGE plpgsql AS $$
DECLARE
    v_scope_id bigint;
BEGIN
    IF p_kind = 'bucket' THEN
        -- A bucket that is being deleted takes its verdicts along; none may come behind it.
        PERFORM FROM buckets WHERE buckets.name = p_scope FOR KEY SHARE;
        IF NOT FOUND THEN
            status := 'NoSuchBucket';
            RETURN;
        END IF;
    END IF;
    INSERT INTO sbom_scopes AS s (kind, name) VALUES (p_kind, p_scope)
    ON CONFLICT (kind, name) DO UPDATE SET name = EXCLUDED.name RETURNING s.id INTO v_scope_id;
    SELECT v.attached INTO replaced FROM verdicts AS v
    WHERE v.scope_id = v_scope_id AND v.subject = p_subject AND v.key = p_key AND v.policy = p_policy FOR UPDATE;
    INSERT INTO verdicts AS v (
        id, scope_id, key, subject, policy, policy_digest, inputs_digest, trust_revision, passed, verdict, carriers, summary,
        attached, host, made_at, made_by, valid_until
    ) VALUES (
        p_id, v_scope_id, p_key, p_subject, p_policy, p_policy_digest, p_inputs_digest, p_trust_revision, p_passed, p_verdict,
        p_carriers, p_summary, p_attached, p_host, p_made_at, p_made_by, p_valid_until
    )
    ON CONFLICT (scope_id, subject, key, policy) DO UPDATE SET
        id = EXCLUDED.id, policy_digest = EXCLUDED.policy_digest, inputs_digest = EXCLUDED.inputs_digest,
        trust_revision = EXCLUDED.trust_revision, passed = EXCLUDED.passed, verdict = EXCLUDED.verdict,
        carriers = EXCLUDED.carriers, summary = EXCLUDED.summary, attached = EXCLUDED.attached, host = EXCLUDED.host,
        made_at = EXCLUDED.made_at, made_by = EXCLUDED.made_by, valid_until = EXCLUDED.valid_until, attempts = 0,
        -- What happened while it was being made is looked at again.
        told_at = CASE WHEN v.told_at IS DISTINCT FROM p_told_at THEN v.told_at END,
        is_withdrawn = v.is_withdrawn AND v.told_at IS DISTINCT FROM p_told_at,
        held_until = clock_timestamp() + make_interval(secs => p_pause_seconds);
    status := 'ok';
END
$$;
COMMENT ON FUNCTION store_verdict IS 'The last verdict of a policy on an artifact. p_told_at: what told_at was before its evidence was looked for. replaced: the manifest by which the one before was attached.';

CREATE FUNCTION tell_verdicts(p_kind text, p_scope text, p_subject bytea, p_removed bytea) RETURNS void
LANGUAGE sql AS $$
    UPDATE verdicts AS v
    SET told_at = clock_timestamp(), held_until = NULL, attempts = 0,
        is_withdrawn = v.is_withdrawn OR COALESCE(p_removed = ANY (v.carriers), false)
    FROM sbom_scopes AS s
    WHERE s.kind = p_kind AND s.name = p_scope AND v.scope_id = s.id AND (p_subject IS NULL OR v.subject = p_subject)
      AND (p_subject IS NOT NULL OR p_removed = ANY (v.carriers))
$$;
COMMENT ON FUNCTION tell_verdicts IS 'Something was attached to an artifact, or the manifest p_removed was removed from it, or from whatever it was attached to where p_subject is NULL: verdicts that rest on that count no longer, and all are made anew.';

CREATE FUNCTION tell_verdicts_of_bucket() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket text;
BEGIN
    SELECT name INTO v_bucket FROM buckets WHERE placement_id = NEW.placement_id;
    IF FOUND THEN
        PERFORM tell_verdicts('bucket', v_bucket, NEW.root, CASE WHEN NEW.condemned_at IS NOT NULL THEN NEW.digest END);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION tell_verdicts_of_bucket IS 'Not of what the service itself attaches as a verdict: that is no evidence for another one.';
CREATE TRIGGER tell_verdicts_of_what_was_attached AFTER UPDATE OF stored_at ON referrers
FOR EACH ROW WHEN (OLD.stored_at IS NULL AND NEW.stored_at IS NOT NULL AND NEW.placement_id IS NOT NULL
    AND NEW.owner <> 'user/system/verdicts')
EXECUTE FUNCTION tell_verdicts_of_bucket();
CREATE TRIGGER tell_verdicts_of_what_was_removed AFTER UPDATE OF condemned_at ON referrers
FOR EACH ROW WHEN (OLD.condemned_at IS NULL AND NEW.condemned_at IS NOT NULL AND NEW.placement_id IS NOT NULL
    AND NEW.owner <> 'user/system/verdicts')
EXECUTE FUNCTION tell_verdicts_of_bucket();

CREATE FUNCTION is_own_verdict(p_predicate_type text, p_key bytea) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT p_predicate_type IS NOT DISTINCT FROM 'https://slsa.dev/verification_summary/v1'
       AND EXISTS (SELECT FROM signing_keys AS k WHERE k.usage = 'verdict' AND sha256(k.public_key) = p_key)
$$;
COMMENT ON FUNCTION is_own_verdict IS 'Whether a piece of evidence is a verdict that a key of ours has signed: that is no evidence for another one.';

-- What refers to manifests of the registry is known when somebody has looked, and forgotten when it goes.
CREATE FUNCTION tell_verdicts_of_repository() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    v_row record;
BEGIN
    FOR v_row IN
        SELECT DISTINCT c.name AS scope, s.digest AS subject, CASE WHEN TG_OP = 'DELETE' THEN e.carrier END AS removed
        FROM changed AS e JOIN evidence_subjects AS s ON s.id = e.subject_id JOIN sbom_scopes AS c ON c.id = s.scope_id
        WHERE c.kind = 'repository' AND NOT is_own_verdict(e.predicate_type, e.key)
    LOOP
        PERFORM tell_verdicts('repository', v_row.scope, v_row.subject, v_row.removed);
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION tell_verdicts_of_repository IS 'Of buckets the rows of referrers tell, before anybody has looked.';
CREATE TRIGGER tell_verdicts_of_new_evidence AFTER INSERT ON evidence
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tell_verdicts_of_repository();
CREATE TRIGGER tell_verdicts_of_gone_evidence AFTER DELETE ON evidence
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tell_verdicts_of_repository();

-- A bucket's verdicts go with it: a later bucket of the same name is somebody else's.
CREATE FUNCTION forget_bucket_verdicts() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM verdicts AS v USING sbom_scopes AS s WHERE s.kind = 'bucket' AND s.name = OLD.name AND v.scope_id = s.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_bucket_verdicts AFTER DELETE ON buckets FOR EACH ROW EXECUTE FUNCTION forget_bucket_verdicts();

-- --- verifications

CREATE FUNCTION queue_verification(p_id uuid, p_artifact text, p_request text, p_owner text, p_most bigint) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM verifications WHERE finished_at IS NULL) >= p_most THEN
        RETURN 'SlowDown';
    END IF;
    INSERT INTO verifications (id, artifact, request, owner) VALUES (p_id, p_artifact, p_request, p_owner);
    RETURN 'ok';
END
$$;
