-- The one rule for what changes an account: authenticated within 5 minutes, and at full strength, which is with the
-- second factor where the account has one.
CREATE OR REPLACE FUNCTION latchkey.is_stepped_up(p_session latchkey.sessions, p_user latchkey.users)
RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT p_session.authenticated_at > clock_timestamp() - lifetime('step_up')
    AND (p_user.second_factor_at IS NULL OR p_session.method = 'passkey' OR p_session.method ~ '\+(totp|recovery-code)$')
$$;
