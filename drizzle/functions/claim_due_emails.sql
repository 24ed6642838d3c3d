-- Claiming moves the next try ahead, so a claim that dies with its function comes back by itself. What waits in
-- production's database, or in a copy of it such as a Neon branch, is production's to send.
CREATE OR REPLACE FUNCTION latchkey.claim_due_emails(p_count integer, p_is_production boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  claimed jsonb;
BEGIN
  IF NOT p_is_production AND EXISTS (SELECT FROM production_database) THEN RETURN '[]'; END IF;
  WITH due AS (
    UPDATE outbox SET next_attempt_at = now() + lifetime('email_first_try') WHERE id IN (
      SELECT id FROM outbox WHERE sent_at IS NULL AND failed_at IS NULL AND next_attempt_at <= now()
      ORDER BY next_attempt_at LIMIT p_count FOR UPDATE SKIP LOCKED)
    RETURNING outbox
  )
  SELECT coalesce(jsonb_agg(queued_email(due.outbox)), '[]') INTO claimed FROM due;
  RETURN claimed;
END $$;
