-- What issuers say besides tokens: that somebody has logged out (OpenID Connect Back-Channel Logout 1.0), and, where they are asked,
-- that somebody is disabled, gone, or no longer in a group.

ALTER TABLE revocations DROP CONSTRAINT revocations_kind_check;
ALTER TABLE revocations ADD CONSTRAINT revocations_kind_check CHECK (kind IN ('login', 'session', 'subject', 'token'));
COMMENT ON COLUMN revocations.value IS 'The id of a session; an identity id; or the issuer''s name, a slash and a token''s jti, or the sid of a login.';

CREATE INDEX role_sessions_subject ON role_sessions (subject, expires_at);

CREATE FUNCTION log_out(
    p_kind text, p_value text, p_before timestamptz, p_expires_at timestamptz, p_reason text, p_by text
) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    -- Its row is locked: revisions are in the order of commits, and of two that say the same one is the second.
    PERFORM FROM revocation_revision FOR UPDATE;
    IF EXISTS (SELECT FROM revocations WHERE kind = p_kind AND value = p_value AND before >= p_before) THEN
        RETURN 'known';
    END IF;
    UPDATE revocation_revision SET revision = revision + 1;
    INSERT INTO revocations (kind, value, before, expires_at, reason, revoked_by)
    VALUES (p_kind, p_value, p_before, p_expires_at, p_reason, p_by)
    ON CONFLICT (kind, value) DO UPDATE SET
        before = EXCLUDED.before, expires_at = greatest(revocations.expires_at, EXCLUDED.expires_at),
        reason = EXCLUDED.reason, revoked_at = EXCLUDED.revoked_at, revoked_by = EXCLUDED.revoked_by;
    PERFORM pg_notify('zas_revocations', p_kind);
    RETURN 'ok';
END
$$;
COMMENT ON FUNCTION log_out IS 'What was issued until `p_before` is no longer good; access keys stay. Said again, it changes nothing.';

-- As in migration 0010; and with a person go the sessions of the service accounts that the person answers for.
CREATE OR REPLACE FUNCTION revoke(p_kind text, p_value text, p_expires_at timestamptz, p_reason text, p_by text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE revocation_revision SET revision = revision + 1;
    INSERT INTO revocations (kind, value, before, expires_at, reason, revoked_by)
    SELECT p_kind, named.value, clock_timestamp(), p_expires_at, p_reason, p_by
    FROM (SELECT p_value AS value
          UNION
          SELECT account FROM access_keys WHERE p_kind = 'subject' AND owner = p_value) AS named
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

-- One replica at a time goes round the people of an issuer.
CREATE TABLE directory_rounds (
    issuer text COLLATE "C" PRIMARY KEY,
    due_at timestamptz NOT NULL
);
COMMENT ON COLUMN directory_rounds.due_at IS 'From when on anybody may begin a round. Whoever goes round puts it off, page by page, so that a replica that dies is followed by another.';

CREATE FUNCTION claim_directory_round(p_issuer text, p_lease double precision) RETURNS double precision
LANGUAGE plpgsql AS $$
DECLARE
    v_due_at timestamptz;
BEGIN
    INSERT INTO directory_rounds (issuer, due_at) VALUES (p_issuer, clock_timestamp()) ON CONFLICT DO NOTHING;
    UPDATE directory_rounds SET due_at = clock_timestamp() + make_interval(secs => p_lease)
    WHERE issuer = p_issuer AND due_at <= clock_timestamp();
    IF FOUND THEN
        RETURN 0;
    END IF;
    SELECT due_at INTO v_due_at FROM directory_rounds WHERE issuer = p_issuer;
    RETURN greatest(extract(epoch FROM v_due_at - clock_timestamp()), 0.001);
END
$$;
COMMENT ON FUNCTION claim_directory_round IS '0: the round is the caller''s, who has `p_lease` seconds. Otherwise the seconds until one is due.';

CREATE FUNCTION follow_directory(p_account text, p_roles text[], p_groups text[], p_asked_at timestamptz) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE access_keys SET
        roles = ARRAY(SELECT had.name FROM unnest(roles) WITH ORDINALITY AS had (name, place)
                      WHERE p_roles IS NULL OR had.name = ANY (p_roles) ORDER BY had.place),
        groups = ARRAY(SELECT had.name FROM unnest(groups) WITH ORDINALITY AS had (name, place)
                       WHERE p_groups IS NULL OR had.name = ANY (p_groups) ORDER BY had.place),
        followed_at = p_asked_at
    WHERE account = p_account AND account_kind = 'person' AND (followed_at IS NULL OR followed_at <= p_asked_at)
      AND (NOT roles <@ COALESCE(p_roles, roles) OR NOT groups <@ COALESCE(p_groups, groups));
    RETURN CASE WHEN FOUND THEN 'ok' ELSE 'known' END;
END
$$;
COMMENT ON FUNCTION follow_directory IS 'A person''s access keys lose the roles and groups that are not among those of the directory; NULL: they are left alone. What the directory has besides, they get by the next token alone.';
