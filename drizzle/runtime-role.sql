-- The role that the functions connect as. It may call the engine's public functions and nothing else: it reads no
-- table, creates, alters and drops nothing, and grants nobody a role. Run it as the owner of the database, once, as
-- docs/operations.md says. From then on every migration runs it again.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'latchkey_functions') THEN
    CREATE ROLE latchkey_functions NOLOGIN;
  END IF;
  EXECUTE format('REVOKE CREATE, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END
$$;

-- The engine is written for READ COMMITTED. The limits are a little above those of the functions' own calls. Only what
-- differs is set: a role belongs to the whole server, and two deploys there can't alter it at the same time.
DO $$
DECLARE
  present text[] := (SELECT coalesce(rolconfig, '{}') FROM pg_roles WHERE rolname = 'latchkey_functions');
  setting text;
  expected constant text[] := ARRAY[
    'default_transaction_isolation=read committed', 'statement_timeout=6s', 'idle_in_transaction_session_timeout=6s'];
  elsewhere name;
BEGIN
  -- A role may change its own settings, so what a thief left goes, too.
  FOR elsewhere IN
    SELECT datname FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase
    WHERE setrole = 'latchkey_functions'::regrole
  LOOP
    EXECUTE format('ALTER ROLE latchkey_functions IN DATABASE %I RESET ALL', elsewhere);
  END LOOP;
  IF NOT present <@ expected THEN
    ALTER ROLE latchkey_functions RESET ALL;
    present := '{}';
  END IF;
  FOREACH setting IN ARRAY expected LOOP
    CONTINUE WHEN setting = ANY (present);
    EXECUTE format('ALTER ROLE latchkey_functions SET %I = %L',
      split_part(setting, '=', 1), split_part(setting, '=', 2));
  END LOOP;
END
$$;

-- What an earlier version of this file granted goes first.
REVOKE ALL ON ALL TABLES IN SCHEMA latchkey FROM latchkey_functions;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA latchkey FROM latchkey_functions;
GRANT USAGE ON SCHEMA latchkey TO latchkey_functions;

-- Public is what is SECURITY DEFINER, except an operator's functions and what an app's own role calls (app-role.sql).
DO $$
DECLARE
  public_function regprocedure;
BEGIN
  FOR public_function IN
    SELECT oid FROM pg_proc
    WHERE pronamespace = 'latchkey'::regnamespace AND prosecdef
      AND NOT starts_with(proname, 'admin_') AND proname <> 'read_events'
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO latchkey_functions', public_function);
  END LOOP;
END
$$;
