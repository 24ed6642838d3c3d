-- Queues an email and returns it as the caller delivers it. The token is of the row that its link stands for.
CREATE OR REPLACE FUNCTION latchkey.enqueue_email(
  p_kind text, p_recipient text, p_token_id uuid, p_token_expires_at timestamptz
) RETURNS jsonb LANGUAGE sql AS $$
  INSERT INTO outbox AS email (id, kind, recipient, token_id, token_expires_at, next_attempt_at)
  VALUES (new_id(), p_kind, p_recipient, p_token_id, p_token_expires_at, now() + lifetime('email_first_try'))
  RETURNING queued_email(email)
$$;
