-- A new link for the registration of this browser, else for the newest of the address. An account's owner hears that
-- there is one. The source's empty bucket is reported; the address's isn't, so a mailbox can't be flooded or probed.
CREATE OR REPLACE FUNCTION latchkey.request_verification_email(
  p_email_normalized text, p_registration_id uuid, p_source_key bytea, p_address_key bytea, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  checked record := consume_rate_limits('email-source', p_source_key, 'email-address', p_address_key);
  emails jsonb := '[]';
  owner users;
  renewed registrations;
BEGIN
  IF checked.refused_by = 'source' THEN RETURN limited(checked.retry_after); END IF;
  IF checked.refused_by IS NULL THEN
    SELECT * INTO owner FROM users WHERE email_normalized = p_email_normalized;
    PERFORM write_event('verification-email-requested', owner.id, NULL, p_request, NULL);
    IF owner.id IS NULL THEN
      UPDATE registrations SET code_attempts = 0,
        -- A new email has a new code, even within the second of the one before.
        expires_at = greatest(date_trunc('second', now()) + lifetime('registration_link'), expires_at + interval '1 second')
      WHERE id = (
        SELECT id FROM registrations WHERE email_normalized = p_email_normalized AND consumed_at IS NULL
        ORDER BY id = p_registration_id DESC NULLS LAST, created_at DESC LIMIT 1)
      RETURNING * INTO renewed;
      IF FOUND THEN
        emails := jsonb_build_array(
          enqueue_email('confirm-registration', renewed.email, renewed.id, renewed.expires_at));
      END IF;
    ELSE
      emails := jsonb_build_array(enqueue_email('already-registered', owner.email, NULL, NULL));
    END IF;
  END IF;
  RETURN jsonb_build_object('kind', 'accepted', 'emails', emails);
END $$;
