-- Every way in ends here, and nothing else opens a session. The account's row is locked by the caller.
-- `p_supersedes` is the session that this browser had: it is revoked. So is the oldest of an account that has too many.
-- `p_absolute_expires_at` is inherited from a session that is replaced; NULL for a new sign-in.
CREATE OR REPLACE FUNCTION latchkey.open_session(
  p_user_id uuid, p_family_hash bytea, p_method text, p_persistent boolean, p_absolute_expires_at timestamptz,
  p_supersedes uuid, p_request jsonb
) RETURNS latchkey.sessions LANGUAGE plpgsql AS $$
DECLARE
  opened sessions;
  excess uuid[] := ARRAY(
    SELECT id FROM sessions
    WHERE user_id = p_user_id AND revoked_at IS NULL AND idle_expires_at > now() AND id IS DISTINCT FROM p_supersedes
    ORDER BY created_at DESC, id DESC OFFSET maximum('sessions_per_account') - 1);
  idle interval := CASE WHEN p_persistent THEN lifetime('session_idle') ELSE lifetime('short_session_idle') END;
  absolute interval := CASE WHEN p_persistent THEN lifetime('session_absolute') ELSE lifetime('short_session_absolute') END;
  expires_at timestamptz := coalesce(p_absolute_expires_at, now() + absolute);
BEGIN
  IF p_supersedes IS NOT NULL OR excess <> '{}' THEN
    PERFORM FROM sessions WHERE id = ANY (excess || p_supersedes) ORDER BY id FOR NO KEY UPDATE;
    PERFORM revoke_sessions(ARRAY[p_supersedes], 'superseded', p_request);
    PERFORM revoke_sessions(excess, 'session-limit', p_request);
  END IF;

  INSERT INTO sessions (id, user_id, family_hash, method, persistent, idle_expires_at, absolute_expires_at,
    client, ip, last_client, last_ip)
  VALUES (new_id(), p_user_id, p_family_hash, p_method, p_persistent, least(now() + idle, expires_at), expires_at,
    p_request->>'client', p_request->>'ip', p_request->>'client', p_request->>'ip')
  RETURNING * INTO opened;
  PERFORM write_event('session-created', p_user_id, opened.id, p_request, jsonb_build_object('method', p_method));
  RETURN opened;
END $$;
