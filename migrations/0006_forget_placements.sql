-- Placements whose bucket is gone. They outlive it while a blob in them is named from elsewhere, pinned, or still to be swept;
-- then they are forgotten, with their repositories.

ALTER TABLE placements ADD COLUMN orphaned_at timestamptz;
CREATE INDEX placements_orphaned ON placements (orphaned_at) WHERE orphaned_at IS NOT NULL;
COMMENT ON COLUMN placements.orphaned_at IS 'When its bucket was deleted. After a while, which outlasts whoever had looked the bucket up before, it is forgotten once nothing is in it.';

UPDATE placements SET orphaned_at = clock_timestamp()
WHERE NOT EXISTS (SELECT FROM buckets WHERE buckets.placement_id = placements.id);

CREATE OR REPLACE FUNCTION delete_bucket(p_name text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id    bigint;
    v_placement_id bigint;
BEGIN
    SELECT id, placement_id INTO v_bucket_id, v_placement_id FROM buckets WHERE name = p_name FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'NoSuchBucket';
    END IF;
    -- Writers that held the bucket have committed, and others wait for this transaction; so what is seen here is final.
    IF EXISTS (SELECT FROM objects WHERE objects.bucket_id = v_bucket_id)
        OR EXISTS (SELECT FROM uploads WHERE uploads.bucket_id = v_bucket_id) THEN
        RETURN 'BucketNotEmpty';
    END IF;
    DELETE FROM buckets WHERE id = v_bucket_id;
    UPDATE placements SET orphaned_at = clock_timestamp() WHERE id = v_placement_id;
    RETURN 'ok';
END
$$;

CREATE FUNCTION forget_placements(p_grace_seconds double precision, p_limit bigint) RETURNS bigint
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
COMMENT ON FUNCTION forget_placements IS 'Removes placements whose bucket was deleted a while ago and that hold no blob and no open upload session; how many it was.';
