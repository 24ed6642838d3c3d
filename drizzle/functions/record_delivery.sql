-- Records how a try to send an email ended: `sent`, `later`, `never` or `held` (we didn't offer it). One that went well
-- takes along a few others that are due.
CREATE OR REPLACE FUNCTION latchkey.record_delivery(
  p_email_id uuid, p_outcome text, p_provider_id text, p_reason text, p_is_production boolean
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  tried outbox;
BEGIN
  UPDATE outbox SET attempts = attempts + 1,
    sent_at = CASE WHEN p_outcome = 'sent' THEN now() END,
    provider_id = p_provider_id,
    next_attempt_at = now() + least(lifetime('email_longest_back_off'),
      lifetime('email_first_back_off') * power(2, least(attempts, 12))),
    failed_at = CASE WHEN p_outcome IN ('never', 'held')
      OR p_outcome = 'later' AND created_at <= now() - lifetime('email_give_up') THEN now() END
  WHERE id = p_email_id AND sent_at IS NULL AND failed_at IS NULL RETURNING * INTO tried;
  IF tried.failed_at IS NOT NULL THEN
    PERFORM write_event(CASE p_outcome WHEN 'held' THEN 'email-held' ELSE 'email-failed' END, NULL, NULL, '{}',
      jsonb_build_object('email', p_email_id, 'reason', p_reason));
  END IF;
  RETURN jsonb_build_object('kind', 'recorded', 'failed', tried.failed_at IS NOT NULL, 'due',
    CASE WHEN p_outcome = 'sent' THEN claim_due_emails(maximum('emails_taken_along'), p_is_production) ELSE '[]' END);
END $$;
