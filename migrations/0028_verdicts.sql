-- Verdicts count only by the trusted roots and the rules about logs that they were made by, one that could not be signed is signed later,
-- and what is about to be deleted at the registry counts no moment longer.

ALTER TABLE verdicts
    -- Of verdicts before this nobody knows: they are made anew.
    ADD COLUMN setup bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (octet_length(setup) = 32),
    ADD COLUMN setup_changed_at timestamptz;
CREATE INDEX verdicts_by_setup ON verdicts (setup) WHERE passed OR setup_changed_at IS NOT NULL;
COMMENT ON COLUMN verdicts.setup IS 'By which trusted roots and rules about logs it was made.';
COMMENT ON COLUMN verdicts.setup_changed_at IS 'When one by other roots was replaced: replicas of different configuration make it anew by turns, and not more often than once an hour. NULL: never.';
COMMENT ON TABLE verdicts IS 'The last verdict of each policy on each artifact. It counts while the policy, whom we believe and by which roots are what they were, its time is not over and nothing that it rests on was removed or is about to be.';

ALTER TABLE evidence_pushes ADD COLUMN is_deletion boolean NOT NULL DEFAULT false;
CREATE INDEX evidence_pushes_deletions ON evidence_pushes (repository) WHERE is_deletion;
COMMENT ON COLUMN evidence_pushes.is_deletion IS 'Whether the manifest may be gone: what it has said counts for nothing while a request about it is under way, and since then until somebody has looked.';

-- In this language, for its plan is kept: in SQL it is made anew for each row, which took longer than all the rest of a look.
CREATE FUNCTION verdict_counts(p_verdict verdicts, p_setup bytea, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN p_verdict.setup = p_setup AND NOT p_verdict.is_withdrawn AND COALESCE(p_verdict.valid_until > p_now, true)
           AND p_verdict.trust_revision = (SELECT t.revision FROM trust_revision AS t)
           AND EXISTS (
               SELECT FROM verification_policies AS p WHERE p.name = p_verdict.policy AND p.digest = p_verdict.policy_digest
           )
           AND NOT EXISTS (
               SELECT FROM unnest(p_verdict.carriers) AS carrier
               JOIN sbom_scopes AS s ON s.id = p_verdict.scope_id AND s.kind = 'repository'
               JOIN evidence_pushes AS e ON e.repository = s.name AND e.is_deletion AND e.reference = 'sha256:' || encode(carrier, 'hex')
               WHERE e.told_at > p_verdict.made_at OR e.due_at > now()
           );
END
$$;
COMMENT ON FUNCTION verdict_counts IS 'Whether a verdict counts at p_now for whoever verifies by p_setup. What it rests on may be gone while a request about it is under way, and since then until somebody has asked the registry.';

DROP FUNCTION store_verdict(
    uuid, text, text, text, bytea, text, bytea, bytea, bigint, boolean, text, bytea[], bytea, bytea, text, timestamptz, text,
    timestamptz, timestamptz, double precision
);

CREATE FUNCTION store_verdict(
    p_id uuid, p_kind text, p_scope text, p_key text, p_subject bytea, p_policy text, p_policy_digest bytea,
    p_inputs_digest bytea, p_trust_revision bigint, p_passed boolean, p_verdict text, p_carriers bytea[], p_summary bytea,
    p_attached bytea, p_host text, p_made_at timestamptz, p_made_by text, p_valid_until timestamptz, p_told_at timestamptz,
    p_pause_seconds double precision, p_setup bytea, p_is_to_be_signed boolean,
    OUT status text, OUT replaced bytea
)
LANGUAGE plpgsql AS $$
DECLARE
    v_scope_id bigint;
    v_told_at  timestamptz := CASE WHEN p_is_to_be_signed THEN clock_timestamp() END;
    v_held     timestamptz := clock_timestamp() + make_interval(secs => p_pause_seconds);
BEGIN
    IF p_kind = 'bucket' THEN
        -- A bucket that is being deleted takes its verdicts along; none may come behind it.
        PERFORM FROM buckets WHERE buckets.name = p_scope FOR KEY SHARE;
        IF NOT FOUND THEN
            status := 'NoSuchBucket';
            RETURN;
        END IF;
    END IF;
    INSERT INTO sbom_scopes AS s (kind, name) VALUES (p_kind, p_scope)
    ON CONFLICT (kind, name) DO UPDATE SET name = EXCLUDED.name RETURNING s.id INTO v_scope_id;
    SELECT v.attached INTO replaced FROM verdicts AS v
    WHERE v.scope_id = v_scope_id AND v.subject = p_subject AND v.key = p_key AND v.policy = p_policy FOR UPDATE;
    INSERT INTO verdicts AS v (
        id, scope_id, key, subject, policy, policy_digest, inputs_digest, trust_revision, setup, passed, verdict, carriers, summary,
        attached, host, made_at, made_by, valid_until, told_at, held_until
    ) VALUES (
        p_id, v_scope_id, p_key, p_subject, p_policy, p_policy_digest, p_inputs_digest, p_trust_revision, p_setup, p_passed, p_verdict,
        p_carriers, p_summary, p_attached, p_host, p_made_at, p_made_by, p_valid_until, v_told_at,
        CASE WHEN p_is_to_be_signed THEN v_held END
    )
    ON CONFLICT (scope_id, subject, key, policy) DO UPDATE SET
        id = EXCLUDED.id, policy_digest = EXCLUDED.policy_digest, inputs_digest = EXCLUDED.inputs_digest,
        trust_revision = EXCLUDED.trust_revision, setup = EXCLUDED.setup,
        setup_changed_at = CASE WHEN v.setup <> EXCLUDED.setup THEN clock_timestamp() ELSE v.setup_changed_at END,
        passed = EXCLUDED.passed, verdict = EXCLUDED.verdict,
        carriers = EXCLUDED.carriers, summary = EXCLUDED.summary, attached = EXCLUDED.attached, host = EXCLUDED.host,
        made_at = EXCLUDED.made_at, made_by = EXCLUDED.made_by, valid_until = EXCLUDED.valid_until, attempts = 0,
        -- What happened while it was being made is looked at again.
        told_at = CASE WHEN v.told_at IS DISTINCT FROM p_told_at THEN v.told_at ELSE v_told_at END,
        is_withdrawn = v.is_withdrawn AND v.told_at IS DISTINCT FROM p_told_at,
        held_until = v_held;
    status := 'ok';
END
$$;
COMMENT ON FUNCTION store_verdict IS 'The last verdict of a policy on an artifact. p_told_at: what told_at was before its evidence was looked for. p_is_to_be_signed: it could not be signed or attached, and is made anew after the pause. replaced: the manifest by which the one before was attached.';

-- What was left out of a manifest was taken for all there is in it: it is read again, and what there is no room for is not all.
UPDATE evidence_subjects AS s SET is_whole = false, due_at = clock_timestamp()
WHERE EXISTS (SELECT FROM evidence AS e WHERE e.subject_id = s.id AND e.refusal = 'too_much');
DELETE FROM evidence AS e USING evidence AS left_out
WHERE left_out.refusal = 'too_much' AND e.subject_id = left_out.subject_id AND e.carrier = left_out.carrier;
