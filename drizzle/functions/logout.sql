-- Any token of a family ends its session. All sessions of the account are ended only by one that would be let in, and
-- that was authenticated a moment ago.
CREATE OR REPLACE FUNCTION latchkey.logout(p_family_hash bytea, p_counter bigint, p_everywhere boolean, p_request jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  me record;
  s sessions;
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
    END IF;
  END IF;
  SELECT * INTO s FROM sessions WHERE family_hash = p_family_hash;
  PERFORM revoke_sessions(ARRAY[s.id], 'logout', p_request);
  RETURN jsonb_build_object('kind', 'logged-out', 'sessionId', s.id, 'userId', s.user_id);
END $$;
