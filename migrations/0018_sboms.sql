-- What bills of materials say: which documents there are of which artifacts, their components, and the licences of those.
--
-- Every row can be had again from the documents, which lie in the registry. They are written by index_sbom alone, a document
-- at a time, and go with their artifact.

CREATE TABLE sbom_scopes (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind  text COLLATE "C" NOT NULL CHECK (kind IN ('bucket', 'repository')),
    name  text COLLATE "C" NOT NULL,
    UNIQUE (kind, name)
);
COMMENT ON TABLE sbom_scopes IS 'Where artifacts are: who may read a document is decided by the bucket or repository of its artifact. A row stays when its last document goes.';

CREATE TABLE sbom_documents (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope_id    bigint NOT NULL REFERENCES sbom_scopes,
    -- The object's key in its bucket; empty in a repository.
    key         text COLLATE "C" NOT NULL,
    subject     bytea NOT NULL CHECK (octet_length(subject) = 32),
    carrier     bytea NOT NULL CHECK (octet_length(carrier) = 32),
    digest      bytea NOT NULL CHECK (octet_length(digest) = 32),
    manner      text NOT NULL CHECK (manner IN ('referrer', 'statement', 'attestation')),
    format      text NOT NULL CHECK (format IN ('cyclonedx', 'spdx')),
    version     text NOT NULL,
    encoding    text NOT NULL,
    serial      text,
    name        text,
    created     text,
    tools       text[] NOT NULL,
    size        bigint NOT NULL CHECK (size >= 0),
    errors      bigint NOT NULL CHECK (errors >= 0),
    remarks     bigint NOT NULL CHECK (remarks >= 0),
    components  bigint NOT NULL CHECK (components >= 0),
    edges       bigint NOT NULL CHECK (edges >= 0),
    dangling    bigint NOT NULL CHECK (dangling >= 0),
    revision    integer NOT NULL,
    indexed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (scope_id, subject, key, carrier, digest)
);
CREATE INDEX sbom_documents_by_carrier ON sbom_documents (scope_id, carrier);
COMMENT ON COLUMN sbom_documents.subject IS 'Digest of the artifact''s manifest.';
COMMENT ON COLUMN sbom_documents.carrier IS 'Digest of the manifest that carries the document.';
COMMENT ON COLUMN sbom_documents.digest IS 'SHA-256 of the document itself, taken out of what carries it.';
COMMENT ON COLUMN sbom_documents.errors IS 'What breaks its schema or the rules of its specification; 0: it is valid.';
COMMENT ON COLUMN sbom_documents.revision IS 'Of the program that read it: a document that an older one has read is read again.';

CREATE TABLE sbom_components (
    -- No foreign key: tens of thousands of rows would fire as many triggers. Only index_sbom writes here, and a trigger of
    -- sbom_documents deletes.
    document_id     bigint NOT NULL,
    ordinal         integer NOT NULL,
    scope_id        bigint NOT NULL,
    is_root         boolean NOT NULL,
    kind            text,
    "group"         text,
    name            text NOT NULL,
    version         text,
    purl            text,
    cpe             text,
    supplier        text,
    licence         text,
    -- What is searched by. Empty instead of NULL where there is a package URL without it.
    name_key        text COLLATE "C",
    purl_type       text COLLATE "C",
    purl_namespace  text COLLATE "C",
    purl_name       text COLLATE "C",
    purl_version    text COLLATE "C",
    purl_qualifiers text,
    version_key     bytea,
    PRIMARY KEY (document_id, ordinal)
);
-- Both lead to the rows in the order of (scope_id, document_id, ordinal), which is that of pages: the first for any version or
-- a range of them, which it looks at itself, the second for one.
CREATE INDEX sbom_components_by_package
    ON sbom_components (purl_name, purl_type, purl_namespace, scope_id, document_id, ordinal, version_key)
    WHERE purl_name IS NOT NULL;
CREATE INDEX sbom_components_by_version
    ON sbom_components (purl_name, purl_type, purl_namespace, version_key, scope_id, document_id, ordinal)
    WHERE purl_name IS NOT NULL;
