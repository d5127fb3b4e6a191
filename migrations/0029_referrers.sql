-- Whoever may attach may not thereby take away. Which manifest a tag may be taken from is said by whoever has read that manifest and was
-- permitted to replace it (oci/artifact/attach.rs); if the tag names another by then, nothing is done.

CREATE FUNCTION store_referrer(p_id bigint, p_tag text, p_replaces bigint, p_records text[], p_intent uuid) RETURNS text
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
        IF EXISTS (
            SELECT FROM referrers
            WHERE repository = v_repository AND tag = p_tag AND id <> p_id AND id IS DISTINCT FROM p_replaces
              AND condemned_at IS NULL
        ) THEN
            RETURN 'OperationAborted';
        END IF;
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
COMMENT ON FUNCTION store_referrer(bigint, text, bigint, text[], uuid) IS 'Makes a referrer seen, once the store has its manifest; p_replaces: the referrer that its tag may be taken from.';

-- For replicas of the version before, while there are any.
CREATE OR REPLACE FUNCTION store_referrer(p_id bigint, p_tag text, p_records text[], p_intent uuid) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    RETURN store_referrer(
        p_id, p_tag,
        (SELECT named.id FROM referrers AS named JOIN referrers AS mine ON mine.repository = named.repository
         WHERE mine.id = p_id AND named.tag = p_tag AND named.id <> p_id AND named.condemned_at IS NULL LIMIT 1),
        p_records, p_intent);
END
$$;
COMMENT ON FUNCTION store_referrer(bigint, text, text[], uuid) IS 'As with whatever the tag names.';
