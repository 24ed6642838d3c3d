CREATE OR REPLACE FUNCTION latchkey.admin_set_role(p_user_id uuid, p_role text, p_request jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = latchkey, pg_temp AS $$
DECLARE
  previous text;
BEGIN
  SELECT role INTO previous FROM users WHERE id = p_user_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN jsonb_build_object('kind', 'not-found'); END IF;
  IF previous = p_role THEN RETURN jsonb_build_object('kind', 'done', 'changed', false); END IF;
  UPDATE users SET role = p_role, security_version = security_version + 1, updated_at = now() WHERE id = p_user_id;
  PERFORM write_event('role-changed', p_user_id, NULL, p_request,
    jsonb_build_object('from', previous, 'to', p_role, 'by', 'operator'));
  RETURN jsonb_build_object('kind', 'done', 'changed', true);
END $$;
