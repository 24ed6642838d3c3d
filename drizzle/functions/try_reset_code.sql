-- Counts a try at the code of an address's reset email and returns what the code is derived from. Nothing is consumed yet.
CREATE OR REPLACE FUNCTION latchkey.try_reset_code(p_email_normalized text, p_source_key bytea, p_address_key bytea)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  checked record := consume_rate_limits('code-source', p_source_key, 'code-address', p_address_key);
  candidates jsonb;
BEGIN
  IF checked.retry_after IS NOT NULL THEN RETURN limited(checked.retry_after); END IF;
  WITH candidate AS (
    UPDATE one_time_tokens t SET code_attempts = t.code_attempts + 1
    FROM users u
    WHERE u.email_normalized = p_email_normalized AND u.disabled_at IS NULL AND t.user_id = u.id AND t.purpose = 'reset'
      AND t.consumed_at IS NULL AND t.expires_at > now() AND t.code_attempts < maximum('code_attempts')
    RETURNING t.id, t.expires_at
  )
  SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'expiresAt', extract(epoch FROM expires_at))), '[]')
  INTO candidates FROM candidate;
  RETURN jsonb_build_object('kind', 'candidates', 'candidates', candidates);
END $$;
