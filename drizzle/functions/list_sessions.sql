-- The live sessions of an account, as its owner sees them, the one used last first.
CREATE OR REPLACE FUNCTION latchkey.list_sessions(p_family_hash bytea, p_counter bigint, p_session_id uuid)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  me record := authenticate(p_family_hash, p_counter, p_session_id);
  list jsonb;
BEGIN
  IF me.refusal IS NOT NULL THEN RETURN me.refusal; END IF;
  PERFORM confirm_session(me.session, p_counter);
  SELECT jsonb_agg(jsonb_build_object(
      'id', s.id, 'method', s.method, 'createdAt', extract(epoch FROM s.created_at), 'lastUsedAt', extract(epoch FROM used.at),
      'absoluteExpiresAt', extract(epoch FROM s.absolute_expires_at),
      'client', s.client, 'ip', s.ip, 'lastClient', s.last_client, 'lastIp', s.last_ip)
    ORDER BY used.at DESC, s.id DESC) INTO list
  FROM sessions s, LATERAL (
    -- Steps of 15 minutes: the list isn't a record of what its owner does.
    SELECT greatest(s.created_at, date_bin(lifetime('last_used_step'), s.last_used_at, 'epoch')) AS at) used
  WHERE s.user_id = (me.account).id AND s.revoked_at IS NULL AND s.idle_expires_at > now();
  -- Revoked meanwhile, by a request that confirming waited for.
  IF NOT coalesce(list @> jsonb_build_array(jsonb_build_object('id', (me.session).id)), false) THEN
    RETURN jsonb_build_object('kind', 'signed-out');
  END IF;
  RETURN jsonb_build_object('kind', 'listed', 'sessionId', (me.session).id, 'userId', (me.account).id, 'sessions', list);
END $$;
