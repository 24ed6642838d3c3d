CREATE OR REPLACE FUNCTION latchkey.limited(p_retry_after integer) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('kind', 'limited', 'retryAfterSeconds', p_retry_after)
$$;
