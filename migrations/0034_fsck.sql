-- `zas-proxy fsck`: how far each run has come, and the few changes that its repairs make (docs/fsck.md).

CREATE TABLE fsck_runs (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    options  jsonb NOT NULL,
    phase    text COLLATE "C" NOT NULL,
    place    jsonb,
    tally    jsonb NOT NULL DEFAULT '{}',
    holder   uuid NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    saved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz
);
COMMENT ON TABLE fsck_runs IS 'Runs of fsck. All before `place` of `phase`, and all of the phases before it, has been looked at.';
COMMENT ON COLUMN fsck_runs.options IS 'What is looked at and repaired: a run that is resumed goes on as it was begun.';
COMMENT ON COLUMN fsck_runs.holder IS 'Who saves. Whoever takes a run over writes itself in, so that one that was thought dead saves nothing more.';

CREATE FUNCTION fsck_pin_blob(
    p_repository bigint, p_digest bytea, p_seconds double precision, p_is_orphan boolean,
    OUT status text, OUT pin_id bigint
)
LANGUAGE plpgsql AS $$
BEGIN
    -- As whoever pins (0002): the key-share lock first, then the look.
    PERFORM FROM blobs WHERE repository_id = p_repository AND digest = p_digest AND condemned_at IS NULL FOR KEY SHARE;
    IF NOT FOUND OR (p_is_orphan AND (
        is_named(p_repository, p_digest)
        OR EXISTS (SELECT FROM blob_pins WHERE repository_id = p_repository AND digest = p_digest)
    )) THEN
        status := 'OperationAborted';
        RETURN;
    END IF;
    INSERT INTO blob_pins (repository_id, digest, due_at)
    VALUES (p_repository, p_digest, clock_timestamp() + make_interval(secs => p_seconds))
    RETURNING id INTO pin_id;
    status := 'ok';
END
$$;
COMMENT ON FUNCTION fsck_pin_blob IS 'Pins a blob that is known and not condemned; p_is_orphan: only where nothing names or pins it, so that a sweep finds it when the pin is due.';

CREATE FUNCTION fsck_adopt_blob(p_repository bigint, p_digest bytea, p_size bigint, p_seconds double precision) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO blobs (repository_id, digest, size) VALUES (p_repository, p_digest, p_size) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'OperationAborted';
    END IF;
    INSERT INTO blob_pins (repository_id, digest, due_at)
    VALUES (p_repository, p_digest, clock_timestamp() + make_interval(secs => p_seconds));
    RETURN 'ok';
END
$$;
COMMENT ON FUNCTION fsck_adopt_blob IS 'Makes a blob known that is at the store and was not, with a pin: when that is due a sweep deletes it, unless something has named it by then.';

CREATE FUNCTION fsck_close_session(p_id bigint) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM store_sessions WHERE id = p_id;
    RETURN CASE WHEN FOUND THEN 'ok' ELSE 'OperationAborted' END;
END
$$;
COMMENT ON FUNCTION fsck_close_session IS 'Forgets an upload session that was cancelled at the store.';

CREATE FUNCTION fsck_condemn_manifest(
    p_repository text, p_placement_id bigint, p_digest bytea, p_subject bytea, p_media_type text, p_size bigint
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_placement_id bigint;
BEGIN
    -- Whoever adds a manifest of this digest waits here, and is refused afterwards until it is gone.
    PERFORM lock_referrer(p_repository, p_digest);
    IF EXISTS (SELECT FROM referrers WHERE repository = p_repository AND digest = p_digest) THEN
        RETURN 'OperationAborted';
    END IF;
    SELECT id INTO v_placement_id FROM placements WHERE id = p_placement_id FOR KEY SHARE;
    -- As if a sweeper had it already: another takes it when that one has been silent for long.
    INSERT INTO referrers (
        repository, placement_id, digest, subject, root, is_listed, kinds, media_type, size, held, owner, condemned_at, claimed_at
    ) VALUES (
        p_repository, v_placement_id, p_digest, p_subject, p_subject, true, ARRAY['other'], p_media_type, p_size, p_size, 'fsck',
        clock_timestamp(), clock_timestamp()
    );
    RETURN 'ok';
END
$$;
COMMENT ON FUNCTION fsck_condemn_manifest IS 'Condemns a manifest that is at the store and that no row names; it is deleted there as any other that was condemned.';
