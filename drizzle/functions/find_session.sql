-- The session that a request shows, and whether it may change the account.
CREATE OR REPLACE FUNCTION latchkey.find_session(p_family_hash bytea, p_counter bigint, p_session_id uuid)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  me record := authenticate(p_family_hash, p_counter, p_session_id);
BEGIN
  IF me.refusal IS NOT NULL THEN RETURN me.refusal; END IF;
  IF NOT confirm_session(me.session, p_counter) THEN RETURN jsonb_build_object('kind', 'signed-out'); END IF;
  RETURN jsonb_build_object('kind', 'signed-in', 'session', live_session(me.session, me.account),
    'steppedUp', is_stepped_up(me.session, me.account));
END $$;
