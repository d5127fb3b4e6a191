-- Versions: what a bucket keeps of what is overwritten and deleted. And object lock: versions that stay, whoever wants them gone.
--
-- A row of `objects` is a version. Per key, versions are ordered by their row's id, which whoever writes one takes while it holds the
-- lock of the latest one. What holds always, between transactions:
-- * A key that has any version has exactly one latest, and no version of it has a greater id.
-- * A bucket that never kept versions has null versions alone, each of them the latest.
-- Every change of a key's versions begins with the lock of its latest row: so none of them changes in anybody else's hands.
--
-- Whoever writes into a bucket or deletes from it holds the bucket's key-share lock, and whoever changes whether it keeps versions its
-- update lock: what was written before is over, and what comes later knows.
--
-- A locked version is refused where rows are deleted (remove_objects), so that no path leads around it.

-- At once as strictly as the changes below need it: a lock that grew later would wait for those who wait for it.
LOCK TABLE buckets, objects, uploads IN ACCESS EXCLUSIVE MODE;

ALTER TABLE buckets
    ADD COLUMN lock_mode text CHECK (lock_mode IN ('GOVERNANCE', 'COMPLIANCE')),
    ADD COLUMN lock_days integer CHECK (lock_days > 0),
    ADD COLUMN lock_years integer CHECK (lock_years > 0),
    ADD CONSTRAINT buckets_lock_check CHECK (
        (lock_mode IS NULL AND lock_days IS NULL AND lock_years IS NULL)
        OR (object_lock AND lock_mode IS NOT NULL AND num_nonnulls(lock_days, lock_years) = 1)
    ),
    ADD CONSTRAINT buckets_lock_needs_versions CHECK (NOT object_lock OR versioning = 'enabled');
COMMENT ON COLUMN buckets.lock_mode IS 'Retention that new versions get unless their writer says otherwise, for so many days or years.';

ALTER TABLE uploads
    ADD COLUMN retention_mode text CHECK (retention_mode IN ('GOVERNANCE', 'COMPLIANCE')),
    ADD COLUMN retain_until timestamptz,
    ADD COLUMN legal_hold boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN uploads.retention_mode IS 'What the object shall have that it becomes.';

ALTER TABLE completed_uploads ADD COLUMN version text;
COMMENT ON COLUMN completed_uploads.version IS 'The version that it became, where the bucket keeps or kept versions.';

-- A listing of versions walks this one and objects_latest; the next latest version is the first in it.
CREATE INDEX objects_older_in_order ON objects (bucket_id, key, id DESC) WHERE NOT is_latest;
CREATE INDEX objects_locked ON objects (bucket_id) WHERE legal_hold OR retain_until IS NOT NULL;

-- --- what is locked

CREATE FUNCTION is_locked(p_mode text, p_until timestamptz, p_hold boolean, p_bypass boolean) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT p_hold OR COALESCE(p_until > now() AND (p_mode = 'COMPLIANCE' OR NOT p_bypass), false)
$$;
COMMENT ON FUNCTION is_locked IS 'Whether a version may not be removed. p_bypass: by somebody who may bypass governance, and asks for it.';

