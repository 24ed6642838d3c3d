-- GCRA. Consumes one request from a bucket. Returns NULL, or the whole seconds until there is one again.
-- An empty bucket isn't written to, so a flood costs no writes.
CREATE OR REPLACE FUNCTION latchkey.consume_rate_limit(p_limit text, p_key bytea) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  allowed record := rate_limit(p_limit);
  step interval := allowed.window_length / allowed.quota;
  burst interval := allowed.window_length - step;
  arrival timestamptz;
BEGIN
  INSERT INTO rate_limits AS bucket (key, theoretical_arrival_at) VALUES (p_key, now() + step)
    ON CONFLICT (key) DO UPDATE SET theoretical_arrival_at = greatest(bucket.theoretical_arrival_at, now()) + step
    WHERE bucket.theoretical_arrival_at <= now() + burst;
  IF FOUND THEN RETURN NULL; END IF;
  SELECT theoretical_arrival_at INTO arrival FROM rate_limits WHERE key = p_key;
  RETURN greatest(1, ceil(extract(epoch FROM arrival - now() - burst)));
END $$;
