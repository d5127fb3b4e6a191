-- Access control lists, for buckets whose object ownership lets them count: `BucketOwnerPreferred` and `ObjectWriter`. Everywhere else
-- they are ignored, and none can be set.
--
-- A list is an array of grants, `{"grantee": …, "permission": …}`, named as S3 names them. What they allow the program knows
-- (`policy/src/acl.rs`).

ALTER TABLE buckets ADD COLUMN acl jsonb;
ALTER TABLE objects ADD COLUMN acl jsonb;
ALTER TABLE uploads ADD COLUMN acl jsonb;
COMMENT ON COLUMN buckets.acl IS 'NULL: the owner alone may do everything.';
COMMENT ON COLUMN objects.acl IS 'NULL: the owner alone may do everything. Of the version; copies have lists of their own.';
COMMENT ON COLUMN uploads.acl IS 'The list of the object that the upload becomes.';

-- --- what every replica knows without asking: whether lists count in a bucket

DROP TRIGGER tell_of_bucket_configuration ON bucket_configurations;
DROP TRIGGER tell_of_forgotten_bucket_configuration ON bucket_configurations;
CREATE TRIGGER tell_of_bucket_configuration AFTER INSERT OR UPDATE ON bucket_configurations
FOR EACH ROW WHEN (NEW.kind IN ('cors', 'public-access-block', 'ownership-controls')) EXECUTE FUNCTION tell_of_bucket_configuration();
CREATE TRIGGER tell_of_forgotten_bucket_configuration AFTER DELETE ON bucket_configurations
FOR EACH ROW WHEN (OLD.kind IN ('cors', 'public-access-block', 'ownership-controls')) EXECUTE FUNCTION tell_of_bucket_configuration();
DROP INDEX bucket_configurations_known;
CREATE INDEX bucket_configurations_known ON bucket_configurations (bucket_id)
WHERE kind IN ('cors', 'public-access-block', 'ownership-controls');

-- --- lists that let the public in

