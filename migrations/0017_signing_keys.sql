-- Keys that we sign with, sealed; and whose signatures are believed: keys of others, and identities that an issuer vouches for.
-- What they mean: docs/supply-chain-formats.md.

CREATE TABLE trust_revision (
    revision bigint NOT NULL,
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);
INSERT INTO trust_revision (revision) VALUES (1);
COMMENT ON TABLE trust_revision IS 'Counts the changes of everything below: a verdict is as good as the revision that it was made by. Its one row is locked by each change, so that they come one after the other.';

CREATE TABLE signing_keys (
    name         text COLLATE "C" NOT NULL CHECK (name ~ '^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$'),
    generation   integer NOT NULL CHECK (generation > 0),
    usage        text NOT NULL CHECK (usage IN ('release', 'verdict', 'report')),
    algorithm    text NOT NULL CHECK (algorithm IN ('ecdsa-p256', 'ed25519')),
    state        text NOT NULL CHECK (state IN ('active', 'retiring', 'disabled', 'revoked')),
    reason       text NOT NULL DEFAULT '',
    private_key  bytea,
    ring_key     text COLLATE "C",
    public_key   bytea NOT NULL UNIQUE,
    exportable   boolean NOT NULL,
    description  text NOT NULL,
    valid_from   timestamptz,
    valid_to     timestamptz,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by   text NOT NULL,
    exported_at  timestamptz,
    version      bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (name, generation),
    CHECK (valid_to > valid_from),
    CHECK ((private_key IS NULL) = (state = 'revoked') AND (private_key IS NULL) = (ring_key IS NULL))
);
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (name) WHERE state = 'active';
CREATE INDEX signing_keys_ring_key ON signing_keys (ring_key, name, generation);
COMMENT ON COLUMN signing_keys.usage IS 'What the key may sign. cosign takes any statement of a trusted key for a signature, so that no key signs for two usages.';
COMMENT ON COLUMN signing_keys.state IS 'active: signs, one generation of a name. retiring: signs no more, and what it has signed is believed until valid_to. disabled: neither, until it is enabled. revoked: never again.';
COMMENT ON COLUMN signing_keys.valid_from IS 'NULL: the key was brought, and may have signed before.';
COMMENT ON COLUMN signing_keys.private_key IS 'PKCS#8, sealed under the key `ring_key` of the key ring with `signing-key/<name>/<generation>` as additional data. Revoked: gone.';
COMMENT ON COLUMN signing_keys.public_key IS 'SubjectPublicKeyInfo in DER. One key has one name: two usages of one key would be one for cosign.';

CREATE TABLE trusted_keys (
    name         text COLLATE "C" NOT NULL CHECK (name ~ '^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$'),
    fingerprint  text COLLATE "C" NOT NULL UNIQUE CHECK (fingerprint ~ '^[0-9a-f]{64}$'),
    public_key   bytea NOT NULL,
    description  text NOT NULL,
    valid_from   timestamptz,
    valid_to     timestamptz,
    revoked_at   timestamptz,
    reason       text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by   text NOT NULL,
    version      bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (name, fingerprint),
    CHECK (valid_to > valid_from)
);
COMMENT ON TABLE trusted_keys IS 'Public keys of others. A name may have several, so that its holder can go from one to the next.';
COMMENT ON COLUMN trusted_keys.fingerprint IS 'SHA-256 of the key in DER.';

CREATE TABLE trusted_identities (
    name         text COLLATE "C" NOT NULL CHECK (name ~ '^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$'),
    issuer       text COLLATE "C" NOT NULL,
    subject      text COLLATE "C" NOT NULL,
    description  text NOT NULL,
    valid_from   timestamptz,
    valid_to     timestamptz,
    revoked_at   timestamptz,
    reason       text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by   text NOT NULL,
    version      bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (name, issuer, subject),
    CHECK (valid_to > valid_from)
);
COMMENT ON COLUMN trusted_identities.subject IS 'The subject alternative name of a certificate: a mail address or a URI, in which * stands for any run of characters and ? for one.';

