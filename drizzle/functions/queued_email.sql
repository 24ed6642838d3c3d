CREATE OR REPLACE FUNCTION latchkey.queued_email(p_email latchkey.outbox) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('id', p_email.id, 'kind', p_email.kind, 'recipient', p_email.recipient,
    'tokenId', p_email.token_id, 'tokenExpiresAt', extract(epoch FROM p_email.token_expires_at))
$$;
