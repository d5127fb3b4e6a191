-- What the management API needs: answers to requests with an Idempotency-Key, so that a request that comes again is answered again
-- and not carried out again; and pages of what was revoked.
--
-- The table of 0007 was never written. Here a request is claimed, carried out and answered in one transaction: the claim is an
-- advisory lock of that transaction, so that whatever ends it, a crash too, ends the claim, and an answer is there exactly where
-- the change is.

DROP TABLE idempotency_keys;

CREATE TABLE idempotency_keys (
    owner      bytea NOT NULL CHECK (octet_length(owner) = 32),
    key        text COLLATE "C" NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request    bytea NOT NULL CHECK (octet_length(request) = 32),
    answer     bytea NOT NULL,
    ring_key   text COLLATE "C",
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_keys_expires_at ON idempotency_keys (expires_at);
COMMENT ON COLUMN idempotency_keys.owner IS 'SHA-256 of whoever asked: names may be longer than an index takes.';
COMMENT ON COLUMN idempotency_keys.request IS 'SHA-256 of the request: method, path, query and body.';
COMMENT ON COLUMN idempotency_keys.answer IS 'The first answer. It may hold a secret that is shown once, so that it is sealed where there is a key ring.';
COMMENT ON COLUMN idempotency_keys.ring_key IS 'The key of the ring that the answer is sealed under; NULL: it is not sealed, and holds no secret.';

CREATE FUNCTION claim_idempotency_key(
    p_owner bytea, p_key text, p_request bytea, p_most bigint, OUT status text, OUT answer bytea, OUT ring_key text
)
LANGUAGE plpgsql AS $$
DECLARE
    v_known idempotency_keys;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended(encode(p_owner, 'hex') || p_key, 13)) THEN
        status := 'UnderWay';
        RETURN;
    END IF;
    -- Whoever held the lock has committed, and this statement sees it.
    SELECT * INTO v_known FROM idempotency_keys AS k
    WHERE k.owner = p_owner AND k.key = p_key AND k.expires_at > clock_timestamp();
    IF FOUND THEN
        IF v_known.request <> p_request THEN
            status := 'Mismatch';
            RETURN;
        END IF;
        status := 'Answered';
        answer := v_known.answer;
        ring_key := v_known.ring_key;
        RETURN;
    END IF;
    IF (SELECT count(*) FROM (SELECT FROM idempotency_keys AS k WHERE k.owner = p_owner LIMIT p_most) AS kept) >= p_most THEN
        status := 'TooMany';
        RETURN;
    END IF;
    status := 'ok';
END
$$;
COMMENT ON FUNCTION claim_idempotency_key IS 'Holds the key until the transaction ends. UnderWay: another transaction holds it. p_most: how many answers may be kept for one owner.';

CREATE INDEX revocations_revoked_at ON revocations (revoked_at, kind, value);
