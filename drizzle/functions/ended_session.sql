-- What a refresh of a session that has ended responds. A copy that rotated on and then signed out is reported like one
-- that is still signed in. A session that was revoked a moment ago may have lost a race with a logout or a login: its
-- cookie may be newer by now, so the end isn't definite.
CREATE OR REPLACE FUNCTION latchkey.ended_session(
  p_session latchkey.sessions, p_user latchkey.users, p_presented bigint, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF p_session.revocation_reason IN ('logout', 'superseded') AND p_user.disabled_at IS NULL AND is_reuse(p_session, p_presented) THEN
    RETURN revoke_reused_session(p_session, p_user, p_presented, p_request);
  END IF;
  RETURN jsonb_build_object('kind', 'ended', 'sessionId', p_session.id, 'userId', p_session.user_id, 'definite',
    NOT coalesce(p_session.revocation_reason <> 'reuse' AND p_session.revoked_at > now() - lifetime('reuse_interval'), false));
END $$;
