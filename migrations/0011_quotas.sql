-- Quotas: how much a bucket holds, and how much it may hold.
--
-- A bucket holds the bytes of its objects and of the parts of its open uploads: both take room at the store. What it holds is
-- the sum of its rows in `bucket_usage`. Each write adds its difference to one of them, in its own transaction, so that the
-- sum is what a recount gives, in every snapshot. Which row it is, the connection decides: writers of one bucket do not wait
-- for each other unless their connections share a row. The row stays locked until its writer commits; so no more writes are
-- under way, counted and not yet seen, than there are rows.
--
-- A limit is never exceeded, and yet a write that is far from it waits for nobody:
-- * Far: it adds one step at the most (see is_far), and a step for every row is left beside it. It locks its own row and then
--   looks what all of them say. What it cannot see there is held by another row, and is a step at the most: so that all of
--   them together stay within the limit.
-- * Near: it locks all rows, in order. Nothing is under way then that it cannot see, and it counts exactly.
-- Which of the two it is, a look without a lock says first, which is twice as careful. Where the look under the lock says
-- otherwise the transaction is undone and run again. Setting a limit locks all rows too: every write that knew nothing of it
-- has committed by then, and every later one sees it.
--
-- Locks are always taken in this order: bucket, upload, current version (several: in key order), blobs, usage (several: by
-- bucket and stripe). Usage comes last: whoever holds a row of it waits for nothing but further rows of it.
--
-- The functions that change what a bucket holds are written anew here. Calls of the older ones that are under way must not
-- end uncounted. The locks let those end that have begun; one that waits here finds the helpers of its body gone when it
-- goes on, and fails as a whole, which is why they have other names from here on.

LOCK TABLE buckets, objects, uploads, upload_parts IN EXCLUSIVE MODE;

CREATE TABLE bucket_usage (
    bucket_id bigint NOT NULL REFERENCES buckets ON DELETE CASCADE,
    -- 0 takes what recounts find, 1 to 16 what writers add: no recount stands in a writer's way.
    stripe    smallint NOT NULL CHECK (stripe BETWEEN 0 AND 16),
    -- Below zero where others have taken away what was added here: only the sum means anything.
    bytes     bigint NOT NULL DEFAULT 0,
    objects   bigint NOT NULL DEFAULT 0,
    -- Whether bucket_quotas has the bucket; the same in all of its rows. Writers of other buckets need look no further.
    has_quota boolean NOT NULL DEFAULT false,
    PRIMARY KEY (bucket_id, stripe)
) WITH (fillfactor = 40);
COMMENT ON TABLE bucket_usage IS 'What each bucket holds, as the sum over its stripes. Rows are small and change with every write: free room on the page keeps their new versions there, and off the index.';

CREATE SEQUENCE bucket_quota_versions;

CREATE TABLE bucket_quotas (
    bucket_id   bigint PRIMARY KEY REFERENCES buckets ON DELETE CASCADE,
    max_bytes   bigint CHECK (max_bytes >= 0),
    max_objects bigint CHECK (max_objects >= 0),
    -- Never the same again, also after a quota was removed; its ETag.
    version     bigint NOT NULL DEFAULT nextval('bucket_quota_versions'),
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by  text NOT NULL,
    CHECK (max_bytes IS NOT NULL OR max_objects IS NOT NULL)
);

INSERT INTO bucket_usage (bucket_id, stripe)
SELECT id, stripe FROM buckets CROSS JOIN generate_series(0, 16) AS stripe;

CREATE FUNCTION begin_bucket_usage() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bucket_usage (bucket_id, stripe) SELECT NEW.id, stripe FROM generate_series(0, 16) AS stripe;
    RETURN NULL;
END
$$;
CREATE TRIGGER begin_bucket_usage AFTER INSERT ON buckets FOR EACH ROW EXECUTE FUNCTION begin_bucket_usage();

CREATE VIEW quota_state AS
SELECT q.bucket_id, q.max_bytes, q.max_objects, u.bytes AS used_bytes, u.objects AS used_objects
FROM bucket_quotas AS q
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(bytes), 0)::bigint AS bytes, COALESCE(sum(objects), 0)::bigint AS objects
    FROM bucket_usage WHERE bucket_usage.bucket_id = q.bucket_id
) AS u;
COMMENT ON VIEW quota_state IS 'Limits and what is counted, of the buckets that have a limit.';

