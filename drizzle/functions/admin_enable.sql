CREATE OR REPLACE FUNCTION latchkey.admin_enable(p_user_id uuid, p_request jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = latchkey, pg_temp AS $$
DECLARE
  enabled boolean;
BEGIN
  PERFORM FROM users WHERE id = p_user_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN jsonb_build_object('kind', 'not-found'); END IF;
  UPDATE users SET disabled_at = NULL, security_version = security_version + 1, updated_at = now()
  WHERE id = p_user_id AND disabled_at IS NOT NULL;
  enabled := FOUND;
  IF enabled THEN PERFORM write_event('account-enabled', p_user_id, NULL, p_request, '{"by": "operator"}'); END IF;
  RETURN jsonb_build_object('kind', 'done', 'changed', enabled);
END $$;
