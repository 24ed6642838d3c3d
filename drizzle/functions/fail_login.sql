-- The event of a failed login. The failure that locks the password queues an email to its owner. `p_failures` is of
-- the attempt that failed, so exactly one of several at once is that one.
CREATE OR REPLACE FUNCTION latchkey.fail_login(
  p_email_normalized text, p_subject text, p_failures integer, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  u users;
  emails jsonb := '[]';
BEGIN
  IF p_subject IN ('account', 'locked') THEN
    SELECT * INTO u FROM users WHERE email_normalized = p_email_normalized;
  END IF;
  PERFORM write_event('login-failed', u.id, NULL, p_request, jsonb_build_object('subject', p_subject));
  IF p_subject = 'account' AND u.id IS NOT NULL AND p_failures = maximum('locked_at') THEN
    PERFORM write_event('password-locked', u.id, NULL, p_request, NULL);
    emails := jsonb_build_array(enqueue_email('password-locked', u.email, NULL, NULL));
  END IF;
  RETURN jsonb_build_object('kind', 'failed', 'emails', emails);
END $$;
