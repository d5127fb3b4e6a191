-- Events of objects, told to webhooks: what happened is written down in the transaction in which it happens (the outbox), and told from there,
-- at least once and key by key in the order in which it happened.
--
-- A **lane** is a key of a bucket as one target hears of it: whoever tells takes a lane, never an event, so that of a key one event is on its way at
-- a time, whatever number of replicas tell. Locks are taken in this order: object, lane, event.

-- --- who is told

CREATE SEQUENCE event_targets_version;

CREATE TABLE event_targets (
    name       text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    format     text NOT NULL CHECK (format IN ('s3', 'cloudevents')),
    shown_url  text NOT NULL,
    signs      boolean NOT NULL,
    sealed     bytea NOT NULL,
    ring_key   text NOT NULL,
    enabled    boolean NOT NULL,
    version    bigint NOT NULL DEFAULT nextval('event_targets_version'),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by text NOT NULL
);
COMMENT ON TABLE event_targets IS 'Targets that were made through the management API; those of the configuration have no row.';
COMMENT ON COLUMN event_targets.shown_url IS 'Where the URL leads, without what may be a token.';
COMMENT ON COLUMN event_targets.signs IS 'Whether there is a secret that bodies are signed with.';
COMMENT ON COLUMN event_targets.sealed IS 'URL and secret, sealed under the key ring.';

CREATE TABLE event_rules (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bucket_id bigint NOT NULL REFERENCES buckets ON DELETE CASCADE,
    name      text COLLATE "C" NOT NULL,
    target    text COLLATE "C" NOT NULL,
    events    text[] NOT NULL,
    prefix    text COLLATE "C" NOT NULL,
    suffix    text COLLATE "C" NOT NULL
);
CREATE INDEX event_rules_by_bucket ON event_rules (bucket_id);
CREATE INDEX event_rules_by_target ON event_rules (target);
COMMENT ON TABLE event_rules IS 'What PutBucketNotificationConfiguration has set, one row a configuration, as tell_event asks for it. The document itself is in bucket_configurations.';
COMMENT ON COLUMN event_rules.events IS 'Without s3:, as tell_event names them: ObjectCreated:Put, or ObjectCreated:* for all of a family.';
COMMENT ON COLUMN event_rules.target IS 'No foreign key: it may be one of the configuration.';

-- --- what is to be told

CREATE SEQUENCE event_claims;

CREATE TABLE event_outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target      text COLLATE "C" NOT NULL,
    rule        text NOT NULL,
    bucket_id   bigint NOT NULL,
    bucket      text NOT NULL,
    owner       text NOT NULL,
    region      text NOT NULL,
    key         text COLLATE "C" NOT NULL,
    event       text NOT NULL,
    version_id  text,
    size        bigint,
    etag        text,
    principal   text,
    occurred_at timestamptz NOT NULL DEFAULT date_trunc('milliseconds', clock_timestamp()),
    attempts    integer NOT NULL DEFAULT 0,
    claim       bigint NOT NULL DEFAULT 0,
    error       text,
    failed_at   timestamptz
);
CREATE INDEX event_outbox_by_lane ON event_outbox (target, bucket_id, key, id) WHERE failed_at IS NULL;
CREATE INDEX event_outbox_by_bucket ON event_outbox (target, bucket_id, id) WHERE failed_at IS NULL;
CREATE INDEX event_outbox_dead ON event_outbox (target, id) WHERE failed_at IS NOT NULL;
CREATE INDEX event_outbox_by_end ON event_outbox (failed_at) WHERE failed_at IS NOT NULL;
COMMENT ON TABLE event_outbox IS 'Events that were not told yet, one row for each target that is to hear of one. No foreign keys: what happened in a bucket is told though the bucket is gone.';
COMMENT ON COLUMN event_outbox.id IS 'The order of the events of a key, and their sequencer.';
COMMENT ON COLUMN event_outbox.claim IS 'Whose attempt it is: another with each.';
COMMENT ON COLUMN event_outbox.failed_at IS 'When it was given up: it is dead until somebody asks for it again, or its retention ends.';

