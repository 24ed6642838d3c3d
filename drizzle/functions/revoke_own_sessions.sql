-- From the list of sessions: the chosen one, or where `p_chosen_id` is NULL all but the one that asks.
CREATE OR REPLACE FUNCTION latchkey.revoke_own_sessions(
  p_family_hash bytea, p_counter bigint, p_session_id uuid, p_chosen_id uuid, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  me record;
  revoked uuid[];
BEGIN
  PERFORM lock_account(session_owner(p_family_hash, p_session_id));
  me := authenticate(p_family_hash, p_counter, p_session_id);
  IF me.refusal IS NOT NULL THEN RETURN me.refusal; END IF;
  PERFORM confirm_session(me.session, p_counter);
  IF NOT is_stepped_up(me.session, me.account) THEN RETURN jsonb_build_object('kind', 'reauthentication-required'); END IF;
  IF p_chosen_id IS NULL THEN
    revoked := revoke_all_sessions((me.account).id, (me.session).id, 'revoked-by-user', p_request);
  ELSE
    revoked := revoke_sessions(
      ARRAY(SELECT id FROM sessions WHERE id = p_chosen_id AND user_id = (me.account).id), 'revoked-by-user', p_request);
    IF revoked = '{}' THEN RETURN jsonb_build_object('kind', 'not-found'); END IF;
  END IF;
  RETURN jsonb_build_object('kind', 'revoked', 'current', (me.session).id = ANY (revoked),
    'sessionId', (me.session).id, 'userId', (me.account).id);
END $$;
