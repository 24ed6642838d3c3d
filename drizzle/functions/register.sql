-- Keeps a registration and queues its link. Where the address has an account already, keeps nothing, and the account's
-- owner gets another email. The answer has the same shape either way.
CREATE OR REPLACE FUNCTION latchkey.register(
  p_email text, p_email_normalized text, p_password_hash text, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  registration_id uuid := new_id();
  link_expires_at timestamptz := date_trunc('second', now()) + lifetime('registration_link');
  owner users;
  email jsonb;
BEGIN
  SELECT * INTO owner FROM users WHERE email_normalized = p_email_normalized;
  PERFORM write_event('registration-requested', owner.id, NULL, p_request, NULL);
  IF owner.id IS NULL THEN
    INSERT INTO registrations (id, email, email_normalized, password_hash, expires_at)
    VALUES (registration_id, p_email, p_email_normalized, p_password_hash, link_expires_at);
    email := enqueue_email('confirm-registration', p_email, registration_id, link_expires_at);
  ELSE
    email := enqueue_email('already-registered', owner.email, NULL, NULL);
  END IF;
  RETURN jsonb_build_object('kind', 'accepted', 'registrationId', registration_id, 'emails', jsonb_build_array(email));
END $$;
