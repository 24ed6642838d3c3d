-- Presenting the current refresh token confirms it: from then on its predecessor is reuse. One write a rotation at most.
CREATE OR REPLACE FUNCTION latchkey.confirm_session(p_session latchkey.sessions, p_counter bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF p_counter = p_session.counter AND NOT p_session.confirmed THEN
    UPDATE sessions SET confirmed = true, last_used_at = now()
    WHERE id = p_session.id AND counter = p_counter AND NOT confirmed;
  END IF;
END $$;
