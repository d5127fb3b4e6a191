-- Sessions that a service account has begun know the person who answers for it: they end with that person also where the keys of the
-- account are gone.

ALTER TABLE role_sessions ADD COLUMN owner text COLLATE "C";
COMMENT ON COLUMN role_sessions.owner IS 'The identity id of the person who answers for `subject`, as its access keys say; NULL where it has none, as people who show tokens.';
UPDATE role_sessions AS s SET owner = k.owner FROM access_keys AS k WHERE k.account = s.subject;
CREATE INDEX role_sessions_owner ON role_sessions (owner, expires_at);

-- As in migration 0010; and who answers for the account is written down. A session of a session may outlive the rows of the keys.
CREATE OR REPLACE FUNCTION begin_role_session(
    p_id uuid, p_access_key_id text, p_subject text, p_name text, p_role text, p_session_name text, p_expires_at timestamptz
) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO role_sessions (id, access_key_id, subject, name, role, session_name, expires_at, owner)
    VALUES (p_id, p_access_key_id, p_subject, p_name, p_role, p_session_name, p_expires_at,
            COALESCE((SELECT k.owner FROM access_keys AS k WHERE k.account = p_subject LIMIT 1),
                     (SELECT s.owner FROM role_sessions AS s WHERE s.subject = p_subject AND s.owner IS NOT NULL LIMIT 1)));
    RETURN 'ok';
END
$$;

-- As in migration 0015; and accounts are found by their sessions too, where their keys were deleted.
CREATE OR REPLACE FUNCTION revoke(p_kind text, p_value text, p_expires_at timestamptz, p_reason text, p_by text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE revocation_revision SET revision = revision + 1;
    INSERT INTO revocations (kind, value, before, expires_at, reason, revoked_by)
    SELECT p_kind, named.value, clock_timestamp(), p_expires_at, p_reason, p_by
    FROM (SELECT p_value AS value
          UNION
          SELECT account FROM access_keys WHERE p_kind = 'subject' AND owner = p_value
          UNION
          SELECT subject FROM role_sessions
          WHERE p_kind = 'subject' AND owner = p_value AND expires_at > clock_timestamp()) AS named
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
