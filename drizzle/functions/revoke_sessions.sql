-- Revokes those of the sessions that are live, with an event each, and returns their ids. Locks in the order of the ids,
-- so two of these never wait for one another.
CREATE OR REPLACE FUNCTION latchkey.revoke_sessions(p_ids uuid[], p_reason text, p_request jsonb)
RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
  revoked_ids uuid[];
BEGIN
  PERFORM FROM sessions WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE;
  WITH revoked AS (
    UPDATE sessions SET revoked_at = now(), revocation_reason = p_reason
    WHERE id = ANY (p_ids) AND revoked_at IS NULL AND idle_expires_at > now()
    RETURNING id, user_id
  ), logged AS (
    INSERT INTO events (kind, user_id, session_id, request_id, ip, detail)
    SELECT 'session-revoked', user_id, id, p_request->>'id', p_request->>'ip', jsonb_build_object('reason', p_reason)
    FROM revoked
  )
  SELECT coalesce(array_agg(id), '{}') INTO revoked_ids FROM revoked;
  RETURN revoked_ids;
END $$;