CREATE INDEX sbom_components_by_name ON sbom_components (name_key, scope_id, document_id, ordinal) WHERE name_key IS NOT NULL;
COMMENT ON COLUMN sbom_components.name_key IS 'The name in lower case; NULL where it is too long for an index.';
COMMENT ON COLUMN sbom_components.version_key IS 'Bytes that sort as versions do.';

CREATE TABLE sbom_licences (
    licence     text COLLATE "C" NOT NULL,
    scope_id    bigint NOT NULL,
    document_id bigint NOT NULL,
    ordinal     integer NOT NULL,
    PRIMARY KEY (licence, scope_id, document_id, ordinal)
);
CREATE INDEX sbom_licences_by_document ON sbom_licences (document_id);
COMMENT ON TABLE sbom_licences IS 'Each licence that an expression of a component names, in lower case, as `gpl-2.0-only` or `gpl-2.0-only with classpath-exception-2.0`.';

CREATE FUNCTION forget_sbom_components() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM sbom_components WHERE document_id = OLD.id;
    DELETE FROM sbom_licences WHERE document_id = OLD.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_sbom_components AFTER DELETE ON sbom_documents
FOR EACH ROW EXECUTE FUNCTION forget_sbom_components();

CREATE FUNCTION index_sbom(
    p_kind text, p_scope text, p_key text, p_subject bytea, p_carrier bytea, p_digest bytea, p_manner text,
    p_format text, p_version text, p_encoding text, p_serial text, p_name text, p_created text, p_tools text[],
    p_size bigint, p_errors bigint, p_remarks bigint, p_edges bigint, p_dangling bigint, p_revision integer,
    p_roots boolean[], p_kinds text[], p_groups text[], p_names text[], p_versions text[], p_purls text[], p_cpes text[],
    p_suppliers text[], p_licences text[], p_name_keys text[], p_purl_types text[], p_purl_namespaces text[],
    p_purl_names text[], p_purl_versions text[], p_purl_qualifiers text[], p_version_keys bytea[],
    p_licence_ordinals integer[], p_licence_keys text[],
    OUT status text, OUT document_id bigint, OUT changed boolean
)
LANGUAGE plpgsql AS $$
DECLARE
    v_scope_id bigint;
BEGIN
    IF p_kind = 'bucket' THEN
        -- A bucket that is being deleted takes its documents along; none may come behind it.
        PERFORM FROM buckets WHERE buckets.name = p_scope FOR KEY SHARE;
        IF NOT FOUND THEN
            status := 'NoSuchBucket';
            RETURN;
        END IF;
    END IF;
    SELECT s.id INTO v_scope_id FROM sbom_scopes AS s WHERE s.kind = p_kind AND s.name = p_scope;
    IF NOT FOUND THEN
        INSERT INTO sbom_scopes AS s (kind, name) VALUES (p_kind, p_scope)
        ON CONFLICT (kind, name) DO UPDATE SET name = EXCLUDED.name RETURNING s.id INTO v_scope_id;
    END IF;
    status := 'ok';
    INSERT INTO sbom_documents AS d (
        scope_id, key, subject, carrier, digest, manner, format, version, encoding, serial, name, created, tools,
        size, errors, remarks, components, edges, dangling, revision
    ) VALUES (
        v_scope_id, p_key, p_subject, p_carrier, p_digest, p_manner, p_format, p_version, p_encoding, p_serial, p_name, p_created,
        p_tools, p_size, p_errors, p_remarks, cardinality(p_names), p_edges, p_dangling, p_revision
    )
    ON CONFLICT (scope_id, subject, key, carrier, digest) DO UPDATE SET
        manner = EXCLUDED.manner, format = EXCLUDED.format, version = EXCLUDED.version, encoding = EXCLUDED.encoding,
        serial = EXCLUDED.serial, name = EXCLUDED.name, created = EXCLUDED.created, tools = EXCLUDED.tools,
        size = EXCLUDED.size, errors = EXCLUDED.errors, remarks = EXCLUDED.remarks, components = EXCLUDED.components,
        edges = EXCLUDED.edges, dangling = EXCLUDED.dangling, revision = EXCLUDED.revision, indexed_at = clock_timestamp()
    -- The same bytes, read by the same program, say the same. A newer program's reading is not undone by an older one.
    WHERE d.revision < EXCLUDED.revision
    RETURNING d.id INTO document_id;
    changed := FOUND;
    IF NOT changed THEN
        SELECT d.id INTO document_id FROM sbom_documents AS d
        WHERE d.scope_id = v_scope_id AND d.subject = p_subject AND d.key = p_key AND d.carrier = p_carrier
          AND d.digest = p_digest;
        RETURN;
    END IF;
    DELETE FROM sbom_components AS c WHERE c.document_id = index_sbom.document_id;
    DELETE FROM sbom_licences AS l WHERE l.document_id = index_sbom.document_id;
    INSERT INTO sbom_components (
        document_id, ordinal, scope_id, is_root, kind, "group", name, version, purl, cpe, supplier, licence,
        name_key, purl_type, purl_namespace, purl_name, purl_version, purl_qualifiers, version_key
    )
    SELECT index_sbom.document_id, c.number - 1, v_scope_id, c.is_root, c.kind, c.group_name, c.name, c.version, c.purl,
           c.cpe, c.supplier, c.licence, c.name_key, c.purl_type, c.purl_namespace, c.purl_name, c.purl_version,
           c.purl_qualifiers, c.version_key
    FROM unnest(
        p_roots, p_kinds, p_groups, p_names, p_versions, p_purls, p_cpes, p_suppliers, p_licences, p_name_keys,
        p_purl_types, p_purl_namespaces, p_purl_names, p_purl_versions, p_purl_qualifiers, p_version_keys
    ) WITH ORDINALITY AS c (
        is_root, kind, group_name, name, version, purl, cpe, supplier, licence, name_key,
        purl_type, purl_namespace, purl_name, purl_version, purl_qualifiers, version_key, number
    );
    INSERT INTO sbom_licences (licence, scope_id, document_id, ordinal)
    SELECT l.licence, v_scope_id, index_sbom.document_id, l.ordinal
    FROM unnest(p_licence_ordinals, p_licence_keys) AS l (ordinal, licence)
    ON CONFLICT DO NOTHING;
