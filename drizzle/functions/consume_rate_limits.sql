-- One from the source's bucket, then one from the address's. A refused source takes nothing from the address, so a
-- stranger can't use up somebody else's share alone. `retry_after` is NULL where both had one.
CREATE OR REPLACE FUNCTION latchkey.consume_rate_limits(
  p_source_limit text, p_source_key bytea, p_address_limit text, p_address_key bytea,
  OUT retry_after integer, OUT refused_by text
) LANGUAGE plpgsql AS $$
BEGIN
  retry_after := consume_rate_limit(p_source_limit, p_source_key);
  IF retry_after IS NOT NULL THEN refused_by := 'source'; RETURN; END IF;
  retry_after := consume_rate_limit(p_address_limit, p_address_key);
  IF retry_after IS NOT NULL THEN refused_by := 'address'; END IF;
END $$;
