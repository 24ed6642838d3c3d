-- Within the reuse interval only the browser that rotated gets the token again. Nothing is revoked.
CREATE OR REPLACE FUNCTION latchkey.refuse_other_browser(p_session latchkey.sessions, p_request jsonb)
RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM write_event('refresh-refused', p_session.user_id, p_session.id, p_request,
    jsonb_build_object('client', p_request->>'client'));
  RETURN jsonb_build_object('kind', 'refresh-required', 'sessionId', p_session.id, 'userId', p_session.user_id);
END $$;
