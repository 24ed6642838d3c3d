-- For maintenance. Two of these may run at once: an email goes to one of them only.
CREATE OR REPLACE FUNCTION latchkey.claim_emails(p_is_production boolean) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
BEGIN
  RETURN jsonb_build_object('kind', 'claimed', 'emails', claim_due_emails(maximum('emails_claimed'), p_is_production));
END $$;
