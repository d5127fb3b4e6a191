-- The life of a blob as the index sees it: pinned -> named -> let go (pinned again) -> condemned -> forgotten.
--
-- All functions here rely on READ COMMITTED: each statement of a function sees what was committed before it began, so that
-- a look that follows a lock sees all that was done before the lock was had.
--
-- To name or pin a blob is to hold a key-share lock on its row (the foreign keys take it) and to see, after that, that it
-- is not condemned. To condemn it is to hold the row's update lock and to see, after that, neither name nor live pin.
-- The two locks exclude each other, so one of the two sees what the other did.

CREATE FUNCTION is_named(p_repository bigint, p_digest bytea) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM objects WHERE repository_id = p_repository AND digest = p_digest)
        OR EXISTS (SELECT FROM object_segments WHERE repository_id = p_repository AND digest = p_digest)
        OR EXISTS (SELECT FROM upload_segments WHERE repository_id = p_repository AND digest = p_digest)
$$;

CREATE FUNCTION condemn_blob(p_repository bigint, p_digest bytea, p_reclaim_seconds double precision)
RETURNS timestamptz
LANGUAGE plpgsql AS $$
DECLARE
    v_condemned_at timestamptz;
    v_now          timestamptz;
    v_kept         boolean;
BEGIN
    SELECT condemned_at INTO v_condemned_at FROM blobs
    WHERE repository_id = p_repository AND digest = p_digest
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    v_now := clock_timestamp();

    IF v_condemned_at IS NOT NULL THEN
        -- Whoever condemned it may still have a delete request on its way; only after a long silence another takes over.
        IF v_condemned_at > v_now - make_interval(secs => p_reclaim_seconds) THEN
            RETURN NULL;
        END IF;
    ELSE
        -- One statement, so one snapshot: a pin that turns into a name, or a name into a pin, is seen as one or the other.
        SELECT is_named(p_repository, p_digest)
            OR EXISTS (SELECT FROM blob_pins
                       WHERE repository_id = p_repository AND digest = p_digest AND due_at > v_now)
        INTO v_kept;
        IF v_kept THEN
            DELETE FROM blob_pins WHERE repository_id = p_repository AND digest = p_digest AND due_at <= v_now;
            RETURN NULL;
        END IF;
        DELETE FROM blob_pins WHERE repository_id = p_repository AND digest = p_digest;
    END IF;

    UPDATE blobs SET condemned_at = v_now WHERE repository_id = p_repository AND digest = p_digest;
    RETURN v_now;
END
$$;
COMMENT ON FUNCTION condemn_blob IS 'Condemns a blob that nothing names or pins and gives the mark back; NULL where it is kept, locked, gone or another sweeper''s.';

CREATE FUNCTION spend_pin(p_pin bigint, p_repositories bigint[], p_digests bytea[]) RETURNS void
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
COMMENT ON FUNCTION spend_pin IS 'Ends a writer''s pin in the transaction that has named its blobs; fails with ZA001 where the pin has lapsed, or one of them is condemned.';

CREATE FUNCTION let_go_objects(p_ids bigint[], p_grace_seconds double precision) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO blob_pins (repository_id, digest, due_at)
    SELECT repository_id, digest, clock_timestamp() + make_interval(secs => p_grace_seconds)
    FROM (
        SELECT repository_id, digest FROM objects WHERE id = ANY (p_ids) AND digest IS NOT NULL
        UNION
        SELECT repository_id, digest FROM object_segments WHERE object_id = ANY (p_ids)
    ) AS blob;
    DELETE FROM objects WHERE id = ANY (p_ids);
END
$$;
COMMENT ON FUNCTION let_go_objects IS 'Deletes versions that the caller has locked, and leaves a pin on each of their blobs.';

CREATE FUNCTION let_go_uploads(p_ids text[], p_grace_seconds double precision) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO blob_pins (repository_id, digest, due_at)
    SELECT DISTINCT repository_id, digest, clock_timestamp() + make_interval(secs => p_grace_seconds)
    FROM upload_segments WHERE upload_id = ANY (p_ids);
    DELETE FROM uploads WHERE id = ANY (p_ids);
END
$$;
COMMENT ON FUNCTION let_go_uploads IS 'Deletes uploads that the caller has locked, and leaves a pin on each of their blobs.';
