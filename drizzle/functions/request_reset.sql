-- Queues a reset link for the account of an address. It takes the place of an older one. The answer is the same for an
-- address without an account.
CREATE OR REPLACE FUNCTION latchkey.request_reset(
  p_email_normalized text, p_source_key bytea, p_address_key bytea, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  checked record := consume_rate_limits('email-source', p_source_key, 'email-address', p_address_key);
  emails jsonb := '[]';
  u users;
BEGIN
  IF checked.refused_by = 'source' THEN RETURN limited(checked.retry_after); END IF;
  IF checked.refused_by IS NULL THEN
    SELECT * INTO u FROM users WHERE email_normalized = p_email_normalized AND disabled_at IS NULL FOR NO KEY UPDATE;
    PERFORM write_event('reset-requested', u.id, NULL, p_request, NULL);
    IF u.id IS NOT NULL THEN emails := jsonb_build_array(enqueue_reset(u, 'reset-password')); END IF;
  END IF;
  RETURN jsonb_build_object('kind', 'accepted', 'emails', emails);
END $$;
