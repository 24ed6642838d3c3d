-- Gives `events` a partition for this month and the next three, and drops those that are past the time they are kept.
-- A new partition is attached, not made in place: that lets inserts go on. What the default partition has of its month
-- moves along. A table that is busy for more than a second is left to the next run.
CREATE OR REPLACE FUNCTION latchkey.maintain_event_partitions() RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp SET lock_timeout = '1s' SET timezone = 'UTC' AS $$
DECLARE
  keep_from timestamptz := now() - lifetime('keep_events');
  first_month timestamptz;
  next_month timestamptz;
  name text;
  created text[] := '{}';
  dropped text[] := '{}';
  removed integer;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('latchkey.maintain_event_partitions'));
  FOR ahead IN 0 .. maximum('event_months_ahead') LOOP
    first_month := date_trunc('month', now()) + make_interval(months => ahead);
    next_month := first_month + interval '1 month';
    name := 'events_' || to_char(first_month, 'YYYY_MM');
    CONTINUE WHEN to_regclass('latchkey.' || name) IS NOT NULL;
    EXECUTE format('CREATE TABLE latchkey.%I (LIKE latchkey.events INCLUDING ALL)', name);
    -- The owner's default privileges may give more.
    EXECUTE format('REVOKE ALL ON latchkey.%I FROM PUBLIC', name);
    -- A request under way may have written an event of that month there. Attaching takes this lock anyway.
    LOCK TABLE events_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('WITH moved AS (DELETE FROM latchkey.events_default WHERE created_at >= %L AND created_at < %L RETURNING *)
      INSERT INTO latchkey.%I SELECT * FROM moved', first_month, next_month, name);
    EXECUTE format('ALTER TABLE latchkey.events ATTACH PARTITION latchkey.%I FOR VALUES FROM (%L) TO (%L)',
      name, first_month, next_month);
    created := created || name;
  END LOOP;
  FOR name IN
    SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'latchkey.events'::regclass AND relname ~ '^events_\d{4}_\d\d$'
      AND to_date(substring(relname FROM 8), 'YYYY_MM') + interval '1 month' <= keep_from
    ORDER BY relname
  LOOP
    BEGIN
      PERFORM set_config('lock_timeout', '100ms', true);
      EXECUTE format('ALTER TABLE latchkey.events DETACH PARTITION latchkey.%I', name);
      EXECUTE format('DROP TABLE latchkey.%I', name);
      dropped := dropped || name;
    EXCEPTION WHEN lock_not_available THEN
      -- Somebody reads the log. Every write of an event would wait behind this, so it is left to the next run.
    END;
  END LOOP;
  DELETE FROM events_default WHERE created_at < keep_from;
  GET DIAGNOSTICS removed = ROW_COUNT;
  IF removed > 0 OR dropped <> '{}' THEN
    PERFORM write_event('events-purged', NULL, NULL, '{}',
      jsonb_build_object('before', to_char(keep_from, 'YYYY-MM-DD'), 'partitions', dropped, 'removed', removed));
  END IF;
  RETURN jsonb_build_object('kind', 'maintained', 'created', created, 'dropped', dropped, 'removed', removed);
END $$;
