-- A role for an app's own code beside Latchkey: it may list the accounts and read the audit log. It may not create
-- foreign keys to `users`: Postgres checks one as the owner of `users`, and would run a cast of this role's own with the
-- owner's rights. So the owner creates such tables, in the app's migrations, and grants this role what it does with them. Run it as the owner of the database. From then on every migration runs it again.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'latchkey_app') THEN
    CREATE ROLE latchkey_app NOLOGIN;
  END IF;
END
$$;

-- What an earlier version of this file granted goes first.
REVOKE ALL ON ALL TABLES IN SCHEMA latchkey FROM latchkey_app;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA latchkey FROM latchkey_app;
GRANT USAGE ON SCHEMA latchkey TO latchkey_app;
REVOKE REFERENCES (id) ON latchkey.users FROM latchkey_app;
GRANT SELECT ON latchkey.accounts TO latchkey_app;
GRANT EXECUTE ON FUNCTION latchkey.read_events(text, integer) TO latchkey_app;
