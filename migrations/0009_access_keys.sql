-- Access keys of people and service accounts. Every change is told to all replicas (LISTEN/NOTIFY): a
-- notice is a hint to ask again, for replicas remember a key for a few seconds.

CREATE TABLE access_keys (
    id           text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Z0-9]{20}$'),
    account      text COLLATE "C" NOT NULL,
    account_kind text NOT NULL CHECK (account_kind IN ('person', 'service_account')),
    owner        text COLLATE "C" NOT NULL,
    name         text NOT NULL,
    issuer       text NOT NULL,
    description  text NOT NULL,
    secret       bytea NOT NULL,
    ring_key     text COLLATE "C" NOT NULL,
    roles        text[] NOT NULL,
    groups       text[] NOT NULL,
    policy       text,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by   text NOT NULL,
    expires_at   timestamptz,
    disabled_at  timestamptz,
    last_used_at timestamptz,
    version      bigint NOT NULL DEFAULT 1
);
CREATE INDEX access_keys_account ON access_keys (account, id);
CREATE INDEX access_keys_owner ON access_keys (owner, id);
CREATE INDEX access_keys_ring_key ON access_keys (ring_key, id);
COMMENT ON COLUMN access_keys.account IS 'Who the key speaks as: a person''s identity id, or `key/<id of the first key>` of a service account. At most two keys of it are active.';
COMMENT ON COLUMN access_keys.owner IS 'The identity id of the person who answers for the account; its own where the account is a person.';
COMMENT ON COLUMN access_keys.name IS 'What policies call the account.';
COMMENT ON COLUMN access_keys.secret IS 'Sealed under the key `ring_key` of the key ring, with the id as additional data: a secret that is moved to another row does not open.';
COMMENT ON COLUMN access_keys.policy IS 'A policy document that narrows what the account may do, as it was sent.';
COMMENT ON COLUMN access_keys.version IS 'Grows with every change that anybody asked for; the ETag.';

CREATE FUNCTION tell_access_key() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('zas_access_keys', COALESCE(NEW.id, OLD.id));
    RETURN NULL;
END
$$;

-- Not for last_used_at: it changes with use, and means nothing to whoever checks a key.
CREATE TRIGGER access_keys_told
AFTER INSERT OR DELETE OR UPDATE OF name, secret, ring_key, roles, groups, policy, expires_at, disabled_at ON access_keys
FOR EACH ROW EXECUTE FUNCTION tell_access_key();

-- Takes the lock that makes keys of one account wait for each other, and says whether another active one may be had.
CREATE FUNCTION has_room_for_access_key(p_account text, p_except text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(p_account, 9));
    RETURN (SELECT count(*) FROM access_keys
            WHERE account = p_account AND id <> p_except
              AND disabled_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())) < 2;
END
$$;

CREATE FUNCTION create_access_key(
    p_id text, p_account text, p_account_kind text, p_owner text, p_name text, p_issuer text, p_description text,
    p_secret bytea, p_ring_key text, p_roles text[], p_groups text[], p_policy text, p_created_by text,
    p_expires_at timestamptz
) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT has_room_for_access_key(p_account, p_id) THEN
        RETURN 'TooManyAccessKeys';
    END IF;
    INSERT INTO access_keys (id, account, account_kind, owner, name, issuer, description, secret, ring_key, roles, groups,
                             policy, created_by, expires_at)
    VALUES (p_id, p_account, p_account_kind, p_owner, p_name, p_issuer, p_description, p_secret, p_ring_key, p_roles, p_groups,
            p_policy, p_created_by, p_expires_at);
    RETURN 'ok';
END
$$;

CREATE FUNCTION rotate_access_key(
    p_from text, p_id text, p_secret bytea, p_ring_key text, p_created_by text, p_expires_at timestamptz, p_version bigint
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_account text;
    v_old     access_keys;
BEGIN
    SELECT account INTO v_account FROM access_keys WHERE id = p_from;
    IF NOT FOUND THEN
        RETURN 'NoSuchAccessKey';
    END IF;
    IF NOT has_room_for_access_key(v_account, p_id) THEN
        RETURN 'TooManyAccessKeys';
    END IF;
    SELECT * INTO v_old FROM access_keys WHERE id = p_from FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'NoSuchAccessKey';
    END IF;
    IF p_version IS NOT NULL AND p_version <> v_old.version THEN
        RETURN 'PreconditionFailed';
    END IF;
    -- A key that may no longer be used is no way to a new one.
    IF v_old.disabled_at IS NOT NULL OR v_old.expires_at <= clock_timestamp() THEN
        RETURN 'AccessKeyInactive';
    END IF;
    INSERT INTO access_keys (id, account, account_kind, owner, name, issuer, description, secret, ring_key, roles, groups,
                             policy, created_by, expires_at)
    VALUES (p_id, v_old.account, v_old.account_kind, v_old.owner, v_old.name, v_old.issuer, v_old.description, p_secret,
            p_ring_key, v_old.roles, v_old.groups, v_old.policy, p_created_by, p_expires_at);
    RETURN 'ok';
END
$$;

CREATE FUNCTION set_access_key(p_id text, p_change text, p_expires_at timestamptz, p_version bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_account text;
    v_version bigint;
BEGIN
    -- The account's lock comes before the row's, as everywhere.
    SELECT account INTO v_account FROM access_keys WHERE id = p_id;
    IF NOT FOUND THEN
        RETURN 'NoSuchAccessKey';
    END IF;
    IF p_change IN ('enable', 'expire') AND NOT has_room_for_access_key(v_account, p_id) THEN
        -- A third key may still be made to end sooner.
        IF p_change = 'enable' OR p_expires_at IS NULL OR p_expires_at > clock_timestamp() THEN
            RETURN 'TooManyAccessKeys';
        END IF;
    END IF;
    SELECT version INTO v_version FROM access_keys WHERE id = p_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'NoSuchAccessKey';
    END IF;
    IF p_version IS NOT NULL AND p_version <> v_version THEN
        RETURN 'PreconditionFailed';
    END IF;
    IF p_change = 'delete' THEN
        DELETE FROM access_keys WHERE id = p_id;
    ELSIF p_change = 'enable' THEN
        UPDATE access_keys SET disabled_at = NULL, version = version + 1 WHERE id = p_id;
    ELSIF p_change = 'disable' THEN
        UPDATE access_keys SET disabled_at = COALESCE(disabled_at, clock_timestamp()), version = version + 1 WHERE id = p_id;
    ELSE
        UPDATE access_keys SET expires_at = p_expires_at, version = version + 1 WHERE id = p_id;
    END IF;
    RETURN 'ok';
END
$$;
