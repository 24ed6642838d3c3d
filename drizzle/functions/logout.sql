-- Any token of a family ends its session. All sessions of the account are ended only by one that would be let in, and
-- that was authenticated a moment ago. A token that was reused is reported here, too.
CREATE OR REPLACE FUNCTION latchkey.logout(p_family_hash bytea, p_counter bigint, p_everywhere boolean, p_request jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  me record;
  s sessions;
  u users;
  result jsonb := jsonb_build_object('kind', 'logged-out');
BEGIN
  IF p_everywhere THEN
    PERFORM lock_account(session_owner(p_family_hash, NULL));
    me := authenticate(p_family_hash, p_counter, NULL);
    -- Not known to be let in yet: the session stays, and the person can try again after a refresh.
    IF me.refusal->>'kind' = 'refresh-required' THEN
      RETURN jsonb_build_object('kind', 'refresh-required');
    END IF;
    IF me.refusal IS NULL THEN
      PERFORM confirm_session(me.session, p_counter);
      IF NOT is_stepped_up(me.session, me.account) THEN
        RETURN jsonb_build_object('kind', 'reauthentication-required');
      END IF;
      PERFORM revoke_all_sessions((me.account).id, NULL, 'logout', p_request);
    ELSE
      -- This session ends, but the others weren't for it to end.
      result := jsonb_build_object('kind', 'signed-out');
    END IF;
  END IF;
  SELECT * INTO s FROM sessions WHERE family_hash = p_family_hash FOR NO KEY UPDATE;
  SELECT * INTO u FROM users WHERE id = s.user_id;
  IF s.revoked_at IS NULL AND s.idle_expires_at > now() AND is_reuse(s, p_counter) THEN
    RETURN revoke_reused_session(s, u, p_counter, p_request);
  END IF;
  PERFORM revoke_sessions(ARRAY[s.id], 'logout', p_request);
  RETURN result || jsonb_build_object('sessionId', s.id, 'userId', s.user_id);
END $$;
