-- Removes the password, revokes every session and queues a reset link, which is due at once: no function is on its way
-- with it. A disabled account gets no email.
CREATE OR REPLACE FUNCTION latchkey.admin_force_reset(p_user_id uuid, p_request jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = latchkey, pg_temp AS $$
DECLARE
  u users;
  revoked uuid[];
  email jsonb;
BEGIN
  PERFORM lock_account(p_user_id);
  UPDATE users SET password_hash = NULL, security_version = security_version + 1, updated_at = now()
  WHERE id = p_user_id RETURNING * INTO u;
  IF NOT FOUND THEN RETURN jsonb_build_object('kind', 'not-found'); END IF;
  PERFORM clear_attempts(u.id);
  revoked := revoke_all_sessions(u.id, NULL, 'operator', p_request);
  PERFORM write_event('password-locked', u.id, NULL, p_request, '{"by": "operator"}');
  IF u.disabled_at IS NULL THEN
    email := enqueue_reset(u, 'reset-required');
    UPDATE outbox SET next_attempt_at = now() WHERE id = (email->>'id')::uuid;
    PERFORM write_event('reset-requested', u.id, NULL, p_request, '{"by": "operator"}');
  END IF;
  RETURN jsonb_build_object('kind', 'done', 'revoked', cardinality(revoked), 'email', email);
END $$;
