-- The mode of a retention is one of the settings that governance keeps: it takes the right to bypass to make it COMPLIANCE, for nobody can take that back.

CREATE OR REPLACE FUNCTION put_object_retention(
    p_bucket text, p_key text, p_version text, p_mode text, p_until timestamptz, p_bypass boolean, OUT status text
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket buckets;
    v_found  record;
    v_row    objects;
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
    -- Whatever is locked may be locked for longer; anything else, another mode too, takes the right to bypass governance.
    v_longer := COALESCE(p_until >= v_row.retain_until AND p_mode = v_row.retention_mode, false);
    IF v_row.retain_until > now() AND NOT v_longer AND (v_row.retention_mode = 'COMPLIANCE' OR NOT p_bypass) THEN
        status := 'AccessDenied';
        RETURN;
    END IF;
    UPDATE objects SET retention_mode = p_mode, retain_until = p_until WHERE id = v_found.row_id;
END
$$;
