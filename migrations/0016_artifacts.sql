-- S3 objects as OCI artifacts, and what refers to them (signatures, bills of materials, attestations).
--
-- An object's manifest is a function of the digest of its bytes, its size, its content type, the last part of its key and its
-- artifact type, and of nothing else: the same bytes put again under the same name have the same manifest, and so keep what
-- refers to it. It is written here alone (`artifact_manifest`), so that a row's digest is always that of what is served.

-- --- the manifest

ALTER TABLE objects ADD COLUMN content_digest bytea CHECK (octet_length(content_digest) = 32);
COMMENT ON COLUMN objects.content_digest IS 'SHA-256 of the object''s own bytes, wherever they are. NULL while nobody has read them in one go, as after a multipart upload.';
COMMENT ON COLUMN objects.oci_digest IS 'Digest of the object''s manifest; NULL while content_digest is.';
COMMENT ON COLUMN objects.oci_artifact_type IS 'What the writer says it is (metadata zas-artifact-type); NULL: an object like any other.';

CREATE FUNCTION artifact_media_type(p_text text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    v_type text COLLATE "C" := lower(btrim(split_part(p_text, ';', 1)) COLLATE "C");
BEGIN
    RETURN CASE
        WHEN v_type ~ '^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$' THEN v_type
    END;
END
$$;
COMMENT ON FUNCTION artifact_media_type IS 'A media type without its parameters, in lower case; NULL where it is none (RFC 6838, 4.2).';

CREATE FUNCTION artifact_manifest(
    p_content_digest bytea, p_size bigint, p_content_type text, p_title text, p_artifact_type text
) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    v_layer_type text := artifact_media_type(p_content_type);
BEGIN
    -- A layer that calls itself a manifest would be asked for as one, and a foreign layer would not be asked for at all.
    IF v_layer_type IS NULL OR v_layer_type = 'binary/octet-stream'
        OR starts_with(v_layer_type, 'application/vnd.oci.') OR starts_with(v_layer_type, 'application/vnd.docker.') THEN
        v_layer_type := 'application/octet-stream';
    END IF;
    RETURN '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":'
        || to_json(COALESCE(p_artifact_type, 'application/vnd.zot-artifact-store.object.v1'))
        || ',"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}'
        || ',"layers":[{"mediaType":' || to_json(v_layer_type)
        || ',"digest":"sha256:' || encode(p_content_digest, 'hex') || '","size":' || p_size
        || CASE WHEN p_title = '' THEN '' ELSE ',"annotations":{"org.opencontainers.image.title":' || to_json(p_title) || '}' END
        || '}]}';
END
$$;
COMMENT ON FUNCTION artifact_manifest IS 'The manifest, to the byte. Whoever changes it gives every object another digest, and takes its signatures from it.';

CREATE FUNCTION artifact_title(p_key text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT split_part(p_key, '/', -1)
$$;
COMMENT ON FUNCTION artifact_title IS 'What clients call the file: the last part of the key, which is empty for a folder.';

CREATE FUNCTION artifact_manifest_of(p_object objects) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT artifact_manifest(
        p_object.content_digest, p_object.size, p_object.headers->>'content-type', artifact_title(p_object.key),
        p_object.oci_artifact_type
    )
$$;
COMMENT ON FUNCTION artifact_manifest_of IS 'An object''s manifest; NULL while its content digest is not known.';

CREATE FUNCTION artifact_describe() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.is_delete_marker THEN
        RETURN NEW;
    END IF;
    IF NEW.content_digest IS NULL THEN
        IF NEW.size = 0 THEN
            NEW.content_digest := sha256('');
        ELSIF NEW.inline_bytes IS NOT NULL THEN
            NEW.content_digest := sha256(NEW.inline_bytes);
        -- A blob's digest is the object's where the object is all of it, and never where it is a piece.
        ELSIF NEW.segment_count = 1 AND NEW.blob_offset = 0 AND EXISTS (
            SELECT FROM blobs WHERE repository_id = NEW.repository_id AND digest = NEW.digest AND size = NEW.size
        ) THEN
            NEW.content_digest := NEW.digest;
        END IF;
    END IF;
    NEW.oci_artifact_type := artifact_media_type(NEW.metadata->>'zas-artifact-type');
    NEW.oci_digest := sha256(convert_to(artifact_manifest(
        NEW.content_digest, NEW.size, NEW.headers->>'content-type', artifact_title(NEW.key), NEW.oci_artifact_type
    ), 'UTF8'));
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION artifact_describe IS 'Gives every version its digests as it is written, whoever writes it.';

CREATE TRIGGER artifact_describe BEFORE INSERT OR UPDATE OF key, size, content_digest, headers, metadata ON objects
FOR EACH ROW EXECUTE FUNCTION artifact_describe();

CREATE INDEX objects_by_oci_digest ON objects (bucket_id, oci_digest) WHERE oci_digest IS NOT NULL;
CREATE INDEX objects_by_content_digest ON objects (bucket_id, content_digest) WHERE content_digest IS NOT NULL;

-- --- objects whose bytes have to be read to learn their digest

CREATE TABLE undigested_objects (
    object_id bigint PRIMARY KEY REFERENCES objects ON DELETE CASCADE,
    due_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts  integer NOT NULL DEFAULT 0
);
CREATE INDEX undigested_objects_by_due ON undigested_objects (due_at);
COMMENT ON TABLE undigested_objects IS 'A queue: whoever reads one through moves due_at ahead of itself for as long as it is at it.';

CREATE FUNCTION artifact_enqueue() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO undigested_objects (object_id) VALUES (NEW.id);
    RETURN NULL;
END
$$;

CREATE TRIGGER artifact_enqueue AFTER INSERT ON objects
FOR EACH ROW WHEN (NEW.content_digest IS NULL AND NOT NEW.is_delete_marker) EXECUTE FUNCTION artifact_enqueue();

CREATE FUNCTION artifact_settle(p_object_id bigint, p_content_digest bytea) RETURNS bytea
LANGUAGE plpgsql AS $$
DECLARE
    v_oci_digest bytea;
BEGIN
    IF p_content_digest IS NOT NULL THEN
        UPDATE objects SET content_digest = p_content_digest WHERE id = p_object_id AND content_digest IS NULL;
        IF FOUND THEN
            DELETE FROM undigested_objects WHERE object_id = p_object_id;
        END IF;
    END IF;
    SELECT oci_digest INTO v_oci_digest FROM objects WHERE id = p_object_id;
    RETURN v_oci_digest;
END
$$;
COMMENT ON FUNCTION artifact_settle IS 'Says what a version''s content digest is, where it was not known and is given, and gives the digest of its manifest; NULL where that is still not known, or the version is gone.';

-- Versions from before: here, for all whose bytes are one blob; the others are queued.
UPDATE objects SET content_digest = content_digest WHERE NOT is_delete_marker;
INSERT INTO undigested_objects (object_id) SELECT id FROM objects WHERE content_digest IS NULL AND NOT is_delete_marker;

-- --- what refers to artifacts

CREATE TABLE referrers (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    repository    text COLLATE "C" NOT NULL,
    placement_id  bigint REFERENCES placements,
    digest        bytea NOT NULL CHECK (octet_length(digest) = 32),
    subject       bytea NOT NULL CHECK (octet_length(subject) = 32),
    root          bytea NOT NULL CHECK (octet_length(root) = 32),
    tag           text COLLATE "C",
    is_listed     boolean NOT NULL,
    kinds         text[] NOT NULL,
    media_type    text NOT NULL,
    artifact_type text,
    size          bigint NOT NULL CHECK (size >= 0),
    held          bigint NOT NULL CHECK (held >= size),
    annotations   jsonb NOT NULL DEFAULT '{}',
    owner         text NOT NULL,
    begun_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    stored_at     timestamptz,
    checked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    orphaned_at   timestamptz,
    condemned_at  timestamptz,
    claimed_at    timestamptz,
    UNIQUE (repository, digest, subject)
);
CREATE UNIQUE INDEX referrers_by_tag ON referrers (repository, tag) WHERE tag IS NOT NULL;
CREATE INDEX referrers_by_subject ON referrers (repository, subject, id) WHERE stored_at IS NOT NULL AND condemned_at IS NULL;
CREATE INDEX referrers_by_root ON referrers (repository, root) WHERE condemned_at IS NULL;
CREATE INDEX referrers_by_placement ON referrers (placement_id) WHERE placement_id IS NOT NULL;
CREATE INDEX referrers_by_check ON referrers (checked_at) WHERE placement_id IS NOT NULL AND condemned_at IS NULL;
CREATE INDEX referrers_condemned ON referrers (condemned_at) WHERE condemned_at IS NOT NULL;
COMMENT ON TABLE referrers IS 'Manifests that have a subject. A row is there before its manifest is sent to the store (stored_at is NULL), and until it is deleted there (condemned_at is set).';
COMMENT ON COLUMN referrers.repository IS 'Where the manifest is at the store: one repository for what refers to the objects of a bucket, otherwise the repository of its subject.';
COMMENT ON COLUMN referrers.placement_id IS 'The bucket''s, where the subject is an object or refers to one; NULL in a repository of its own.';
COMMENT ON COLUMN referrers.root IS 'The artifact at the end of the chain of subjects: the subject, or the root of the subject where that is a referrer itself.';
COMMENT ON COLUMN referrers.held IS 'Bytes of the manifest and of each blob that it names: what it counts in its bucket''s quota until it is condemned.';
COMMENT ON COLUMN referrers.tag IS 'The tag by which older clients find it, sha256-<hex>.sig, .att or .sbom; such a manifest names no subject itself.';
COMMENT ON COLUMN referrers.is_listed IS 'Whether the manifest names its subject, and so is in the list of referrers.';
COMMENT ON COLUMN referrers.kinds IS 'What it is: signature, sbom, attestation; other where it is none of these.';
COMMENT ON COLUMN referrers.orphaned_at IS 'Since when no object has the root''s digest.';
COMMENT ON COLUMN referrers.condemned_at IS 'Set when it is to be deleted at the store; from then on it is not seen, and nothing of its digest may be added until it is gone.';
COMMENT ON COLUMN referrers.claimed_at IS 'When a sweeper has last taken it upon itself to delete it at the store.';

CREATE TABLE referrer_blobs (
    referrer_id bigint NOT NULL REFERENCES referrers ON DELETE CASCADE,
    repository  text COLLATE "C" NOT NULL,
    digest      bytea NOT NULL CHECK (octet_length(digest) = 32),
    size        bigint NOT NULL CHECK (size >= 0),
    PRIMARY KEY (referrer_id, digest)
);
CREATE INDEX referrer_blobs_by_digest ON referrer_blobs (repository, digest);
COMMENT ON TABLE referrer_blobs IS 'The blobs that a referrer names: who may read it may read them.';

-- Whoever adds a manifest of a digest and whoever deletes it at the store exclude each other by this.
CREATE FUNCTION lock_referrer(p_repository text, p_digest bytea) RETURNS void
LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtextextended(p_repository || encode(p_digest, 'hex'), 0))
$$;

-- What referrers hold is counted with what their bucket holds (0011): from the row on, which is there before the store has the
-- manifest, and until it is condemned. Usage is locked last as ever; a bucket may be locked after referrers, for that lock is
-- shared, and whoever deletes the bucket waits for no referrer.

CREATE OR REPLACE VIEW usage_recounted AS
SELECT b.id AS bucket_id, (o.bytes + p.bytes + r.bytes)::bigint AS bytes, o.objects
FROM buckets AS b
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(size), 0) AS bytes, count(*) FILTER (WHERE NOT is_delete_marker) AS objects
    FROM objects WHERE objects.bucket_id = b.id
) AS o
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(part.size), 0) AS bytes
    FROM uploads JOIN upload_parts AS part ON part.upload_id = uploads.id
    WHERE uploads.bucket_id = b.id
) AS p
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(held), 0) AS bytes
    FROM referrers WHERE referrers.placement_id = b.placement_id AND condemned_at IS NULL
) AS r;

