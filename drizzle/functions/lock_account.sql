-- For changes of an account: everything that they may touch, in the one order of locks. Held until the change is done, so
-- a login under way is either seen or waits.
CREATE OR REPLACE FUNCTION latchkey.lock_account(p_user_id uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  address text;
BEGIN
  PERFORM FROM login_attempts WHERE user_id = p_user_id ORDER BY key FOR UPDATE;
  SELECT email_normalized INTO address FROM users WHERE id = p_user_id FOR NO KEY UPDATE;
  PERFORM FROM registrations WHERE email_normalized = address ORDER BY id FOR NO KEY UPDATE;
  PERFORM FROM one_time_tokens WHERE user_id = p_user_id AND consumed_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  PERFORM FROM sessions WHERE user_id = p_user_id AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE;
END $$;
