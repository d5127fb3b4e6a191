-- Sessions that roles were assumed for, and credentials that are no longer good though they have not lapsed.
--
-- A session's credentials stand in its token, sealed; its row is for those who look after sessions. What was revoked is told to
-- all replicas (LISTEN/NOTIFY), with the revision behind it for those who have missed a notice.

CREATE TABLE role_sessions (
    id            uuid PRIMARY KEY,
    access_key_id text COLLATE "C" NOT NULL,
    subject       text COLLATE "C" NOT NULL,
    name          text NOT NULL,
    role          text COLLATE "C" NOT NULL,
    session_name  text NOT NULL,
    issued_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at    timestamptz NOT NULL
);
CREATE INDEX role_sessions_expires_at ON role_sessions (expires_at, id);
COMMENT ON COLUMN role_sessions.subject IS 'The identity id of who assumed the role.';

CREATE TABLE revocation_revision (
    revision bigint NOT NULL,
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);
INSERT INTO revocation_revision (revision) VALUES (0);

CREATE TABLE revocations (
    kind       text NOT NULL CHECK (kind IN ('session', 'subject', 'token')),
    value      text COLLATE "C" NOT NULL,
    before     timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    reason     text NOT NULL,
    revoked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoked_by text NOT NULL,
    PRIMARY KEY (kind, value)
);
CREATE INDEX revocations_expires_at ON revocations (expires_at);
COMMENT ON COLUMN revocations.value IS 'The id of a session; an identity id; or the issuer''s name, a slash and a token''s jti.';
COMMENT ON COLUMN revocations.before IS 'What was issued up to then is no longer good.';
COMMENT ON COLUMN revocations.expires_at IS 'When everything that it speaks of has lapsed by itself.';

CREATE FUNCTION begin_role_session(
    p_id uuid, p_access_key_id text, p_subject text, p_name text, p_role text, p_session_name text, p_expires_at timestamptz
) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO role_sessions (id, access_key_id, subject, name, role, session_name, expires_at)
    VALUES (p_id, p_access_key_id, p_subject, p_name, p_role, p_session_name, p_expires_at);
    RETURN 'ok';
END
$$;

CREATE FUNCTION revoke(p_kind text, p_value text, p_expires_at timestamptz, p_reason text, p_by text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    -- Its row is locked: revisions are in the order of commits.
    UPDATE revocation_revision SET revision = revision + 1;
    INSERT INTO revocations (kind, value, before, expires_at, reason, revoked_by)
    VALUES (p_kind, p_value, clock_timestamp(), p_expires_at, p_reason, p_by)
    ON CONFLICT (kind, value) DO UPDATE SET
        before = greatest(revocations.before, EXCLUDED.before),
        expires_at = greatest(revocations.expires_at, EXCLUDED.expires_at),
        reason = EXCLUDED.reason, revoked_at = EXCLUDED.revoked_at, revoked_by = EXCLUDED.revoked_by;
    IF p_kind = 'subject' THEN
        UPDATE access_keys SET disabled_at = clock_timestamp(), version = version + 1
        WHERE (owner = p_value OR account = p_value) AND disabled_at IS NULL;
    END IF;
    PERFORM pg_notify('zas_revocations', p_kind);
    RETURN 'ok';
END
$$;
COMMENT ON FUNCTION revoke IS 'Revoked again, the later of both bounds holds. With a person go the access keys of the person, and those that the person answers for.';

CREATE FUNCTION revoke_role_session(p_id uuid, p_reason text, p_by text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_expires_at timestamptz;
BEGIN
    SELECT expires_at INTO v_expires_at FROM role_sessions WHERE id = p_id AND expires_at > clock_timestamp();
    IF NOT FOUND THEN
        RETURN 'NoSuchSession';
    END IF;
    -- Clocks of replicas may differ.
    RETURN revoke('session', p_id::text, v_expires_at + interval '1 hour', p_reason, p_by);
END
$$;

ALTER TABLE access_keys ADD COLUMN followed_at timestamptz;
COMMENT ON COLUMN access_keys.followed_at IS 'When the token was issued that a person''s key has its name, roles and groups from: an older token changes nothing.';
