-- An account's sessions, or the one that is named.
CREATE OR REPLACE FUNCTION latchkey.admin_revoke_sessions(p_user_id uuid, p_session_id uuid, p_request jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = latchkey, pg_temp AS $$
DECLARE
  revoked uuid[];
BEGIN
  IF p_session_id IS NULL THEN
    PERFORM lock_account(p_user_id);
    revoked := revoke_all_sessions(p_user_id, NULL, 'operator', p_request);
  ELSE
    revoked := revoke_sessions(ARRAY[p_session_id], 'operator', p_request);
  END IF;
  RETURN jsonb_build_object('kind', 'done', 'revoked', cardinality(revoked));
END $$;
