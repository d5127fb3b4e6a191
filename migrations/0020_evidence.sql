-- What is known of artifacts, for policies that ask for it: who has signed, what was attested, which bills of materials there are.
--
-- Every row can be had again from what refers to the artifact. A row says what a document is and whose key or certificate has signed
-- it; whether that signer is believed is asked when somebody reads it, so that a key that was revoked counts no moment longer.
-- Written by store_evidence alone, an artifact at a time.

CREATE TABLE evidence_subjects (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope_id    bigint NOT NULL REFERENCES sbom_scopes,
    digest      bytea NOT NULL CHECK (octet_length(digest) = 32),
    told_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at      timestamptz,
    attempts    integer NOT NULL DEFAULT 0,
    rereads     boolean NOT NULL DEFAULT false,
    looked_at   timestamptz,
    is_whole    boolean NOT NULL DEFAULT false,
    is_evidence boolean NOT NULL DEFAULT false,
    UNIQUE (scope_id, digest)
);
CREATE INDEX evidence_subjects_by_due ON evidence_subjects (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX evidence_subjects_by_look ON evidence_subjects (looked_at) WHERE looked_at IS NOT NULL;
COMMENT ON TABLE evidence_subjects IS 'Artifacts that somebody has asked about, or that something was attached to. A queue too: whoever looks at one moves due_at ahead for as long.';
COMMENT ON COLUMN evidence_subjects.told_at IS 'When something was last attached or removed.';
COMMENT ON COLUMN evidence_subjects.due_at IS 'When it shall be looked at; NULL: not until something happens.';
COMMENT ON COLUMN evidence_subjects.rereads IS 'Whether all that refers to it shall be read again, also what is known.';
COMMENT ON COLUMN evidence_subjects.looked_at IS 'As of when all that refers to it is known; NULL: nobody has looked yet.';
COMMENT ON COLUMN evidence_subjects.is_whole IS 'Whether nothing that refers to it was left out.';
COMMENT ON COLUMN evidence_subjects.is_evidence IS 'Whether it holds signatures, attestations or bills of materials and nothing else.';

CREATE TABLE evidence (
    subject_id     bigint NOT NULL REFERENCES evidence_subjects ON DELETE CASCADE,
    carrier        bytea NOT NULL CHECK (octet_length(carrier) = 32),
    document       bytea NOT NULL CHECK (octet_length(document) = 32),
    kind           text NOT NULL CHECK (kind IN ('signature', 'attestation', 'statement', 'sbom', 'other')),
    predicate_type text,
    key            bytea CHECK (octet_length(key) = 32),
    issuer         text,
    identity       text,
    times          timestamptz[] NOT NULL DEFAULT '{}',
    is_logged      boolean NOT NULL DEFAULT false,
    refusal        text,
    is_final       boolean NOT NULL,
    retry_at       timestamptz,
    trust_revision bigint NOT NULL,
    setup          bytea NOT NULL CHECK (octet_length(setup) = 32),
    sbom_valid     boolean,
    components     bigint,
    purls          bigint,
    builder        text,
    scanned_at     timestamptz,
    critical       bigint,
    high           bigint,
    medium         bigint,
    low            bigint,
    unrated        bigint,
    PRIMARY KEY (subject_id, carrier, document),
    CHECK (key IS NULL OR identity IS NULL),
    CHECK ((issuer IS NULL) = (identity IS NULL)),
    CHECK (refusal IS NULL OR (key IS NULL AND identity IS NULL))
);
CREATE INDEX evidence_by_carrier ON evidence (carrier);
CREATE INDEX evidence_open ON evidence (trust_revision, subject_id) WHERE NOT is_final;
COMMENT ON TABLE evidence IS 'Documents that were attached to artifacts: what each is, who has signed it, and what policies ask of it.';
COMMENT ON COLUMN evidence.carrier IS 'Digest of the manifest that it was found in.';
COMMENT ON COLUMN evidence.document IS 'Digest of the document; of the carrier, where that could not be read.';
COMMENT ON COLUMN evidence.key IS 'Fingerprint of the key that has signed it; whose that is, and whether it is believed, the trusted keys say.';
COMMENT ON COLUMN evidence.identity IS 'Whom the certificate of its signature names; issuer says who vouches for them.';
COMMENT ON COLUMN evidence.times IS 'When the signature was there at the latest, by clocks that are trusted.';
COMMENT ON COLUMN evidence.refusal IS 'Why its signature does not count; NULL: it does, or there is none.';
COMMENT ON COLUMN evidence.is_final IS 'Whether no change of whom we believe changes that.';
COMMENT ON COLUMN evidence.retry_at IS 'From when on its signature may count.';
COMMENT ON COLUMN evidence.trust_revision IS 'By which revision of whom we believe it was verified.';
COMMENT ON COLUMN evidence.setup IS 'By which trusted roots and rules about logs it was verified.';

CREATE TABLE evidence_children (
    parent_id bigint NOT NULL REFERENCES evidence_subjects ON DELETE CASCADE,
    scope_id  bigint NOT NULL,
    child     bytea NOT NULL CHECK (octet_length(child) = 32),
    PRIMARY KEY (parent_id, child)
);
CREATE INDEX evidence_children_by_child ON evidence_children (scope_id, child);
COMMENT ON TABLE evidence_children IS 'The manifests that an index lists: what is said of it is said of each.';

CREATE TABLE evidence_pushes (
    repository text COLLATE "C" NOT NULL,
    reference  text COLLATE "C" NOT NULL,
    told_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at     timestamptz NOT NULL,
    attempts   integer NOT NULL DEFAULT 0,
    PRIMARY KEY (repository, reference)
);
CREATE INDEX evidence_pushes_by_due ON evidence_pushes (due_at);
COMMENT ON TABLE evidence_pushes IS 'Manifests that were put or deleted at the registry: written before the request is forwarded, so that none is missed, and asked about when it is over.';

CREATE TABLE evidence_crawl (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    repository text COLLATE "C" NOT NULL DEFAULT '',
    due_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO evidence_crawl DEFAULT VALUES;
COMMENT ON TABLE evidence_crawl IS 'How far the repositories of the registry have been walked through, for what was pushed past us; one replica at a time.';

CREATE FUNCTION sbom_scope(p_kind text, p_name text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint;
BEGIN
    SELECT id INTO v_id FROM sbom_scopes WHERE kind = p_kind AND name = p_name;
    IF NOT FOUND THEN
        INSERT INTO sbom_scopes AS s (kind, name) VALUES (p_kind, p_name)
        ON CONFLICT (kind, name) DO UPDATE SET name = EXCLUDED.name RETURNING s.id INTO v_id;
    END IF;
    RETURN v_id;
END
$$;

CREATE FUNCTION tell_evidence(p_kind text, p_scope text, p_subject bytea) RETURNS void
LANGUAGE sql AS $$
    SELECT pg_notify('zas_evidence', p_kind || ':' || p_scope || '@' || encode(p_subject, 'hex'))
$$;
COMMENT ON FUNCTION tell_evidence IS 'Tells every replica that something else is known of an artifact.';

CREATE FUNCTION expect_evidence(p_kind text, p_scope text, p_subject bytea) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO evidence_subjects AS s (scope_id, digest, due_at) VALUES (sbom_scope(p_kind, p_scope), p_subject, clock_timestamp())
    ON CONFLICT (scope_id, digest) DO UPDATE SET told_at = clock_timestamp(), due_at = clock_timestamp(), attempts = 0;
    SELECT tell_evidence(p_kind, p_scope, p_subject)
$$;
COMMENT ON FUNCTION expect_evidence IS 'Has an artifact looked at: something was attached to it or removed.';

CREATE FUNCTION forget_evidence(p_kind text, p_scope text, p_subject bytea, p_carrier bytea) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_subject bytea;
BEGIN
    -- Whoever is looking just now may have it in their list still. The artifact's row is locked before its evidence, as store_evidence does.
    FOR v_subject IN
        SELECT DISTINCT s.digest FROM evidence AS e JOIN evidence_subjects AS s ON s.id = e.subject_id
        JOIN sbom_scopes AS c ON c.id = s.scope_id
        WHERE c.kind = p_kind AND c.name = p_scope AND e.carrier = p_carrier AND (p_subject IS NULL OR s.digest = p_subject)
        ORDER BY s.digest
    LOOP
        PERFORM expect_evidence(p_kind, p_scope, v_subject);
    END LOOP;
    DELETE FROM evidence AS e USING evidence_subjects AS s, sbom_scopes AS c
    WHERE c.kind = p_kind AND c.name = p_scope AND s.scope_id = c.id AND e.subject_id = s.id AND e.carrier = p_carrier
      AND (p_subject IS NULL OR s.digest = p_subject);
    PERFORM forget_sboms(p_kind, p_scope, NULL, p_subject, p_carrier);
END
$$;
COMMENT ON FUNCTION forget_evidence IS 'Takes out what a manifest has said: of one artifact, or of all. Each is looked at again.';

CREATE FUNCTION forget_manifest(p_repository text, p_digest bytea) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM forget_evidence('repository', p_repository, NULL, p_digest);
    PERFORM forget_sboms('repository', p_repository, NULL, p_digest, NULL);
    DELETE FROM evidence_subjects AS s USING sbom_scopes AS c
    WHERE c.kind = 'repository' AND c.name = p_repository AND s.scope_id = c.id AND s.digest = p_digest;
    -- Also where nobody has looked at what it has said.
    PERFORM tell_verdicts('repository', p_repository, NULL, p_digest);
    PERFORM tell_evidence('repository', p_repository, p_digest);
END
$$;
COMMENT ON FUNCTION forget_manifest IS 'Takes out all that is known of a manifest of the registry that is gone, and what it has said of others.';

CREATE FUNCTION store_evidence(
    p_kind text, p_scope text, p_subject bytea, p_listed_at timestamptz, p_is_whole boolean, p_is_evidence boolean,
    p_children bytea[], p_carriers bytea[], p_rows jsonb, p_again_seconds double precision
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_scope_id   bigint;
    v_subject_id bigint;
    v_carrier    bytea;
BEGIN
    IF p_kind = 'bucket' THEN
        -- A bucket that is being deleted takes what is known along; nothing may come behind it.
        PERFORM FROM buckets WHERE buckets.name = p_scope FOR KEY SHARE;
        IF NOT FOUND THEN
            RETURN 'NoSuchBucket';
        END IF;
    END IF;
    v_scope_id := sbom_scope(p_kind, p_scope);
    INSERT INTO evidence_subjects AS s (scope_id, digest, told_at, looked_at, is_whole, is_evidence, due_at)
    VALUES (v_scope_id, p_subject, p_listed_at, p_listed_at, p_is_whole, p_is_evidence, clock_timestamp() + make_interval(secs => p_again_seconds))
    ON CONFLICT (scope_id, digest) DO UPDATE SET
        looked_at = EXCLUDED.looked_at, is_whole = EXCLUDED.is_whole, is_evidence = EXCLUDED.is_evidence, attempts = 0,
        -- What happened since is looked at again.
        due_at = CASE WHEN s.told_at > EXCLUDED.looked_at THEN clock_timestamp() ELSE EXCLUDED.due_at END,
        rereads = s.rereads AND s.told_at > EXCLUDED.looked_at
    -- Whoever has looked later knows better.
    WHERE s.looked_at IS NULL OR s.looked_at < EXCLUDED.looked_at
    RETURNING s.id INTO v_subject_id;
    IF NOT FOUND THEN
        RETURN 'ok';
    END IF;
    FOR v_carrier IN
        WITH gone AS (
            DELETE FROM evidence AS e WHERE e.subject_id = v_subject_id AND NOT e.carrier = ANY (p_carriers) RETURNING e.carrier
        )
        SELECT DISTINCT carrier FROM gone
    LOOP
        PERFORM forget_sboms(p_kind, p_scope, NULL, NULL, v_carrier);
    END LOOP;
    INSERT INTO evidence (
        subject_id, carrier, document, kind, predicate_type, key, issuer, identity, times, is_logged, refusal, is_final, retry_at,
        trust_revision, setup, sbom_valid, components, purls, builder, scanned_at, critical, high, medium, low, unrated
    )
    SELECT v_subject_id, decode(r.carrier, 'hex'), decode(r.document, 'hex'), r.kind, r.predicate_type, decode(r.key, 'hex'),
           r.issuer, r.identity, COALESCE(r.times, '{}'), r.is_logged, r.refusal, r.is_final, r.retry_at, r.trust_revision,
           decode(r.setup, 'hex'), r.sbom_valid, r.components, r.purls, r.builder, r.scanned_at, r.critical, r.high, r.medium,
           r.low, r.unrated
    FROM jsonb_to_recordset(p_rows) AS r (
        carrier text, document text, kind text, predicate_type text, key text, issuer text, identity text, times timestamptz[],
        is_logged boolean, refusal text, is_final boolean, retry_at timestamptz, trust_revision bigint, setup text,
        sbom_valid boolean, components bigint, purls bigint, builder text, scanned_at timestamptz, critical bigint, high bigint,
        medium bigint, low bigint, unrated bigint
    )
    ON CONFLICT (subject_id, carrier, document) DO UPDATE SET
        kind = EXCLUDED.kind, predicate_type = EXCLUDED.predicate_type, key = EXCLUDED.key, issuer = EXCLUDED.issuer,
        identity = EXCLUDED.identity, times = EXCLUDED.times, is_logged = EXCLUDED.is_logged, refusal = EXCLUDED.refusal,
        is_final = EXCLUDED.is_final, retry_at = EXCLUDED.retry_at, trust_revision = EXCLUDED.trust_revision,
        setup = EXCLUDED.setup, sbom_valid = EXCLUDED.sbom_valid, components = EXCLUDED.components, purls = EXCLUDED.purls,
        builder = EXCLUDED.builder, scanned_at = EXCLUDED.scanned_at, critical = EXCLUDED.critical, high = EXCLUDED.high,
        medium = EXCLUDED.medium, low = EXCLUDED.low, unrated = EXCLUDED.unrated;
    DELETE FROM evidence_children WHERE parent_id = v_subject_id AND NOT child = ANY (p_children);
    INSERT INTO evidence_children (parent_id, scope_id, child)
    SELECT v_subject_id, v_scope_id, child FROM unnest(p_children) AS child
    ON CONFLICT DO NOTHING;
    PERFORM tell_evidence(p_kind, p_scope, p_subject);
    RETURN 'ok';
END
$$;
COMMENT ON FUNCTION store_evidence IS 'Writes down what refers to an artifact, as it was listed at p_listed_at: the carriers that there are, and the documents that were read of them. Rows of other carriers go. p_again_seconds: after how long it shall be looked at again; NULL: when something happens.';

-- What refers to objects is known from the index itself: in the transaction that makes a referrer seen, or takes it out of sight.
CREATE FUNCTION referrer_tells_evidence() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    v_row    referrers := COALESCE(NEW, OLD);
    v_bucket text;
BEGIN
    SELECT name INTO v_bucket FROM buckets WHERE placement_id = v_row.placement_id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' OR v_row.condemned_at IS NOT NULL THEN
        IF OLD.stored_at IS NOT NULL AND OLD.condemned_at IS NULL THEN
            -- Also where nothing of it is known yet: whoever is looking just now may have it in their list.
            PERFORM expect_evidence('bucket', v_bucket, v_row.subject);
        END IF;
        PERFORM forget_evidence('bucket', v_bucket, v_row.subject, v_row.digest);
    ELSIF v_row.stored_at IS NOT NULL THEN
        PERFORM expect_evidence('bucket', v_bucket, v_row.subject);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER referrer_tells_evidence AFTER UPDATE ON referrers
FOR EACH ROW WHEN (
    OLD.stored_at IS DISTINCT FROM NEW.stored_at OR OLD.condemned_at IS DISTINCT FROM NEW.condemned_at
    OR OLD.tag IS DISTINCT FROM NEW.tag
) EXECUTE FUNCTION referrer_tells_evidence();
CREATE TRIGGER gone_referrer_tells_evidence AFTER DELETE ON referrers
FOR EACH ROW EXECUTE FUNCTION referrer_tells_evidence();

-- The same bytes put under another key, or again after they were gone, have what was attached to them: the new key is to be found by
-- what its bill of materials lists.
CREATE FUNCTION object_tells_evidence() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE evidence_subjects AS s SET told_at = clock_timestamp(), due_at = clock_timestamp(), rereads = true, attempts = 0
    FROM buckets AS b JOIN sbom_scopes AS c ON c.kind = 'bucket' AND c.name = b.name
    WHERE b.id = NEW.bucket_id AND s.scope_id = c.id AND s.digest = NEW.oci_digest;
    RETURN NULL;
END
$$;
CREATE TRIGGER object_tells_evidence AFTER INSERT ON objects
FOR EACH ROW WHEN (NEW.oci_digest IS NOT NULL) EXECUTE FUNCTION object_tells_evidence();
CREATE TRIGGER settled_object_tells_evidence AFTER UPDATE ON objects
FOR EACH ROW WHEN (NEW.oci_digest IS NOT NULL AND OLD.oci_digest IS DISTINCT FROM NEW.oci_digest)
EXECUTE FUNCTION object_tells_evidence();

-- A later bucket of the same name is somebody else's.
CREATE FUNCTION forget_bucket_evidence() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM evidence_subjects AS s USING sbom_scopes AS c
    WHERE c.kind = 'bucket' AND c.name = OLD.name AND s.scope_id = c.id;
    PERFORM pg_notify('zas_evidence', 'bucket:' || OLD.name);
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_bucket_evidence AFTER DELETE ON buckets FOR EACH ROW EXECUTE FUNCTION forget_bucket_evidence();

-- What was attached before.
SELECT expect_evidence('bucket', b.name, r.subject)
FROM (SELECT DISTINCT placement_id, subject FROM referrers WHERE stored_at IS NOT NULL AND condemned_at IS NULL) AS r
JOIN buckets AS b ON b.placement_id = r.placement_id;
