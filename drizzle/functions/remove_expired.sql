-- Removes what is no longer needed of one table, a batch at a time. As many as a batch were removed: there may be more.
-- Keys in an array are looked up by their index; IN (SELECT …) would have the whole table read beside it.
CREATE OR REPLACE FUNCTION latchkey.remove_expired(p_what text) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  batch integer := maximum('removed_at_once');
  consumed_before timestamptz := now() - lifetime('keep_consumed');
  removed integer;
BEGIN
  CASE p_what
    WHEN 'registrations' THEN
      DELETE FROM registrations WHERE id = ANY (ARRAY(SELECT id FROM registrations
        WHERE created_at < now() - lifetime('registration') ORDER BY created_at LIMIT batch FOR UPDATE SKIP LOCKED));
    WHEN 'sessions' THEN
      -- However it ended. Its absolute expiry is 30 days after it began, so nothing that ended in it is kept for longer.
      DELETE FROM sessions WHERE id = ANY (ARRAY(SELECT id FROM sessions
        WHERE absolute_expires_at < now() ORDER BY absolute_expires_at LIMIT batch FOR UPDATE SKIP LOCKED));
    WHEN 'one-time-tokens' THEN
      DELETE FROM one_time_tokens WHERE id = ANY (ARRAY(SELECT id FROM one_time_tokens
        WHERE expires_at < consumed_before ORDER BY expires_at LIMIT batch FOR UPDATE SKIP LOCKED));
    WHEN 'emails' THEN
      DELETE FROM outbox WHERE id = ANY (ARRAY(SELECT id FROM outbox
        WHERE created_at < consumed_before AND (sent_at IS NOT NULL OR failed_at IS NOT NULL)
        ORDER BY created_at LIMIT batch FOR UPDATE SKIP LOCKED));
    WHEN 'rate-limits' THEN
      DELETE FROM rate_limits WHERE key = ANY (ARRAY(SELECT key FROM rate_limits
        WHERE theoretical_arrival_at < now() LIMIT batch FOR UPDATE SKIP LOCKED));
    WHEN 'login-attempts' THEN
      -- What is locked stays, for an unknown address as for an account: otherwise the next attempt would tell them apart.
      DELETE FROM login_attempts WHERE key = ANY (ARRAY(SELECT key FROM login_attempts a
        WHERE next_attempt_at < now() - lifetime('keep_login_attempts') AND (failures < maximum('locked_at')
          OR user_id IS NOT NULL AND NOT EXISTS (SELECT FROM users WHERE users.id = a.user_id))
        LIMIT batch FOR UPDATE SKIP LOCKED));
    WHEN 'event-ips' THEN
      -- The bound is given twice, so that younger partitions aren't looked at.
      UPDATE events e SET ip = NULL FROM (SELECT created_at, id FROM events
        WHERE ip IS NOT NULL AND created_at < now() - lifetime('keep_event_ip') ORDER BY created_at LIMIT batch FOR UPDATE SKIP LOCKED) old
      WHERE e.created_at = old.created_at AND e.id = old.id AND e.created_at < now() - lifetime('keep_event_ip');
  END CASE;
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN jsonb_build_object('kind', 'removed', 'removed', removed, 'more', removed = batch);
END $$;