END
$$;
COMMENT ON FUNCTION index_sbom IS 'Puts a document and what it says into the index; changed: whether anything was not there yet. The arrays are the columns of the components.';

CREATE FUNCTION forget_sboms(p_kind text, p_scope text, p_key text, p_subject bytea, p_carrier bytea, OUT status text, OUT forgotten bigint)
LANGUAGE plpgsql AS $$
BEGIN
    status := 'ok';
    DELETE FROM sbom_documents AS d USING sbom_scopes AS s
    WHERE s.kind = p_kind AND s.name = p_scope AND d.scope_id = s.id
      AND (p_key IS NULL OR d.key = p_key)
      AND (p_subject IS NULL OR d.subject = p_subject)
      AND (p_carrier IS NULL OR d.carrier = p_carrier);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
END
$$;
COMMENT ON FUNCTION forget_sboms IS 'Takes documents out of the index: of a scope those of a key, an artifact, a carrier; NULL means any.';

-- A bucket's documents go with it: a later bucket of the same name is somebody else's.
CREATE FUNCTION forget_bucket_sboms() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM forget_sboms('bucket', OLD.name, NULL, NULL, NULL);
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_bucket_sboms AFTER DELETE ON buckets FOR EACH ROW EXECUTE FUNCTION forget_bucket_sboms();

-- An object's documents go with its last version. Asked at the end of the transaction: a PUT of the same bytes takes the old
-- version away before it writes the new one.
CREATE FUNCTION forget_object_sboms() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM objects AS o
    WHERE o.bucket_id = OLD.bucket_id AND o.key = OLD.key AND o.oci_digest = OLD.oci_digest;
    IF NOT FOUND THEN
        DELETE FROM sbom_documents AS d USING sbom_scopes AS s, buckets AS b
        WHERE b.id = OLD.bucket_id AND s.kind = 'bucket' AND s.name = b.name
          AND d.scope_id = s.id AND d.subject = OLD.oci_digest AND d.key = OLD.key;
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER forget_object_sboms AFTER DELETE ON objects DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (OLD.oci_digest IS NOT NULL) EXECUTE FUNCTION forget_object_sboms();
