-- Counts a try at the code of every pending registration of an address and returns what the code is derived from. Nothing
-- is consumed yet.
CREATE OR REPLACE FUNCTION latchkey.try_registration_code(
  p_email_normalized text, p_source_key bytea, p_address_key bytea
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  checked record := consume_rate_limits('code-source', p_source_key, 'code-address', p_address_key);
  candidates jsonb;
BEGIN
  IF checked.retry_after IS NOT NULL THEN RETURN limited(checked.retry_after); END IF;
  PERFORM FROM registrations WHERE email_normalized = p_email_normalized AND consumed_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  WITH candidate AS (
    UPDATE registrations SET code_attempts = code_attempts + 1
    WHERE code_attempts < maximum('code_attempts') AND id IN (
      SELECT id FROM registrations
      WHERE email_normalized = p_email_normalized AND consumed_at IS NULL AND expires_at > now()
        AND NOT EXISTS (SELECT FROM users WHERE email_normalized = p_email_normalized)
      ORDER BY created_at DESC LIMIT maximum('code_candidates'))
    RETURNING id, expires_at, password_hash
  )
  SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'expiresAt', extract(epoch FROM expires_at),
    'passwordHash', password_hash)), '[]') INTO candidates FROM candidate;
  RETURN jsonb_build_object('kind', 'candidates', 'candidates', candidates);
END $$;
