-- After a new password every bucket of the account starts over, so what was locked is open again. The caller holds the rows
-- that were there when it began; a login under way that came later keeps its own.
CREATE OR REPLACE FUNCTION latchkey.clear_attempts(p_user_id uuid) RETURNS void LANGUAGE sql AS $$
  DELETE FROM login_attempts WHERE key IN (
    SELECT key FROM login_attempts WHERE user_id = p_user_id FOR UPDATE SKIP LOCKED)
$$;