CREATE FUNCTION is_public_list(p_acl jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT EXISTS (
        SELECT FROM jsonb_array_elements(p_acl) AS grants (given)
        WHERE given->>'grantee' IN (
            'http://acs.amazonaws.com/groups/global/AllUsers', 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers'
        )
    )
$$;
COMMENT ON FUNCTION is_public_list IS 'Whether a list gives anything to groups that anybody can be in.';

CREATE FUNCTION blocks_public_lists(p_bucket_id bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    -- Whoever changes the block holds this row too until they have committed, so that what is seen here is final. It is the last lock that
    -- is taken, after those of bucket and versions: whoever holds it waits for none of them.
    PERFORM FROM policy_revision FOR UPDATE;
    PERFORM FROM bucket_configurations AS c
    WHERE c.bucket_id = p_bucket_id AND c.kind = 'public-access-block' AND (c.document->>'block_public_acls')::boolean;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION blocks_public_lists IS 'Whether the bucket takes no list that lets the public in; it stays so until the transaction ends.';

-- --- writes give lists in their own statement, as tags

CREATE FUNCTION grant_object(p_object_id bigint, p_acl jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
BEGIN
    UPDATE objects SET acl = p_acl WHERE id = p_object_id RETURNING bucket_id INTO v_bucket_id;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF is_public_list(p_acl) AND blocks_public_lists(v_bucket_id) THEN
        RAISE EXCEPTION 'the bucket takes no list that lets the public in' USING ERRCODE = 'ZA007';
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION grant_object IS 'Gives a version its list in the transaction that writes it. Without a list nobody calls it. ZA007: the bucket takes none that lets the public in.';

CREATE FUNCTION grant_completed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    v_acl jsonb;
BEGIN
    SELECT u.acl INTO v_acl FROM uploads AS u WHERE u.id = NEW.id;
    IF v_acl IS NOT NULL THEN
        PERFORM grant_object(NEW.object_id, v_acl);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION grant_completed IS 'Gives an object the list of the upload that it was, once: a completion that is repeated, or comes second, grants nothing.';
CREATE TRIGGER grant_completed AFTER INSERT ON completed_uploads FOR EACH ROW EXECUTE FUNCTION grant_completed();

CREATE FUNCTION grant_upload(p_upload_id text, p_acl jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE uploads SET acl = p_acl WHERE id = p_upload_id;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION grant_upload IS 'As grant_object, for an upload: the object that it becomes has its list.';

CREATE FUNCTION begin_bucket(p_bucket_id bigint, p_ownership jsonb, p_acl jsonb, p_by text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF p_ownership IS NOT NULL THEN
        INSERT INTO bucket_configurations (bucket_id, kind, document, changed_by)
        VALUES (p_bucket_id, 'ownership-controls', p_ownership, p_by);
    END IF;
    IF p_acl IS NOT NULL THEN
        UPDATE buckets SET acl = p_acl WHERE id = p_bucket_id;
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION begin_bucket IS 'Gives a bucket its object ownership and its list in the transaction that makes it.';

-- --- changes

CREATE FUNCTION may_have_list(p_bucket_id bigint, p_public boolean) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM bucket_configurations AS c
    WHERE c.bucket_id = p_bucket_id AND c.kind = 'ownership-controls'
      AND c.document->>'object_ownership' IN ('BucketOwnerPreferred', 'ObjectWriter');
    IF NOT FOUND THEN
        RETURN 'AccessControlListNotSupported';
    END IF;
    IF p_public AND blocks_public_lists(p_bucket_id) THEN
        RETURN 'PublicAclBlocked';
    END IF;
    RETURN 'ok';
END
$$;
COMMENT ON FUNCTION may_have_list IS 'Whether a list may be set in a bucket. p_public: whether it gives anything to groups that anybody can be in.';

CREATE FUNCTION put_bucket_acl(p_bucket text, p_acl jsonb, p_public boolean) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
    v_status    text;
BEGIN
    -- Whoever changes the ownership holds this lock too, so that what is seen here is final.
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'NoSuchBucket';
    END IF;
    v_status := may_have_list(v_bucket_id, p_public);
    IF v_status = 'ok' THEN
        UPDATE buckets SET acl = p_acl WHERE id = v_bucket_id;
    END IF;
    RETURN v_status;
END
$$;
COMMENT ON FUNCTION put_bucket_acl IS 'NULL: the owner alone may do everything.';

-- Two looks, for each of the two indexes of versions has its own condition.
CREATE FUNCTION version_with_list(
    p_bucket_id bigint, p_key text, p_version_id text,
    OUT id bigint, OUT is_delete_marker boolean, OUT owner text, OUT acl jsonb
) RETURNS SETOF record
LANGUAGE sql STABLE AS $$
    SELECT o.id, o.is_delete_marker, o.owner, o.acl FROM objects AS o
    WHERE o.bucket_id = p_bucket_id AND o.key = p_key AND o.is_latest AND (p_version_id IS NULL OR o.version_id = p_version_id)
    UNION ALL
    SELECT o.id, o.is_delete_marker, o.owner, o.acl FROM objects AS o
    WHERE o.bucket_id = p_bucket_id AND o.key = p_key AND NOT o.is_latest AND o.version_id = p_version_id
    LIMIT 1
$$;
COMMENT ON FUNCTION version_with_list IS 'A version, the current one where p_version_id is NULL, with what its list says.';

CREATE FUNCTION put_object_acl(
    p_bucket text, p_key text, p_version_id text, p_only_row bigint, p_acl jsonb, p_public boolean
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
    v_found     record;
    v_status    text;
BEGIN
    SELECT id INTO v_bucket_id FROM buckets WHERE name = p_bucket FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN 'NoSuchBucket';
    END IF;
    v_found := find_version(v_bucket_id, p_key, p_version_id);
    IF v_found.status <> 'ok' THEN
        RETURN v_found.status;
    END IF;
    IF v_found.row_id <> p_only_row THEN
        RETURN 'OperationAborted';
    END IF;
    v_status := may_have_list(v_bucket_id, p_public);
    IF v_status = 'ok' THEN
        UPDATE objects SET acl = p_acl WHERE id = v_found.row_id;
    END IF;
    RETURN v_status;
END
$$;
COMMENT ON FUNCTION put_object_acl IS 'Replaces the list of a version, the current one where p_version_id is NULL. p_only_row: only of this row, NULL: of whichever it is.';

CREATE FUNCTION put_object_ownership(p_bucket text, p_document jsonb, p_by text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket buckets;
BEGIN
    SELECT * INTO v_bucket FROM buckets WHERE name = p_bucket FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'NoSuchBucket';
    END IF;
    IF p_document->>'object_ownership' = 'BucketOwnerEnforced' AND EXISTS (
        SELECT FROM jsonb_array_elements(v_bucket.acl) AS grants (given) WHERE given->>'grantee' <> v_bucket.owner
    ) THEN
        RETURN 'InvalidBucketAclWithObjectOwnership';
    END IF;
    RETURN put_bucket_configuration(p_bucket, 'ownership-controls', p_document, p_by);
END
$$;
COMMENT ON FUNCTION put_object_ownership IS 'Refuses to let the owner own everything while the list of the bucket gives something to others, as S3 does.';
