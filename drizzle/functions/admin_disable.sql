CREATE OR REPLACE FUNCTION latchkey.admin_disable(p_user_id uuid, p_request jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = latchkey, pg_temp AS $$
DECLARE
  disabled boolean;
  revoked uuid[];
BEGIN
  PERFORM lock_account(p_user_id);
  IF NOT EXISTS (SELECT FROM users WHERE id = p_user_id) THEN RETURN jsonb_build_object('kind', 'not-found'); END IF;
  UPDATE users SET disabled_at = now(), security_version = security_version + 1, updated_at = now()
  WHERE id = p_user_id AND disabled_at IS NULL;
  disabled := FOUND;
  IF disabled THEN PERFORM write_event('account-disabled', p_user_id, NULL, p_request, '{"by": "operator"}'); END IF;
  revoked := revoke_all_sessions(p_user_id, NULL, 'operator', p_request);
  RETURN jsonb_build_object('kind', 'done', 'changed', disabled, 'revoked', cardinality(revoked));
END $$;
