-- A thousand at a time, in the order of their ids: those after `p_after` that were opened up to `p_opened_before`.
CREATE OR REPLACE FUNCTION latchkey.admin_revoke_everyones_sessions(
  p_after uuid, p_opened_before timestamptz, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SET search_path = latchkey, pg_temp AS $$
DECLARE
  batch uuid[] := ARRAY(
    SELECT id FROM sessions
    WHERE revoked_at IS NULL AND idle_expires_at > now() AND id > p_after AND created_at <= p_opened_before
    ORDER BY id LIMIT 1000);
BEGIN
  RETURN jsonb_build_object('kind', 'done', 'revoked', cardinality(revoke_sessions(batch, 'operator', p_request)),
    'last', batch[cardinality(batch)]);
END $$;
