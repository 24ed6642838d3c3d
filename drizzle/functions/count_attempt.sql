-- Counts an attempt at a password before the password is checked, so parallel guesses can't outrun the count.
-- `failures` includes this one, and is NULL when it came too early; that isn't counted. From the tenth failure in a
-- row each one doubles the wait for the next.
CREATE OR REPLACE FUNCTION latchkey.count_attempt(
  p_key bytea, p_user_id uuid, OUT failures integer, OUT retry_after integer
) LANGUAGE plpgsql AS $$
DECLARE
  wait_from integer := maximum('back_off_from');
BEGIN
  INSERT INTO login_attempts AS bucket (key, user_id, failures, next_attempt_at) VALUES (p_key, p_user_id, 1, now())
    ON CONFLICT (key) DO UPDATE SET
      failures = least(bucket.failures, maximum('locked_at')) + 1,
      next_attempt_at = now() + CASE WHEN bucket.failures + 1 < wait_from THEN interval '0'
        ELSE least(lifetime('longest_back_off'),
          lifetime('first_back_off') * power(2, least(bucket.failures + 1 - wait_from, 20))) END
    WHERE bucket.failures < wait_from OR bucket.next_attempt_at <= now()
    RETURNING bucket.failures INTO failures;
  IF failures IS NULL THEN
    SELECT greatest(1, ceil(extract(epoch FROM next_attempt_at - now()))) INTO retry_after FROM login_attempts WHERE key = p_key;
  END IF;
END $$;