CREATE TABLE event_lanes (
    target    text COLLATE "C" NOT NULL,
    bucket_id bigint NOT NULL,
    key       text COLLATE "C" NOT NULL,
    due_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    touched   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (target, bucket_id, key)
) WITH (fillfactor = 80);
CREATE INDEX event_lanes_by_due ON event_lanes (target, due_at);
COMMENT ON TABLE event_lanes IS 'Keys that a target has not heard all of. Whoever tells moves due_at ahead of itself for as long as it is at it.';
COMMENT ON COLUMN event_lanes.touched IS 'Counted up by writers: they take the row''s lock by it, and no index changes.';

CREATE FUNCTION tell_event(
    p_bucket_id bigint, p_event text, p_key text, p_version_id text, p_size bigint, p_etag text, p_principal text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_rule record;
BEGIN
    -- Most buckets have no rule: one look at an index then, and nothing else.
    PERFORM FROM event_rules AS r WHERE r.bucket_id = p_bucket_id LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    FOR v_rule IN
        SELECT r.name, r.target FROM event_rules AS r
        WHERE r.bucket_id = p_bucket_id
          AND (p_event = ANY (r.events) OR split_part(p_event, ':', 1) || ':*' = ANY (r.events))
          AND starts_with(p_key, r.prefix) AND right(p_key, length(r.suffix)) = r.suffix
        ORDER BY r.target, r.id
    LOOP
        -- Held until this transaction ends: events of a lane have their ids in the order in which they commit, and nobody takes the lane
        -- for empty meanwhile.
        INSERT INTO event_lanes AS l (target, bucket_id, key) VALUES (v_rule.target, p_bucket_id, p_key)
        ON CONFLICT (target, bucket_id, key) DO UPDATE SET touched = l.touched + 1;
        INSERT INTO event_outbox (target, rule, bucket_id, bucket, owner, region, key, event, version_id, size, etag, principal)
        SELECT v_rule.target, v_rule.name, b.id, b.name, b.owner, b.region, p_key, p_event, p_version_id, p_size, p_etag,
               COALESCE(p_principal, (
                   SELECT o.owner FROM objects AS o
                   WHERE o.bucket_id = p_bucket_id AND o.key = p_key AND o.is_latest AND p_event LIKE 'ObjectCreated:%'
               ))
        FROM buckets AS b WHERE b.id = p_bucket_id;
    END LOOP;
END
$$;
COMMENT ON FUNCTION tell_event IS 'Writes down what has happened to a key, for those who are to hear of it, in the transaction in which it happens. The caller holds the key''s latest version, as all do who change it. p_principal: who has done it; where that is not said, of a creation it is the owner of what was created.';

CREATE FUNCTION tell_object_event(
    p_bucket text, p_event text, p_key text, p_principal text DEFAULT NULL, p_version text DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket  buckets;
    v_version objects;
BEGIN
    SELECT * INTO v_bucket FROM buckets WHERE name = p_bucket;
    PERFORM FROM event_rules AS r WHERE r.bucket_id = v_bucket.id LIMIT 1;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT * INTO v_version FROM objects AS o
    WHERE o.bucket_id = v_bucket.id AND o.key = p_key AND o.is_latest AND (p_version IS NULL OR o.version_id = p_version);
    IF NOT FOUND THEN
        SELECT * INTO v_version FROM objects AS o
        WHERE o.bucket_id = v_bucket.id AND o.key = p_key AND NOT o.is_latest AND o.version_id = p_version;
    END IF;
    IF v_version.id IS NULL OR v_version.is_delete_marker THEN
        RETURN false;
    END IF;
    PERFORM tell_event(
        v_bucket.id, p_event, p_key, CASE WHEN v_bucket.versioning <> 'off' THEN v_version.version_id END, v_version.size,
        v_version.etag, p_principal
    );
    RETURN true;
END
$$;
COMMENT ON FUNCTION tell_object_event IS 'As tell_event, of a version of a key, or of its current one: for what changes nothing of it but what is said of it, as tags are. The caller holds its row. False where the bucket tells nobody.';

-- --- telling

CREATE FUNCTION claim_event(p_target text, p_lease_seconds double precision) RETURNS SETOF event_outbox
LANGUAGE plpgsql AS $$
DECLARE
    v_lane  event_lanes;
    v_event event_outbox;
BEGIN
    LOOP
        SELECT l.* INTO v_lane FROM event_lanes AS l WHERE l.target = p_target AND l.due_at <= now()
        ORDER BY l.due_at LIMIT 1 FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        -- A statement of its own, that sees what was committed before the lane was locked.
        UPDATE event_outbox AS e SET attempts = e.attempts + 1, claim = nextval('event_claims')
        WHERE e.id = (
            SELECT f.id FROM event_outbox AS f
            WHERE f.target = v_lane.target AND f.bucket_id = v_lane.bucket_id AND f.key = v_lane.key AND f.failed_at IS NULL
            ORDER BY f.id LIMIT 1
        )
        RETURNING e.* INTO v_event;
        IF FOUND THEN
            UPDATE event_lanes AS l SET due_at = clock_timestamp() + make_interval(secs => p_lease_seconds)
            WHERE l.target = v_lane.target AND l.bucket_id = v_lane.bucket_id AND l.key = v_lane.key;
            RETURN NEXT v_event;
            RETURN;
        END IF;
        DELETE FROM event_lanes AS l WHERE l.target = v_lane.target AND l.bucket_id = v_lane.bucket_id AND l.key = v_lane.key;
    END LOOP;
END
$$;
COMMENT ON FUNCTION claim_event IS 'Takes the first event of the lane that has been due for longest; nobody else takes one of that lane before the lease ends.';

CREATE FUNCTION end_event(
    p_id bigint, p_claim bigint, p_outcome text, p_wait_seconds double precision, p_error text
) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_event event_outbox;
BEGIN
    SELECT e.* INTO v_event FROM event_outbox AS e WHERE e.id = p_id AND e.claim = p_claim;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM FROM event_lanes AS l
    WHERE l.target = v_event.target AND l.bucket_id = v_event.bucket_id AND l.key = v_event.key FOR UPDATE;
    IF p_outcome = 'delivered' THEN
        DELETE FROM event_outbox AS e WHERE e.id = p_id AND e.claim = p_claim;
    ELSE
        UPDATE event_outbox AS e
        SET error = p_error, failed_at = CASE WHEN p_outcome = 'dead' THEN clock_timestamp() ELSE e.failed_at END
        WHERE e.id = p_id AND e.claim = p_claim;
    END IF;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF EXISTS (
        SELECT FROM event_outbox AS e
        WHERE e.target = v_event.target AND e.bucket_id = v_event.bucket_id AND e.key = v_event.key AND e.failed_at IS NULL
    ) THEN
        UPDATE event_lanes AS l
        SET due_at = clock_timestamp() + make_interval(secs => CASE WHEN p_outcome = 'retry' THEN p_wait_seconds ELSE 0 END)
        WHERE l.target = v_event.target AND l.bucket_id = v_event.bucket_id AND l.key = v_event.key;
    ELSE
        DELETE FROM event_lanes AS l
        WHERE l.target = v_event.target AND l.bucket_id = v_event.bucket_id AND l.key = v_event.key;
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION end_event IS 'Says what became of an attempt: delivered, retry (after p_wait_seconds), dead. False where the lease was over and another has it by now: then nothing is changed.';

CREATE FUNCTION redeliver_events(p_target text, p_limit bigint, OUT status text, OUT redelivered bigint)
LANGUAGE plpgsql AS $$
DECLARE
    v_ids bigint[] := ARRAY(
        SELECT e.id FROM event_outbox AS e WHERE e.target = p_target AND e.failed_at IS NOT NULL ORDER BY e.id LIMIT p_limit
    );
BEGIN
    INSERT INTO event_lanes AS l (target, bucket_id, key)
    SELECT DISTINCT e.target, e.bucket_id, e.key FROM event_outbox AS e WHERE e.id = ANY (v_ids) ORDER BY 1, 2, 3
    ON CONFLICT (target, bucket_id, key) DO UPDATE SET touched = l.touched + 1;
    UPDATE event_outbox AS e SET failed_at = NULL, attempts = 0 WHERE e.id = ANY (v_ids) AND e.failed_at IS NOT NULL;
    GET DIAGNOSTICS redelivered = ROW_COUNT;
    status := 'ok';
END
$$;
COMMENT ON FUNCTION redeliver_events IS 'Lets the oldest dead events of a target be told after all, before what else waits in their lanes.';

-- --- upkeep: by one replica at a time, a bounded number of rows at a time, and waiting for nobody

CREATE FUNCTION keeps_events_up() RETURNS boolean
LANGUAGE sql VOLATILE AS $$
    SELECT pg_try_advisory_xact_lock(hashtextextended('zas events upkeep', 0))
$$;
COMMENT ON FUNCTION keeps_events_up IS 'Whether the upkeep is this transaction''s; otherwise another replica is at it.';

CREATE FUNCTION tidy_event_lanes(p_target text, p_bucket_id bigint, p_keys text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_keys text[] := ARRAY(
        SELECT l.key FROM event_lanes AS l
        WHERE l.target = p_target AND l.bucket_id = p_bucket_id AND l.key = ANY (p_keys) AND l.due_at <= clock_timestamp()
        FOR UPDATE SKIP LOCKED
    );
BEGIN
    -- A statement of its own, that sees what was committed before the lanes were locked.
    DELETE FROM event_lanes AS l
    WHERE l.target = p_target AND l.bucket_id = p_bucket_id AND l.key = ANY (v_keys) AND NOT EXISTS (
        SELECT FROM event_outbox AS e
        WHERE e.target = l.target AND e.bucket_id = l.bucket_id AND e.key = l.key AND e.failed_at IS NULL
    );
END
$$;
COMMENT ON FUNCTION tidy_event_lanes IS 'Removes those of these lanes in which nothing waits and nothing is on its way: of a target that takes nothing, nobody would find them empty.';

CREATE FUNCTION bound_events(p_most bigint, p_limit bigint) RETURNS TABLE (target text, bucket text, events bigint)
LANGUAGE plpgsql AS $$
DECLARE
    v_crowded record;
    v_keys    text[];
    v_left    bigint := p_limit;
BEGIN
    IF NOT keeps_events_up() THEN
        RETURN;
    END IF;
    FOR v_crowded IN
        SELECT e.target, e.bucket_id, count(*) - p_most AS excess FROM event_outbox AS e
        WHERE e.failed_at IS NULL
        GROUP BY e.target, e.bucket_id HAVING count(*) > p_most
        ORDER BY e.target, e.bucket_id
    LOOP
        EXIT WHEN v_left <= 0;
        WITH ended AS (
            UPDATE event_outbox AS e SET failed_at = clock_timestamp(), error = 'too many events of the bucket wait for the target'
            WHERE e.id = ANY (ARRAY(
                SELECT f.id FROM event_outbox AS f
                WHERE f.target = v_crowded.target AND f.bucket_id = v_crowded.bucket_id AND f.failed_at IS NULL
                ORDER BY f.id DESC LIMIT least(v_crowded.excess, v_left)
                FOR UPDATE SKIP LOCKED
            ))
            RETURNING e.bucket, e.key
        )
        SELECT v_crowded.target, max(ended.bucket), count(*), array_agg(DISTINCT ended.key) INTO target, bucket, events, v_keys
        FROM ended;
        IF events > 0 THEN
            PERFORM tidy_event_lanes(v_crowded.target, v_crowded.bucket_id, v_keys);
            v_left := v_left - events;
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION bound_events IS 'Gives up what is beyond p_most events of a bucket that wait for a target, the newest first, up to p_limit in all; how many it was.';

CREATE FUNCTION end_stray_events(p_known text[], p_age_seconds double precision, p_limit bigint)
RETURNS TABLE (target text, events bigint)
LANGUAGE plpgsql AS $$
DECLARE
    v_target text COLLATE "C" := '';
    v_lanes  record;
    v_left   bigint := p_limit;
BEGIN
    IF NOT keeps_events_up() THEN
        RETURN;
    END IF;
    LOOP
        -- One look at the index for each target.
        SELECT l.target INTO v_target FROM event_lanes AS l WHERE l.target > v_target ORDER BY l.target LIMIT 1;
        EXIT WHEN NOT FOUND OR v_left <= 0;
        CONTINUE WHEN v_target = ANY (p_known) OR EXISTS (SELECT FROM event_targets AS t WHERE t.name = v_target);
        WITH ended AS (
            UPDATE event_outbox AS e SET failed_at = clock_timestamp(), error = 'there is no such target any more'
            WHERE e.id = ANY (ARRAY(
                SELECT f.id FROM event_outbox AS f
                WHERE f.target = v_target AND f.failed_at IS NULL AND f.occurred_at <= now() - make_interval(secs => p_age_seconds)
                ORDER BY f.id LIMIT v_left
                FOR UPDATE SKIP LOCKED
            ))
            RETURNING 1
        )
        SELECT v_target, count(*) INTO target, events FROM ended;
        FOR v_lanes IN
            SELECT empty.bucket_id, array_agg(empty.key) AS keys
            FROM (
                SELECT l.bucket_id, l.key FROM event_lanes AS l
                WHERE l.target = v_target AND NOT EXISTS (
                    SELECT FROM event_outbox AS e
                    WHERE e.target = l.target AND e.bucket_id = l.bucket_id AND e.key = l.key AND e.failed_at IS NULL
                )
                LIMIT p_limit
            ) AS empty
            GROUP BY empty.bucket_id
        LOOP
            PERFORM tidy_event_lanes(v_target, v_lanes.bucket_id, v_lanes.keys);
        END LOOP;
        IF events > 0 THEN
            v_left := v_left - events;
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION end_stray_events IS 'Gives up what waits, for so long, for a target that is neither in event_targets nor in p_known, those of the configuration: a write may have known it a moment longer than whoever deleted it. A target of the same name can have it told.';

CREATE FUNCTION forget_dead_events(p_retention_seconds double precision, p_most bigint, p_limit bigint)
RETURNS TABLE (target text, events bigint)
LANGUAGE plpgsql AS $$
DECLARE
    v_crowded record;
BEGIN
    IF NOT keeps_events_up() THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH gone AS (
        DELETE FROM event_outbox AS e
        WHERE e.id = ANY (ARRAY(
            SELECT f.id FROM event_outbox AS f WHERE f.failed_at <= now() - make_interval(secs => p_retention_seconds)
            ORDER BY f.failed_at LIMIT p_limit
            FOR UPDATE SKIP LOCKED
        ))
        RETURNING e.target
    )
    SELECT gone.target, count(*) FROM gone GROUP BY gone.target ORDER BY gone.target;
    FOR v_crowded IN
        SELECT e.target, count(*) - p_most AS excess FROM event_outbox AS e
        WHERE e.failed_at IS NOT NULL
        GROUP BY e.target HAVING count(*) > p_most
        ORDER BY e.target
    LOOP
        WITH gone AS (
            DELETE FROM event_outbox AS e
            WHERE e.id = ANY (ARRAY(
                SELECT f.id FROM event_outbox AS f WHERE f.target = v_crowded.target AND f.failed_at IS NOT NULL
                ORDER BY f.id LIMIT least(v_crowded.excess, p_limit)
                FOR UPDATE SKIP LOCKED
            ))
            RETURNING 1
        )
        SELECT v_crowded.target, count(*) INTO target, events FROM gone;
        IF events > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION forget_dead_events IS 'Forgets dead events that are older than the retention, and of a target the oldest beyond p_most; up to p_limit of all, and then of each target. How many it was.';

-- --- changing who is told of what

CREATE FUNCTION put_event_target(
    p_name text, p_format text, p_shown_url text, p_signs boolean, p_sealed bytea, p_ring_key text, p_enabled boolean,
    p_expected bigint, p_by text, OUT status text
)
LANGUAGE plpgsql AS $$
DECLARE
    v_version bigint;
BEGIN
    SELECT t.version INTO v_version FROM event_targets AS t WHERE t.name = p_name FOR UPDATE;
    IF p_expected IS NOT NULL AND p_expected <> COALESCE(v_version, 0) THEN
        status := 'PreconditionFailed';
        RETURN;
    END IF;
    IF v_version IS NULL AND (SELECT count(*) FROM event_targets) >= 500 THEN
        status := 'LimitExceeded';
        RETURN;
    END IF;
    INSERT INTO event_targets (name, format, shown_url, signs, sealed, ring_key, enabled, changed_by)
    VALUES (p_name, p_format, p_shown_url, p_signs, p_sealed, p_ring_key, p_enabled, p_by)
    ON CONFLICT (name) DO UPDATE
    SET format = EXCLUDED.format, shown_url = EXCLUDED.shown_url, signs = EXCLUDED.signs, sealed = EXCLUDED.sealed,
        ring_key = EXCLUDED.ring_key, enabled = EXCLUDED.enabled, version = EXCLUDED.version, changed_at = clock_timestamp(),
        changed_by = EXCLUDED.changed_by
    WHERE p_expected IS DISTINCT FROM 0;
    status := CASE WHEN FOUND THEN 'ok' ELSE 'PreconditionFailed' END;
END
$$;
COMMENT ON FUNCTION put_event_target IS 'p_expected: the version that is replaced, 0 where there shall be none yet, NULL where it does not matter.';

CREATE FUNCTION delete_event_target(p_name text, p_expected bigint, OUT status text)
LANGUAGE plpgsql AS $$
DECLARE
    v_version bigint;
BEGIN
    SELECT t.version INTO v_version FROM event_targets AS t WHERE t.name = p_name FOR UPDATE;
    IF NOT FOUND THEN
        status := 'NoSuchEventTarget';
        RETURN;
    END IF;
    IF p_expected IS NOT NULL AND p_expected <> v_version THEN
        status := 'PreconditionFailed';
        RETURN;
    END IF;
    -- Whoever sets a rule holds the target's key-share lock: what is seen here is final.
    IF EXISTS (SELECT FROM event_rules AS r WHERE r.target = p_name) THEN
        status := 'EventTargetInUse';
        RETURN;
    END IF;
    DELETE FROM event_targets AS t WHERE t.name = p_name;
    UPDATE event_outbox AS e SET failed_at = clock_timestamp(), error = 'the target was deleted'
    WHERE e.target = p_name AND e.failed_at IS NULL;
    status := 'ok';
END
$$;
COMMENT ON FUNCTION delete_event_target IS 'What waits for it is dead then: a target of the same name can have it. Its lanes are removed by end_stray_events.';

CREATE FUNCTION put_bucket_notification(
    p_bucket text, p_document jsonb, p_rules jsonb, p_known text[], p_by text, OUT status text, OUT missing text[]
)
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket_id bigint;
    v_target    text;
BEGIN
    missing := '{}';
    SELECT b.id INTO v_bucket_id FROM buckets AS b WHERE b.name = p_bucket FOR KEY SHARE;
    IF NOT FOUND THEN
        status := 'NoSuchBucket';
        RETURN;
    END IF;
    FOR v_target IN
        SELECT DISTINCT r.target FROM jsonb_to_recordset(p_rules) AS r (target text) WHERE r.target <> ALL (p_known) ORDER BY 1
    LOOP
        PERFORM FROM event_targets AS t WHERE t.name = v_target FOR KEY SHARE;
        IF NOT FOUND THEN
            missing := missing || v_target;
        END IF;
    END LOOP;
    IF cardinality(missing) > 0 THEN
        status := 'NoSuchEventTarget';
        RETURN;
    END IF;
    IF jsonb_array_length(p_rules) = 0 THEN
        status := delete_bucket_configuration(p_bucket, 'notification');
    ELSE
        status := put_bucket_configuration(p_bucket, 'notification', p_document, p_by);
    END IF;
    IF status = 'ok' THEN
        -- Two who change it at once have waited for each other by now.
        DELETE FROM event_rules AS r WHERE r.bucket_id = v_bucket_id;
        INSERT INTO event_rules (bucket_id, name, target, events, prefix, suffix)
        SELECT v_bucket_id, r.name, r.target, r.events, r.prefix, r.suffix
        FROM jsonb_to_recordset(p_rules) AS r (name text, target text, events text[], prefix text, suffix text);
    END IF;
END
$$;
COMMENT ON FUNCTION put_bucket_notification IS 'Makes whom a bucket tells what is given. p_known: targets of the configuration. missing: targets that there are not; nothing is changed then.';
