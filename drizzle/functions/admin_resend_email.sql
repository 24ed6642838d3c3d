-- Makes an email that waits or has failed due at once. One that was sent isn't sent again.
CREATE OR REPLACE FUNCTION latchkey.admin_resend_email(p_email_id uuid, p_email_normalized text, p_request jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = latchkey, pg_temp AS $$
DECLARE
  requeued boolean;
BEGIN
  UPDATE outbox SET failed_at = NULL, attempts = 0, next_attempt_at = now() WHERE id = p_email_id AND sent_at IS NULL;
  requeued := FOUND;
  IF requeued THEN
    PERFORM write_event('email-requeued', (SELECT id FROM users WHERE email_normalized = p_email_normalized), NULL, p_request,
      jsonb_build_object('email', p_email_id, 'by', 'operator'));
  END IF;
  RETURN jsonb_build_object('kind', 'done', 'changed', requeued);
END $$;
