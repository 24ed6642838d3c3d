-- The old address's link: the change won't happen.
CREATE OR REPLACE FUNCTION latchkey.cancel_email_change(p_token_id uuid, p_request jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  t one_time_tokens;
BEGIN
  UPDATE one_time_tokens SET consumed_at = now()
  WHERE id = p_token_id AND purpose = 'email-change' AND consumed_at IS NULL AND expires_at > now() RETURNING * INTO t;
  IF NOT FOUND THEN RETURN jsonb_build_object('kind', 'consumed'); END IF;
  PERFORM write_event('email-change-canceled', t.user_id, NULL, p_request, NULL);
  RETURN jsonb_build_object('kind', 'canceled', 'userId', t.user_id);
END $$;
