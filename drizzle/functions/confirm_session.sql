-- Presenting the current refresh token confirms it: from then on its predecessor is reuse. One write a rotation at most.
-- False if the session was revoked by a request that this one waited for.
CREATE OR REPLACE FUNCTION latchkey.confirm_session(p_session latchkey.sessions, p_counter bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF p_counter IS DISTINCT FROM p_session.counter OR p_session.confirmed THEN RETURN true; END IF;
  UPDATE sessions SET confirmed = true, last_used_at = now() WHERE id = p_session.id AND counter = p_counter AND NOT confirmed;
  RETURN EXISTS (SELECT FROM sessions WHERE id = p_session.id AND revoked_at IS NULL);
END $$;
