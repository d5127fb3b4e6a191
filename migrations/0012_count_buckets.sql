-- What the buckets hold that there were before anything was counted. Every change since 0011 was counted, and a recount is
-- of one snapshot, so that writers go on meanwhile.

DO $$
DECLARE
    v_bucket text;
BEGIN
    FOR v_bucket IN SELECT name FROM buckets ORDER BY id LOOP
        PERFORM recount_usage(v_bucket);
    END LOOP;
END
$$;
