-- Queues an email to both addresses: to the new one a link to confirm, to the old one a link to cancel. Nothing changes
-- before the new one is confirmed. Where the new address has an account already, its owner hears of that instead.
CREATE OR REPLACE FUNCTION latchkey.request_email_change(
  p_family_hash bytea, p_counter bigint, p_session_id uuid, p_new_email text, p_new_email_normalized text,
  p_address_key bytea, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  me record;
  stepped_up boolean;
  retry_after integer;
  other users;
  t one_time_tokens;
  emails jsonb := '[]';
BEGIN
  me := authenticate(p_family_hash, p_counter, p_session_id);
  IF me.refusal IS NOT NULL THEN RETURN me.refusal; END IF;
  stepped_up := is_stepped_up(me.session, me.account);
  IF stepped_up THEN
    retry_after := consume_rate_limit('email-change-account', subject_key('email-change-account', (me.account).id::text));
    IF retry_after IS NOT NULL THEN RETURN limited(retry_after); END IF;
    retry_after := consume_rate_limit('email-address', p_address_key);
  END IF;
  PERFORM lock_account((me.account).id);
  me := authenticate(p_family_hash, p_counter, p_session_id);
  IF me.refusal IS NOT NULL THEN RETURN me.refusal; END IF;
  PERFORM confirm_session(me.session, p_counter);
  IF NOT stepped_up OR NOT is_stepped_up(me.session, me.account) THEN RETURN jsonb_build_object('kind', 'reauthentication-required'); END IF;

  UPDATE one_time_tokens SET consumed_at = now()
  WHERE user_id = (me.account).id AND purpose = 'email-change' AND consumed_at IS NULL;
  INSERT INTO one_time_tokens (id, user_id, purpose, new_email, new_email_normalized, expires_at)
  VALUES (new_id(), (me.account).id, 'email-change', p_new_email, p_new_email_normalized,
    date_trunc('second', now()) + lifetime('email_change_link')) RETURNING * INTO t;
  PERFORM write_event('email-change-requested', (me.account).id, (me.session).id, p_request, NULL);
  SELECT * INTO other FROM users WHERE email_normalized = p_new_email_normalized AND id <> (me.account).id;
  IF retry_after IS NULL THEN
    emails := jsonb_build_array(CASE WHEN other.id IS NULL
      THEN enqueue_email('confirm-email-change', p_new_email, t.id, t.expires_at)
      ELSE enqueue_email('already-registered', other.email, NULL, NULL) END);
  END IF;
  emails := emails || enqueue_email('email-change-requested', (me.account).email, t.id, t.expires_at);
  RETURN jsonb_build_object('kind', 'accepted', 'userId', (me.account).id, 'sessionId', (me.session).id, 'emails', emails);
END $$;
