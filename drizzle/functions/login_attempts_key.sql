-- The bucket that an attempt counts in: the device cookie's, the account's, or the unknown address's.
CREATE OR REPLACE FUNCTION latchkey.login_attempts_key(p_user_id uuid, p_address_key bytea, p_device_key bytea)
RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(p_device_key, subject_key('login-account', p_user_id::text), p_address_key)
$$;
