-- Deletes with conditions: whoever deletes may say which version is to be there. The condition is checked on the row that is
-- locked to be deleted, so that no other write comes in between.

CREATE FUNCTION delete_objects_if(
    p_bucket text, p_keys text[], p_etags text[], p_grace_seconds double precision,
    OUT status text, OUT deleted text[], OUT failed integer[], OUT missing integer[]
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
    v_wanted    record;
    v_id        bigint;
    v_etag      text;
    v_ids       bigint[] := '{}';
    v_removed   record;
BEGIN
    deleted := '{}';
    failed := '{}';
    missing := '{}';
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    -- One by one, for a key that was not found may have to be looked for again; in key order, as everybody locks them.
    FOR v_wanted IN
        SELECT wanted.key, wanted.etag, wanted.place::integer AS place
        FROM unnest(p_keys, p_etags) WITH ORDINALITY AS wanted (key, etag, place)
        ORDER BY wanted.key COLLATE "C", wanted.place
    LOOP
        LOOP
            SELECT id, etag INTO v_id, v_etag FROM objects
            WHERE bucket_id = v_bucket_id AND key = v_wanted.key AND is_latest
            FOR UPDATE;
            IF FOUND THEN
                IF v_wanted.etag <> '*' AND v_wanted.etag <> v_etag THEN
                    failed := failed || v_wanted.place;
                ELSE
                    v_ids := v_ids || v_id;
                    deleted := deleted || v_wanted.key;
                END IF;
                EXIT;
            END IF;
            EXIT WHEN v_wanted.etag IS NULL;
            -- A writer that was waited for may have replaced the version that this statement's snapshot knew; look afresh.
            PERFORM FROM objects WHERE bucket_id = v_bucket_id AND key = v_wanted.key AND is_latest;
            IF NOT FOUND THEN
                missing := missing || v_wanted.place;
                EXIT;
            END IF;
        END LOOP;
    END LOOP;
    IF cardinality(v_ids) > 0 THEN
        v_removed := remove_objects(v_ids, p_grace_seconds);
        PERFORM count_usage(v_bucket_id, -v_removed.freed_bytes, -v_removed.freed_objects);
    END IF;
    status := 'ok';
END
$$;
COMMENT ON FUNCTION delete_objects_if IS 'As delete_objects, each key with the ETag that it must have: * for any, NULL for no condition. failed: places, from 1, of those that have another; missing: of those that are not there and have a condition.';

-- --- tags
--
-- They stand in the row of the version, where they have had their column from the beginning. A write gives them in its own statement:
-- whatever function has written the row, its id is all that is needed.

CREATE FUNCTION tag_object(p_object_id bigint, p_tags jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE objects SET tags = p_tags WHERE id = p_object_id AND tags <> p_tags;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION tag_object IS 'Gives a version its tags in the transaction that writes it; NULL: it keeps those that it has.';

CREATE FUNCTION tag_upload(p_upload_id text, p_tags jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE uploads SET tags = p_tags WHERE id = p_upload_id AND tags <> p_tags;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION tag_upload IS 'As tag_object, for an upload: the object that it becomes has its tags.';

CREATE FUNCTION put_object_tags(p_bucket text, p_key text, p_tags jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
BEGIN
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket;
    IF NOT FOUND THEN
        RETURN 'NoSuchBucket';
    END IF;
    LOOP
        UPDATE objects SET tags = p_tags
        WHERE bucket_id = v_bucket_id AND key = p_key AND is_latest AND NOT is_delete_marker;
        IF FOUND THEN
            RETURN 'ok';
        END IF;
        -- A writer that was waited for may have replaced the version that this statement's snapshot knew; look afresh.
        PERFORM FROM objects WHERE bucket_id = v_bucket_id AND key = p_key AND is_latest AND NOT is_delete_marker;
        IF NOT FOUND THEN
            RETURN 'NoSuchKey';
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION put_object_tags IS 'Replaces all tags of the current version.';
