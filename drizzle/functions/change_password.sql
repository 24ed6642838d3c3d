-- Sets the password after the current one was found right. Every other session is revoked; this one is replaced by one
-- of a new family with the same absolute expiry, so a copied token of either is worth nothing.
CREATE OR REPLACE FUNCTION latchkey.change_password(
  p_family_hash bytea, p_counter bigint, p_session_id uuid, p_security_version integer, p_password_hash text,
  p_new_family_hash bytea, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  me record;
  u users;
  opened sessions;
BEGIN
  PERFORM lock_account(session_owner(p_family_hash, p_session_id));
  me := authenticate(p_family_hash, p_counter, p_session_id);
  IF me.refusal IS NOT NULL OR (me.account).security_version <> p_security_version THEN
    RETURN jsonb_build_object('kind', 'signed-out');
  END IF;
  UPDATE users SET password_hash = p_password_hash, security_version = security_version + 1, updated_at = now()
  WHERE id = (me.account).id RETURNING * INTO u;
  PERFORM clear_attempts(u.id);
  PERFORM revoke_all_sessions(u.id, (me.session).id, 'password-change', p_request);
  opened := open_session(u.id, p_new_family_hash,
    CASE WHEN u.second_factor_at IS NULL THEN 'password' ELSE (me.session).method END, (me.session).persistent,
    (me.session).absolute_expires_at, (me.session).id, p_request);
  PERFORM write_event('password-changed', u.id, opened.id, p_request, NULL);
  RETURN jsonb_build_object('kind', 'changed', 'session', live_session(opened, u),
    'emails', jsonb_build_array(enqueue_email('password-changed', u.email, NULL, NULL)));
END $$;