CREATE VIEW usage_recounted AS
SELECT b.id AS bucket_id, (o.bytes + p.bytes)::bigint AS bytes, o.objects
FROM buckets AS b
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(size), 0) AS bytes, count(*) FILTER (WHERE NOT is_delete_marker) AS objects
    FROM objects WHERE objects.bucket_id = b.id
) AS o
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(part.size), 0) AS bytes
    FROM uploads JOIN upload_parts AS part ON part.upload_id = uploads.id
    WHERE uploads.bucket_id = b.id
) AS p;
COMMENT ON VIEW usage_recounted IS 'What each bucket holds, counted from what is there: reads every row of the bucket.';

-- --- counting

CREATE FUNCTION is_far(p_max bigint, p_used bigint, p_added bigint, p_step bigint, p_steps bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT p_max IS NULL OR p_added <= 0 OR (p_added <= p_step AND p_used <= p_max - p_added - p_steps * p_step)
$$;
COMMENT ON FUNCTION is_far IS 'Whether a write is so small, and the limit so far away, that it need not know of p_steps others that add a step each.';

CREATE FUNCTION expect_room(p_state quota_state, p_bytes bigint, p_objects bigint) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_refusal json;
BEGIN
    -- What does not grow is no harm, also above a limit that was lowered.
    IF p_bytes > 0 AND p_state.used_bytes + p_bytes > p_state.max_bytes THEN
        v_refusal := json_build_object('quota', 'bytes', 'limit', p_state.max_bytes, 'used', p_state.used_bytes, 'added', p_bytes);
    ELSIF p_objects > 0 AND p_state.used_objects + p_objects > p_state.max_objects THEN
        v_refusal := json_build_object('quota', 'objects', 'limit', p_state.max_objects, 'used', p_state.used_objects, 'added', p_objects);
    END IF;
    IF v_refusal IS NOT NULL THEN
        -- An exception, for it undoes what was written before the difference was known.
        RAISE EXCEPTION 'the bucket''s quota is used up' USING ERRCODE = 'ZA004', DETAIL = v_refusal::text;
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION expect_room IS 'Fails with ZA004 where what is added does not fit; the detail says which limit it is.';

CREATE FUNCTION count_usage(p_bucket_id bigint, p_bytes bigint, p_objects bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_stripe    smallint := 1 + pg_backend_pid() % 16;
    v_grows     boolean := p_bytes > 0 OR p_objects > 0;
    v_has_quota boolean := false;
    v_is_far    boolean := true;
    v_is_exact  boolean;
    v_state     quota_state;
BEGIN
    IF p_bytes = 0 AND p_objects = 0 THEN
        RETURN;
    END IF;
    IF v_grows THEN
        SELECT has_quota INTO v_has_quota FROM bucket_usage WHERE bucket_id = p_bucket_id AND stripe = v_stripe;
    END IF;
    IF v_has_quota THEN
        -- A step is 4 MiB, or less where the limit is low: twice a step for each row is a sixteenth of it.
        SELECT is_far(max_bytes, used_bytes, p_bytes, LEAST(4194304, max_bytes / 512), 32)
           AND is_far(max_objects, used_objects, p_objects, 1, 32)
        INTO v_is_far FROM quota_state WHERE bucket_id = p_bucket_id;
    END IF;
    -- Unknown where the quota was removed in between: then there is nothing to be near to.
    v_is_exact := NOT COALESCE(v_is_far, true);
    IF v_is_exact THEN
        PERFORM FROM bucket_usage WHERE bucket_id = p_bucket_id ORDER BY stripe FOR NO KEY UPDATE;
        SELECT * INTO v_state FROM quota_state WHERE bucket_id = p_bucket_id;
        PERFORM expect_room(v_state, p_bytes, p_objects);
    END IF;

    UPDATE bucket_usage SET bytes = bytes + p_bytes, objects = objects + p_objects
    WHERE bucket_id = p_bucket_id AND stripe = v_stripe
    RETURNING has_quota INTO v_has_quota;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'bucket % has no row to count in; recount_usage makes it', p_bucket_id;
    END IF;

    IF v_grows AND v_has_quota AND NOT v_is_exact THEN
        SELECT is_far(max_bytes, used_bytes, p_bytes, LEAST(4194304, max_bytes / 512), 16)
           AND is_far(max_objects, used_objects, p_objects, 1, 16)
        INTO v_is_far FROM quota_state WHERE bucket_id = p_bucket_id;
        IF NOT v_is_far THEN
            RAISE EXCEPTION 'the quota of bucket % came near meanwhile', p_bucket_id USING ERRCODE = 'serialization_failure';
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION count_usage IS 'Adds to what a bucket holds, as the last thing that a transaction locks. Fails with ZA004 where a limit would be exceeded, and with 40001 where the transaction has to run again.';

CREATE FUNCTION recount_usage(p_bucket text, OUT status text, OUT bytes bigint, OUT objects bigint)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
BEGIN
    -- One recount at a time, for two would both add what is missing; and none while a quota is set. No writer waits for it.
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    INSERT INTO bucket_usage (bucket_id, stripe, has_quota)
    SELECT v_bucket_id, stripe, EXISTS (SELECT FROM bucket_quotas WHERE bucket_id = v_bucket_id)
    FROM generate_series(0, 16) AS stripe
    ON CONFLICT DO NOTHING;
    -- One statement, so one snapshot: what writers do meanwhile is in both sums or in neither.
    SELECT truth.bytes - counted.bytes, truth.objects - counted.objects INTO bytes, objects
    FROM usage_recounted AS truth
    CROSS JOIN (
        SELECT sum(u.bytes)::bigint AS bytes, sum(u.objects)::bigint AS objects
        FROM bucket_usage AS u WHERE u.bucket_id = v_bucket_id
    ) AS counted
    WHERE truth.bucket_id = v_bucket_id;
    IF bytes <> 0 OR objects <> 0 THEN
        UPDATE bucket_usage AS u SET bytes = u.bytes + recount_usage.bytes, objects = u.objects + recount_usage.objects
        WHERE u.bucket_id = v_bucket_id AND u.stripe = 0;
    END IF;
    status := 'ok';
END
$$;
COMMENT ON FUNCTION recount_usage IS 'Sets right what a bucket is said to hold, while it is in use; gives what was missing.';

-- --- limits

CREATE FUNCTION put_bucket_quota(
    p_bucket text, p_max_bytes bigint, p_max_objects bigint, p_expected bigint, p_by text,
    OUT status text, OUT version bigint, OUT changed timestamptz, OUT used_bytes bigint, OUT used_objects bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
    v_current   bigint;
BEGIN
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    PERFORM FROM bucket_usage WHERE bucket_id = v_bucket_id ORDER BY stripe FOR NO KEY UPDATE;
    SELECT q.version INTO v_current FROM bucket_quotas AS q WHERE q.bucket_id = v_bucket_id;
    IF p_expected <> COALESCE(v_current, 0) THEN
        RAISE EXCEPTION USING ERRCODE = 'ZA002';
    END IF;
    INSERT INTO bucket_quotas AS q (bucket_id, max_bytes, max_objects, changed_by)
    VALUES (v_bucket_id, p_max_bytes, p_max_objects, p_by)
    ON CONFLICT (bucket_id) DO UPDATE SET
        max_bytes = EXCLUDED.max_bytes, max_objects = EXCLUDED.max_objects, version = EXCLUDED.version,
        changed_at = clock_timestamp(), changed_by = EXCLUDED.changed_by
    RETURNING q.version, q.changed_at INTO version, changed;
    UPDATE bucket_usage SET has_quota = true WHERE bucket_id = v_bucket_id AND NOT has_quota;
    SELECT s.used_bytes, s.used_objects INTO used_bytes, used_objects FROM quota_state AS s WHERE s.bucket_id = v_bucket_id;
    status := 'ok';
END
$$;
COMMENT ON FUNCTION put_bucket_quota IS 'p_expected: the version that is to be replaced, 0 for none, NULL for whatever there is. ZA002: it is another one.';

CREATE FUNCTION delete_bucket_quota(p_bucket text, p_expected bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
    v_current   bigint;
BEGIN
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'NoSuchBucket';
    END IF;
    PERFORM FROM bucket_usage WHERE bucket_id = v_bucket_id ORDER BY stripe FOR NO KEY UPDATE;
    DELETE FROM bucket_quotas WHERE bucket_id = v_bucket_id RETURNING version INTO v_current;
    IF v_current IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'ZA003';
    END IF;
    IF p_expected <> v_current THEN
        RAISE EXCEPTION USING ERRCODE = 'ZA002';
    END IF;
    UPDATE bucket_usage SET has_quota = false WHERE bucket_id = v_bucket_id;
    RETURN 'ok';
END
$$;
COMMENT ON FUNCTION delete_bucket_quota IS 'ZA003: there is none. ZA002: it is of another version than p_expected.';

-- --- a look before bytes are sent

CREATE FUNCTION expect_room_for_object(p_bucket text, p_key text, p_bytes bigint) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_state    quota_state;
    v_replaced bigint;
BEGIN
    SELECT q.* INTO v_state FROM buckets JOIN quota_state AS q ON q.bucket_id = buckets.id WHERE buckets.name = p_bucket;
    IF NOT FOUND THEN
        RETURN true;
    END IF;
    SELECT size INTO v_replaced FROM objects
    WHERE bucket_id = v_state.bucket_id AND key = p_key AND is_latest AND NOT is_delete_marker;
    RETURN expect_room(v_state, p_bytes - COALESCE(v_replaced, 0), CASE WHEN FOUND THEN 0 ELSE 1 END);
END
$$;
COMMENT ON FUNCTION expect_room_for_object IS 'Fails with ZA004 where an object of so many bytes would be refused as things are now; takes no lock, so that its commit may still be refused.';

CREATE FUNCTION expect_room_for_part(p_bucket_id bigint, p_upload_id text, p_part_number integer, p_bytes bigint) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_state    quota_state;
    v_replaced bigint;
BEGIN
    SELECT * INTO v_state FROM quota_state WHERE bucket_id = p_bucket_id;
    IF NOT FOUND THEN
        RETURN true;
    END IF;
    SELECT size INTO v_replaced FROM upload_parts WHERE upload_id = p_upload_id AND part_number = p_part_number;
    RETURN expect_room(v_state, p_bytes - COALESCE(v_replaced, 0), 0);
END
$$;
COMMENT ON FUNCTION expect_room_for_part IS 'As expect_room_for_object, for a part of an upload.';

-- --- blobs

DROP FUNCTION spend_pin(bigint, bigint[], bytea[]);
DROP FUNCTION let_go_objects(bigint[], double precision);
DROP FUNCTION let_go_uploads(text[], double precision);

CREATE FUNCTION end_pin(p_pin bigint, p_repositories bigint[], p_digests bytea[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM blob_pins WHERE id = p_pin;
    -- While its pin stands a blob is never condemned. Where the pin is gone the blob may have been deleted since, and pinned
    -- anew by a writer that has yet to upload it: whoever uploaded under that pin has to do it again.
    IF NOT FOUND AND p_pin IS NOT NULL THEN
        RAISE EXCEPTION 'the pin of a blob that was to be named has lapsed' USING ERRCODE = 'ZA001';
    END IF;
    -- Without a pin somebody else names the blob, and a look must tell whether that still held.
    IF p_pin IS NULL AND EXISTS (
        SELECT FROM unnest(p_repositories, p_digests) AS named (repository_id, digest)
        JOIN blobs USING (repository_id, digest)
        WHERE condemned_at IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'a blob that was to be named is condemned' USING ERRCODE = 'ZA001';
    END IF;
END
$$;
COMMENT ON FUNCTION end_pin IS 'Ends a writer''s pin in the transaction that has named its blobs; fails with ZA001 where the pin has lapsed, or one of them is condemned.';

CREATE FUNCTION remove_objects(p_ids bigint[], p_grace_seconds double precision, OUT freed_bytes bigint, OUT freed_objects bigint)
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO blob_pins (repository_id, digest, due_at)
    SELECT repository_id, digest, clock_timestamp() + make_interval(secs => p_grace_seconds)
    FROM (
        SELECT repository_id, digest FROM objects WHERE id = ANY (p_ids) AND digest IS NOT NULL
        UNION
        SELECT repository_id, digest FROM object_segments WHERE object_id = ANY (p_ids)
    ) AS blob;
    WITH removed AS (
        DELETE FROM objects WHERE id = ANY (p_ids) RETURNING size, is_delete_marker
    )
    SELECT COALESCE(sum(size), 0), count(*) FILTER (WHERE NOT is_delete_marker) INTO freed_bytes, freed_objects FROM removed;
END
$$;
COMMENT ON FUNCTION remove_objects IS 'Deletes versions that the caller has locked, and leaves a pin on each of their blobs; what the caller is to take off the usage.';

CREATE FUNCTION remove_uploads(p_ids text[], p_grace_seconds double precision) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_buckets bigint[];
    v_bytes   bigint[];
BEGIN
    INSERT INTO blob_pins (repository_id, digest, due_at)
    SELECT DISTINCT repository_id, digest, clock_timestamp() + make_interval(secs => p_grace_seconds)
    FROM upload_segments WHERE upload_id = ANY (p_ids);
    -- Before the parts go with their uploads. None comes in between, for the uploads are locked.
    SELECT array_agg(freed.bucket_id ORDER BY freed.bucket_id), array_agg(freed.bytes ORDER BY freed.bucket_id)
    INTO v_buckets, v_bytes
    FROM (
        SELECT uploads.bucket_id, sum(part.size)::bigint AS bytes
        FROM uploads JOIN upload_parts AS part ON part.upload_id = uploads.id
        WHERE uploads.id = ANY (p_ids)
        GROUP BY uploads.bucket_id
    ) AS freed;
    DELETE FROM uploads WHERE id = ANY (p_ids);
    FOR i IN 1 .. COALESCE(cardinality(v_buckets), 0) LOOP
        PERFORM count_usage(v_buckets[i], -v_bytes[i], 0);
    END LOOP;
END
$$;
COMMENT ON FUNCTION remove_uploads IS 'Deletes uploads that the caller has locked, leaves a pin on each of their blobs, and counts what their buckets hold less.';

-- --- objects

DROP FUNCTION take_current(bigint, text, boolean, text, double precision);

CREATE FUNCTION replace_current(
    p_bucket_id bigint, p_key text, p_absent boolean, p_match text, p_grace_seconds double precision,
    OUT status text, OUT freed_bytes bigint, OUT freed_objects bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    v_id   bigint;
    v_etag text;
BEGIN
    freed_bytes := 0;
    freed_objects := 0;
    LOOP
        SELECT id, etag INTO v_id, v_etag FROM objects
        WHERE bucket_id = p_bucket_id AND key = p_key AND is_latest
        FOR UPDATE;
        IF FOUND THEN
            IF p_absent OR (p_match <> '*' AND v_etag <> p_match) THEN
                status := 'PreconditionFailed';
                RETURN;
            END IF;
            SELECT removed.freed_bytes, removed.freed_objects INTO freed_bytes, freed_objects
            FROM remove_objects(ARRAY[v_id], p_grace_seconds) AS removed;
            status := 'ok';
            RETURN;
        END IF;
        IF p_match IS NULL THEN
            status := 'ok';
            RETURN;
        END IF;
        -- A writer that was waited for may have replaced the version that this statement's snapshot knew; look afresh.
        PERFORM FROM objects WHERE bucket_id = p_bucket_id AND key = p_key AND is_latest;
        IF NOT FOUND THEN
            status := 'NoSuchKey';
            RETURN;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION replace_current IS 'Locks the current version, checks what must hold of it, and lets go of it. The caller then inserts the next one, and calls again where another writer was faster; at its end it counts the difference.';

CREATE OR REPLACE FUNCTION commit_object(
    p_bucket text, p_key text, p_size bigint, p_etag text,
    p_repository_id bigint, p_digest bytea, p_pin bigint,
    p_checksums jsonb, p_headers jsonb, p_metadata jsonb, p_storage_class text, p_owner text,
    p_absent boolean, p_match text, p_grace_seconds double precision,
    OUT status text, OUT object_id bigint, OUT modified_at timestamptz
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
    v_replaced  record;
BEGIN
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket FOR KEY SHARE;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    LOOP
        v_replaced := replace_current(v_bucket_id, p_key, p_absent, p_match, p_grace_seconds);
        status := v_replaced.status;
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
        PERFORM end_pin(p_pin, ARRAY[p_repository_id], ARRAY[p_digest]);
    END IF;
    PERFORM count_usage(v_bucket_id, p_size - v_replaced.freed_bytes, 1 - v_replaced.freed_objects);
END
$$;

CREATE OR REPLACE FUNCTION copy_object(
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
    v_replaced  record;
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
        -- Source and destination are one row: what is locked here is what replace_current lets go of.
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
        v_replaced := replace_current(v_bucket_id, p_key, p_absent, p_match, p_grace_seconds);
        status := v_replaced.status;
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
    PERFORM count_usage(v_bucket_id, v_source.size - v_replaced.freed_bytes, 1 - v_replaced.freed_objects);
END
$$;

CREATE OR REPLACE FUNCTION delete_objects(
    p_bucket text, p_keys text[], p_grace_seconds double precision,
    OUT status text, OUT deleted text[]
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
    v_ids       bigint[];
    v_removed   record;
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
        v_removed := remove_objects(v_ids, p_grace_seconds);
        PERFORM count_usage(v_bucket_id, -v_removed.freed_bytes, -v_removed.freed_objects);
    END IF;
    status := 'ok';
END
$$;

-- --- uploads

CREATE OR REPLACE FUNCTION create_upload(
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
    -- An upload takes no room by itself. But where there is none for one more object its parts would be sent in vain.
    PERFORM expect_room_for_object(p_bucket, p_key, 0);
    INSERT INTO uploads (
        id, bucket_id, key, checksum_algorithm, checksum_type, headers, metadata, storage_class, owner
    ) VALUES (
        p_id, v_bucket_id, p_key, p_checksum_algorithm, p_checksum_type, p_headers, p_metadata, p_storage_class, p_owner
    )
    RETURNING initiated_at INTO initiated;
    status := 'ok';
END
$$;

CREATE OR REPLACE FUNCTION put_part(
    p_bucket text, p_key text, p_upload_id text, p_part_number integer, p_size bigint, p_etag text, p_checksums jsonb,
    p_segment_sizes bigint[], p_repository_ids bigint[], p_digests bytea[], p_blob_offsets bigint[],
    p_pin bigint, p_grace_seconds double precision,
    OUT status text, OUT modified_at timestamptz
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
    v_replaced  bigint;
BEGIN
    SELECT bucket_id INTO v_bucket_id FROM uploads
    WHERE id = p_upload_id AND key = p_key AND bucket_id = (SELECT id FROM buckets WHERE name = p_bucket)
    FOR KEY SHARE;
    IF NOT FOUND THEN
        status := CASE WHEN EXISTS (SELECT FROM buckets WHERE name = p_bucket) THEN 'NoSuchUpload' ELSE 'NoSuchBucket' END;
        RETURN;
    END IF;
    -- Two writers of one part number meet on this row; the later one replaces the segments of the earlier one. While the
    -- upload is locked no part goes, so that the one that is in the way is there to be replaced.
    LOOP
        SELECT size INTO v_replaced FROM upload_parts
        WHERE upload_id = p_upload_id AND part_number = p_part_number
        FOR NO KEY UPDATE;
        IF FOUND THEN
            UPDATE upload_parts
            SET size = p_size, etag = p_etag, checksums = p_checksums,
                last_modified = date_trunc('milliseconds', clock_timestamp())
            WHERE upload_id = p_upload_id AND part_number = p_part_number
            RETURNING last_modified INTO modified_at;
            EXIT;
        END IF;
        INSERT INTO upload_parts (upload_id, part_number, size, etag, checksums)
        VALUES (p_upload_id, p_part_number, p_size, p_etag, p_checksums)
        ON CONFLICT DO NOTHING
        RETURNING last_modified INTO modified_at;
        EXIT WHEN FOUND;
    END LOOP;

    INSERT INTO blob_pins (repository_id, digest, due_at)
    SELECT DISTINCT repository_id, digest, clock_timestamp() + make_interval(secs => p_grace_seconds)
    FROM upload_segments WHERE upload_id = p_upload_id AND part_number = p_part_number;
    DELETE FROM upload_segments WHERE upload_id = p_upload_id AND part_number = p_part_number;

    INSERT INTO upload_segments (upload_id, part_number, ordinal, size, repository_id, digest, blob_offset)
    SELECT p_upload_id, p_part_number, s.ordinal, s.size, s.repository_id, s.digest, s.blob_offset
    FROM unnest(p_segment_sizes, p_repository_ids, p_digests, p_blob_offsets)
         WITH ORDINALITY AS s (size, repository_id, digest, blob_offset, ordinal);
    PERFORM end_pin(p_pin, p_repository_ids, p_digests);
    PERFORM count_usage(v_bucket_id, p_size - COALESCE(v_replaced, 0), 0);
    status := 'ok';
END
$$;

CREATE OR REPLACE FUNCTION complete_upload(
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
    v_counted       bigint;
    v_segments      integer;
    v_segment       upload_segments;
    v_replaced      record;
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
    -- Every part was counted when it came, also those that the client leaves out.
    SELECT sum(size) INTO v_counted FROM upload_parts WHERE upload_id = p_upload_id;

    LOOP
        v_replaced := replace_current(v_bucket_id, p_key, p_absent, p_match, p_grace_seconds);
        status := v_replaced.status;
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
    PERFORM count_usage(v_bucket_id, v_size - v_counted - v_replaced.freed_bytes, 1 - v_replaced.freed_objects);
END
$$;

CREATE OR REPLACE FUNCTION abort_upload(p_bucket text, p_key text, p_upload_id text, p_grace_seconds double precision)
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
    PERFORM remove_uploads(ARRAY[p_upload_id], p_grace_seconds);
    RETURN 'ok';
END
$$;

CREATE OR REPLACE FUNCTION abort_stale_uploads(
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
    PERFORM remove_uploads(v_ids, p_grace_seconds);
    RETURN cardinality(v_ids);
END
$$;

-- --- buckets

CREATE FUNCTION create_bucket(
    p_name text, p_region text, p_owner text, p_store text, p_prefix text, p_shards integer,
    p_max_bytes bigint, p_max_objects bigint,
    OUT status text, OUT bucket_id bigint, OUT placement bigint, OUT created timestamptz
)
LANGUAGE plpgsql AS $$
BEGIN
    SELECT made.* INTO status, bucket_id, placement, created
    FROM create_bucket(p_name, p_region, p_owner, p_store, p_prefix, p_shards) AS made;
    IF status = 'ok' AND (p_max_bytes IS NOT NULL OR p_max_objects IS NOT NULL) THEN
        PERFORM put_bucket_quota(p_name, p_max_bytes, p_max_objects, 0, p_owner);
    END IF;
END
$$;
COMMENT ON FUNCTION create_bucket(text, text, text, text, text, integer, bigint, bigint) IS 'As the one of 0005, with a quota from the first moment on where one is given.';

CREATE OR REPLACE FUNCTION empty_bucket(
    p_name text, p_limit bigint, p_grace_seconds double precision, OUT status text, OUT emptied bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
    v_objects   bigint[];
    v_uploads   text[];
    v_removed   record;
BEGIN
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_name;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    status := 'ok';
    SELECT array_agg(id) INTO v_objects
    FROM (
        SELECT id FROM objects WHERE bucket_id = v_bucket_id AND is_latest ORDER BY key LIMIT p_limit FOR UPDATE
    ) AS latest;
    IF v_objects IS NULL THEN
        SELECT array_agg(id) INTO v_objects
        FROM (
            SELECT id FROM objects WHERE bucket_id = v_bucket_id AND NOT is_latest
            ORDER BY key, version_id LIMIT p_limit FOR UPDATE
        ) AS older;
    END IF;
    IF v_objects IS NOT NULL THEN
        v_removed := remove_objects(v_objects, p_grace_seconds);
        PERFORM count_usage(v_bucket_id, -v_removed.freed_bytes, -v_removed.freed_objects);
        emptied := cardinality(v_objects);
        RETURN;
    END IF;
    SELECT array_agg(id) INTO v_uploads
    FROM (SELECT id FROM uploads WHERE bucket_id = v_bucket_id ORDER BY key, id LIMIT p_limit FOR UPDATE) AS upload;
    IF v_uploads IS NOT NULL THEN
        PERFORM remove_uploads(v_uploads, p_grace_seconds);
    END IF;
    emptied := COALESCE(cardinality(v_uploads), 0);
END
$$;
