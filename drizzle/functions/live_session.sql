-- A session that a token or a view is about to be made for. Moments are epoch seconds.
CREATE OR REPLACE FUNCTION latchkey.live_session(p_session latchkey.sessions, p_user latchkey.users)
RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object(
    'id', p_session.id, 'counter', p_session.counter, 'persistent', p_session.persistent, 'method', p_session.method,
    'authenticatedAt', extract(epoch FROM p_session.authenticated_at),
    'absoluteExpiresAt', extract(epoch FROM p_session.absolute_expires_at),
    'secondsLeft', extract(epoch FROM p_session.idle_expires_at - now()),
    'user', user_of(p_user))
$$;
