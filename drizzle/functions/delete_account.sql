-- Deletes the account with its sessions, tokens, registrations and emails. Its events keep neither address nor network.
CREATE OR REPLACE FUNCTION latchkey.delete_account(p_family_hash bytea, p_counter bigint, p_session_id uuid, p_request jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  me record;
  u users;
  tokens uuid[];
BEGIN
  PERFORM lock_account(session_owner(p_family_hash, p_session_id));
  me := authenticate(p_family_hash, p_counter, p_session_id);
  IF me.refusal IS NOT NULL THEN RETURN me.refusal; END IF;
  PERFORM confirm_session(me.session, p_counter);
  IF NOT is_stepped_up(me.session, me.account) THEN RETURN jsonb_build_object('kind', 'reauthentication-required'); END IF;
  u := me.account;
  PERFORM clear_attempts(u.id);
  DELETE FROM registrations WHERE email_normalized = u.email_normalized;
  tokens := ARRAY(SELECT id FROM one_time_tokens WHERE user_id = u.id);
  DELETE FROM users WHERE id = u.id;
  DELETE FROM outbox WHERE recipient = u.email OR token_id = ANY (tokens);
  UPDATE events SET ip = NULL WHERE user_id = u.id;
  PERFORM write_event('account-deleted', u.id, NULL, p_request - 'ip', NULL);
  RETURN jsonb_build_object('kind', 'deleted', 'userId', u.id,
    'emails', jsonb_build_array(enqueue_email('account-deleted', u.email, NULL, NULL)));
END $$;
