CREATE OR REPLACE FUNCTION latchkey.waiting_emails() RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
BEGIN
  RETURN (SELECT jsonb_build_object('kind', 'waiting', 'waiting', count(*),
      'oldestWaitingSeconds', floor(extract(epoch FROM now() - min(created_at))))
    FROM outbox WHERE sent_at IS NULL AND failed_at IS NULL);
END $$;
