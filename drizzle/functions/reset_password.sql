-- Consumes a reset token: sets the password, unlocks it and revokes every session, all or nothing. The account is locked
-- first, so it sees every session that a login under way opened.
CREATE OR REPLACE FUNCTION latchkey.reset_password(
  p_token_id uuid, p_token_key bytea, p_password_hash text, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  retry_after integer := consume_rate_limit('link-token', p_token_key);
  u users;
BEGIN
  IF retry_after IS NOT NULL THEN RETURN limited(retry_after); END IF;
  SELECT users.* INTO u FROM users JOIN one_time_tokens t ON t.user_id = users.id WHERE t.id = p_token_id;
  PERFORM lock_account(u.id);
  SELECT * INTO u FROM users WHERE id = u.id AND disabled_at IS NULL;
  UPDATE one_time_tokens SET consumed_at = now()
  WHERE id = p_token_id AND user_id = u.id AND purpose = 'reset' AND consumed_at IS NULL AND expires_at > now();
  IF NOT FOUND THEN RETURN jsonb_build_object('kind', 'consumed'); END IF;

  UPDATE users SET password_hash = p_password_hash, security_version = security_version + 1, updated_at = now()
  WHERE id = u.id RETURNING * INTO u;
  PERFORM clear_attempts(u.id);
  PERFORM revoke_all_sessions(u.id, NULL, 'reset', p_request);
  PERFORM write_event('password-reset', u.id, NULL, p_request, NULL);
  RETURN jsonb_build_object('kind', 'reset', 'user', user_of(u),
    'emails', jsonb_build_array(enqueue_email('password-reset', u.email, NULL, NULL)));
END $$;
