-- What a response and a cookie are made from.
CREATE OR REPLACE FUNCTION latchkey.user_of(p_user latchkey.users) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('id', p_user.id, 'email', p_user.email, 'role', p_user.role,
    'securityVersion', p_user.security_version)
$$;
