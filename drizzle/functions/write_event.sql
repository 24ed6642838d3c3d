-- One entry of the audit log. `p_request` is the request that caused it: {"id", "ip", "client"}.
CREATE OR REPLACE FUNCTION latchkey.write_event(
  p_kind text, p_user_id uuid, p_session_id uuid, p_request jsonb, p_detail jsonb
) RETURNS void LANGUAGE sql AS $$
  INSERT INTO events (kind, user_id, session_id, request_id, ip, detail)
  VALUES (p_kind, p_user_id, p_session_id, p_request->>'id', p_request->>'ip', p_detail)
$$;
