-- After the password was found right: opens the session, unless what was checked has changed meanwhile.
-- With `p_reauthenticates` only for the account of the presented session, which it replaces.
CREATE OR REPLACE FUNCTION latchkey.finish_login(
  p_email_normalized text, p_security_version integer, p_checked_hash text, p_rehash text, p_device_key bytea,
  p_family_hash bytea, p_presented_family_hash bytea, p_presented_counter bigint, p_reauthenticates boolean,
  p_persistent boolean, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  attempts_key bytea;
  attempts login_attempts;
  u users;
  presented record;
  me record;
  opened sessions;
  emails jsonb := '[]';
BEGIN
  SELECT * INTO u FROM users WHERE email_normalized = p_email_normalized;
  attempts_key := login_attempts_key(u.id, NULL, p_device_key);
  SELECT * INTO attempts FROM login_attempts WHERE key = attempts_key FOR UPDATE;
  SELECT * INTO u FROM users WHERE email_normalized = p_email_normalized FOR NO KEY UPDATE;
  IF u.id IS NULL OR u.security_version <> p_security_version OR u.disabled_at IS NOT NULL OR u.password_hash IS NULL THEN
    RETURN jsonb_build_object('kind', 'changed');
  END IF;
  SELECT id, user_id, persistent, absolute_expires_at INTO presented FROM sessions WHERE family_hash = p_presented_family_hash;
  IF p_reauthenticates THEN
    -- Held, so that a logout under way is either seen or waits.
    PERFORM FROM sessions WHERE user_id = u.id AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE;
    me := authenticate(p_presented_family_hash, p_presented_counter, NULL);
    -- The attempt stays counted: otherwise any session would be a silent way to try another account's password.
    IF me.refusal IS NOT NULL OR presented.user_id <> u.id THEN
      PERFORM write_event('login-failed', u.id, NULL, p_request, jsonb_build_object('subject', 'account'));
      IF me.refusal IS NOT NULL THEN RETURN me.refusal; END IF;
      RETURN jsonb_build_object('kind', 'different-account');
    END IF;
  END IF;
  -- Only what is held: a row that came later is another attempt's to remove.
  DELETE FROM login_attempts WHERE key = attempts.key AND user_id = u.id;

  IF p_rehash IS NOT NULL THEN
    UPDATE users SET password_hash = p_rehash WHERE id = u.id AND password_hash = p_checked_hash;
  END IF;
  -- A session that is presented is superseded, whatever its account.
  opened := open_session(u.id, p_family_hash, 'password',
    CASE WHEN p_reauthenticates THEN presented.persistent ELSE p_persistent END,
    CASE WHEN p_reauthenticates THEN presented.absolute_expires_at END, presented.id, p_request);
  IF p_device_key IS NULL AND attempts.failures > maximum('suspicious_from') THEN
    emails := jsonb_build_array(enqueue_email('login-after-failures', u.email, NULL, NULL));
  END IF;
  RETURN jsonb_build_object('kind', 'signed-in', 'session', live_session(opened, u), 'emails', emails);
END $$;
