-- Multipart uploads. A writer of a part holds the upload's key-share lock, whoever ends the upload its update lock: so no
-- part slips into an upload that is being completed or given up.

CREATE FUNCTION create_upload(
    p_id text, p_bucket text, p_key text, p_checksum_algorithm text, p_checksum_type text,
    p_headers jsonb, p_metadata jsonb, p_storage_class text, p_owner text,
    OUT status text, OUT initiated timestamptz
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
    INSERT INTO uploads (
        id, bucket_id, key, checksum_algorithm, checksum_type, headers, metadata, storage_class, owner
    ) VALUES (
        p_id, v_bucket_id, p_key, p_checksum_algorithm, p_checksum_type, p_headers, p_metadata, p_storage_class, p_owner
    )
    RETURNING initiated_at INTO initiated;
    status := 'ok';
END
$$;

CREATE FUNCTION put_part(
    p_bucket text, p_key text, p_upload_id text, p_part_number integer, p_size bigint, p_etag text, p_checksums jsonb,
    p_segment_sizes bigint[], p_repository_ids bigint[], p_digests bytea[], p_blob_offsets bigint[],
    p_pin bigint, p_grace_seconds double precision,
    OUT status text, OUT modified_at timestamptz
)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM uploads
    WHERE id = p_upload_id AND key = p_key AND bucket_id = (SELECT id FROM buckets WHERE name = p_bucket)
    FOR KEY SHARE;
    IF NOT FOUND THEN
        status := CASE WHEN EXISTS (SELECT FROM buckets WHERE name = p_bucket) THEN 'NoSuchUpload' ELSE 'NoSuchBucket' END;
        RETURN;
    END IF;
    -- Two writers of one part number meet on this row; the later one replaces the segments of the earlier one.
    INSERT INTO upload_parts (upload_id, part_number, size, etag, checksums)
    VALUES (p_upload_id, p_part_number, p_size, p_etag, p_checksums)
    ON CONFLICT (upload_id, part_number) DO UPDATE
    SET size = EXCLUDED.size, etag = EXCLUDED.etag, checksums = EXCLUDED.checksums,
        last_modified = EXCLUDED.last_modified
    RETURNING last_modified INTO modified_at;

    INSERT INTO blob_pins (repository_id, digest, due_at)
    SELECT DISTINCT repository_id, digest, clock_timestamp() + make_interval(secs => p_grace_seconds)
    FROM upload_segments WHERE upload_id = p_upload_id AND part_number = p_part_number;
    DELETE FROM upload_segments WHERE upload_id = p_upload_id AND part_number = p_part_number;

    INSERT INTO upload_segments (upload_id, part_number, ordinal, size, repository_id, digest, blob_offset)
    SELECT p_upload_id, p_part_number, s.ordinal, s.size, s.repository_id, s.digest, s.blob_offset
    FROM unnest(p_segment_sizes, p_repository_ids, p_digests, p_blob_offsets)
         WITH ORDINALITY AS s (size, repository_id, digest, blob_offset, ordinal);
    PERFORM spend_pin(p_pin, p_repository_ids, p_digests);
    status := 'ok';
END
$$;

CREATE FUNCTION complete_upload(
    p_bucket text, p_key text, p_upload_id text, p_part_numbers integer[], p_part_etags text[],
    p_etag text, p_checksums jsonb, p_checksum_type text,
    p_absent boolean, p_match text, p_grace_seconds double precision,
    OUT status text, OUT object_id bigint, OUT modified_at timestamptz
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id     bigint;
    v_upload        uploads;
    v_parts         integer;
    v_size          bigint;
    v_segments      integer;
    v_segment       upload_segments;
BEGIN
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket FOR KEY SHARE;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    SELECT * INTO v_upload FROM uploads
    WHERE id = p_upload_id AND bucket_id = v_bucket_id AND key = p_key
    FOR UPDATE;
    IF NOT FOUND THEN
        -- A client that did not hear the answer asks again, and gets the same one.
        SELECT 'ok', completed.object_id, completed.last_modified INTO status, object_id, modified_at
        FROM completed_uploads AS completed
        WHERE id = p_upload_id AND bucket_id = v_bucket_id AND key = p_key AND etag = p_etag;
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

    LOOP
        status := take_current(v_bucket_id, p_key, p_absent, p_match, p_grace_seconds);
        IF status <> 'ok' THEN
            RETURN;
        END IF;
        INSERT INTO objects (
            bucket_id, key, size, etag, segment_count, repository_id, digest, blob_offset, part_number, part_count,
            checksum_type, checksums, headers, metadata, tags, storage_class, owner
        ) VALUES (
            v_bucket_id, p_key, v_size, p_etag, v_segments,
            v_segment.repository_id, v_segment.digest, v_segment.blob_offset, COALESCE(v_segment.part_number, 1), v_parts,
            p_checksum_type, p_checksums, v_upload.headers, v_upload.metadata, v_upload.tags,
            v_upload.storage_class, v_upload.owner
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
    DELETE FROM uploads WHERE id = p_upload_id;
    INSERT INTO completed_uploads (id, bucket_id, key, object_id, etag, last_modified)
    VALUES (p_upload_id, v_bucket_id, p_key, complete_upload.object_id, p_etag, modified_at);
END
$$;
COMMENT ON FUNCTION complete_upload IS 'Turns an upload into an object: its segments change hands, no byte moves. The parts are put together by number.';

CREATE FUNCTION abort_upload(p_bucket text, p_key text, p_upload_id text, p_grace_seconds double precision)
RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
BEGIN
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket;
    IF NOT FOUND THEN
        RETURN 'NoSuchBucket';
    END IF;
    PERFORM FROM uploads WHERE id = p_upload_id AND bucket_id = v_bucket_id AND key = p_key FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'NoSuchUpload';
    END IF;
    PERFORM let_go_uploads(ARRAY[p_upload_id], p_grace_seconds);
    RETURN 'ok';
END
$$;

CREATE FUNCTION abort_stale_uploads(
    p_ttl_seconds double precision, p_limit bigint, p_grace_seconds double precision
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_ids text[];
BEGIN
    SELECT array_agg(id) INTO v_ids
    FROM (
        SELECT id FROM uploads
        WHERE initiated_at < now() - make_interval(secs => p_ttl_seconds)
        ORDER BY initiated_at
        LIMIT p_limit
        FOR UPDATE SKIP LOCKED
    ) AS stale;
    IF v_ids IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM let_go_uploads(v_ids, p_grace_seconds);
    RETURN cardinality(v_ids);
END
$$;
