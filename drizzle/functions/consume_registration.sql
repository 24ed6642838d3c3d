-- Makes the account of a registration when `p_verified`: this is the browser that registered, or the password was right.
-- Otherwise only says what to check the password against. With a family the account is signed in, too.
CREATE OR REPLACE FUNCTION latchkey.consume_registration(
  p_registration_id uuid, p_token_key bytea, p_verified boolean, p_family_hash bytea, p_presented_family_hash bytea,
  p_persistent boolean, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  retry_after integer := consume_rate_limit('link-token', p_token_key);
  r registrations;
  u users;
  opened sessions;
BEGIN
  IF retry_after IS NOT NULL THEN RETURN limited(retry_after); END IF;
  SELECT * INTO r FROM registrations WHERE id = p_registration_id;
  -- Users are locked before registrations: a deletion of the address's account is waited for here.
  PERFORM FROM users WHERE email_normalized = r.email_normalized FOR KEY SHARE;
  IF FOUND THEN RETURN jsonb_build_object('kind', 'consumed'); END IF;
  SELECT * INTO r FROM registrations WHERE id = p_registration_id AND consumed_at IS NULL FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN jsonb_build_object('kind', 'consumed'); END IF;
  IF NOT p_verified THEN RETURN jsonb_build_object('kind', 'unverified', 'passwordHash', r.password_hash); END IF;

  -- Before the address is taken: whoever waits for the address may hold this session.
  PERFORM FROM sessions WHERE family_hash = p_presented_family_hash FOR NO KEY UPDATE;
  INSERT INTO users (id, email, email_normalized, password_hash, email_verified_at)
  VALUES (new_id(), r.email, r.email_normalized, r.password_hash, now())
  ON CONFLICT (email_normalized) DO NOTHING RETURNING * INTO u;
  -- Another registration of the address was first.
  IF NOT FOUND THEN RETURN jsonb_build_object('kind', 'consumed'); END IF;
  UPDATE registrations SET consumed_at = now() WHERE id = r.id;
  PERFORM write_event('account-created', u.id, NULL, p_request, NULL);
  IF p_family_hash IS NULL THEN RETURN jsonb_build_object('kind', 'account-created', 'userId', u.id); END IF;
  opened := open_session(u.id, p_family_hash, 'email', p_persistent, NULL,
    (SELECT id FROM sessions WHERE family_hash = p_presented_family_hash), p_request);
  RETURN jsonb_build_object('kind', 'signed-in', 'session', live_session(opened, u));
END $$;
