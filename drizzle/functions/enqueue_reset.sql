-- A reset link in the place of an older one. The account's row is locked by the caller.
CREATE OR REPLACE FUNCTION latchkey.enqueue_reset(p_user latchkey.users, p_kind text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  token one_time_tokens;
BEGIN
  UPDATE one_time_tokens SET consumed_at = now() WHERE user_id = p_user.id AND purpose = 'reset' AND consumed_at IS NULL;
  INSERT INTO one_time_tokens (id, user_id, purpose, expires_at)
  VALUES (new_id(), p_user.id, 'reset', date_trunc('second', now()) + lifetime('reset_link')) RETURNING * INTO token;
  RETURN enqueue_email(p_kind, p_user.email, token.id, token.expires_at);
END $$;
