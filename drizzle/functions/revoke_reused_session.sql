-- Refresh token reuse (RFC 9700, section 4.14.2): the session is revoked, and its owner hears of it.
CREATE OR REPLACE FUNCTION latchkey.revoke_reused_session(
  p_session latchkey.sessions, p_user latchkey.users, p_presented bigint, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  UPDATE sessions SET revoked_at = coalesce(revoked_at, now()), revocation_reason = 'reuse' WHERE id = p_session.id;
  PERFORM write_event('refresh-token-reused', p_session.user_id, p_session.id, p_request,
    jsonb_build_object('presented', p_presented, 'current', p_session.counter));
  RETURN jsonb_build_object('kind', 'reused', 'sessionId', p_session.id, 'userId', p_session.user_id,
    'emails', jsonb_build_array(enqueue_email('refresh-token-reused', p_user.email, NULL, NULL)));
END $$;
