-- The live session that a request shows: by its refresh token (family and counter) or by its access token (session id).
-- It only looks: reuse is for a refresh to decide. `refusal` is NULL, or the result to return.
CREATE OR REPLACE FUNCTION latchkey.authenticate(
  p_family_hash bytea, p_counter bigint, p_session_id uuid,
  OUT session latchkey.sessions, OUT account latchkey.users, OUT refusal jsonb
) LANGUAGE plpgsql STABLE AS $$
DECLARE
  s sessions;
  u users;
BEGIN
  IF p_family_hash IS NOT NULL THEN
    SELECT * INTO s FROM sessions WHERE family_hash = p_family_hash;
  ELSE
    SELECT * INTO s FROM sessions WHERE id = p_session_id;
  END IF;
  SELECT * INTO u FROM users WHERE id = s.user_id;
  IF s.id IS NULL OR s.revoked_at IS NOT NULL OR s.idle_expires_at <= now() OR u.disabled_at IS NOT NULL THEN
    refusal := jsonb_build_object('kind', 'signed-out');
  ELSIF p_family_hash IS NOT NULL AND p_counter <> s.counter
    AND NOT (p_counter = s.counter - 1 AND s.rotated_at > now() - lifetime('reuse_interval')) THEN
    refusal := jsonb_build_object('kind',
      CASE WHEN p_counter = s.counter - 1 AND NOT s.confirmed THEN 'refresh-required' ELSE 'signed-out' END);
  ELSE
    session := s;
    account := u;
  END IF;
END $$;