CREATE FUNCTION as_told(p_until timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT date_trunc('milliseconds', p_until)
$$;
COMMENT ON FUNCTION as_told IS 'The end of a retention as answers write it: whoever sends back what was read says the same time.';

CREATE FUNCTION default_retain_until(p_bucket buckets) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT as_told(now() + make_interval(years => COALESCE(p_bucket.lock_years, 0), days => COALESCE(p_bucket.lock_days, 0)))
    WHERE p_bucket.lock_mode IS NOT NULL
$$;
COMMENT ON FUNCTION default_retain_until IS 'How long a version stays that is written now and says nothing of it; NULL for no time.';

CREATE FUNCTION lock_object(p_object_id bigint, p_mode text, p_until timestamptz, p_hold boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF p_object_id IS NULL OR (p_mode IS NULL AND p_hold IS NULL) THEN
        RETURN false;
    END IF;
    UPDATE objects AS o
    SET retention_mode = COALESCE(p_mode, o.retention_mode), retain_until = COALESCE(as_told(p_until), o.retain_until),
        legal_hold = COALESCE(p_hold, o.legal_hold)
    FROM buckets AS b
    WHERE o.id = p_object_id AND b.id = o.bucket_id AND b.object_lock;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the bucket locks no objects' USING ERRCODE = 'ZA005';
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION lock_object IS 'Locks a version in the transaction that writes it, as its writer says; NULL: as the bucket has it. ZA005: the bucket has no object lock.';

CREATE FUNCTION lock_upload(p_upload_id text, p_mode text, p_until timestamptz, p_hold boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF p_mode IS NULL AND p_hold IS NULL THEN
        RETURN false;
    END IF;
    UPDATE uploads AS u SET retention_mode = p_mode, retain_until = as_told(p_until), legal_hold = COALESCE(p_hold, false)
    FROM buckets AS b
    WHERE u.id = p_upload_id AND b.id = u.bucket_id AND b.object_lock;
    IF FOUND THEN
        RETURN true;
    END IF;
    -- Where there is no upload its creation has said why.
    IF EXISTS (SELECT FROM uploads WHERE id = p_upload_id) THEN
        RAISE EXCEPTION 'the bucket locks no objects' USING ERRCODE = 'ZA005';
    END IF;
    RETURN false;
END
$$;
COMMENT ON FUNCTION lock_upload IS 'As lock_object, for an upload: the object that it becomes is locked so.';

-- --- rows that go

DROP FUNCTION remove_objects(bigint[], double precision);
DROP FUNCTION replace_current(bigint, text, boolean, text, double precision);
DROP FUNCTION delete_objects(text, text[], double precision);
DROP FUNCTION delete_objects_if(text, text[], text[], double precision);
DROP FUNCTION put_object_tags(text, text, jsonb);
DROP FUNCTION empty_bucket(text, bigint, double precision);
DROP FUNCTION suspend_versioning(text);

CREATE FUNCTION remove_objects(
    p_ids bigint[], p_grace_seconds double precision, p_bypass boolean DEFAULT false, OUT freed_bytes bigint, OUT freed_objects bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    v_has_locked boolean;
BEGIN
    INSERT INTO blob_pins (repository_id, digest, due_at)
    SELECT repository_id, digest, clock_timestamp() + make_interval(secs => p_grace_seconds)
    FROM (
        SELECT repository_id, digest FROM objects WHERE id = ANY (p_ids) AND digest IS NOT NULL
        UNION
        SELECT repository_id, digest FROM object_segments WHERE object_id = ANY (p_ids)
    ) AS blob;
    WITH removed AS (
        DELETE FROM objects AS o WHERE o.id = ANY (p_ids)
        RETURNING o.size, o.is_delete_marker, is_locked(o.retention_mode, o.retain_until, o.legal_hold, p_bypass) AS was_locked
    )
    SELECT COALESCE(sum(size), 0), count(*) FILTER (WHERE NOT is_delete_marker), bool_or(was_locked)
    INTO freed_bytes, freed_objects, v_has_locked FROM removed;
    IF v_has_locked THEN
        RAISE EXCEPTION 'a version that is locked was to be removed' USING ERRCODE = 'ZA006';
    END IF;
END
$$;
COMMENT ON FUNCTION remove_objects IS 'Deletes versions that the caller has locked as rows, and leaves a pin on each of their blobs; what the caller is to take off the usage. ZA006: one of them is under retention or legal hold.';

CREATE FUNCTION promote_older(p_bucket_id bigint, p_keys text[]) RETURNS void
LANGUAGE sql AS $$
    UPDATE objects SET is_latest = true
    WHERE id IN (
        SELECT DISTINCT ON (o.key) o.id FROM objects AS o
        WHERE o.bucket_id = p_bucket_id AND o.key = ANY (p_keys) AND NOT o.is_latest
        ORDER BY o.key, o.id DESC
    )
$$;
COMMENT ON FUNCTION promote_older IS 'Of keys whose latest version the caller has removed, makes the newest of the others the latest.';

CREATE FUNCTION set_aside(
    p_bucket buckets, p_key text, p_id bigint, p_version text, p_grace_seconds double precision,
    OUT freed_bytes bigint, OUT freed_objects bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    v_null bigint;
BEGIN
    IF p_bucket.versioning = 'off' OR (p_bucket.versioning = 'suspended' AND p_version = 'null') THEN
        v_null := p_id;
    ELSE
        UPDATE objects SET is_latest = false WHERE id = p_id;
        IF p_bucket.versioning = 'suspended' THEN
            SELECT o.id INTO v_null FROM objects AS o
            WHERE o.bucket_id = p_bucket.id AND o.key = p_key AND NOT o.is_latest AND o.version_id = 'null'
            FOR UPDATE;
        END IF;
    END IF;
    freed_bytes := 0;
    freed_objects := 0;
    IF v_null IS NOT NULL THEN
        SELECT removed.freed_bytes, removed.freed_objects INTO freed_bytes, freed_objects
        FROM remove_objects(ARRAY[v_null], p_grace_seconds) AS removed;
    END IF;
END
$$;
COMMENT ON FUNCTION set_aside IS 'Makes way for the next version of a key, whose latest one (p_id, p_version) the caller has locked: it stays as an older one, or goes where the next one is to be the null version too.';

CREATE FUNCTION version_name(p_bucket buckets, p_id bigint) RETURNS text
LANGUAGE sql VOLATILE AS $$
    SELECT CASE
        WHEN p_bucket.versioning = 'enabled' THEN lpad(to_hex(p_id), 16, '0') || right(replace(gen_random_uuid()::text, '-', ''), 16)
        ELSE 'null'
    END
$$;
COMMENT ON FUNCTION version_name IS 'The version id of a row: its first half is the row''s id, so that a listing goes on behind a version that is gone; nobody can guess the other half.';

CREATE FUNCTION begin_version(
    p_bucket buckets, p_key text, p_absent boolean, p_match text, p_grace_seconds double precision,
    OUT status text, OUT row_id bigint, OUT version text, OUT freed_bytes bigint, OUT freed_objects bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    v_current record;
BEGIN
    freed_bytes := 0;
    freed_objects := 0;
    LOOP
        SELECT o.id, o.etag, o.version_id, o.is_delete_marker INTO v_current FROM objects AS o
        WHERE o.bucket_id = p_bucket.id AND o.key = p_key AND o.is_latest
        FOR UPDATE;
        EXIT WHEN FOUND OR p_match IS NULL;
        -- A writer that was waited for may have replaced the version that this statement's snapshot knew; look afresh.
        PERFORM FROM objects AS o WHERE o.bucket_id = p_bucket.id AND o.key = p_key AND o.is_latest;
        IF NOT FOUND THEN
            status := 'NoSuchKey';
            RETURN;
        END IF;
    END LOOP;
    IF v_current.is_delete_marker THEN
        IF p_match IS NOT NULL THEN
            status := 'NoSuchKey';
            RETURN;
        END IF;
    ELSIF v_current.id IS NOT NULL AND (p_absent OR (p_match <> '*' AND v_current.etag <> p_match)) THEN
        status := 'PreconditionFailed';
        RETURN;
    END IF;
    IF v_current.id IS NOT NULL THEN
        SELECT aside.freed_bytes, aside.freed_objects INTO freed_bytes, freed_objects
        FROM set_aside(p_bucket, p_key, v_current.id, v_current.version_id, p_grace_seconds) AS aside;
    END IF;
    row_id := nextval('objects_id_seq');
    version := version_name(p_bucket, row_id);
    status := 'ok';
END
$$;
COMMENT ON FUNCTION begin_version IS 'Locks the latest version, checks what must hold of it, and makes way for the next one, whose row and version id it gives. The caller then inserts it, and calls again where another writer was faster; at its end it counts the difference.';

-- --- versions that come

DROP FUNCTION commit_object(text, text, bigint, text, bigint, bytea, bigint, jsonb, jsonb, jsonb, text, text, boolean, text, double precision);
CREATE FUNCTION commit_object(
    p_bucket text, p_key text, p_size bigint, p_etag text,
    p_repository_id bigint, p_digest bytea, p_pin bigint,
    p_checksums jsonb, p_headers jsonb, p_metadata jsonb, p_storage_class text, p_owner text,
    p_absent boolean, p_match text, p_grace_seconds double precision, p_event text DEFAULT 'ObjectCreated:Put',
    OUT status text, OUT object_id bigint, OUT modified_at timestamptz, OUT version text
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket buckets;
    v_next   record;
BEGIN
    SELECT * INTO v_bucket FROM buckets WHERE name = p_bucket FOR KEY SHARE;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    LOOP
        v_next := begin_version(v_bucket, p_key, p_absent, p_match, p_grace_seconds);
        status := v_next.status;
        IF status <> 'ok' THEN
            RETURN;
        END IF;
        INSERT INTO objects (
            id, bucket_id, key, version_id, size, etag, segment_count, repository_id, digest, blob_offset,
            checksum_type, checksums, headers, metadata, storage_class, owner, retention_mode, retain_until
        ) OVERRIDING SYSTEM VALUE VALUES (
            v_next.row_id, v_bucket.id, p_key, v_next.version, p_size, p_etag,
            CASE WHEN p_digest IS NULL THEN 0 ELSE 1 END,
            p_repository_id, p_digest,
            CASE WHEN p_digest IS NULL THEN NULL ELSE 0 END,
            CASE WHEN p_checksums = '{}' THEN NULL ELSE 'FULL_OBJECT' END,
            p_checksums, p_headers, p_metadata, p_storage_class, p_owner,
            v_bucket.lock_mode, default_retain_until(v_bucket)
        )
        ON CONFLICT DO NOTHING
        RETURNING id, last_modified INTO object_id, modified_at;
        EXIT WHEN FOUND;
    END LOOP;
    IF p_pin IS NOT NULL OR p_digest IS NOT NULL THEN
        PERFORM end_pin(p_pin, ARRAY[p_repository_id], ARRAY[p_digest]);
    END IF;
    version := CASE WHEN v_bucket.versioning <> 'off' THEN v_next.version END;
    PERFORM tell_event(v_bucket.id, p_event, p_key, version, p_size, p_etag, p_owner);
    PERFORM count_usage(v_bucket.id, p_size - v_next.freed_bytes, 1 - v_next.freed_objects);
END
$$;
COMMENT ON FUNCTION commit_object IS 'Writes a new version. version: NULL where the bucket never kept any.';

DROP FUNCTION copy_object(bigint, text, text, jsonb, jsonb, text, text, boolean, text, double precision);
CREATE FUNCTION copy_object(
    p_source_id bigint, p_bucket text, p_key text,
    p_headers jsonb, p_metadata jsonb, p_storage_class text, p_owner text,
    p_absent boolean, p_match text, p_grace_seconds double precision,
    OUT status text, OUT object_id bigint, OUT modified_at timestamptz, OUT version text
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket   buckets;
    v_source   objects;
    v_segments object_segments[];
    v_parts    object_parts[];
    v_in_place boolean;
    v_next     record;
BEGIN
    SELECT * INTO v_bucket FROM buckets WHERE name = p_bucket FOR KEY SHARE;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    SELECT * INTO v_source FROM objects WHERE id = p_source_id AND NOT is_delete_marker;
    IF NOT FOUND THEN
        status := 'NoSuchKey';
        RETURN;
    END IF;
    v_in_place := v_source.bucket_id = v_bucket.id AND v_source.key = p_key;
    IF v_in_place THEN
        -- Source and destination are versions of one key: under the lock of the latest none of them goes.
        LOOP
            PERFORM FROM objects AS o WHERE o.bucket_id = v_bucket.id AND o.key = p_key AND o.is_latest FOR UPDATE;
            EXIT WHEN FOUND;
            PERFORM FROM objects AS o WHERE o.bucket_id = v_bucket.id AND o.key = p_key AND o.is_latest;
            EXIT WHEN NOT FOUND;
        END LOOP;
        SELECT * INTO v_source FROM objects WHERE id = p_source_id;
        IF NOT FOUND THEN
            status := 'NoSuchKey';
            RETURN;
        END IF;
    END IF;
    -- Kept aside, for in place they may go with the version that is replaced.
    SELECT array_agg(segment) INTO v_segments FROM object_segments AS segment WHERE segment.object_id = p_source_id;
    SELECT array_agg(part) INTO v_parts FROM object_parts AS part WHERE part.object_id = p_source_id;

    LOOP
        v_next := begin_version(v_bucket, p_key, p_absent, p_match, p_grace_seconds);
        status := v_next.status;
        IF status <> 'ok' THEN
            RETURN;
        END IF;
        INSERT INTO objects (
            id, bucket_id, key, version_id, size, etag, segment_count, repository_id, digest, blob_offset, part_number, inline_bytes,
            part_count, checksum_type, checksums, headers, metadata, tags, storage_class, owner, retention_mode, retain_until
        ) OVERRIDING SYSTEM VALUE VALUES (
            v_next.row_id, v_bucket.id, p_key, v_next.version, v_source.size, v_source.etag, v_source.segment_count,
            v_source.repository_id, v_source.digest, v_source.blob_offset, v_source.part_number, v_source.inline_bytes,
            v_source.part_count, v_source.checksum_type, v_source.checksums,
            COALESCE(p_headers, v_source.headers), COALESCE(p_metadata, v_source.metadata), v_source.tags,
            p_storage_class, p_owner, v_bucket.lock_mode, default_retain_until(v_bucket)
        )
        ON CONFLICT DO NOTHING
        RETURNING id, last_modified INTO object_id, modified_at;
        EXIT WHEN FOUND;
    END LOOP;
    INSERT INTO object_segments (
        object_id, object_offset, part_number, size, repository_id, digest, blob_offset
    )
    SELECT copy_object.object_id, s.object_offset, s.part_number, s.size, s.repository_id, s.digest, s.blob_offset
    FROM unnest(v_segments) AS s;
    INSERT INTO object_parts (object_id, part_number, size, etag, checksums)
    SELECT copy_object.object_id, p.part_number, p.size, p.etag, p.checksums
    FROM unnest(v_parts) AS p;

    -- The blobs are locked now. If the source still names them they were never condemned, and what was read of it stands.
    IF NOT v_in_place THEN
        PERFORM FROM objects WHERE id = p_source_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the source of a copy is gone' USING ERRCODE = 'ZA001';
        END IF;
    END IF;
    version := CASE WHEN v_bucket.versioning <> 'off' THEN v_next.version END;
    PERFORM tell_event(v_bucket.id, 'ObjectCreated:Copy', p_key, version, v_source.size, v_source.etag, p_owner);
    PERFORM count_usage(v_bucket.id, v_source.size - v_next.freed_bytes, 1 - v_next.freed_objects);
END
$$;

DROP FUNCTION complete_upload(text, text, text, integer[], text[], text, jsonb, text, boolean, text, double precision);
CREATE FUNCTION complete_upload(
    p_bucket text, p_key text, p_upload_id text, p_part_numbers integer[], p_part_etags text[],
    p_etag text, p_checksums jsonb, p_checksum_type text,
    p_absent boolean, p_match text, p_grace_seconds double precision,
    OUT status text, OUT object_id bigint, OUT modified_at timestamptz, OUT version text
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket        buckets;
    v_upload        uploads;
    v_parts         integer;
    v_size          bigint;
    v_counted       bigint;
    v_segments      integer;
    v_segment       upload_segments;
    v_next          record;
BEGIN
    SELECT * INTO v_bucket FROM buckets WHERE name = p_bucket FOR KEY SHARE;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    SELECT * INTO v_upload FROM uploads
    WHERE id = p_upload_id AND bucket_id = v_bucket.id AND key = p_key
    FOR UPDATE;
    IF NOT FOUND THEN
        -- A client that did not hear the answer asks again, and gets the same one.
        SELECT 'ok', completed.object_id, completed.last_modified, completed.version INTO status, object_id, modified_at, version
        FROM completed_uploads AS completed
        WHERE id = p_upload_id AND bucket_id = v_bucket.id AND key = p_key AND etag = p_etag;
        status := COALESCE(status, 'NoSuchUpload');
        RETURN;
    END IF;

    SELECT count(DISTINCT part.part_number), sum(part.size) INTO v_parts, v_size
    FROM unnest(p_part_numbers, p_part_etags) AS wanted (part_number, etag)
    JOIN upload_parts AS part USING (part_number, etag)
    WHERE part.upload_id = p_upload_id;
    IF v_parts = 0 OR v_parts <> cardinality(p_part_numbers) THEN
        status := 'InvalidPart';
        RETURN;
    END IF;
    SELECT count(*) INTO v_segments FROM upload_segments
    WHERE upload_id = p_upload_id AND part_number = ANY (p_part_numbers);
    IF v_segments = 1 THEN
        SELECT * INTO v_segment FROM upload_segments
        WHERE upload_id = p_upload_id AND part_number = ANY (p_part_numbers);
    END IF;
    -- Every part was counted when it came, also those that the client leaves out.
    SELECT sum(size) INTO v_counted FROM upload_parts WHERE upload_id = p_upload_id;

    LOOP
        v_next := begin_version(v_bucket, p_key, p_absent, p_match, p_grace_seconds);
        status := v_next.status;
        IF status <> 'ok' THEN
            RETURN;
        END IF;
        INSERT INTO objects (
            id, bucket_id, key, version_id, size, etag, segment_count, repository_id, digest, blob_offset, part_number, part_count,
            checksum_type, checksums, headers, metadata, tags, storage_class, owner, retention_mode, retain_until, legal_hold
        ) OVERRIDING SYSTEM VALUE VALUES (
            v_next.row_id, v_bucket.id, p_key, v_next.version, v_size, p_etag, v_segments,
            v_segment.repository_id, v_segment.digest, v_segment.blob_offset, COALESCE(v_segment.part_number, 1), v_parts,
            p_checksum_type, p_checksums, v_upload.headers, v_upload.metadata, v_upload.tags,
            v_upload.storage_class, v_upload.owner,
            COALESCE(v_upload.retention_mode, v_bucket.lock_mode), COALESCE(v_upload.retain_until, default_retain_until(v_bucket)),
            v_upload.legal_hold
        )
        ON CONFLICT DO NOTHING
        RETURNING id, last_modified INTO object_id, modified_at;
        EXIT WHEN FOUND;
    END LOOP;
    IF v_segments > 1 THEN
        INSERT INTO object_segments (object_id, object_offset, part_number, size, repository_id, digest, blob_offset)
        SELECT complete_upload.object_id, sum(s.size) OVER (ORDER BY s.part_number, s.ordinal) - s.size,
               s.part_number, s.size, s.repository_id, s.digest, s.blob_offset
        FROM upload_segments AS s
        WHERE s.upload_id = p_upload_id AND s.part_number = ANY (p_part_numbers);
    END IF;
    INSERT INTO object_parts (object_id, part_number, size, etag, checksums)
    SELECT complete_upload.object_id, part.part_number, part.size, part.etag, part.checksums
    FROM upload_parts AS part
    WHERE part.upload_id = p_upload_id AND part.part_number = ANY (p_part_numbers);

    -- Parts that the client left out lose their name here.
    INSERT INTO blob_pins (repository_id, digest, due_at)
    SELECT DISTINCT repository_id, digest, clock_timestamp() + make_interval(secs => p_grace_seconds)
    FROM upload_segments WHERE upload_id = p_upload_id AND part_number <> ALL (p_part_numbers);
    version := CASE WHEN v_bucket.versioning <> 'off' THEN v_next.version END;
    PERFORM tell_event(v_bucket.id, 'ObjectCreated:CompleteMultipartUpload', p_key, version, v_size, p_etag, v_upload.owner);
    PERFORM count_usage(v_bucket.id, v_size - v_counted - v_next.freed_bytes, 1 - v_next.freed_objects);
    -- In this order: what is done once per completion finds the upload there.
    INSERT INTO completed_uploads (id, bucket_id, key, object_id, etag, last_modified, version)
    VALUES (p_upload_id, v_bucket.id, p_key, complete_upload.object_id, p_etag, modified_at, complete_upload.version);
    DELETE FROM uploads WHERE id = p_upload_id;
END
$$;
COMMENT ON FUNCTION complete_upload IS 'Turns an upload into an object: its segments change hands, no byte moves. The parts are put together by number.';

CREATE OR REPLACE FUNCTION expect_room_for_object(p_bucket text, p_key text, p_bytes bigint) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_state    quota_state;
    v_replaced bigint;
BEGIN
    SELECT q.* INTO v_state FROM buckets JOIN quota_state AS q ON q.bucket_id = buckets.id WHERE buckets.name = p_bucket;
    IF NOT FOUND THEN
        RETURN true;
    END IF;
    -- What a bucket keeps makes no room: of a key's versions only a null version goes, and only for another one.
    SELECT o.size INTO v_replaced FROM buckets AS b JOIN objects AS o ON o.bucket_id = b.id
    WHERE b.id = v_state.bucket_id AND b.versioning <> 'enabled' AND o.key = p_key AND o.is_latest AND o.version_id = 'null'
      AND NOT o.is_delete_marker;
    IF NOT FOUND THEN
        -- It goes as well where it is no longer the latest.
        SELECT o.size INTO v_replaced FROM buckets AS b JOIN objects AS o ON o.bucket_id = b.id
        WHERE b.id = v_state.bucket_id AND b.versioning = 'suspended' AND o.key = p_key AND NOT o.is_latest AND o.version_id = 'null'
          AND NOT o.is_delete_marker;
    END IF;
    RETURN expect_room(v_state, p_bytes - COALESCE(v_replaced, 0), CASE WHEN FOUND THEN 0 ELSE 1 END);
END
$$;

-- --- deletes

CREATE FUNCTION delete_version(
    p_bucket buckets, p_key text, p_version text, p_etag text, p_only bigint, p_latest boolean, p_tags jsonb, p_bypass boolean,
    p_cause text, p_owner text, p_grace_seconds double precision,
    OUT status text, OUT existed boolean, OUT is_marker boolean, OUT version text, OUT freed_bytes bigint, OUT freed_objects bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    v_current objects;
    v_target  objects;
    v_row_id  bigint;
BEGIN
    existed := false;
    is_marker := false;
    version := p_version;
    freed_bytes := 0;
    freed_objects := 0;
    LOOP
        v_target := NULL;
        LOOP
            SELECT * INTO v_current FROM objects AS o
            WHERE o.bucket_id = p_bucket.id AND o.key = p_key AND o.is_latest
            FOR UPDATE;
            EXIT WHEN FOUND;
            -- A writer that was waited for may have replaced the version that this statement's snapshot knew; look afresh.
            PERFORM FROM objects AS o WHERE o.bucket_id = p_bucket.id AND o.key = p_key AND o.is_latest;
            EXIT WHEN NOT FOUND;
        END LOOP;
        IF p_version IS NULL OR v_current.version_id = p_version THEN
            v_target := v_current;
        ELSIF v_current.id IS NOT NULL THEN
            SELECT * INTO v_target FROM objects AS o
            WHERE o.bucket_id = p_bucket.id AND o.key = p_key AND NOT o.is_latest AND o.version_id = p_version
            FOR UPDATE;
        END IF;

        IF (p_only IS NOT NULL AND v_target.id IS DISTINCT FROM p_only)
            OR (p_latest IS NOT NULL AND v_target.is_latest IS DISTINCT FROM p_latest)
            OR (p_tags IS NOT NULL AND v_target.tags IS DISTINCT FROM p_tags)
        THEN
            status := 'Replaced';
            RETURN;
        END IF;
        IF p_etag IS NOT NULL THEN
            IF v_target.id IS NULL OR v_target.is_delete_marker THEN
                status := CASE WHEN p_version IS NULL THEN 'NoSuchKey' ELSE 'NoSuchVersion' END;
                RETURN;
            END IF;
            IF p_etag <> '*' AND p_etag <> v_target.etag THEN
                status := 'PreconditionFailed';
                RETURN;
            END IF;
        END IF;
        existed := v_target.id IS NOT NULL;

        IF p_version IS NULL AND p_bucket.versioning <> 'off' THEN
            IF v_current.id IS NOT NULL THEN
                SELECT aside.freed_bytes, aside.freed_objects INTO freed_bytes, freed_objects
                FROM set_aside(p_bucket, p_key, v_current.id, v_current.version_id, p_grace_seconds) AS aside;
            END IF;
            v_row_id := nextval('objects_id_seq');
            INSERT INTO objects (id, bucket_id, key, version_id, is_delete_marker, size, etag, segment_count, owner)
            OVERRIDING SYSTEM VALUE
            VALUES (v_row_id, p_bucket.id, p_key, version_name(p_bucket, v_row_id), true, 0, '', 0, p_owner)
            ON CONFLICT DO NOTHING
            RETURNING version_id INTO version;
            -- Another writer was faster, of a key that had no version.
            CONTINUE WHEN NOT FOUND;
            is_marker := true;
            PERFORM tell_event(p_bucket.id, p_cause || ':DeleteMarkerCreated', p_key, version, 0, '', p_owner);
        ELSIF existed THEN
            IF is_locked(v_target.retention_mode, v_target.retain_until, v_target.legal_hold, p_bypass) THEN
                status := 'AccessDenied';
                RETURN;
            END IF;
            SELECT removed.freed_bytes, removed.freed_objects INTO freed_bytes, freed_objects
            FROM remove_objects(ARRAY[v_target.id], p_grace_seconds, p_bypass) AS removed;
            IF v_target.is_latest AND p_bucket.versioning <> 'off' THEN
                PERFORM promote_older(p_bucket.id, ARRAY[p_key]);
            END IF;
            is_marker := v_target.is_delete_marker;
            PERFORM tell_event(
                p_bucket.id, p_cause || ':Delete', p_key, CASE WHEN p_bucket.versioning <> 'off' THEN v_target.version_id END,
                v_target.size, v_target.etag, p_owner
            );
        END IF;
        status := 'ok';
        RETURN;
    END LOOP;
END
$$;
COMMENT ON FUNCTION delete_version IS 'Deletes a key as S3 does: without a version the current one, which a delete marker hides where the bucket keeps versions; with one that version for good. p_etag: what it must have, * for any; p_only: the row that it must be, p_latest: whether it must be the latest of its key or an older one, p_tags: its tags, or else Replaced; p_cause: ObjectRemoved, or LifecycleExpiration. The caller holds the bucket, and counts.';

CREATE FUNCTION delete_versions(
    p_bucket text, p_keys text[], p_versions text[], p_etags text[], p_only bigint[], p_latest boolean[], p_tags jsonb[],
    p_bypass boolean[], p_cause text, p_owner text, p_grace_seconds double precision,
    OUT status text, OUT outcomes text[], OUT existed boolean[], OUT is_marker boolean[], OUT versions text[]
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket  buckets;
    v_wanted  record;
    v_done    record;
    v_count   integer := cardinality(p_keys);
    v_bytes   bigint := 0;
    v_objects bigint := 0;
BEGIN
    outcomes := array_fill(NULL::text, ARRAY[v_count]);
    existed := array_fill(false, ARRAY[v_count]);
    is_marker := array_fill(false, ARRAY[v_count]);
    versions := array_fill(NULL::text, ARRAY[v_count]);
    SELECT * INTO v_bucket FROM buckets WHERE name = p_bucket FOR KEY SHARE;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    -- In key order, as everybody locks them.
    FOR v_wanted IN
        SELECT w.key, w.version, w.etag, w.only_row, w.latest, w.tags, w.bypass, w.place::integer AS place
        FROM unnest(p_keys, p_versions, p_etags, p_only, p_latest, p_tags, p_bypass) WITH ORDINALITY
            AS w (key, version, etag, only_row, latest, tags, bypass, place)
        ORDER BY w.key COLLATE "C", w.place
    LOOP
        v_done := delete_version(
            v_bucket, v_wanted.key, v_wanted.version, v_wanted.etag, v_wanted.only_row, v_wanted.latest, v_wanted.tags,
            COALESCE(v_wanted.bypass, false), p_cause, p_owner, p_grace_seconds
        );
        outcomes[v_wanted.place] := v_done.status;
        existed[v_wanted.place] := v_done.existed;
        is_marker[v_wanted.place] := v_done.is_marker;
        versions[v_wanted.place] := v_done.version;
        v_bytes := v_bytes + v_done.freed_bytes;
        v_objects := v_objects + v_done.freed_objects;
    END LOOP;
    PERFORM count_usage(v_bucket.id, -v_bytes, -v_objects);
    status := 'ok';
END
$$;
COMMENT ON FUNCTION delete_versions IS 'As delete_version, of many; what became of each stands at its place.';

CREATE FUNCTION tell_removals(p_bucket_id bigint, p_ids bigint[], p_principal text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM event_rules AS r WHERE r.bucket_id = p_bucket_id LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- In key order, as everybody takes lanes.
    PERFORM tell_event(p_bucket_id, 'ObjectRemoved:Delete', gone.key, gone.version, gone.size, gone.etag, p_principal)
    FROM (
        SELECT o.key, CASE WHEN b.versioning <> 'off' THEN o.version_id END AS version, o.size, o.etag
        FROM objects AS o JOIN buckets AS b ON b.id = o.bucket_id
        WHERE o.id = ANY (p_ids)
        ORDER BY o.key, o.id DESC
    ) AS gone;
END
$$;
COMMENT ON FUNCTION tell_removals IS 'Tells that versions are deleted for good, which the caller has locked and deletes next.';

CREATE FUNCTION delete_objects(
    p_bucket text, p_keys text[], p_grace_seconds double precision, p_owner text DEFAULT NULL, OUT status text, OUT deleted text[]
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket  buckets;
    v_key     text;
    v_id      bigint;
    v_ids     bigint[] := '{}';
    v_removed record;
BEGIN
    SELECT * INTO v_bucket FROM buckets WHERE name = p_bucket FOR KEY SHARE;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    IF v_bucket.versioning <> 'off' THEN
        status := 'KeepsVersions';
        RETURN;
    END IF;
    deleted := '{}';
    -- In key order, as everybody locks them; and one by one, for a key that was not found may have to be looked for again.
    FOR v_key IN SELECT DISTINCT wanted.key COLLATE "C" FROM unnest(p_keys) AS wanted (key) ORDER BY 1 LOOP
        LOOP
            SELECT o.id INTO v_id FROM objects AS o
            WHERE o.bucket_id = v_bucket.id AND o.key = v_key AND o.is_latest
            FOR UPDATE;
            EXIT WHEN FOUND;
            -- A writer that was waited for has replaced what this statement's snapshot knew, by what may have needed that to be there: so it
            -- came before this delete, which takes what it has made.
            PERFORM FROM objects AS o WHERE o.bucket_id = v_bucket.id AND o.key = v_key AND o.is_latest;
            EXIT WHEN NOT FOUND;
        END LOOP;
        IF v_id IS NOT NULL THEN
            v_ids := v_ids || v_id;
            deleted := deleted || v_key;
        END IF;
    END LOOP;
    IF cardinality(v_ids) > 0 THEN
        PERFORM tell_removals(v_bucket.id, v_ids, p_owner);
        v_removed := remove_objects(v_ids, p_grace_seconds);
        PERFORM count_usage(v_bucket.id, -v_removed.freed_bytes, -v_removed.freed_objects);
    END IF;
    status := 'ok';
END
$$;
COMMENT ON FUNCTION delete_objects IS 'Deletes what keys hold where the bucket never kept versions; KeepsVersions: it does, and nothing was done.';

-- --- what is said of a version later

CREATE FUNCTION find_version(
    p_bucket_id bigint, p_key text, p_version text, OUT status text, OUT row_id bigint, OUT version text
)
LANGUAGE plpgsql AS $$
DECLARE
    v_found record;
BEGIN
    LOOP
        SELECT o.id, o.version_id, o.is_delete_marker INTO v_found FROM objects AS o
        WHERE o.bucket_id = p_bucket_id AND o.key = p_key AND o.is_latest
        FOR UPDATE;
        EXIT WHEN FOUND;
        -- A writer that was waited for may have replaced the version that this statement's snapshot knew; look afresh.
        PERFORM FROM objects AS o WHERE o.bucket_id = p_bucket_id AND o.key = p_key AND o.is_latest;
        EXIT WHEN NOT FOUND;
    END LOOP;
    IF p_version IS NOT NULL AND v_found.version_id <> p_version THEN
        SELECT o.id, o.version_id, o.is_delete_marker INTO v_found FROM objects AS o
        WHERE o.bucket_id = p_bucket_id AND o.key = p_key AND NOT o.is_latest AND o.version_id = p_version
        FOR UPDATE;
    END IF;
    IF v_found.id IS NULL THEN
        status := CASE WHEN p_version IS NULL THEN 'NoSuchKey' ELSE 'NoSuchVersion' END;
    ELSIF v_found.is_delete_marker THEN
        status := CASE WHEN p_version IS NULL THEN 'NoSuchKey' ELSE 'MethodNotAllowed' END;
    ELSE
        status := 'ok';
        row_id := v_found.id;
        version := v_found.version_id;
    END IF;
END
$$;
COMMENT ON FUNCTION find_version IS 'Locks a version of a key, and its latest one, for a change of what is said of it; without p_version it is the latest one.';

CREATE FUNCTION put_object_tags(p_bucket text, p_key text, p_tags jsonb, p_version text DEFAULT NULL, OUT status text, OUT version text)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket buckets;
    v_found  record;
BEGIN
    SELECT * INTO v_bucket FROM buckets WHERE name = p_bucket;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    v_found := find_version(v_bucket.id, p_key, p_version);
    status := v_found.status;
    IF status = 'ok' THEN
        UPDATE objects SET tags = p_tags WHERE id = v_found.row_id;
        version := CASE WHEN v_bucket.versioning <> 'off' THEN v_found.version END;
    END IF;
END
$$;
COMMENT ON FUNCTION put_object_tags IS 'Replaces all tags of a version.';

CREATE FUNCTION put_object_retention(
    p_bucket text, p_key text, p_version text, p_mode text, p_until timestamptz, p_bypass boolean, OUT status text
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket buckets;
    v_found  record;
    v_row    objects;
    v_until  timestamptz := as_told(p_until);
    v_longer boolean;
BEGIN
    SELECT * INTO v_bucket FROM buckets WHERE name = p_bucket;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    IF NOT v_bucket.object_lock THEN
        status := 'ObjectLockMissing';
        RETURN;
    END IF;
    v_found := find_version(v_bucket.id, p_key, p_version);
    status := v_found.status;
    IF status <> 'ok' THEN
        RETURN;
    END IF;
    SELECT * INTO v_row FROM objects WHERE id = v_found.row_id;
    -- Whatever is locked may be locked so for longer; anything else, another mode too, takes the right to bypass governance.
    v_longer := COALESCE(v_until >= v_row.retain_until AND p_mode = v_row.retention_mode, false);
    IF v_row.retain_until > now() AND NOT v_longer AND (v_row.retention_mode = 'COMPLIANCE' OR NOT p_bypass) THEN
        status := 'AccessDenied';
        RETURN;
    END IF;
    UPDATE objects SET retention_mode = p_mode, retain_until = v_until WHERE id = v_found.row_id;
END
$$;
COMMENT ON FUNCTION put_object_retention IS 'Sets until when a version stays, NULL for no time. ObjectLockMissing: the bucket locks no objects.';

CREATE FUNCTION put_object_legal_hold(p_bucket text, p_key text, p_version text, p_hold boolean, OUT status text)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket buckets;
    v_found  record;
BEGIN
    SELECT * INTO v_bucket FROM buckets WHERE name = p_bucket;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    IF NOT v_bucket.object_lock THEN
        status := 'ObjectLockMissing';
        RETURN;
    END IF;
    v_found := find_version(v_bucket.id, p_key, p_version);
    status := v_found.status;
    IF status = 'ok' THEN
        UPDATE objects SET legal_hold = p_hold WHERE id = v_found.row_id;
    END IF;
END
$$;

-- --- what a bucket does

CREATE FUNCTION put_versioning(p_bucket text, p_versioning text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket buckets;
BEGIN
    -- Writers that know the bucket as it was have committed, and others wait for this transaction.
    SELECT * INTO v_bucket FROM buckets WHERE name = p_bucket FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'NoSuchBucket';
    END IF;
    IF v_bucket.object_lock AND p_versioning <> 'enabled' THEN
        RETURN 'InvalidBucketState';
    END IF;
    UPDATE buckets SET versioning = p_versioning WHERE id = v_bucket.id;
    RETURN 'ok';
END
$$;
COMMENT ON FUNCTION put_versioning IS 'Begins to keep versions, or stops it: then those that there will be are the null version. InvalidBucketState: a bucket that locks objects keeps versions.';

CREATE FUNCTION put_object_lock(p_bucket text, p_mode text, p_days integer, p_years integer) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket buckets;
BEGIN
    SELECT * INTO v_bucket FROM buckets WHERE name = p_bucket FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'NoSuchBucket';
    END IF;
    IF v_bucket.versioning <> 'enabled' THEN
        RETURN 'InvalidBucketState';
    END IF;
    UPDATE buckets SET object_lock = true, lock_mode = p_mode, lock_days = p_days, lock_years = p_years WHERE id = v_bucket.id;
    RETURN 'ok';
END
$$;
COMMENT ON FUNCTION put_object_lock IS 'Lets a bucket lock objects from now on, which no one can take back, and sets the retention that new versions get; NULL for none.';

CREATE FUNCTION begin_object_lock(p_bucket_id bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE buckets SET versioning = 'enabled', object_lock = true WHERE id = p_bucket_id;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION begin_object_lock IS 'Lets a bucket keep versions and lock objects, in the transaction that makes it.';
