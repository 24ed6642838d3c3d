-- Refresh. With p presented and c the session's counter (docs/sessions.md says why):
--   p = c       after the reuse interval: rotate. Within it: the same token again.
--   p = c - 1   within the interval, same browser and system: the token of c again (a second tab, a retry).
--               within the interval, another browser or system: refused, nothing revoked.
--               later, while c was never presented: a recovery, the token of c again (a lost response), from which the
--               interval starts again. At most two different counters in a row.
--   p < c       otherwise: reuse. The session is revoked and its owner told.
CREATE OR REPLACE FUNCTION latchkey.rotate_session(p_family_hash bytea, p_presented bigint, p_request jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  retry_after integer;
  reuse_interval interval := lifetime('reuse_interval');
  in_interval boolean;
  recovers boolean;
  s sessions;
  u users;
BEGIN
  SELECT * INTO s FROM sessions WHERE family_hash = p_family_hash;
  -- A rotation is due once an interval, so it isn't counted.
  IF p_presented IS DISTINCT FROM s.counter OR s.rotated_at > now() - reuse_interval THEN
    retry_after := consume_rate_limit('refresh-session', subject_key('refresh-session', encode(p_family_hash, 'hex')));
    IF retry_after IS NOT NULL THEN RETURN limited(retry_after); END IF;
  END IF;
  SELECT * INTO s FROM sessions WHERE family_hash = p_family_hash FOR NO KEY UPDATE;
  SELECT * INTO u FROM users WHERE id = s.user_id;
  IF s.id IS NULL OR u.disabled_at IS NOT NULL OR p_presented > s.counter OR s.revoked_at IS NOT NULL OR s.idle_expires_at <= now() THEN
    RETURN ended_session(s, u, p_presented, p_request);
  END IF;
  in_interval := s.rotated_at > now() - reuse_interval;

  IF p_presented = s.counter AND in_interval THEN
    UPDATE sessions SET confirmed = true WHERE id = s.id AND NOT confirmed;
  ELSIF p_presented = s.counter THEN
    UPDATE sessions SET counter = counter + 1, confirmed = false, rotated_at = now(), last_used_at = now(),
      recovered_in_a_row = CASE WHEN recovered_counter = counter THEN recovered_in_a_row ELSE 0 END,
      idle_expires_at = least(absolute_expires_at,
        now() + CASE WHEN persistent THEN lifetime('session_idle') ELSE lifetime('short_session_idle') END),
      last_client = p_request->>'client', last_ip = p_request->>'ip'
    WHERE id = s.id RETURNING * INTO s;
  ELSIF p_presented = s.counter - 1 AND in_interval THEN
    IF s.last_client IS DISTINCT FROM p_request->>'client' THEN RETURN refuse_other_browser(s, p_request); END IF;
  ELSE
    recovers := s.recovered_counter IS DISTINCT FROM s.counter;
    IF is_reuse(s, p_presented) OR recovers AND s.recovered_in_a_row >= maximum('recoveries_in_a_row') THEN
      RETURN revoke_reused_session(s, u, p_presented, p_request);
    END IF;
    IF NOT recovers AND s.last_client IS DISTINCT FROM p_request->>'client' THEN RETURN refuse_other_browser(s, p_request); END IF;
    IF recovers THEN
      UPDATE sessions SET recovered_counter = counter, recovered_in_a_row = recovered_in_a_row + 1, rotated_at = now(),
        last_used_at = now(), last_client = p_request->>'client', last_ip = p_request->>'ip' WHERE id = s.id;
      PERFORM write_event('session-recovered', s.user_id, s.id, p_request, jsonb_build_object('counter', s.counter));
    END IF;
  END IF;
  RETURN jsonb_build_object('kind', 'live', 'session', live_session(s, u));
END $$;