-- Waits for all other changes. Counts nothing: what is refused changes nothing, and no verdict is any the worse for it.
CREATE FUNCTION begin_trust_change() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM trust_revision FOR UPDATE;
END
$$;

-- Counts a change that was made.
CREATE FUNCTION count_trust_change() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE trust_revision SET revision = revision + 1;
    -- Delivered when the transaction commits; to ask again for nothing does no harm.
    PERFORM pg_notify('zas_trust', '');
END
$$;

-- --- keys of ours

CREATE FUNCTION add_signing_key(
    p_name text, p_generation integer, p_usage text, p_algorithm text, p_private_key bytea, p_ring_key text,
    p_public_key bytea, p_exportable boolean, p_description text, p_overlap_ends timestamptz, p_valid_from timestamptz,
    p_valid_to timestamptz, p_by text
) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    IF p_valid_to <= greatest(p_valid_from, clock_timestamp()) THEN
        RETURN 'ValidityEndsBeforeItBegins';
    END IF;
    IF EXISTS (SELECT FROM signing_keys WHERE public_key = p_public_key)
        OR EXISTS (SELECT FROM trusted_keys WHERE public_key = p_public_key) THEN
        RETURN 'KeyInUse';
    END IF;
    -- Each generation is tried with each signature that nobody else has made. What is over does not count: none is ever deleted.
    IF (SELECT count(*) FROM signing_keys
        WHERE state <> 'revoked' AND (valid_to IS NULL OR valid_to > clock_timestamp())) >= 500 THEN
        RETURN 'TooManySigningKeys';
    END IF;
    -- Nobody's turn but the new one's. One that is disabled stays so, and once it is enabled its overlap ends as any other's.
    UPDATE signing_keys
    SET state = CASE state WHEN 'active' THEN 'retiring' ELSE state END, version = version + 1,
        -- An overlap that is over ends now; or when the key begins, where our clock is ahead.
        valid_to = CASE WHEN p_overlap_ends IS NULL THEN valid_to
            ELSE least(valid_to, greatest(p_overlap_ends, clock_timestamp(), valid_from + interval '1 microsecond')) END
    WHERE name = p_name AND (state = 'active' OR (state = 'disabled' AND generation = p_generation - 1));
    INSERT INTO signing_keys (name, generation, usage, algorithm, state, private_key, ring_key, public_key, exportable,
                              description, valid_from, valid_to, created_by)
    VALUES (p_name, p_generation, p_usage, p_algorithm, 'active', p_private_key, p_ring_key, p_public_key, p_exportable,
            p_description, p_valid_from, p_valid_to, p_by);
    PERFORM count_trust_change();
    RETURN 'ok';
END
$$;

CREATE FUNCTION create_signing_key(
    p_name text, p_usage text, p_algorithm text, p_private_key bytea, p_ring_key text, p_public_key bytea,
    p_exportable boolean, p_description text, p_valid_from timestamptz, p_valid_to timestamptz, p_by text
) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM begin_trust_change();
    IF EXISTS (SELECT FROM signing_keys WHERE name = p_name) THEN
        RETURN 'SigningKeyExists';
    END IF;
    RETURN add_signing_key(p_name, 1, p_usage, p_algorithm, p_private_key, p_ring_key, p_public_key, p_exportable,
        p_description, NULL, p_valid_from, p_valid_to, p_by);
END
$$;

