-- Revokes every live session of an account but one, which may be NULL. The account's row is locked by the caller.
CREATE OR REPLACE FUNCTION latchkey.revoke_all_sessions(p_user_id uuid, p_except uuid, p_reason text, p_request jsonb)
RETURNS uuid[] LANGUAGE sql AS $$
  SELECT revoke_sessions(ARRAY(
    SELECT id FROM sessions
    WHERE user_id = p_user_id AND revoked_at IS NULL AND idle_expires_at > now() AND id IS DISTINCT FROM p_except
  ), p_reason, p_request)
$$;
