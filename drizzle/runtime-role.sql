-- The role that the functions run as: it reads and writes rows as the statements in lib/ do, and nothing more. It makes, alters and
-- drops nothing, sees no other schema, gives nobody a role and cannot rewrite the trail. Run by the owner of the database, once, as
-- docs/operations.md says; from then on build/migrate.ts runs it with each migration. The functions of the release before run on
-- it, too: what they need stays for one more release.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'latchkey_functions') THEN
    CREATE ROLE latchkey_functions NOLOGIN;
  END IF;
  EXECUTE format('REVOKE CREATE, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END
$$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO latchkey_functions;
-- What an earlier version of this file granted goes first.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM latchkey_functions;

-- A role (`users.role`) and a block (`disabled_at`) are given by hand.
GRANT SELECT, DELETE,
  INSERT (id, email, email_key, password_hash, email_verified_at),
  UPDATE (email, email_key, password_hash, email_verified_at, updated_at)
  ON users TO latchkey_functions;

GRANT SELECT, DELETE,
  INSERT (id, email, email_key, password_hash, expires_at),
  UPDATE (expires_at, code_attempts, spent_at)
  ON registrations TO latchkey_functions;

-- Whose session it is, its family and its absolute end never change.
GRANT SELECT, DELETE,
  INSERT (id, user_id, family_hash, expires_at, ends_at, user_agent, ip),
  UPDATE (generation, turned_at, last_used_at, expires_at, revoked_at, revoked_because)
  ON sessions TO latchkey_functions;

GRANT SELECT, DELETE,
  INSERT (id, user_id, purpose, new_email, new_email_key, expires_at),
  UPDATE (id, new_email, new_email_key, expires_at, code_attempts, spent_at)
  ON mail_tokens TO latchkey_functions;

-- A mail that is owed cannot be turned to somebody else.
GRANT SELECT, DELETE,
  INSERT (id, kind, recipient, token_id, token_expires_at, next_attempt_at),
  UPDATE (attempts, next_attempt_at, sent_at, failed_at, provider_id)
  ON outbox TO latchkey_functions;

GRANT SELECT, DELETE, INSERT, UPDATE (theoretical_arrival_at) ON rate_limits TO latchkey_functions;
GRANT SELECT, DELETE, INSERT, UPDATE (failures, next_attempt_at) ON password_attempts TO latchkey_functions;

-- Which database is production's is said by its deploy.
GRANT SELECT ON production_database TO latchkey_functions;

-- The trail is written and not read; its one change is that an IP address is taken out of it.
GRANT INSERT (kind, user_id, session_id, request_id, ip, detail),
  SELECT (id, at, user_id, ip),
  UPDATE (ip)
  ON events TO latchkey_functions;