CREATE FUNCTION rotate_signing_key(
    p_name text, p_generation integer, p_algorithm text, p_private_key bytea, p_ring_key text, p_public_key bytea,
    p_overlap_ends timestamptz, p_valid_from timestamptz, p_valid_to timestamptz, p_by text
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_last signing_keys;
BEGIN
    PERFORM begin_trust_change();
    SELECT * INTO v_last FROM signing_keys WHERE name = p_name ORDER BY generation DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN 'NoSuchSigningKey';
    END IF;
    -- The new key is sealed for its generation: somebody else was faster.
    IF v_last.generation + 1 <> p_generation THEN
        RETURN 'PreconditionFailed';
    END IF;
    RETURN add_signing_key(p_name, p_generation, v_last.usage, p_algorithm, p_private_key, p_ring_key, p_public_key,
        v_last.exportable, v_last.description, p_overlap_ends, p_valid_from, p_valid_to, p_by);
END
$$;
COMMENT ON FUNCTION rotate_signing_key IS 'p_overlap_ends: until when the generation before is believed; NULL: as long as before.';

CREATE FUNCTION set_signing_key(
    p_name text, p_generation integer, p_change text, p_valid_to timestamptz, p_reason text, p_version bigint
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_key signing_keys;
BEGIN
    PERFORM begin_trust_change();
    SELECT * INTO v_key FROM signing_keys WHERE name = p_name AND generation = p_generation;
    IF NOT FOUND THEN
        RETURN 'NoSuchSigningKey';
    END IF;
    IF p_version IS NOT NULL AND p_version <> v_key.version THEN
        RETURN 'PreconditionFailed';
    END IF;
    IF v_key.state = 'revoked' THEN
        RETURN 'SigningKeyRevoked';
    END IF;
    IF p_change = 'revoke' THEN
        UPDATE signing_keys
        SET state = 'revoked', reason = p_reason, private_key = NULL, ring_key = NULL, version = version + 1
        WHERE name = p_name AND generation = p_generation;
    ELSIF p_change = 'disable' THEN
        UPDATE signing_keys SET state = 'disabled', reason = p_reason, version = version + 1
        WHERE name = p_name AND generation = p_generation;
    ELSIF p_change = 'enable' THEN
        -- A generation that others have followed does not sign again.
        UPDATE signing_keys
        SET state = CASE WHEN p_generation = (SELECT max(generation) FROM signing_keys WHERE name = p_name)
                         THEN 'active' ELSE 'retiring' END,
            reason = p_reason, version = version + 1
        WHERE name = p_name AND generation = p_generation AND state = 'disabled';
    ELSE
        IF p_valid_to <= v_key.valid_from THEN
            RETURN 'ValidityEndsBeforeItBegins';
        END IF;
        UPDATE signing_keys SET valid_to = p_valid_to, version = version + 1
        WHERE name = p_name AND generation = p_generation;
    END IF;
    PERFORM count_trust_change();
    RETURN 'ok';
END
$$;

CREATE FUNCTION note_signing_key_export(p_name text, p_generation integer) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_key signing_keys;
BEGIN
    SELECT * INTO v_key FROM signing_keys WHERE name = p_name AND generation = p_generation FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'NoSuchSigningKey';
    END IF;
    IF NOT v_key.exportable THEN
        RETURN 'SigningKeyNotExportable';
    END IF;
    IF v_key.state = 'revoked' THEN
        RETURN 'SigningKeyRevoked';
    END IF;
    UPDATE signing_keys SET exported_at = clock_timestamp() WHERE name = p_name AND generation = p_generation;
    RETURN 'ok';
END
$$;
COMMENT ON FUNCTION note_signing_key_export IS 'Commits with its audit record before the key is handed out.';

-- --- keys and identities of others

CREATE FUNCTION add_trusted_key(
    p_name text, p_fingerprint text, p_public_key bytea, p_description text, p_valid_from timestamptz,
    p_valid_to timestamptz, p_by text
) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM begin_trust_change();
    IF p_valid_to <= p_valid_from THEN
        RETURN 'ValidityEndsBeforeItBegins';
    END IF;
    IF EXISTS (SELECT FROM trusted_keys WHERE fingerprint = p_fingerprint)
        OR EXISTS (SELECT FROM signing_keys WHERE public_key = p_public_key) THEN
        RETURN 'KeyInUse';
    END IF;
    -- Each of them is tried with each signature that nobody else has made.
    IF (SELECT count(*) FROM trusted_keys) >= 500 THEN
        RETURN 'TooManyTrustedSigners';
    END IF;
    INSERT INTO trusted_keys (name, fingerprint, public_key, description, valid_from, valid_to, created_by)
    VALUES (p_name, p_fingerprint, p_public_key, p_description, p_valid_from, p_valid_to, p_by);
    PERFORM count_trust_change();
    RETURN 'ok';
END
$$;

CREATE FUNCTION set_trusted_key(
    p_name text, p_fingerprint text, p_change text, p_valid_from timestamptz, p_valid_to timestamptz, p_reason text,
    p_version bigint
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_version bigint;
BEGIN
    PERFORM begin_trust_change();
    SELECT version INTO v_version FROM trusted_keys WHERE name = p_name AND fingerprint = p_fingerprint;
    IF NOT FOUND THEN
        RETURN 'NoSuchTrustedSigner';
    END IF;
    IF p_version IS NOT NULL AND p_version <> v_version THEN
        RETURN 'PreconditionFailed';
    END IF;
    IF p_change = 'delete' THEN
        DELETE FROM trusted_keys WHERE name = p_name AND fingerprint = p_fingerprint;
    ELSIF p_change = 'revoke' THEN
        UPDATE trusted_keys SET revoked_at = COALESCE(revoked_at, clock_timestamp()), reason = p_reason, version = version + 1
        WHERE name = p_name AND fingerprint = p_fingerprint;
    ELSIF p_valid_to <= p_valid_from THEN
        RETURN 'ValidityEndsBeforeItBegins';
    ELSE
        UPDATE trusted_keys SET valid_from = p_valid_from, valid_to = p_valid_to, version = version + 1
        WHERE name = p_name AND fingerprint = p_fingerprint;
    END IF;
    PERFORM count_trust_change();
    RETURN 'ok';
END
$$;

CREATE FUNCTION add_trusted_identity(
    p_name text, p_issuer text, p_subject text, p_description text, p_valid_from timestamptz, p_valid_to timestamptz, p_by text
) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM begin_trust_change();
    IF p_valid_to <= p_valid_from THEN
        RETURN 'ValidityEndsBeforeItBegins';
    END IF;
    IF EXISTS (SELECT FROM trusted_identities WHERE name = p_name AND issuer = p_issuer AND subject = p_subject) THEN
        RETURN 'IdentityExists';
    END IF;
    IF (SELECT count(*) FROM trusted_identities) >= 500 THEN
        RETURN 'TooManyTrustedSigners';
    END IF;
    INSERT INTO trusted_identities (name, issuer, subject, description, valid_from, valid_to, created_by)
    VALUES (p_name, p_issuer, p_subject, p_description, p_valid_from, p_valid_to, p_by);
    PERFORM count_trust_change();
    RETURN 'ok';
END
$$;

CREATE FUNCTION set_trusted_identity(
    p_name text, p_issuer text, p_subject text, p_change text, p_valid_from timestamptz, p_valid_to timestamptz,
    p_reason text, p_version bigint
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_version bigint;
BEGIN
    PERFORM begin_trust_change();
    SELECT version INTO v_version FROM trusted_identities
    WHERE name = p_name AND issuer = p_issuer AND subject = p_subject;
    IF NOT FOUND THEN
        RETURN 'NoSuchTrustedSigner';
    END IF;
    IF p_version IS NOT NULL AND p_version <> v_version THEN
        RETURN 'PreconditionFailed';
    END IF;
    IF p_change = 'delete' THEN
        DELETE FROM trusted_identities WHERE name = p_name AND issuer = p_issuer AND subject = p_subject;
    ELSIF p_change = 'revoke' THEN
        UPDATE trusted_identities
        SET revoked_at = COALESCE(revoked_at, clock_timestamp()), reason = p_reason, version = version + 1
        WHERE name = p_name AND issuer = p_issuer AND subject = p_subject;
    ELSIF p_valid_to <= p_valid_from THEN
        RETURN 'ValidityEndsBeforeItBegins';
    ELSE
        UPDATE trusted_identities SET valid_from = p_valid_from, valid_to = p_valid_to, version = version + 1
        WHERE name = p_name AND issuer = p_issuer AND subject = p_subject;
    END IF;
    PERFORM count_trust_change();
    RETURN 'ok';
END
$$;