CREATE FUNCTION free_referrers(p_placements bigint[], p_bytes bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_buckets bigint[];
    v_bytes   bigint[];
BEGIN
    -- A bucket that is gone counts nothing any more; one that is there stays until this has committed.
    SELECT array_agg(id ORDER BY id), array_agg(bytes ORDER BY id) INTO v_buckets, v_bytes
    FROM (
        SELECT b.id, freed.bytes
        FROM buckets AS b JOIN unnest(p_placements, p_bytes) AS freed (placement_id, bytes) USING (placement_id)
        ORDER BY b.id FOR KEY SHARE OF b
    ) AS bucket;
    FOR i IN 1 .. COALESCE(cardinality(v_buckets), 0) LOOP
        PERFORM count_usage(v_buckets[i], -v_bytes[i], 0);
    END LOOP;
END
$$;
COMMENT ON FUNCTION free_referrers IS 'Counts what buckets hold less, each named once by its placement, whose referrers were condemned.';

CREATE FUNCTION expect_room_for_referrer(p_bucket text, p_digest bytea, p_subject bytea, p_bytes bigint) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_state quota_state;
BEGIN
    SELECT q.* INTO v_state FROM buckets JOIN quota_state AS q ON q.bucket_id = buckets.id WHERE buckets.name = p_bucket;
    -- What is there already adds nothing.
    IF NOT FOUND OR EXISTS (
        SELECT FROM buckets AS b JOIN referrers AS r ON r.repository = referrer_repository(b.placement_id)
        WHERE b.name = p_bucket AND r.digest = p_digest AND r.subject = p_subject AND r.condemned_at IS NULL
    ) THEN
        RETURN true;
    END IF;
    RETURN expect_room(v_state, p_bytes, 0);
END
$$;
COMMENT ON FUNCTION expect_room_for_referrer IS 'As expect_room_for_object, for a referrer that holds so many bytes; without a digest, for bytes that one will name.';

CREATE FUNCTION begin_referrer(
    p_bucket text, p_digest bytea, p_subject bytea, p_root bytea, p_is_listed boolean, p_kinds text[], p_media_type text,
    p_artifact_type text, p_size bigint, p_held bigint, p_annotations jsonb, p_blobs bytea[], p_blob_sizes bigint[], p_owner text,
    p_most bigint,
    OUT status text, OUT referrer_id bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id    bigint;
    v_placement_id bigint;
    v_repository   text;
BEGIN
    SELECT id, placement_id INTO v_bucket_id, v_placement_id FROM buckets WHERE name = p_bucket FOR KEY SHARE;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    v_repository := referrer_repository(v_placement_id);
    PERFORM lock_referrer(v_repository, p_digest);
    IF EXISTS (
        SELECT FROM referrers WHERE repository = v_repository AND digest = p_digest AND condemned_at IS NOT NULL
    ) THEN
        status := 'OperationAborted';
        RETURN;
    END IF;
    UPDATE referrers SET begun_at = clock_timestamp()
    WHERE repository = v_repository AND digest = p_digest AND subject = p_subject
    RETURNING id INTO referrer_id;
    IF FOUND THEN
        status := 'ok';
        RETURN;
    END IF;
    -- One at a time, so that the limit holds. No referrer has the digest of an object's manifest: it is a lock of its own.
    PERFORM lock_referrer(v_repository, p_root);
    IF (SELECT count(*) FROM referrers WHERE repository = v_repository AND root = p_root AND condemned_at IS NULL) >= p_most THEN
        status := 'LimitExceeded';
        RETURN;
    END IF;
    INSERT INTO referrers (
        repository, placement_id, digest, subject, root, is_listed, kinds, media_type, artifact_type, size, held, annotations, owner
    ) VALUES (
        v_repository, v_placement_id, p_digest, p_subject, p_root, p_is_listed, p_kinds, p_media_type, p_artifact_type, p_size,
        p_held, p_annotations, p_owner
    )
    RETURNING id INTO referrer_id;
    INSERT INTO referrer_blobs (referrer_id, repository, digest, size)
    SELECT begin_referrer.referrer_id, v_repository, blob.digest, blob.size FROM unnest(p_blobs, p_blob_sizes) AS blob (digest, size);
    PERFORM count_usage(v_bucket_id, p_held, 0);
    status := 'ok';
END
$$;
COMMENT ON FUNCTION begin_referrer IS 'Writes a referrer down before its manifest is sent to the store: nothing is ever there that the index does not know. p_most: referrers that one object may have.';

CREATE FUNCTION referrer_repository(p_placement_id bigint) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT 'zas/referrers/' || prefix || '/' || id FROM placements WHERE id = p_placement_id
$$;
COMMENT ON FUNCTION referrer_repository IS 'The repository at the store that keeps what refers to a bucket''s objects. Not below the prefix of S3 bytes, for it holds manifests, and clients cannot reach a name that begins with zas.';

CREATE FUNCTION store_referrer(p_id bigint, p_tag text, p_records text[], p_intent uuid) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_repository   text;
    v_placement_id bigint;
    v_freed        bigint;
BEGIN
    SELECT repository, placement_id INTO v_repository, v_placement_id FROM referrers WHERE id = p_id;
    IF p_tag IS NOT NULL THEN
        -- Before any row: whoever else moves this tag waits here.
        PERFORM pg_advisory_xact_lock(hashtextextended(v_repository || ':' || p_tag, 0));
    END IF;
    PERFORM FROM referrers WHERE id = p_id AND condemned_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'OperationAborted';
    END IF;
    IF p_tag IS NOT NULL THEN
        -- A tag says where it points now; what it pointed to is not found by anything else.
        UPDATE referrers SET tag = NULL, condemned_at = CASE WHEN is_listed THEN NULL ELSE clock_timestamp() END
        WHERE repository = v_repository AND tag = p_tag AND id <> p_id AND condemned_at IS NULL
        RETURNING CASE WHEN is_listed THEN 0 ELSE held END INTO v_freed;
    END IF;
    UPDATE referrers
    SET stored_at = COALESCE(stored_at, clock_timestamp()), tag = COALESCE(p_tag, tag), checked_at = clock_timestamp(),
        orphaned_at = NULL
    WHERE id = p_id;
    PERFORM audit_append_batch(p_records, ARRAY[]::uuid[], array_remove(ARRAY[p_intent], NULL));
    IF v_freed > 0 THEN
        PERFORM free_referrers(ARRAY[v_placement_id], ARRAY[v_freed]);
    END IF;
    RETURN 'ok';
END
$$;
COMMENT ON FUNCTION store_referrer IS 'Makes a referrer seen, once the store has its manifest.';

CREATE FUNCTION condemn_referrers(p_repository text, p_digest bytea, p_tag text, p_records text[], OUT status text, OUT digests bytea[])
LANGUAGE plpgsql AS $$
DECLARE
    v_placement_id bigint;
    v_freed        bigint;
BEGIN
    WITH condemned AS (
        UPDATE referrers SET condemned_at = clock_timestamp(), tag = NULL
        WHERE repository = p_repository AND condemned_at IS NULL AND stored_at IS NOT NULL
          AND CASE WHEN p_tag IS NULL THEN digest = p_digest ELSE tag = p_tag END
        RETURNING digest, placement_id, held
    )
    SELECT array_agg(DISTINCT digest), min(placement_id), sum(held)::bigint INTO digests, v_placement_id, v_freed FROM condemned;
    IF digests IS NULL THEN
        status := 'ManifestUnknown';
        RETURN;
    END IF;
    PERFORM audit_append(p_records);
    PERFORM free_referrers(ARRAY[v_placement_id], ARRAY[v_freed]);
    status := 'ok';
END
$$;
COMMENT ON FUNCTION condemn_referrers IS 'Takes referrers out of sight, by digest or by tag; they are still to be deleted at the store.';

CREATE FUNCTION claim_condemned_referrers(
    p_limit bigint, p_reclaim_seconds double precision
) RETURNS TABLE (id bigint, repository text, digest bytea, is_named boolean)
LANGUAGE plpgsql AS $$
DECLARE
    v_row referrers;
BEGIN
    FOR v_row IN
        SELECT * FROM referrers AS r
        WHERE r.condemned_at IS NOT NULL
          AND (r.claimed_at IS NULL OR r.claimed_at < clock_timestamp() - make_interval(secs => p_reclaim_seconds))
        ORDER BY r.condemned_at LIMIT p_limit
        FOR UPDATE SKIP LOCKED
    LOOP
        PERFORM lock_referrer(v_row.repository, v_row.digest);
        UPDATE referrers AS r SET claimed_at = clock_timestamp() WHERE r.id = v_row.id;
        id := v_row.id;
        repository := v_row.repository;
        digest := v_row.digest;
        is_named := EXISTS (
            SELECT FROM referrers AS other
            WHERE other.repository = v_row.repository AND other.digest = v_row.digest AND other.condemned_at IS NULL
        );
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION claim_condemned_referrers IS 'Condemned referrers, each to one sweeper; is_named: another row still needs the manifest, so that only the row goes.';

CREATE FUNCTION age_referrers(
    p_limit bigint, p_interval_seconds double precision, p_retention_seconds double precision, p_pending_seconds double precision
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_checked    bigint;
    v_placements bigint[];
    v_freed      bigint[];
BEGIN
    WITH due AS (
        SELECT r.* FROM referrers AS r
        WHERE r.placement_id IS NOT NULL AND r.condemned_at IS NULL
          AND r.checked_at < clock_timestamp() - make_interval(secs => p_interval_seconds)
        ORDER BY r.checked_at LIMIT p_limit
        FOR UPDATE SKIP LOCKED
    ), state AS (
        SELECT due.*, b.id IS NULL AS is_abandoned,
               EXISTS (SELECT FROM objects AS o WHERE o.bucket_id = b.id AND o.oci_digest = due.root) AS is_used
        FROM due LEFT JOIN buckets AS b ON b.placement_id = due.placement_id
    ), verdict AS (
        SELECT id, is_used,
               is_abandoned
               OR (stored_at IS NULL AND begun_at < clock_timestamp() - make_interval(secs => p_pending_seconds))
               OR (NOT is_used AND orphaned_at IS NOT NULL
                   AND orphaned_at < clock_timestamp() - make_interval(secs => p_retention_seconds)) AS is_condemned
        FROM state
    ), aged AS (
        UPDATE referrers AS r
        SET checked_at = clock_timestamp(),
            orphaned_at = CASE WHEN verdict.is_used THEN NULL ELSE COALESCE(r.orphaned_at, clock_timestamp()) END,
            tag = CASE WHEN verdict.is_condemned THEN NULL ELSE r.tag END,
            condemned_at = CASE WHEN verdict.is_condemned THEN clock_timestamp() END
        FROM verdict WHERE r.id = verdict.id
        RETURNING r.placement_id, CASE WHEN verdict.is_condemned THEN r.held ELSE 0 END AS freed
    ), counted AS (
        SELECT placement_id, count(*) AS checked, sum(freed)::bigint AS freed FROM aged GROUP BY placement_id
    )
    SELECT COALESCE(sum(checked), 0), array_agg(placement_id) FILTER (WHERE freed > 0), array_agg(freed) FILTER (WHERE freed > 0)
    INTO v_checked, v_placements, v_freed FROM counted;
    PERFORM free_referrers(v_placements, v_freed);
    RETURN v_checked;
END
$$;
COMMENT ON FUNCTION age_referrers IS 'Looks at the referrers that were not looked at for longest, and condemns those whose bucket is gone, whose object was gone for the retention, or whose manifest never came; how many it looked at.';

-- A placement also outlives its bucket while the store has something that refers to its objects.
CREATE OR REPLACE FUNCTION forget_placements(p_grace_seconds double precision, p_limit bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_ids       bigint[];
    v_forgotten bigint;
BEGIN
    -- Names and pins refer to blobs, so that where no blob is there is neither. A session is known by its location alone.
    SELECT array_agg(id) INTO v_ids
    FROM (
        SELECT p.id FROM placements AS p
        WHERE p.orphaned_at <= clock_timestamp() - make_interval(secs => p_grace_seconds)
          AND NOT EXISTS (SELECT FROM buckets WHERE buckets.placement_id = p.id)
          AND NOT EXISTS (SELECT FROM referrers WHERE referrers.placement_id = p.id)
          AND NOT EXISTS (SELECT FROM repositories AS r JOIN blobs ON blobs.repository_id = r.id
                          WHERE r.placement_id = p.id)
          AND NOT EXISTS (SELECT FROM store_sessions AS s
                          WHERE s.store_id = p.store_id
                            AND position('/' || p.prefix || '/' || p.id || '/' IN s.location) > 0)
        ORDER BY p.orphaned_at
        LIMIT p_limit
        FOR UPDATE OF p SKIP LOCKED
    ) AS orphan;
    IF v_ids IS NULL THEN
        RETURN 0;
    END IF;
    -- Who adds a blob holds its repository's key-share lock; so after these locks one more look is final.
    PERFORM FROM repositories WHERE placement_id = ANY (v_ids) ORDER BY id FOR UPDATE;
    SELECT array_agg(orphan.id) INTO v_ids FROM unnest(v_ids) AS orphan (id)
    WHERE NOT EXISTS (SELECT FROM repositories AS r JOIN blobs ON blobs.repository_id = r.id
                      WHERE r.placement_id = orphan.id);
    DELETE FROM repositories WHERE placement_id = ANY (v_ids);
    DELETE FROM placements WHERE id = ANY (v_ids);
    GET DIAGNOSTICS v_forgotten = ROW_COUNT;
    RETURN v_forgotten;
END
$$;
