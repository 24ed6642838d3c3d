-- Before the hash of a registration is computed, which is the costly part.
CREATE OR REPLACE FUNCTION latchkey.admit_registration(p_source_key bytea, p_address_key bytea)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  checked record := consume_rate_limits('register-source', p_source_key, 'register-address', p_address_key);
BEGIN
  IF checked.retry_after IS NOT NULL THEN RETURN limited(checked.retry_after); END IF;
  RETURN jsonb_build_object('kind', 'admitted');
END $$;
