-- Counts an attempt at the current password of a signed-in account and returns what to check it against. The session has a
-- bucket of its own: what strangers try at login doesn't keep the owner from changing the password. To give the password
-- is a step-up where it is the account's full strength; where it isn't, the session needs one.
CREATE OR REPLACE FUNCTION latchkey.begin_password_check(p_family_hash bytea, p_counter bigint, p_session_id uuid)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  me record := authenticate(p_family_hash, p_counter, p_session_id);
  retry_after integer;
  attempt record;
  refusal jsonb;
BEGIN
  IF me.refusal IS NOT NULL THEN RETURN me.refusal; END IF;
  retry_after := consume_rate_limit('password-check-account', subject_key('password-check-account', (me.account).id::text));
  IF retry_after IS NOT NULL THEN RETURN limited(retry_after); END IF;
  IF (me.account).second_factor_at IS NOT NULL AND NOT is_stepped_up(me.session, me.account) THEN
    refusal := jsonb_build_object('kind', 'reauthentication-required');
  ELSE
    attempt := count_attempt(subject_key('password-check-session', (me.session).id::text), (me.account).id);
  END IF;
  IF NOT confirm_session(me.session, p_counter) THEN RETURN jsonb_build_object('kind', 'signed-out'); END IF;
  IF refusal IS NOT NULL THEN RETURN refusal; END IF;
  IF attempt.failures IS NULL THEN RETURN limited(attempt.retry_after); END IF;
  RETURN jsonb_build_object('kind', 'counted',
    'subject', CASE WHEN attempt.failures > maximum('locked_at') THEN 'locked' ELSE 'account' END,
    'failures', attempt.failures, 'sessionId', (me.session).id, 'userId', (me.account).id, 'email', (me.account).email,
    'securityVersion', (me.account).security_version, 'passwordHash', (me.account).password_hash);
END $$;
