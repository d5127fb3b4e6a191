-- Buckets. Who puts something into a bucket holds the row's key-share lock, who deletes the bucket its update lock.

CREATE FUNCTION create_bucket(
    p_name text, p_region text, p_owner text, p_store text, p_prefix text, p_shards integer,
    OUT status text, OUT bucket_id bigint, OUT placement bigint, OUT created timestamptz
)
LANGUAGE plpgsql AS $$
DECLARE
    v_store_id smallint;
BEGIN
    IF EXISTS (SELECT FROM buckets WHERE name = p_name) THEN
        status := 'BucketAlreadyOwnedByYou';
        RETURN;
    END IF;
    SELECT id INTO v_store_id FROM stores WHERE name = p_store;
    IF NOT FOUND THEN
        INSERT INTO stores (name) VALUES (p_store) ON CONFLICT DO NOTHING;
        SELECT id INTO v_store_id FROM stores WHERE name = p_store;
    END IF;
    INSERT INTO placements (store_id, prefix, shards) VALUES (v_store_id, p_prefix, p_shards)
    RETURNING id INTO placement;
    INSERT INTO repositories (placement_id, shard)
    SELECT placement, shard FROM generate_series(0, p_shards - 1) AS shard;
    -- Where another is faster the name's unique constraint fails, and takes the placement with it.
    INSERT INTO buckets (name, placement_id, region, owner) VALUES (p_name, placement, p_region, p_owner)
    RETURNING id, created_at INTO bucket_id, created;
    status := 'ok';
END
$$;

CREATE FUNCTION delete_bucket(p_name text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
BEGIN
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_name FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'NoSuchBucket';
    END IF;
    -- Writers that held the bucket have committed, and others wait for this transaction; so what is seen here is final.
    IF EXISTS (SELECT FROM objects WHERE objects.bucket_id = v_bucket_id)
        OR EXISTS (SELECT FROM uploads WHERE uploads.bucket_id = v_bucket_id) THEN
        RETURN 'BucketNotEmpty';
    END IF;
    DELETE FROM buckets WHERE id = v_bucket_id;
    RETURN 'ok';
END
$$;

CREATE FUNCTION empty_bucket(
    p_name text, p_limit bigint, p_grace_seconds double precision, OUT status text, OUT emptied bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
    v_objects   bigint[];
    v_uploads   text[];
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
        PERFORM let_go_objects(v_objects, p_grace_seconds);
        emptied := cardinality(v_objects);
        RETURN;
    END IF;
    SELECT array_agg(id) INTO v_uploads
    FROM (SELECT id FROM uploads WHERE bucket_id = v_bucket_id ORDER BY key, id LIMIT p_limit FOR UPDATE) AS upload;
    IF v_uploads IS NOT NULL THEN
        PERFORM let_go_uploads(v_uploads, p_grace_seconds);
    END IF;
    emptied := COALESCE(cardinality(v_uploads), 0);
END
$$;
