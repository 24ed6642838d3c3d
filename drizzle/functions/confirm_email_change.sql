-- Consumes an email change's token where the request is signed in to the same account, or its password was found right at
-- `p_security_version`. A reset link that went to the old address opens nothing any more.
CREATE OR REPLACE FUNCTION latchkey.confirm_email_change(
  p_token_id uuid, p_token_key bytea, p_security_version integer, p_family_hash bytea, p_counter bigint, p_session_id uuid,
  p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  retry_after integer := consume_rate_limit('link-token', p_token_key);
  t one_time_tokens;
  u users;
  old_email text;
  me record;
BEGIN
  IF retry_after IS NOT NULL THEN RETURN limited(retry_after); END IF;
  SELECT users.* INTO u FROM users JOIN one_time_tokens ot ON ot.user_id = users.id WHERE ot.id = p_token_id;
  PERFORM lock_account(u.id);
  SELECT * INTO u FROM users WHERE id = u.id AND disabled_at IS NULL;
  SELECT * INTO t FROM one_time_tokens
  WHERE id = p_token_id AND user_id = u.id AND purpose = 'email-change' AND consumed_at IS NULL AND expires_at > now();
  IF NOT FOUND THEN RETURN jsonb_build_object('kind', 'consumed'); END IF;
  me := authenticate(p_family_hash, p_counter, p_session_id);
  IF (me.account).id IS DISTINCT FROM u.id AND p_security_version IS DISTINCT FROM u.security_version THEN
    RETURN jsonb_build_object('kind', 'unverified', 'passwordHash', u.password_hash, 'securityVersion', u.security_version);
  END IF;

  PERFORM confirm_session(me.session, p_counter);
  UPDATE one_time_tokens SET consumed_at = now() WHERE id = t.id;
  old_email := u.email;
  BEGIN
    UPDATE users SET email = t.new_email, email_normalized = t.new_email_normalized, email_verified_at = now(),
      security_version = security_version + 1, updated_at = now() WHERE id = u.id RETURNING * INTO u;
  EXCEPTION WHEN unique_violation THEN
    -- The address has another account by now.
    RETURN jsonb_build_object('kind', 'consumed');
  END;
  UPDATE one_time_tokens SET consumed_at = now() WHERE user_id = u.id AND purpose = 'reset' AND consumed_at IS NULL;
  PERFORM write_event('email-changed', u.id, NULL, p_request, NULL);
  RETURN jsonb_build_object('kind', 'confirmed', 'user', user_of(u),
    'persistent', CASE WHEN (me.account).id = u.id THEN (me.session).persistent END,
    'emails', jsonb_build_array(enqueue_email('email-changed', old_email, NULL, NULL)));
END $$;
