-- Counts an attempt and returns what to check the password against. It counts as a failure until it succeeds. An account,
-- each device cookie and each unknown address have a bucket of their own, so a stranger's guesses close only the
-- stranger's way. A device cookie of an older `security_version` counts for none.
CREATE OR REPLACE FUNCTION latchkey.begin_login(
  p_email_normalized text, p_source_key bytea, p_address_key bytea, p_device_key bytea, p_device_version integer,
  p_registration_id uuid
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  retry_after integer := consume_rate_limit('login-source', p_source_key);
  u users;
  attempt record;
  registration_hash text;
  subject text := 'unknown';
BEGIN
  IF retry_after IS NOT NULL THEN RETURN limited(retry_after); END IF;
  SELECT * INTO u FROM users WHERE email_normalized = p_email_normalized;
  attempt := count_attempt(login_attempts_key(u.id, p_address_key,
    CASE WHEN u.security_version = p_device_version THEN p_device_key END), u.id);
  IF attempt.failures IS NULL THEN RETURN limited(attempt.retry_after); END IF;

  IF u.id IS NOT NULL AND u.disabled_at IS NULL THEN
    subject := CASE WHEN attempt.failures > maximum('locked_at') THEN 'locked' ELSE 'account' END;
  ELSIF u.id IS NULL THEN
    SELECT password_hash INTO registration_hash FROM registrations
    WHERE email_normalized = p_email_normalized AND consumed_at IS NULL
    ORDER BY id = p_registration_id DESC NULLS LAST, created_at DESC LIMIT 1;
    IF FOUND THEN subject := 'registration'; END IF;
  END IF;
  RETURN jsonb_build_object('kind', 'counted', 'subject', subject, 'failures', attempt.failures,
    'userId', CASE WHEN subject IN ('account', 'locked') THEN u.id END,
    'securityVersion', u.security_version,
    'passwordHash', CASE subject WHEN 'registration' THEN registration_hash WHEN 'unknown' THEN NULL ELSE u.password_hash END);
END $$;
