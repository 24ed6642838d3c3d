-- What a deploy and the doctor need to know of the functions' own connection. `session_user` is the role that connected.
CREATE OR REPLACE FUNCTION latchkey.describe_connection() RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
BEGIN
  RETURN jsonb_build_object('kind', 'described', 'now', extract(epoch FROM clock_timestamp()), 'role', session_user,
    'isOwner', pg_has_role(session_user, current_user, 'MEMBER'), 'isolation', current_setting('transaction_isolation'),
    'notCallable', ARRAY(
      SELECT proname FROM pg_proc
      WHERE pronamespace = 'latchkey'::regnamespace AND prosecdef AND proname <> 'read_events'
        AND NOT has_function_privilege(session_user, pg_proc.oid, 'EXECUTE') ORDER BY proname));
END $$;
