-- True for a refresh token that its own browser can't have by mistake: its successor was presented, or there are two.
CREATE OR REPLACE FUNCTION latchkey.is_reuse(p_session latchkey.sessions, p_counter bigint)
RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT p_counter < p_session.counter - 1 OR p_counter = p_session.counter - 1 AND p_session.confirmed
    AND p_session.rotated_at <= now() - lifetime('reuse_interval')
$$;
