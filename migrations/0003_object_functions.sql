-- Writes of objects, each one round trip. Locks are always taken in this order: bucket, upload, current version (several:
-- in key order), blobs; so that no two of these functions wait for each other in a circle.
-- What a client did wrong is a status, not an exception: an exception costs a subtransaction or the whole transaction.

CREATE FUNCTION take_current(
    p_bucket_id bigint, p_key text, p_absent boolean, p_match text, p_grace_seconds double precision
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_id   bigint;
    v_etag text;
BEGIN
    LOOP
        SELECT id, etag INTO v_id, v_etag FROM objects
        WHERE bucket_id = p_bucket_id AND key = p_key AND is_latest
        FOR UPDATE;
        IF FOUND THEN
            IF p_absent OR (p_match <> '*' AND v_etag <> p_match) THEN
                RETURN 'PreconditionFailed';
            END IF;
            PERFORM let_go_objects(ARRAY[v_id], p_grace_seconds);
            RETURN 'ok';
        END IF;
        IF p_match IS NULL THEN
            RETURN 'ok';
        END IF;
        -- A writer that was waited for may have replaced the version that this statement's snapshot knew; look afresh.
        PERFORM FROM objects WHERE bucket_id = p_bucket_id AND key = p_key AND is_latest;
        IF NOT FOUND THEN
            RETURN 'NoSuchKey';
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION take_current IS 'Locks the current version, checks what must hold of it, and lets go of it. The caller then inserts the next one, and calls again where another writer was faster.';

CREATE FUNCTION commit_object(
    p_bucket text, p_key text, p_size bigint, p_etag text,
    p_repository_id bigint, p_digest bytea, p_pin bigint,
    p_checksums jsonb, p_headers jsonb, p_metadata jsonb, p_storage_class text, p_owner text,
    p_absent boolean, p_match text, p_grace_seconds double precision,
    OUT status text, OUT object_id bigint, OUT modified_at timestamptz
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
    LOOP
        status := take_current(v_bucket_id, p_key, p_absent, p_match, p_grace_seconds);
        IF status <> 'ok' THEN
            RETURN;
        END IF;
        INSERT INTO objects (
            bucket_id, key, size, etag, segment_count, repository_id, digest, blob_offset,
            checksum_type, checksums, headers, metadata, storage_class, owner
        ) VALUES (
            v_bucket_id, p_key, p_size, p_etag,
            CASE WHEN p_digest IS NULL THEN 0 ELSE 1 END,
            p_repository_id, p_digest,
            CASE WHEN p_digest IS NULL THEN NULL ELSE 0 END,
            CASE WHEN p_checksums = '{}' THEN NULL ELSE 'FULL_OBJECT' END,
            p_checksums, p_headers, p_metadata, p_storage_class, p_owner
        )
        ON CONFLICT DO NOTHING
        RETURNING id, last_modified INTO object_id, modified_at;
        EXIT WHEN FOUND;
    END LOOP;
    IF p_pin IS NOT NULL OR p_digest IS NOT NULL THEN
        PERFORM spend_pin(p_pin, ARRAY[p_repository_id], ARRAY[p_digest]);
    END IF;
END
$$;

CREATE FUNCTION copy_object(
    p_source_id bigint, p_bucket text, p_key text,
    p_headers jsonb, p_metadata jsonb, p_storage_class text, p_owner text,
    p_absent boolean, p_match text, p_grace_seconds double precision,
    OUT status text, OUT object_id bigint, OUT modified_at timestamptz
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
    v_source    objects;
    v_segments  object_segments[];
    v_parts     object_parts[];
    v_in_place  boolean;
BEGIN
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket FOR KEY SHARE;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    SELECT * INTO v_source FROM objects WHERE id = p_source_id AND is_latest;
    IF NOT FOUND THEN
        status := 'NoSuchKey';
        RETURN;
    END IF;
    v_in_place := v_source.bucket_id = v_bucket_id AND v_source.key = p_key;
    IF v_in_place THEN
        -- Source and destination are one row: what is locked here is what take_current lets go of.
        PERFORM FROM objects WHERE id = p_source_id FOR UPDATE;
        IF NOT FOUND THEN
            status := 'NoSuchKey';
            RETURN;
        END IF;
    END IF;
    -- Kept aside, for in place they go with the version that is replaced.
    SELECT array_agg(segment) INTO v_segments FROM object_segments AS segment WHERE segment.object_id = p_source_id;
    SELECT array_agg(part) INTO v_parts FROM object_parts AS part WHERE part.object_id = p_source_id;

    LOOP
        status := take_current(v_bucket_id, p_key, p_absent, p_match, p_grace_seconds);
        IF status <> 'ok' THEN
            RETURN;
        END IF;
        INSERT INTO objects (
            bucket_id, key, size, etag, segment_count, repository_id, digest, blob_offset, part_number, inline_bytes,
            part_count, checksum_type, checksums, headers, metadata, tags, storage_class, owner
        ) VALUES (
            v_bucket_id, p_key, v_source.size, v_source.etag, v_source.segment_count,
            v_source.repository_id, v_source.digest, v_source.blob_offset, v_source.part_number, v_source.inline_bytes,
            v_source.part_count, v_source.checksum_type, v_source.checksums,
            COALESCE(p_headers, v_source.headers), COALESCE(p_metadata, v_source.metadata), v_source.tags,
            p_storage_class, p_owner
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
        PERFORM FROM objects WHERE id = p_source_id AND is_latest;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the source of a copy is gone' USING ERRCODE = 'ZA001';
        END IF;
    END IF;
END
$$;

CREATE FUNCTION delete_objects(
    p_bucket text, p_keys text[], p_grace_seconds double precision,
    OUT status text, OUT deleted text[]
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
    v_ids       bigint[];
BEGIN
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    SELECT array_agg(id), array_agg(key) INTO v_ids, deleted
    FROM (
        SELECT id, key FROM objects
        WHERE bucket_id = v_bucket_id AND key = ANY (p_keys) AND is_latest
        ORDER BY key
        FOR UPDATE
    ) AS object;
    IF v_ids IS NOT NULL THEN
        PERFORM let_go_objects(v_ids, p_grace_seconds);
    END IF;
    status := 'ok';
END
$$;
