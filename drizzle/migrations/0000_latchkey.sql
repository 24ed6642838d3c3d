CREATE SCHEMA IF NOT EXISTS "latchkey";
--> statement-breakpoint
CREATE TABLE "latchkey"."events" (
	"id" bigserial NOT NULL,
	"xid" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"kind" text NOT NULL,
	"user_id" uuid,
	"session_id" uuid,
	"request_id" text,
	"ip" text,
	"detail" jsonb,
	CONSTRAINT "events_pkey" PRIMARY KEY("created_at","id")
) PARTITION BY RANGE ("created_at");
--> statement-breakpoint
CREATE TABLE "latchkey"."login_attempts" (
	"key" "bytea" PRIMARY KEY NOT NULL,
	"user_id" uuid,
	"failures" integer NOT NULL,
	"next_attempt_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "latchkey"."migrations" (
	"name" text PRIMARY KEY NOT NULL,
	"hash" text NOT NULL,
	"applied_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "latchkey"."one_time_tokens" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"purpose" text NOT NULL,
	"new_email" text,
	"new_email_normalized" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"code_attempts" integer DEFAULT 0 NOT NULL,
	"consumed_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "latchkey"."outbox" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"recipient" text NOT NULL,
	"token_id" uuid,
	"token_expires_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"next_attempt_at" timestamp with time zone NOT NULL,
	"sent_at" timestamp with time zone,
	"failed_at" timestamp with time zone,
	"provider_id" text
);
--> statement-breakpoint
CREATE TABLE "latchkey"."production_database" (
	"address" text PRIMARY KEY NOT NULL,
	"recorded_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "latchkey"."rate_limits" (
	"key" "bytea" PRIMARY KEY NOT NULL,
	"theoretical_arrival_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "latchkey"."registrations" (
	"id" uuid PRIMARY KEY NOT NULL,
	"email" text NOT NULL,
	"email_normalized" text NOT NULL,
	"password_hash" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"code_attempts" integer DEFAULT 0 NOT NULL,
	"consumed_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "latchkey"."sessions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"family_hash" "bytea" NOT NULL,
	"counter" bigint DEFAULT 0 NOT NULL,
	"confirmed" boolean DEFAULT false NOT NULL,
	"recovered_counter" bigint,
	"recovered_in_a_row" smallint DEFAULT 0 NOT NULL,
	"rotated_at" timestamp with time zone DEFAULT now() NOT NULL,
	"method" text NOT NULL,
	"authenticated_at" timestamp with time zone DEFAULT now() NOT NULL,
	"persistent" boolean NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"last_used_at" timestamp with time zone DEFAULT now() NOT NULL,
	"idle_expires_at" timestamp with time zone NOT NULL,
	"absolute_expires_at" timestamp with time zone NOT NULL,
	"revoked_at" timestamp with time zone,
	"revocation_reason" text,
	"client" text,
	"ip" text,
	"last_client" text,
	"last_ip" text,
	CONSTRAINT "sessions_family_hash_unique" UNIQUE("family_hash")
);
--> statement-breakpoint
CREATE TABLE "latchkey"."users" (
	"id" uuid PRIMARY KEY NOT NULL,
	"email" text NOT NULL,
	"email_normalized" text NOT NULL,
	"email_verified_at" timestamp with time zone NOT NULL,
	"password_hash" text,
	"role" text DEFAULT 'user' NOT NULL,
	"security_version" integer DEFAULT (random() * 1000000000)::integer NOT NULL,
	"second_factor_at" timestamp with time zone,
	"disabled_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "users_email_normalized_unique" UNIQUE("email_normalized")
);
--> statement-breakpoint
ALTER TABLE "latchkey"."one_time_tokens" ADD CONSTRAINT "one_time_tokens_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "latchkey"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "latchkey"."sessions" ADD CONSTRAINT "sessions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "latchkey"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "events_user_id" ON "latchkey"."events" USING btree ("user_id","created_at");--> statement-breakpoint
CREATE INDEX "events_xid" ON "latchkey"."events" USING btree ("xid","id");--> statement-breakpoint
CREATE INDEX "events_with_ip" ON "latchkey"."events" USING btree ("created_at") WHERE ip IS NOT NULL;--> statement-breakpoint
CREATE INDEX "login_attempts_user_id" ON "latchkey"."login_attempts" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "one_time_tokens_user_id" ON "latchkey"."one_time_tokens" USING btree ("user_id","purpose");--> statement-breakpoint
CREATE INDEX "one_time_tokens_expires_at" ON "latchkey"."one_time_tokens" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "outbox_due" ON "latchkey"."outbox" USING btree ("next_attempt_at") WHERE sent_at IS NULL AND failed_at IS NULL;--> statement-breakpoint
CREATE INDEX "outbox_created_at" ON "latchkey"."outbox" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "registrations_email_normalized" ON "latchkey"."registrations" USING btree ("email_normalized");--> statement-breakpoint
CREATE INDEX "registrations_created_at" ON "latchkey"."registrations" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "sessions_user_id" ON "latchkey"."sessions" USING btree ("user_id","created_at");--> statement-breakpoint
CREATE INDEX "sessions_absolute_expires_at" ON "latchkey"."sessions" USING btree ("absolute_expires_at");--> statement-breakpoint
CREATE VIEW "latchkey"."accounts" WITH (security_barrier = true) AS (select "id", "email", "role", "created_at" from "latchkey"."users");
--> statement-breakpoint
CREATE TABLE "latchkey"."events_default" PARTITION OF "latchkey"."events" DEFAULT;
--> statement-breakpoint
ALTER TABLE "latchkey"."sessions" SET (fillfactor = 70);
--> statement-breakpoint
ALTER TABLE "latchkey"."rate_limits" SET (fillfactor = 70);
--> statement-breakpoint
ALTER TABLE "latchkey"."login_attempts" SET (fillfactor = 70);
--> statement-breakpoint
SET LOCAL check_function_bodies = off;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION latchkey.admin_disable(p_user_id uuid, p_request jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = latchkey, pg_temp AS $$
DECLARE
  disabled boolean;
  revoked uuid[];
BEGIN
  PERFORM lock_account(p_user_id);
  IF NOT EXISTS (SELECT FROM users WHERE id = p_user_id) THEN RETURN jsonb_build_object('kind', 'not-found'); END IF;
  UPDATE users SET disabled_at = now(), security_version = security_version + 1, updated_at = now()
  WHERE id = p_user_id AND disabled_at IS NULL;
  disabled := FOUND;
  IF disabled THEN PERFORM write_event('account-disabled', p_user_id, NULL, p_request, '{"by": "operator"}'); END IF;
  revoked := revoke_all_sessions(p_user_id, NULL, 'operator', p_request);
  RETURN jsonb_build_object('kind', 'done', 'changed', disabled, 'revoked', cardinality(revoked));
END $$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION latchkey.admin_enable(p_user_id uuid, p_request jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = latchkey, pg_temp AS $$
DECLARE
  enabled boolean;
BEGIN
  PERFORM FROM users WHERE id = p_user_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN jsonb_build_object('kind', 'not-found'); END IF;
  UPDATE users SET disabled_at = NULL, security_version = security_version + 1, updated_at = now()
  WHERE id = p_user_id AND disabled_at IS NOT NULL;
  enabled := FOUND;
  IF enabled THEN PERFORM write_event('account-enabled', p_user_id, NULL, p_request, '{"by": "operator"}'); END IF;
  RETURN jsonb_build_object('kind', 'done', 'changed', enabled);
END $$;
--> statement-breakpoint
-- Removes the password, revokes every session and queues a reset link, which is due at once: no function is on its way
-- with it. A disabled account gets no email.
CREATE OR REPLACE FUNCTION latchkey.admin_force_reset(p_user_id uuid, p_request jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = latchkey, pg_temp AS $$
DECLARE
  u users;
  revoked uuid[];
  email jsonb;
BEGIN
  PERFORM lock_account(p_user_id);
  UPDATE users SET password_hash = NULL, security_version = security_version + 1, updated_at = now()
  WHERE id = p_user_id RETURNING * INTO u;
  IF NOT FOUND THEN RETURN jsonb_build_object('kind', 'not-found'); END IF;
  PERFORM clear_attempts(u.id);
  revoked := revoke_all_sessions(u.id, NULL, 'operator', p_request);
  PERFORM write_event('password-locked', u.id, NULL, p_request, '{"by": "operator"}');
  IF u.disabled_at IS NULL THEN
    email := enqueue_reset(u, 'reset-required');
    UPDATE outbox SET next_attempt_at = now() WHERE id = (email->>'id')::uuid;
    PERFORM write_event('reset-requested', u.id, NULL, p_request, '{"by": "operator"}');
  END IF;
  RETURN jsonb_build_object('kind', 'done', 'revoked', cardinality(revoked), 'email', email);
END $$;
--> statement-breakpoint
-- Makes an email that waits or has failed due at once. One that was sent isn't sent again.
CREATE OR REPLACE FUNCTION latchkey.admin_resend_email(p_email_id uuid, p_email_normalized text, p_request jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = latchkey, pg_temp AS $$
DECLARE
  requeued boolean;
BEGIN
  UPDATE outbox SET failed_at = NULL, attempts = 0, next_attempt_at = now() WHERE id = p_email_id AND sent_at IS NULL;
  requeued := FOUND;
  IF requeued THEN
    PERFORM write_event('email-requeued', (SELECT id FROM users WHERE email_normalized = p_email_normalized), NULL, p_request,
      jsonb_build_object('email', p_email_id, 'by', 'operator'));
  END IF;
  RETURN jsonb_build_object('kind', 'done', 'changed', requeued);
END $$;
--> statement-breakpoint
-- A thousand at a time, in the order of their ids: those after `p_after` that were opened up to `p_opened_before`.
CREATE OR REPLACE FUNCTION latchkey.admin_revoke_everyones_sessions(
  p_after uuid, p_opened_before timestamptz, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SET search_path = latchkey, pg_temp AS $$
DECLARE
  batch uuid[] := ARRAY(
    SELECT id FROM sessions
    WHERE revoked_at IS NULL AND idle_expires_at > now() AND id > p_after AND created_at <= p_opened_before
    ORDER BY id LIMIT 1000);
BEGIN
  RETURN jsonb_build_object('kind', 'done', 'revoked', cardinality(revoke_sessions(batch, 'operator', p_request)),
    'last', batch[cardinality(batch)]);
END $$;
--> statement-breakpoint
-- An account's sessions, or the one that is named.
CREATE OR REPLACE FUNCTION latchkey.admin_revoke_sessions(p_user_id uuid, p_session_id uuid, p_request jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = latchkey, pg_temp AS $$
DECLARE
  revoked uuid[];
BEGIN
  IF p_session_id IS NULL THEN
    PERFORM lock_account(p_user_id);
    revoked := revoke_all_sessions(p_user_id, NULL, 'operator', p_request);
  ELSE
    revoked := revoke_sessions(ARRAY[p_session_id], 'operator', p_request);
  END IF;
  RETURN jsonb_build_object('kind', 'done', 'revoked', cardinality(revoked));
END $$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION latchkey.admin_set_role(p_user_id uuid, p_role text, p_request jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = latchkey, pg_temp AS $$
DECLARE
  previous text;
BEGIN
  SELECT role INTO previous FROM users WHERE id = p_user_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN jsonb_build_object('kind', 'not-found'); END IF;
  IF previous = p_role THEN RETURN jsonb_build_object('kind', 'done', 'changed', false); END IF;
  UPDATE users SET role = p_role, security_version = security_version + 1, updated_at = now() WHERE id = p_user_id;
  PERFORM write_event('role-changed', p_user_id, NULL, p_request,
    jsonb_build_object('from', previous, 'to', p_role, 'by', 'operator'));
  RETURN jsonb_build_object('kind', 'done', 'changed', true);
END $$;
--> statement-breakpoint
-- Before the hash of a registration is computed, which is the costly part.
CREATE OR REPLACE FUNCTION latchkey.admit_registration(p_source_key bytea, p_address_key bytea)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  checked record := consume_rate_limits('register-source', p_source_key, 'register-address', p_address_key);
BEGIN
  IF checked.retry_after IS NOT NULL THEN RETURN limited(checked.retry_after); END IF;
  RETURN jsonb_build_object('kind', 'admitted');
END $$;
--> statement-breakpoint
-- The live session that a request shows: by its refresh token (family and counter) or by its access token (session id).
-- It only looks: reuse is for a refresh to decide. `refusal` is NULL, or the result to return.
CREATE OR REPLACE FUNCTION latchkey.authenticate(
  p_family_hash bytea, p_counter bigint, p_session_id uuid,
  OUT session latchkey.sessions, OUT account latchkey.users, OUT refusal jsonb
) LANGUAGE plpgsql STABLE AS $$
DECLARE
  s sessions;
  u users;
BEGIN
  IF p_family_hash IS NOT NULL THEN
    SELECT * INTO s FROM sessions WHERE family_hash = p_family_hash;
  ELSE
    SELECT * INTO s FROM sessions WHERE id = p_session_id;
  END IF;
  SELECT * INTO u FROM users WHERE id = s.user_id;
  IF s.id IS NULL OR s.revoked_at IS NOT NULL OR s.idle_expires_at <= now() OR u.disabled_at IS NOT NULL THEN
    refusal := jsonb_build_object('kind', 'signed-out');
  ELSIF p_family_hash IS NOT NULL AND p_counter <> s.counter
    AND NOT (p_counter = s.counter - 1 AND s.rotated_at > now() - lifetime('reuse_interval')) THEN
    refusal := jsonb_build_object('kind',
      CASE WHEN p_counter = s.counter - 1 AND NOT s.confirmed THEN 'refresh-required' ELSE 'signed-out' END);
  ELSE
    session := s;
    account := u;
  END IF;
END $$;
--> statement-breakpoint
-- Counts an attempt and returns what to check the password against. It counts as a failure until it succeeds. An account,
-- each device cookie and each unknown address have a bucket of their own, so a stranger's guesses close only the
-- stranger's way. A device cookie of an older `security_version` counts for none.
CREATE OR REPLACE FUNCTION latchkey.begin_login(
  p_email_normalized text, p_source_key bytea, p_address_key bytea, p_device_key bytea, p_device_version integer,
  p_registration_id uuid
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  retry_after integer := consume_rate_limit('login-source', p_source_key);
  u users;
  attempt record;
  registration_hash text;
  subject text := 'unknown';
BEGIN
  IF retry_after IS NOT NULL THEN RETURN limited(retry_after); END IF;
  SELECT * INTO u FROM users WHERE email_normalized = p_email_normalized;
  attempt := count_attempt(login_attempts_key(u.id, p_address_key,
    CASE WHEN u.security_version = p_device_version THEN p_device_key END), u.id);
  IF attempt.failures IS NULL THEN RETURN limited(attempt.retry_after); END IF;

  IF u.id IS NOT NULL AND u.disabled_at IS NULL THEN
    subject := CASE WHEN attempt.failures > maximum('locked_at') THEN 'locked' ELSE 'account' END;
  ELSIF u.id IS NULL THEN
    SELECT password_hash INTO registration_hash FROM registrations
    WHERE email_normalized = p_email_normalized AND consumed_at IS NULL
    ORDER BY id = p_registration_id DESC NULLS LAST, created_at DESC LIMIT 1;
    IF FOUND THEN subject := 'registration'; END IF;
  END IF;
  RETURN jsonb_build_object('kind', 'counted', 'subject', subject, 'failures', attempt.failures,
    'userId', CASE WHEN subject IN ('account', 'locked') THEN u.id END,
    'securityVersion', u.security_version,
    'passwordHash', CASE subject WHEN 'registration' THEN registration_hash WHEN 'unknown' THEN NULL ELSE u.password_hash END);
END $$;
--> statement-breakpoint
-- Counts an attempt at the current password of a signed-in account and returns what to check it against. The session has a
-- bucket of its own: what strangers try at login doesn't keep the owner from changing the password. To give the password
-- is a step-up where it is the account's full strength; where it isn't, the session needs one.
CREATE OR REPLACE FUNCTION latchkey.begin_password_check(p_family_hash bytea, p_counter bigint, p_session_id uuid)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  me record := authenticate(p_family_hash, p_counter, p_session_id);
  retry_after integer;
  attempt record;
  refusal jsonb;
BEGIN
  IF me.refusal IS NOT NULL THEN RETURN me.refusal; END IF;
  retry_after := consume_rate_limit('password-check-account', subject_key('password-check-account', (me.account).id::text));
  IF retry_after IS NOT NULL THEN RETURN limited(retry_after); END IF;
  IF (me.account).second_factor_at IS NOT NULL AND NOT is_stepped_up(me.session, me.account) THEN
    refusal := jsonb_build_object('kind', 'reauthentication-required');
  ELSE
    attempt := count_attempt(subject_key('password-check-session', (me.session).id::text), (me.account).id);
  END IF;
  IF NOT confirm_session(me.session, p_counter) THEN RETURN jsonb_build_object('kind', 'signed-out'); END IF;
  IF refusal IS NOT NULL THEN RETURN refusal; END IF;
  IF attempt.failures IS NULL THEN RETURN limited(attempt.retry_after); END IF;
  RETURN jsonb_build_object('kind', 'counted',
    'subject', CASE WHEN attempt.failures > maximum('locked_at') THEN 'locked' ELSE 'account' END,
    'failures', attempt.failures, 'sessionId', (me.session).id, 'userId', (me.account).id, 'email', (me.account).email,
    'securityVersion', (me.account).security_version, 'passwordHash', (me.account).password_hash);
END $$;
--> statement-breakpoint
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
--> statement-breakpoint
-- Sets the password after the current one was found right. Every other session is revoked; this one is replaced by one
-- of a new family with the same absolute expiry, so a copied token of either is worth nothing.
CREATE OR REPLACE FUNCTION latchkey.change_password(
  p_family_hash bytea, p_counter bigint, p_session_id uuid, p_security_version integer, p_password_hash text,
  p_new_family_hash bytea, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  me record;
  u users;
  opened sessions;
BEGIN
  PERFORM lock_account(session_owner(p_family_hash, p_session_id));
  me := authenticate(p_family_hash, p_counter, p_session_id);
  IF me.refusal IS NOT NULL OR (me.account).security_version <> p_security_version THEN
    RETURN jsonb_build_object('kind', 'signed-out');
  END IF;
  UPDATE users SET password_hash = p_password_hash, security_version = security_version + 1, updated_at = now()
  WHERE id = (me.account).id RETURNING * INTO u;
  PERFORM clear_attempts(u.id);
  PERFORM revoke_all_sessions(u.id, (me.session).id, 'password-change', p_request);
  opened := open_session(u.id, p_new_family_hash,
    CASE WHEN u.second_factor_at IS NULL THEN 'password' ELSE (me.session).method END, (me.session).persistent,
    (me.session).absolute_expires_at, (me.session).id, p_request);
  PERFORM write_event('password-changed', u.id, opened.id, p_request, NULL);
  RETURN jsonb_build_object('kind', 'changed', 'session', live_session(opened, u),
    'emails', jsonb_build_array(enqueue_email('password-changed', u.email, NULL, NULL)));
END $$;
--> statement-breakpoint
-- Claiming moves the next try ahead, so a claim that dies with its function comes back by itself. What waits in
-- production's database, or in a copy of it such as a Neon branch, is production's to send.
CREATE OR REPLACE FUNCTION latchkey.claim_due_emails(p_count integer, p_is_production boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  claimed jsonb;
BEGIN
  IF NOT p_is_production AND EXISTS (SELECT FROM production_database) THEN RETURN '[]'; END IF;
  WITH due AS (
    UPDATE outbox SET next_attempt_at = now() + lifetime('email_first_try') WHERE id IN (
      SELECT id FROM outbox WHERE sent_at IS NULL AND failed_at IS NULL AND next_attempt_at <= now()
      ORDER BY next_attempt_at LIMIT p_count FOR UPDATE SKIP LOCKED)
    RETURNING outbox
  )
  SELECT coalesce(jsonb_agg(queued_email(due.outbox)), '[]') INTO claimed FROM due;
  RETURN claimed;
END $$;
--> statement-breakpoint
-- For maintenance. Two of these may run at once: an email goes to one of them only.
CREATE OR REPLACE FUNCTION latchkey.claim_emails(p_is_production boolean) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
BEGIN
  RETURN jsonb_build_object('kind', 'claimed', 'emails', claim_due_emails(maximum('emails_claimed'), p_is_production));
END $$;
--> statement-breakpoint
-- After a new password every bucket of the account starts over, so what was locked is open again. The caller holds the rows
-- that were there when it began; a login under way that came later keeps its own.
CREATE OR REPLACE FUNCTION latchkey.clear_attempts(p_user_id uuid) RETURNS void LANGUAGE sql AS $$
  DELETE FROM login_attempts WHERE key IN (
    SELECT key FROM login_attempts WHERE user_id = p_user_id FOR UPDATE SKIP LOCKED)
$$;
--> statement-breakpoint
-- Consumes an email change's token where the request is signed in to the same account, or its password was found right at
-- `p_security_version`. A reset link that went to the old address opens nothing any more.
CREATE OR REPLACE FUNCTION latchkey.confirm_email_change(
  p_token_id uuid, p_token_key bytea, p_security_version integer, p_family_hash bytea, p_counter bigint, p_session_id uuid,
  p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  retry_after integer := consume_rate_limit('link-token', p_token_key);
  t one_time_tokens;
  u users;
  old_email text;
  me record;
BEGIN
  IF retry_after IS NOT NULL THEN RETURN limited(retry_after); END IF;
  SELECT users.* INTO u FROM users JOIN one_time_tokens ot ON ot.user_id = users.id WHERE ot.id = p_token_id;
  PERFORM lock_account(u.id);
  SELECT * INTO u FROM users WHERE id = u.id AND disabled_at IS NULL;
  SELECT * INTO t FROM one_time_tokens
  WHERE id = p_token_id AND user_id = u.id AND purpose = 'email-change' AND consumed_at IS NULL AND expires_at > now();
  IF NOT FOUND THEN RETURN jsonb_build_object('kind', 'consumed'); END IF;
  me := authenticate(p_family_hash, p_counter, p_session_id);
  IF (me.account).id IS DISTINCT FROM u.id AND p_security_version IS DISTINCT FROM u.security_version THEN
    RETURN jsonb_build_object('kind', 'unverified', 'passwordHash', u.password_hash, 'securityVersion', u.security_version);
  END IF;

  PERFORM confirm_session(me.session, p_counter);
  UPDATE one_time_tokens SET consumed_at = now() WHERE id = t.id;
  old_email := u.email;
  BEGIN
    UPDATE users SET email = t.new_email, email_normalized = t.new_email_normalized, email_verified_at = now(),
      security_version = security_version + 1, updated_at = now() WHERE id = u.id RETURNING * INTO u;
  EXCEPTION WHEN unique_violation THEN
    -- The address has another account by now.
    RETURN jsonb_build_object('kind', 'consumed');
  END;
  UPDATE one_time_tokens SET consumed_at = now() WHERE user_id = u.id AND purpose = 'reset' AND consumed_at IS NULL;
  PERFORM write_event('email-changed', u.id, NULL, p_request, NULL);
  RETURN jsonb_build_object('kind', 'confirmed', 'user', user_of(u),
    'persistent', CASE WHEN (me.account).id = u.id THEN (me.session).persistent END,
    'emails', jsonb_build_array(enqueue_email('email-changed', old_email, NULL, NULL)));
END $$;
--> statement-breakpoint
-- Presenting the current refresh token confirms it: from then on its predecessor is reuse. One write a rotation at most.
-- False if the session was revoked by a request that this one waited for.
CREATE OR REPLACE FUNCTION latchkey.confirm_session(p_session latchkey.sessions, p_counter bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF p_counter IS DISTINCT FROM p_session.counter OR p_session.confirmed THEN RETURN true; END IF;
  UPDATE sessions SET confirmed = true, last_used_at = now() WHERE id = p_session.id AND counter = p_counter AND NOT confirmed;
  RETURN EXISTS (SELECT FROM sessions WHERE id = p_session.id AND revoked_at IS NULL);
END $$;
--> statement-breakpoint
-- GCRA. Consumes one request from a bucket. Returns NULL, or the whole seconds until there is one again.
-- An empty bucket isn't written to, so a flood costs no writes.
CREATE OR REPLACE FUNCTION latchkey.consume_rate_limit(p_limit text, p_key bytea) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  allowed record := rate_limit(p_limit);
  step interval := allowed.window_length / allowed.quota;
  burst interval := allowed.window_length - step;
  arrival timestamptz;
BEGIN
  INSERT INTO rate_limits AS bucket (key, theoretical_arrival_at) VALUES (p_key, now() + step)
    ON CONFLICT (key) DO UPDATE SET theoretical_arrival_at = greatest(bucket.theoretical_arrival_at, now()) + step
    WHERE bucket.theoretical_arrival_at <= now() + burst;
  IF FOUND THEN RETURN NULL; END IF;
  SELECT theoretical_arrival_at INTO arrival FROM rate_limits WHERE key = p_key;
  RETURN greatest(1, ceil(extract(epoch FROM arrival - now() - burst)));
END $$;
--> statement-breakpoint
-- One from the source's bucket, then one from the address's. A refused source takes nothing from the address, so a
-- stranger can't use up somebody else's share alone. `retry_after` is NULL where both had one.
CREATE OR REPLACE FUNCTION latchkey.consume_rate_limits(
  p_source_limit text, p_source_key bytea, p_address_limit text, p_address_key bytea,
  OUT retry_after integer, OUT refused_by text
) LANGUAGE plpgsql AS $$
BEGIN
  retry_after := consume_rate_limit(p_source_limit, p_source_key);
  IF retry_after IS NOT NULL THEN refused_by := 'source'; RETURN; END IF;
  retry_after := consume_rate_limit(p_address_limit, p_address_key);
  IF retry_after IS NOT NULL THEN refused_by := 'address'; END IF;
END $$;
--> statement-breakpoint
-- Makes the account of a registration when `p_verified`: this is the browser that registered, or the password was right.
-- Otherwise only says what to check the password against. With a family the account is signed in, too.
CREATE OR REPLACE FUNCTION latchkey.consume_registration(
  p_registration_id uuid, p_token_key bytea, p_verified boolean, p_family_hash bytea, p_presented_family_hash bytea,
  p_persistent boolean, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  retry_after integer := consume_rate_limit('link-token', p_token_key);
  r registrations;
  u users;
  opened sessions;
BEGIN
  IF retry_after IS NOT NULL THEN RETURN limited(retry_after); END IF;
  SELECT * INTO r FROM registrations WHERE id = p_registration_id;
  -- Users are locked before registrations: a deletion of the address's account is waited for here.
  PERFORM FROM users WHERE email_normalized = r.email_normalized FOR KEY SHARE;
  IF FOUND THEN RETURN jsonb_build_object('kind', 'consumed'); END IF;
  SELECT * INTO r FROM registrations WHERE id = p_registration_id AND consumed_at IS NULL FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN jsonb_build_object('kind', 'consumed'); END IF;
  IF NOT p_verified THEN RETURN jsonb_build_object('kind', 'unverified', 'passwordHash', r.password_hash); END IF;

  -- Before the address is taken: whoever waits for the address may hold this session.
  PERFORM FROM sessions WHERE family_hash = p_presented_family_hash FOR NO KEY UPDATE;
  INSERT INTO users (id, email, email_normalized, password_hash, email_verified_at)
  VALUES (new_id(), r.email, r.email_normalized, r.password_hash, now())
  ON CONFLICT (email_normalized) DO NOTHING RETURNING * INTO u;
  -- Another registration of the address was first.
  IF NOT FOUND THEN RETURN jsonb_build_object('kind', 'consumed'); END IF;
  UPDATE registrations SET consumed_at = now() WHERE id = r.id;
  PERFORM write_event('account-created', u.id, NULL, p_request, NULL);
  IF p_family_hash IS NULL THEN RETURN jsonb_build_object('kind', 'account-created', 'userId', u.id); END IF;
  opened := open_session(u.id, p_family_hash, 'email', p_persistent, NULL,
    (SELECT id FROM sessions WHERE family_hash = p_presented_family_hash), p_request);
  RETURN jsonb_build_object('kind', 'signed-in', 'session', live_session(opened, u));
END $$;
--> statement-breakpoint
-- Counts an attempt at a password before the password is checked, so parallel guesses can't outrun the count.
-- `failures` includes this one, and is NULL when it came too early; that isn't counted. From the tenth failure in a
-- row each one doubles the wait for the next.
CREATE OR REPLACE FUNCTION latchkey.count_attempt(
  p_key bytea, p_user_id uuid, OUT failures integer, OUT retry_after integer
) LANGUAGE plpgsql AS $$
DECLARE
  wait_from integer := maximum('back_off_from');
BEGIN
  INSERT INTO login_attempts AS bucket (key, user_id, failures, next_attempt_at) VALUES (p_key, p_user_id, 1, now())
    ON CONFLICT (key) DO UPDATE SET
      failures = least(bucket.failures, maximum('locked_at')) + 1,
      next_attempt_at = now() + CASE WHEN bucket.failures + 1 < wait_from THEN interval '0'
        ELSE least(lifetime('longest_back_off'),
          lifetime('first_back_off') * power(2, least(bucket.failures + 1 - wait_from, 20))) END
    WHERE bucket.failures < wait_from OR bucket.next_attempt_at <= now()
    RETURNING bucket.failures INTO failures;
  IF failures IS NULL THEN
    SELECT greatest(1, ceil(extract(epoch FROM next_attempt_at - now()))) INTO retry_after FROM login_attempts WHERE key = p_key;
  END IF;
END $$;
--> statement-breakpoint
-- Deletes the account with its sessions, tokens, registrations and emails. Its events keep neither address nor network.
CREATE OR REPLACE FUNCTION latchkey.delete_account(p_family_hash bytea, p_counter bigint, p_session_id uuid, p_request jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  me record;
  u users;
  tokens uuid[];
BEGIN
  PERFORM lock_account(session_owner(p_family_hash, p_session_id));
  me := authenticate(p_family_hash, p_counter, p_session_id);
  IF me.refusal IS NOT NULL THEN RETURN me.refusal; END IF;
  PERFORM confirm_session(me.session, p_counter);
  IF NOT is_stepped_up(me.session, me.account) THEN RETURN jsonb_build_object('kind', 'reauthentication-required'); END IF;
  u := me.account;
  PERFORM clear_attempts(u.id);
  DELETE FROM registrations WHERE email_normalized = u.email_normalized;
  tokens := ARRAY(SELECT id FROM one_time_tokens WHERE user_id = u.id);
  DELETE FROM users WHERE id = u.id;
  DELETE FROM outbox WHERE recipient = u.email OR token_id = ANY (tokens);
  UPDATE events SET ip = NULL WHERE user_id = u.id;
  PERFORM write_event('account-deleted', u.id, NULL, p_request - 'ip', NULL);
  RETURN jsonb_build_object('kind', 'deleted', 'userId', u.id,
    'emails', jsonb_build_array(enqueue_email('account-deleted', u.email, NULL, NULL)));
END $$;
--> statement-breakpoint
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
--> statement-breakpoint
-- What a refresh of a session that has ended responds. A copy that rotated on and then signed out is reported like one
-- that is still signed in. A session that was revoked a moment ago may have lost a race with a logout or a login: its
-- cookie may be newer by now, so the end isn't definite.
CREATE OR REPLACE FUNCTION latchkey.ended_session(
  p_session latchkey.sessions, p_user latchkey.users, p_presented bigint, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF p_session.revocation_reason IN ('logout', 'superseded') AND p_user.disabled_at IS NULL AND is_reuse(p_session, p_presented) THEN
    RETURN revoke_reused_session(p_session, p_user, p_presented, p_request);
  END IF;
  RETURN jsonb_build_object('kind', 'ended', 'sessionId', p_session.id, 'userId', p_session.user_id, 'definite',
    NOT coalesce(p_session.revocation_reason <> 'reuse' AND p_session.revoked_at > now() - lifetime('reuse_interval'), false));
END $$;
--> statement-breakpoint
-- Queues an email and returns it as the caller delivers it. The token is of the row that its link stands for.
CREATE OR REPLACE FUNCTION latchkey.enqueue_email(
  p_kind text, p_recipient text, p_token_id uuid, p_token_expires_at timestamptz
) RETURNS jsonb LANGUAGE sql AS $$
  INSERT INTO outbox AS email (id, kind, recipient, token_id, token_expires_at, next_attempt_at)
  VALUES (new_id(), p_kind, p_recipient, p_token_id, p_token_expires_at, now() + lifetime('email_first_try'))
  RETURNING queued_email(email)
$$;
--> statement-breakpoint
-- A reset link in the place of an older one. The account's row is locked by the caller.
CREATE OR REPLACE FUNCTION latchkey.enqueue_reset(p_user latchkey.users, p_kind text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  token one_time_tokens;
BEGIN
  UPDATE one_time_tokens SET consumed_at = now() WHERE user_id = p_user.id AND purpose = 'reset' AND consumed_at IS NULL;
  INSERT INTO one_time_tokens (id, user_id, purpose, expires_at)
  VALUES (new_id(), p_user.id, 'reset', date_trunc('second', now()) + lifetime('reset_link')) RETURNING * INTO token;
  RETURN enqueue_email(p_kind, p_user.email, token.id, token.expires_at);
END $$;
--> statement-breakpoint
-- The event of a failed login. The failure that locks the password queues an email to its owner. `p_failures` is of
-- the attempt that failed, so exactly one of several at once is that one.
CREATE OR REPLACE FUNCTION latchkey.fail_login(
  p_email_normalized text, p_subject text, p_failures integer, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  u users;
  emails jsonb := '[]';
BEGIN
  IF p_subject IN ('account', 'locked') THEN
    SELECT * INTO u FROM users WHERE email_normalized = p_email_normalized;
  END IF;
  PERFORM write_event('login-failed', u.id, NULL, p_request, jsonb_build_object('subject', p_subject));
  IF p_subject = 'account' AND u.id IS NOT NULL AND p_failures = maximum('locked_at') THEN
    PERFORM write_event('password-locked', u.id, NULL, p_request, NULL);
    emails := jsonb_build_array(enqueue_email('password-locked', u.email, NULL, NULL));
  END IF;
  RETURN jsonb_build_object('kind', 'failed', 'emails', emails);
END $$;
--> statement-breakpoint
-- The session that a request shows, and whether it may change the account.
CREATE OR REPLACE FUNCTION latchkey.find_session(p_family_hash bytea, p_counter bigint, p_session_id uuid)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  me record := authenticate(p_family_hash, p_counter, p_session_id);
BEGIN
  IF me.refusal IS NOT NULL THEN RETURN me.refusal; END IF;
  IF NOT confirm_session(me.session, p_counter) THEN RETURN jsonb_build_object('kind', 'signed-out'); END IF;
  RETURN jsonb_build_object('kind', 'signed-in', 'session', live_session(me.session, me.account),
    'steppedUp', is_stepped_up(me.session, me.account));
END $$;
--> statement-breakpoint
-- After the password was found right: opens the session, unless what was checked has changed meanwhile.
-- With `p_reauthenticates` only for the account of the presented session, which it replaces.
CREATE OR REPLACE FUNCTION latchkey.finish_login(
  p_email_normalized text, p_security_version integer, p_checked_hash text, p_rehash text, p_device_key bytea,
  p_family_hash bytea, p_presented_family_hash bytea, p_presented_counter bigint, p_reauthenticates boolean,
  p_persistent boolean, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  attempts_key bytea;
  attempts login_attempts;
  u users;
  presented record;
  me record;
  opened sessions;
  emails jsonb := '[]';
BEGIN
  SELECT * INTO u FROM users WHERE email_normalized = p_email_normalized;
  attempts_key := login_attempts_key(u.id, NULL, p_device_key);
  SELECT * INTO attempts FROM login_attempts WHERE key = attempts_key FOR UPDATE;
  SELECT * INTO u FROM users WHERE email_normalized = p_email_normalized FOR NO KEY UPDATE;
  IF u.id IS NULL OR u.security_version <> p_security_version OR u.disabled_at IS NOT NULL OR u.password_hash IS NULL THEN
    RETURN jsonb_build_object('kind', 'changed');
  END IF;
  SELECT id, user_id, persistent, absolute_expires_at INTO presented FROM sessions WHERE family_hash = p_presented_family_hash;
  IF p_reauthenticates THEN
    -- Held, so that a logout under way is either seen or waits.
    PERFORM FROM sessions WHERE user_id = u.id AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE;
    me := authenticate(p_presented_family_hash, p_presented_counter, NULL);
    -- The attempt stays counted: otherwise any session would be a silent way to try another account's password.
    IF me.refusal IS NOT NULL OR presented.user_id <> u.id THEN
      PERFORM write_event('login-failed', u.id, NULL, p_request, jsonb_build_object('subject', 'account'));
      IF me.refusal IS NOT NULL THEN RETURN me.refusal; END IF;
      RETURN jsonb_build_object('kind', 'different-account');
    END IF;
  END IF;
  -- Only what is held: a row that came later is another attempt's to remove.
  DELETE FROM login_attempts WHERE key = attempts.key AND user_id = u.id;

  IF p_rehash IS NOT NULL THEN
    UPDATE users SET password_hash = p_rehash WHERE id = u.id AND password_hash = p_checked_hash;
  END IF;
  -- A session that is presented is superseded, whatever its account.
  opened := open_session(u.id, p_family_hash, 'password',
    CASE WHEN p_reauthenticates THEN presented.persistent ELSE p_persistent END,
    CASE WHEN p_reauthenticates THEN presented.absolute_expires_at END, presented.id, p_request);
  IF p_device_key IS NULL AND attempts.failures > maximum('suspicious_from') THEN
    emails := jsonb_build_array(enqueue_email('login-after-failures', u.email, NULL, NULL));
  END IF;
  RETURN jsonb_build_object('kind', 'signed-in', 'session', live_session(opened, u), 'emails', emails);
END $$;
--> statement-breakpoint
-- True for a refresh token that its own browser can't have by mistake: its successor was presented, or there are two.
CREATE OR REPLACE FUNCTION latchkey.is_reuse(p_session latchkey.sessions, p_counter bigint)
RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT p_counter < p_session.counter - 1 OR p_counter = p_session.counter - 1 AND p_session.confirmed
    AND p_session.rotated_at <= now() - lifetime('reuse_interval')
$$;
--> statement-breakpoint
-- The one rule for what changes an account: authenticated within 5 minutes, and at full strength, which is with the
-- second factor where the account has one.
CREATE OR REPLACE FUNCTION latchkey.is_stepped_up(p_session latchkey.sessions, p_user latchkey.users)
RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT p_session.authenticated_at > clock_timestamp() - lifetime('step_up')
    AND (p_user.second_factor_at IS NULL OR p_session.method = 'passkey' OR p_session.method ~ '\+(totp|recovery-code)$')
$$;
--> statement-breakpoint
-- Written from lib/limits.ts by `npm run migration`. An unknown name raises.
CREATE OR REPLACE FUNCTION latchkey.lifetime(p_name text) RETURNS interval LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  CASE p_name
    WHEN 'access_token' THEN RETURN interval '900 seconds';
    WHEN 'reuse_interval' THEN RETURN interval '30 seconds';
    WHEN 'session_idle' THEN RETURN interval '604800 seconds';
    WHEN 'session_absolute' THEN RETURN interval '2592000 seconds';
    WHEN 'short_session_idle' THEN RETURN interval '7200 seconds';
    WHEN 'short_session_absolute' THEN RETURN interval '86400 seconds';
    WHEN 'last_used_step' THEN RETURN interval '900 seconds';
    WHEN 'step_up' THEN RETURN interval '300 seconds';
    WHEN 'registration' THEN RETURN interval '604800 seconds';
    WHEN 'registration_link' THEN RETURN interval '28800 seconds';
    WHEN 'reset_link' THEN RETURN interval '1800 seconds';
    WHEN 'email_change_link' THEN RETURN interval '28800 seconds';
    WHEN 'device_cookie' THEN RETURN interval '15552000 seconds';
    WHEN 'first_back_off' THEN RETURN interval '30 seconds';
    WHEN 'longest_back_off' THEN RETURN interval '3600 seconds';
    WHEN 'email_first_try' THEN RETURN interval '60 seconds';
    WHEN 'email_first_back_off' THEN RETURN interval '60 seconds';
    WHEN 'email_longest_back_off' THEN RETURN interval '10800 seconds';
    WHEN 'email_give_up' THEN RETURN interval '86400 seconds';
    WHEN 'keep_consumed' THEN RETURN interval '2592000 seconds';
    WHEN 'keep_login_attempts' THEN RETURN interval '2592000 seconds';
    WHEN 'keep_event_ip' THEN RETURN interval '7776000 seconds';
    WHEN 'keep_events' THEN RETURN interval '34560000 seconds';
  END CASE;
END $$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION latchkey.limited(p_retry_after integer) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('kind', 'limited', 'retryAfterSeconds', p_retry_after)
$$;
--> statement-breakpoint
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
--> statement-breakpoint
-- A session that a token or a view is about to be made for. Moments are epoch seconds.
CREATE OR REPLACE FUNCTION latchkey.live_session(p_session latchkey.sessions, p_user latchkey.users)
RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object(
    'id', p_session.id, 'counter', p_session.counter, 'persistent', p_session.persistent, 'method', p_session.method,
    'authenticatedAt', extract(epoch FROM p_session.authenticated_at),
    'absoluteExpiresAt', extract(epoch FROM p_session.absolute_expires_at),
    'secondsLeft', extract(epoch FROM p_session.idle_expires_at - now()),
    'user', user_of(p_user))
$$;
--> statement-breakpoint
-- For changes of an account: everything that they may touch, in the one order of locks. Held until the change is done, so
-- a login under way is either seen or waits.
CREATE OR REPLACE FUNCTION latchkey.lock_account(p_user_id uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  address text;
BEGIN
  PERFORM FROM login_attempts WHERE user_id = p_user_id ORDER BY key FOR UPDATE;
  SELECT email_normalized INTO address FROM users WHERE id = p_user_id FOR NO KEY UPDATE;
  PERFORM FROM registrations WHERE email_normalized = address ORDER BY id FOR NO KEY UPDATE;
  PERFORM FROM one_time_tokens WHERE user_id = p_user_id AND consumed_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  PERFORM FROM sessions WHERE user_id = p_user_id AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE;
END $$;
--> statement-breakpoint
-- The bucket that an attempt counts in: the device cookie's, the account's, or the unknown address's.
CREATE OR REPLACE FUNCTION latchkey.login_attempts_key(p_user_id uuid, p_address_key bytea, p_device_key bytea)
RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(p_device_key, subject_key('login-account', p_user_id::text), p_address_key)
$$;
--> statement-breakpoint
-- Any token of a family ends its session. All sessions of the account are ended only by one that would be let in, and
-- that was authenticated a moment ago. A token that was reused is reported here, too.
CREATE OR REPLACE FUNCTION latchkey.logout(p_family_hash bytea, p_counter bigint, p_everywhere boolean, p_request jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  me record;
  s sessions;
  u users;
  result jsonb := jsonb_build_object('kind', 'logged-out');
BEGIN
  IF p_everywhere THEN
    PERFORM lock_account(session_owner(p_family_hash, NULL));
    me := authenticate(p_family_hash, p_counter, NULL);
    -- Not known to be let in yet: the session stays, and the person can try again after a refresh.
    IF me.refusal->>'kind' = 'refresh-required' THEN
      RETURN jsonb_build_object('kind', 'refresh-required');
    END IF;
    IF me.refusal IS NULL THEN
      PERFORM confirm_session(me.session, p_counter);
      IF NOT is_stepped_up(me.session, me.account) THEN
        RETURN jsonb_build_object('kind', 'reauthentication-required');
      END IF;
      PERFORM revoke_all_sessions((me.account).id, NULL, 'logout', p_request);
    ELSE
      -- This session ends, but the others weren't for it to end.
      result := jsonb_build_object('kind', 'signed-out');
    END IF;
  END IF;
  SELECT * INTO s FROM sessions WHERE family_hash = p_family_hash FOR NO KEY UPDATE;
  SELECT * INTO u FROM users WHERE id = s.user_id;
  IF s.revoked_at IS NULL AND s.idle_expires_at > now() AND is_reuse(s, p_counter) THEN
    RETURN revoke_reused_session(s, u, p_counter, p_request);
  END IF;
  PERFORM revoke_sessions(ARRAY[s.id], 'logout', p_request);
  RETURN result || jsonb_build_object('sessionId', s.id, 'userId', s.user_id);
END $$;
--> statement-breakpoint
-- Gives `events` a partition for this month and the next three, and drops those that are past the time they are kept.
-- A new partition is attached, not made in place: that lets inserts go on. What the default partition has of its month
-- moves along. A table that is busy for more than a second is left to the next run.
CREATE OR REPLACE FUNCTION latchkey.maintain_event_partitions() RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp SET lock_timeout = '1s' SET timezone = 'UTC' AS $$
DECLARE
  keep_from timestamptz := now() - lifetime('keep_events');
  first_month timestamptz;
  next_month timestamptz;
  name text;
  created text[] := '{}';
  dropped text[] := '{}';
  removed integer;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('latchkey.maintain_event_partitions'));
  FOR ahead IN 0 .. maximum('event_months_ahead') LOOP
    first_month := date_trunc('month', now()) + make_interval(months => ahead);
    next_month := first_month + interval '1 month';
    name := 'events_' || to_char(first_month, 'YYYY_MM');
    CONTINUE WHEN to_regclass('latchkey.' || name) IS NOT NULL;
    EXECUTE format('CREATE TABLE latchkey.%I (LIKE latchkey.events INCLUDING ALL)', name);
    -- The owner's default privileges may give more.
    EXECUTE format('REVOKE ALL ON latchkey.%I FROM PUBLIC', name);
    -- A request under way may have written an event of that month there. Attaching takes this lock anyway.
    LOCK TABLE events_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('WITH moved AS (DELETE FROM latchkey.events_default WHERE created_at >= %L AND created_at < %L RETURNING *)
      INSERT INTO latchkey.%I SELECT * FROM moved', first_month, next_month, name);
    EXECUTE format('ALTER TABLE latchkey.events ATTACH PARTITION latchkey.%I FOR VALUES FROM (%L) TO (%L)',
      name, first_month, next_month);
    created := created || name;
  END LOOP;
  FOR name IN
    SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'latchkey.events'::regclass AND relname ~ '^events_\d{4}_\d\d$'
      AND to_date(substring(relname FROM 8), 'YYYY_MM') + interval '1 month' <= keep_from
    ORDER BY relname
  LOOP
    BEGIN
      PERFORM set_config('lock_timeout', '100ms', true);
      EXECUTE format('ALTER TABLE latchkey.events DETACH PARTITION latchkey.%I', name);
      EXECUTE format('DROP TABLE latchkey.%I', name);
      dropped := dropped || name;
    EXCEPTION WHEN lock_not_available THEN
      -- Somebody reads the log. Every write of an event would wait behind this, so it is left to the next run.
    END;
  END LOOP;
  DELETE FROM events_default WHERE created_at < keep_from;
  GET DIAGNOSTICS removed = ROW_COUNT;
  IF removed > 0 OR dropped <> '{}' THEN
    PERFORM write_event('events-purged', NULL, NULL, '{}',
      jsonb_build_object('before', to_char(keep_from, 'YYYY-MM-DD'), 'partitions', dropped, 'removed', removed));
  END IF;
  RETURN jsonb_build_object('kind', 'maintained', 'created', created, 'dropped', dropped, 'removed', removed);
END $$;
--> statement-breakpoint
-- Written from lib/limits.ts by `npm run migration`. An unknown name raises.
CREATE OR REPLACE FUNCTION latchkey.maximum(p_name text) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  CASE p_name
    WHEN 'sessions_per_account' THEN RETURN 50;
    WHEN 'recoveries_in_a_row' THEN RETURN 2;
    WHEN 'code_candidates' THEN RETURN 5;
    WHEN 'code_attempts' THEN RETURN 5;
    WHEN 'back_off_from' THEN RETURN 10;
    WHEN 'suspicious_from' THEN RETURN 5;
    WHEN 'locked_at' THEN RETURN 100;
    WHEN 'removed_at_once' THEN RETURN 10000;
    WHEN 'emails_claimed' THEN RETURN 20;
    WHEN 'emails_taken_along' THEN RETURN 3;
    WHEN 'event_months_ahead' THEN RETURN 3;
  END CASE;
END $$;
--> statement-breakpoint
-- A UUIDv7 (RFC 9562, section 5.7): ids that grow with time keep an index's writes together.
CREATE OR REPLACE FUNCTION latchkey.new_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT encode(
    set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
      PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1),
    'hex')::uuid
$$;
--> statement-breakpoint
-- Every way in ends here, and nothing else opens a session. The account's row is locked by the caller.
-- `p_supersedes` is the session that this browser had: it is revoked. So is the oldest of an account that has too many.
-- `p_absolute_expires_at` is inherited from a session that is replaced; NULL for a new sign-in.
CREATE OR REPLACE FUNCTION latchkey.open_session(
  p_user_id uuid, p_family_hash bytea, p_method text, p_persistent boolean, p_absolute_expires_at timestamptz,
  p_supersedes uuid, p_request jsonb
) RETURNS latchkey.sessions LANGUAGE plpgsql AS $$
DECLARE
  opened sessions;
  excess uuid[] := ARRAY(
    SELECT id FROM sessions
    WHERE user_id = p_user_id AND revoked_at IS NULL AND idle_expires_at > now() AND id IS DISTINCT FROM p_supersedes
    ORDER BY created_at DESC, id DESC OFFSET maximum('sessions_per_account') - 1);
  idle interval := CASE WHEN p_persistent THEN lifetime('session_idle') ELSE lifetime('short_session_idle') END;
  absolute interval := CASE WHEN p_persistent THEN lifetime('session_absolute') ELSE lifetime('short_session_absolute') END;
  expires_at timestamptz := coalesce(p_absolute_expires_at, now() + absolute);
BEGIN
  IF p_supersedes IS NOT NULL OR excess <> '{}' THEN
    PERFORM FROM sessions WHERE id = ANY (excess || p_supersedes) ORDER BY id FOR NO KEY UPDATE;
    PERFORM revoke_sessions(ARRAY[p_supersedes], 'superseded', p_request);
    PERFORM revoke_sessions(excess, 'session-limit', p_request);
  END IF;

  INSERT INTO sessions (id, user_id, family_hash, method, persistent, idle_expires_at, absolute_expires_at,
    client, ip, last_client, last_ip)
  VALUES (new_id(), p_user_id, p_family_hash, p_method, p_persistent, least(now() + idle, expires_at), expires_at,
    p_request->>'client', p_request->>'ip', p_request->>'client', p_request->>'ip')
  RETURNING * INTO opened;
  PERFORM write_event('session-created', p_user_id, opened.id, p_request, jsonb_build_object('method', p_method));
  RETURN opened;
END $$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION latchkey.queued_email(p_email latchkey.outbox) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('id', p_email.id, 'kind', p_email.kind, 'recipient', p_email.recipient,
    'tokenId', p_email.token_id, 'tokenExpiresAt', extract(epoch FROM p_email.token_expires_at))
$$;
--> statement-breakpoint
-- Written from lib/limits.ts by `npm run migration`. An unknown name raises.
CREATE OR REPLACE FUNCTION latchkey.rate_limit(p_name text, OUT quota integer, OUT window_length interval) LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  CASE p_name
    WHEN 'register-source' THEN quota := 30; window_length := interval '3600 seconds';
    WHEN 'register-address' THEN quota := 5; window_length := interval '3600 seconds';
    WHEN 'login-source' THEN quota := 100; window_length := interval '600 seconds';
    WHEN 'email-source' THEN quota := 30; window_length := interval '3600 seconds';
    WHEN 'email-address' THEN quota := 5; window_length := interval '3600 seconds';
    WHEN 'code-source' THEN quota := 30; window_length := interval '3600 seconds';
    WHEN 'code-address' THEN quota := 10; window_length := interval '86400 seconds';
    WHEN 'link-token' THEN quota := 30; window_length := interval '86400 seconds';
    WHEN 'refresh-session' THEN quota := 60; window_length := interval '60 seconds';
    WHEN 'password-check-account' THEN quota := 20; window_length := interval '900 seconds';
    WHEN 'email-change-account' THEN quota := 10; window_length := interval '86400 seconds';
  END CASE;
END $$;
--> statement-breakpoint
-- The audit log for an app, in the order in which it became readable: at least once, none missed. An event is returned
-- only when no transaction that began before its own is still open. `p_cursor` is the last answer's, or NULL.
CREATE OR REPLACE FUNCTION latchkey.read_events(p_cursor text, p_limit integer) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  after_xid xid8 := coalesce(split_part(p_cursor, ':', 1), '0')::xid8;
  after_id bigint := coalesce(split_part(p_cursor, ':', 2), '0')::bigint;
BEGIN
  RETURN (
    SELECT jsonb_build_object('kind', 'events',
      'events', coalesce(jsonb_agg(to_jsonb(e) - 'xid' || jsonb_build_object('created_at', extract(epoch FROM e.created_at))
        ORDER BY e.xid, e.id), '[]'),
      'cursor', coalesce((array_agg(e.xid::text || ':' || e.id ORDER BY e.xid DESC, e.id DESC))[1], p_cursor))
    FROM (
      SELECT * FROM events WHERE (xid, id) > (after_xid, after_id) AND xid < pg_snapshot_xmin(pg_current_snapshot())
      ORDER BY xid, id LIMIT least(greatest(p_limit, 1), 1000)
    ) e);
END $$;
--> statement-breakpoint
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
--> statement-breakpoint
-- Within the reuse interval only the browser that rotated gets the token again. Nothing is revoked.
CREATE OR REPLACE FUNCTION latchkey.refuse_other_browser(p_session latchkey.sessions, p_request jsonb)
RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM write_event('refresh-refused', p_session.user_id, p_session.id, p_request,
    jsonb_build_object('client', p_request->>'client'));
  RETURN jsonb_build_object('kind', 'refresh-required', 'sessionId', p_session.id, 'userId', p_session.user_id);
END $$;
--> statement-breakpoint
-- Keeps a registration and queues its link. Where the address has an account already, keeps nothing, and the account's
-- owner gets another email. The answer has the same shape either way.
CREATE OR REPLACE FUNCTION latchkey.register(
  p_email text, p_email_normalized text, p_password_hash text, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  registration_id uuid := new_id();
  link_expires_at timestamptz := date_trunc('second', now()) + lifetime('registration_link');
  owner users;
  email jsonb;
BEGIN
  SELECT * INTO owner FROM users WHERE email_normalized = p_email_normalized;
  PERFORM write_event('registration-requested', owner.id, NULL, p_request, NULL);
  IF owner.id IS NULL THEN
    INSERT INTO registrations (id, email, email_normalized, password_hash, expires_at)
    VALUES (registration_id, p_email, p_email_normalized, p_password_hash, link_expires_at);
    email := enqueue_email('confirm-registration', p_email, registration_id, link_expires_at);
  ELSE
    email := enqueue_email('already-registered', owner.email, NULL, NULL);
  END IF;
  RETURN jsonb_build_object('kind', 'accepted', 'registrationId', registration_id, 'emails', jsonb_build_array(email));
END $$;
--> statement-breakpoint
-- Removes what is no longer needed of one table, a batch at a time. As many as a batch were removed: there may be more.
-- Keys in an array are looked up by their index; IN (SELECT …) would have the whole table read beside it.
CREATE OR REPLACE FUNCTION latchkey.remove_expired(p_what text) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  batch integer := maximum('removed_at_once');
  consumed_before timestamptz := now() - lifetime('keep_consumed');
  removed integer;
BEGIN
  CASE p_what
    WHEN 'registrations' THEN
      DELETE FROM registrations WHERE id = ANY (ARRAY(SELECT id FROM registrations
        WHERE created_at < now() - lifetime('registration') ORDER BY created_at LIMIT batch FOR UPDATE SKIP LOCKED));
    WHEN 'sessions' THEN
      -- However it ended. Its absolute expiry is 30 days after it began, so nothing that ended in it is kept for longer.
      DELETE FROM sessions WHERE id = ANY (ARRAY(SELECT id FROM sessions
        WHERE absolute_expires_at < now() ORDER BY absolute_expires_at LIMIT batch FOR UPDATE SKIP LOCKED));
    WHEN 'one-time-tokens' THEN
      DELETE FROM one_time_tokens WHERE id = ANY (ARRAY(SELECT id FROM one_time_tokens
        WHERE expires_at < consumed_before ORDER BY expires_at LIMIT batch FOR UPDATE SKIP LOCKED));
    WHEN 'emails' THEN
      DELETE FROM outbox WHERE id = ANY (ARRAY(SELECT id FROM outbox
        WHERE created_at < consumed_before AND (sent_at IS NOT NULL OR failed_at IS NOT NULL)
        ORDER BY created_at LIMIT batch FOR UPDATE SKIP LOCKED));
    WHEN 'rate-limits' THEN
      DELETE FROM rate_limits WHERE key = ANY (ARRAY(SELECT key FROM rate_limits
        WHERE theoretical_arrival_at < now() LIMIT batch FOR UPDATE SKIP LOCKED));
    WHEN 'login-attempts' THEN
      -- What is locked stays, for an unknown address as for an account: otherwise the next attempt would tell them apart.
      DELETE FROM login_attempts WHERE key = ANY (ARRAY(SELECT key FROM login_attempts a
        WHERE next_attempt_at < now() - lifetime('keep_login_attempts') AND (failures < maximum('locked_at')
          OR user_id IS NOT NULL AND NOT EXISTS (SELECT FROM users WHERE users.id = a.user_id))
        LIMIT batch FOR UPDATE SKIP LOCKED));
    WHEN 'event-ips' THEN
      -- The bound is given twice, so that younger partitions aren't looked at.
      UPDATE events e SET ip = NULL FROM (SELECT created_at, id FROM events
        WHERE ip IS NOT NULL AND created_at < now() - lifetime('keep_event_ip') ORDER BY created_at LIMIT batch FOR UPDATE SKIP LOCKED) old
      WHERE e.created_at = old.created_at AND e.id = old.id AND e.created_at < now() - lifetime('keep_event_ip');
  END CASE;
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN jsonb_build_object('kind', 'removed', 'removed', removed, 'more', removed = batch);
END $$;
--> statement-breakpoint
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
--> statement-breakpoint
-- Queues a reset link for the account of an address. It takes the place of an older one. The answer is the same for an
-- address without an account.
CREATE OR REPLACE FUNCTION latchkey.request_reset(
  p_email_normalized text, p_source_key bytea, p_address_key bytea, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  checked record := consume_rate_limits('email-source', p_source_key, 'email-address', p_address_key);
  emails jsonb := '[]';
  u users;
BEGIN
  IF checked.refused_by = 'source' THEN RETURN limited(checked.retry_after); END IF;
  IF checked.refused_by IS NULL THEN
    SELECT * INTO u FROM users WHERE email_normalized = p_email_normalized AND disabled_at IS NULL FOR NO KEY UPDATE;
    PERFORM write_event('reset-requested', u.id, NULL, p_request, NULL);
    IF u.id IS NOT NULL THEN emails := jsonb_build_array(enqueue_reset(u, 'reset-password')); END IF;
  END IF;
  RETURN jsonb_build_object('kind', 'accepted', 'emails', emails);
END $$;
--> statement-breakpoint
-- A new link for the registration of this browser, else for the newest of the address. An account's owner hears that
-- there is one. The source's empty bucket is reported; the address's isn't, so a mailbox can't be flooded or probed.
CREATE OR REPLACE FUNCTION latchkey.request_verification_email(
  p_email_normalized text, p_registration_id uuid, p_source_key bytea, p_address_key bytea, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  checked record := consume_rate_limits('email-source', p_source_key, 'email-address', p_address_key);
  emails jsonb := '[]';
  owner users;
  renewed registrations;
BEGIN
  IF checked.refused_by = 'source' THEN RETURN limited(checked.retry_after); END IF;
  IF checked.refused_by IS NULL THEN
    SELECT * INTO owner FROM users WHERE email_normalized = p_email_normalized;
    PERFORM write_event('verification-email-requested', owner.id, NULL, p_request, NULL);
    IF owner.id IS NULL THEN
      UPDATE registrations SET code_attempts = 0,
        -- A new email has a new code, even within the second of the one before.
        expires_at = greatest(date_trunc('second', now()) + lifetime('registration_link'), expires_at + interval '1 second')
      WHERE id = (
        SELECT id FROM registrations WHERE email_normalized = p_email_normalized AND consumed_at IS NULL
        ORDER BY id = p_registration_id DESC NULLS LAST, created_at DESC LIMIT 1)
      RETURNING * INTO renewed;
      IF FOUND THEN
        emails := jsonb_build_array(
          enqueue_email('confirm-registration', renewed.email, renewed.id, renewed.expires_at));
      END IF;
    ELSE
      emails := jsonb_build_array(enqueue_email('already-registered', owner.email, NULL, NULL));
    END IF;
  END IF;
  RETURN jsonb_build_object('kind', 'accepted', 'emails', emails);
END $$;
--> statement-breakpoint
-- Consumes a reset token: sets the password, unlocks it and revokes every session, all or nothing. The account is locked
-- first, so it sees every session that a login under way opened.
CREATE OR REPLACE FUNCTION latchkey.reset_password(
  p_token_id uuid, p_token_key bytea, p_password_hash text, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  retry_after integer := consume_rate_limit('link-token', p_token_key);
  u users;
BEGIN
  IF retry_after IS NOT NULL THEN RETURN limited(retry_after); END IF;
  SELECT users.* INTO u FROM users JOIN one_time_tokens t ON t.user_id = users.id WHERE t.id = p_token_id;
  PERFORM lock_account(u.id);
  SELECT * INTO u FROM users WHERE id = u.id AND disabled_at IS NULL;
  UPDATE one_time_tokens SET consumed_at = now()
  WHERE id = p_token_id AND user_id = u.id AND purpose = 'reset' AND consumed_at IS NULL AND expires_at > now();
  IF NOT FOUND THEN RETURN jsonb_build_object('kind', 'consumed'); END IF;

  UPDATE users SET password_hash = p_password_hash, security_version = security_version + 1, updated_at = now()
  WHERE id = u.id RETURNING * INTO u;
  PERFORM clear_attempts(u.id);
  PERFORM revoke_all_sessions(u.id, NULL, 'reset', p_request);
  PERFORM write_event('password-reset', u.id, NULL, p_request, NULL);
  RETURN jsonb_build_object('kind', 'reset', 'user', user_of(u),
    'emails', jsonb_build_array(enqueue_email('password-reset', u.email, NULL, NULL)));
END $$;
--> statement-breakpoint
-- Revokes every live session of an account but one, which may be NULL. The account's row is locked by the caller.
CREATE OR REPLACE FUNCTION latchkey.revoke_all_sessions(p_user_id uuid, p_except uuid, p_reason text, p_request jsonb)
RETURNS uuid[] LANGUAGE sql AS $$
  SELECT revoke_sessions(ARRAY(
    SELECT id FROM sessions
    WHERE user_id = p_user_id AND revoked_at IS NULL AND idle_expires_at > now() AND id IS DISTINCT FROM p_except
  ), p_reason, p_request)
$$;
--> statement-breakpoint
-- From the list of sessions: the chosen one, or where `p_chosen_id` is NULL all but the one that asks.
CREATE OR REPLACE FUNCTION latchkey.revoke_own_sessions(
  p_family_hash bytea, p_counter bigint, p_session_id uuid, p_chosen_id uuid, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  me record;
  revoked uuid[];
BEGIN
  PERFORM lock_account(session_owner(p_family_hash, p_session_id));
  me := authenticate(p_family_hash, p_counter, p_session_id);
  IF me.refusal IS NOT NULL THEN RETURN me.refusal; END IF;
  PERFORM confirm_session(me.session, p_counter);
  IF NOT is_stepped_up(me.session, me.account) THEN RETURN jsonb_build_object('kind', 'reauthentication-required'); END IF;
  IF p_chosen_id IS NULL THEN
    revoked := revoke_all_sessions((me.account).id, (me.session).id, 'revoked-by-user', p_request);
  ELSE
    revoked := revoke_sessions(
      ARRAY(SELECT id FROM sessions WHERE id = p_chosen_id AND user_id = (me.account).id), 'revoked-by-user', p_request);
    IF revoked = '{}' THEN RETURN jsonb_build_object('kind', 'not-found'); END IF;
  END IF;
  RETURN jsonb_build_object('kind', 'revoked', 'current', (me.session).id = ANY (revoked),
    'sessionId', (me.session).id, 'userId', (me.account).id);
END $$;
--> statement-breakpoint
-- Refresh token reuse (RFC 9700, section 4.14.2): the session is revoked, and its owner hears of it.
CREATE OR REPLACE FUNCTION latchkey.revoke_reused_session(
  p_session latchkey.sessions, p_user latchkey.users, p_presented bigint, p_request jsonb
) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  UPDATE sessions SET revoked_at = coalesce(revoked_at, now()), revocation_reason = 'reuse' WHERE id = p_session.id;
  PERFORM write_event('refresh-token-reused', p_session.user_id, p_session.id, p_request,
    jsonb_build_object('presented', p_presented, 'current', p_session.counter));
  RETURN jsonb_build_object('kind', 'reused', 'sessionId', p_session.id, 'userId', p_session.user_id,
    'emails', jsonb_build_array(enqueue_email('refresh-token-reused', p_user.email, NULL, NULL)));
END $$;
--> statement-breakpoint
-- Revokes those of the sessions that are live, with an event each, and returns their ids. Locks in the order of the ids,
-- so two of these never wait for one another.
CREATE OR REPLACE FUNCTION latchkey.revoke_sessions(p_ids uuid[], p_reason text, p_request jsonb)
RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
  revoked_ids uuid[];
BEGIN
  PERFORM FROM sessions WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE;
  WITH revoked AS (
    UPDATE sessions SET revoked_at = now(), revocation_reason = p_reason
    WHERE id = ANY (p_ids) AND revoked_at IS NULL AND idle_expires_at > now()
    RETURNING id, user_id
  ), logged AS (
    INSERT INTO events (kind, user_id, session_id, request_id, ip, detail)
    SELECT 'session-revoked', user_id, id, p_request->>'id', p_request->>'ip', jsonb_build_object('reason', p_reason)
    FROM revoked
  )
  SELECT coalesce(array_agg(id), '{}') INTO revoked_ids FROM revoked;
  RETURN revoked_ids;
END $$;
--> statement-breakpoint
-- Refresh. With p presented and c the session's counter (docs/sessions.md says why):
--   p = c       after the reuse interval: rotate. Within it: the same token again.
--   p = c - 1   within the interval, same browser and system: the token of c again (a second tab, a retry).
--               within the interval, another browser or system: refused, nothing revoked.
--               later, while c was never presented: a recovery, the token of c again (a lost response), from which the
--               interval starts again. At most two different counters in a row.
--   p < c       otherwise: reuse. The session is revoked and its owner told.
CREATE OR REPLACE FUNCTION latchkey.rotate_session(p_family_hash bytea, p_presented bigint, p_request jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  retry_after integer;
  reuse_interval interval := lifetime('reuse_interval');
  in_interval boolean;
  recovers boolean;
  s sessions;
  u users;
BEGIN
  SELECT * INTO s FROM sessions WHERE family_hash = p_family_hash;
  -- A rotation is due once an interval, so it isn't counted.
  IF p_presented IS DISTINCT FROM s.counter OR s.rotated_at > now() - reuse_interval THEN
    retry_after := consume_rate_limit('refresh-session', subject_key('refresh-session', encode(p_family_hash, 'hex')));
    IF retry_after IS NOT NULL THEN RETURN limited(retry_after); END IF;
  END IF;
  SELECT * INTO s FROM sessions WHERE family_hash = p_family_hash FOR NO KEY UPDATE;
  SELECT * INTO u FROM users WHERE id = s.user_id;
  IF s.id IS NULL OR u.disabled_at IS NOT NULL OR p_presented > s.counter OR s.revoked_at IS NOT NULL OR s.idle_expires_at <= now() THEN
    RETURN ended_session(s, u, p_presented, p_request);
  END IF;
  in_interval := s.rotated_at > now() - reuse_interval;

  IF p_presented = s.counter AND in_interval THEN
    UPDATE sessions SET confirmed = true WHERE id = s.id AND NOT confirmed;
  ELSIF p_presented = s.counter THEN
    UPDATE sessions SET counter = counter + 1, confirmed = false, rotated_at = now(), last_used_at = now(),
      recovered_in_a_row = CASE WHEN recovered_counter = counter THEN recovered_in_a_row ELSE 0 END,
      idle_expires_at = least(absolute_expires_at,
        now() + CASE WHEN persistent THEN lifetime('session_idle') ELSE lifetime('short_session_idle') END),
      last_client = p_request->>'client', last_ip = p_request->>'ip'
    WHERE id = s.id RETURNING * INTO s;
  ELSIF p_presented = s.counter - 1 AND in_interval THEN
    IF s.last_client IS DISTINCT FROM p_request->>'client' THEN RETURN refuse_other_browser(s, p_request); END IF;
  ELSE
    recovers := s.recovered_counter IS DISTINCT FROM s.counter;
    IF is_reuse(s, p_presented) OR recovers AND s.recovered_in_a_row >= maximum('recoveries_in_a_row') THEN
      RETURN revoke_reused_session(s, u, p_presented, p_request);
    END IF;
    IF NOT recovers AND s.last_client IS DISTINCT FROM p_request->>'client' THEN RETURN refuse_other_browser(s, p_request); END IF;
    IF recovers THEN
      UPDATE sessions SET recovered_counter = counter, recovered_in_a_row = recovered_in_a_row + 1, rotated_at = now(),
        last_used_at = now(), last_client = p_request->>'client', last_ip = p_request->>'ip' WHERE id = s.id;
      PERFORM write_event('session-recovered', s.user_id, s.id, p_request, jsonb_build_object('counter', s.counter));
    END IF;
  END IF;
  RETURN jsonb_build_object('kind', 'live', 'session', live_session(s, u));
END $$;
--> statement-breakpoint
-- Whose session a request shows, live or not.
CREATE OR REPLACE FUNCTION latchkey.session_owner(p_family_hash bytea, p_session_id uuid) RETURNS uuid LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF p_family_hash IS NULL THEN RETURN (SELECT user_id FROM sessions WHERE id = p_session_id); END IF;
  RETURN (SELECT user_id FROM sessions WHERE family_hash = p_family_hash);
END $$;
--> statement-breakpoint
-- The key of a bucket that belongs to a row here. (A bucket of an address or a network has a keyed hash, which the caller makes.)
CREATE OR REPLACE FUNCTION latchkey.subject_key(p_name text, p_subject text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
  SELECT sha256(convert_to(p_name || E'\n' || p_subject, 'UTF8'))
$$;
--> statement-breakpoint
-- Counts a try at the code of every pending registration of an address and returns what the code is derived from. Nothing
-- is consumed yet.
CREATE OR REPLACE FUNCTION latchkey.try_registration_code(
  p_email_normalized text, p_source_key bytea, p_address_key bytea
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  checked record := consume_rate_limits('code-source', p_source_key, 'code-address', p_address_key);
  candidates jsonb;
BEGIN
  IF checked.retry_after IS NOT NULL THEN RETURN limited(checked.retry_after); END IF;
  PERFORM FROM registrations WHERE email_normalized = p_email_normalized AND consumed_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  WITH candidate AS (
    UPDATE registrations SET code_attempts = code_attempts + 1
    WHERE code_attempts < maximum('code_attempts') AND id IN (
      SELECT id FROM registrations
      WHERE email_normalized = p_email_normalized AND consumed_at IS NULL AND expires_at > now()
        AND NOT EXISTS (SELECT FROM users WHERE email_normalized = p_email_normalized)
      ORDER BY created_at DESC LIMIT maximum('code_candidates'))
    RETURNING id, expires_at, password_hash
  )
  SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'expiresAt', extract(epoch FROM expires_at),
    'passwordHash', password_hash)), '[]') INTO candidates FROM candidate;
  RETURN jsonb_build_object('kind', 'candidates', 'candidates', candidates);
END $$;
--> statement-breakpoint
-- Counts a try at the code of an address's reset email and returns what the code is derived from. Nothing is consumed yet.
CREATE OR REPLACE FUNCTION latchkey.try_reset_code(p_email_normalized text, p_source_key bytea, p_address_key bytea)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
DECLARE
  checked record := consume_rate_limits('code-source', p_source_key, 'code-address', p_address_key);
  candidates jsonb;
BEGIN
  IF checked.retry_after IS NOT NULL THEN RETURN limited(checked.retry_after); END IF;
  WITH candidate AS (
    UPDATE one_time_tokens t SET code_attempts = t.code_attempts + 1
    FROM users u
    WHERE u.email_normalized = p_email_normalized AND u.disabled_at IS NULL AND t.user_id = u.id AND t.purpose = 'reset'
      AND t.consumed_at IS NULL AND t.expires_at > now() AND t.code_attempts < maximum('code_attempts')
    RETURNING t.id, t.expires_at
  )
  SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'expiresAt', extract(epoch FROM expires_at))), '[]')
  INTO candidates FROM candidate;
  RETURN jsonb_build_object('kind', 'candidates', 'candidates', candidates);
END $$;
--> statement-breakpoint
-- What a response and a cookie are made from.
CREATE OR REPLACE FUNCTION latchkey.user_of(p_user latchkey.users) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('id', p_user.id, 'email', p_user.email, 'role', p_user.role,
    'securityVersion', p_user.security_version)
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION latchkey.waiting_emails() RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = latchkey, pg_temp AS $$
BEGIN
  RETURN (SELECT jsonb_build_object('kind', 'waiting', 'waiting', count(*),
      'oldestWaitingSeconds', floor(extract(epoch FROM now() - min(created_at))))
    FROM outbox WHERE sent_at IS NULL AND failed_at IS NULL);
END $$;
--> statement-breakpoint
-- One entry of the audit log. `p_request` is the request that caused it: {"id", "ip", "client"}.
CREATE OR REPLACE FUNCTION latchkey.write_event(
  p_kind text, p_user_id uuid, p_session_id uuid, p_request jsonb, p_detail jsonb
) RETURNS void LANGUAGE sql AS $$
  INSERT INTO events (kind, user_id, session_id, request_id, ip, detail)
  VALUES (p_kind, p_user_id, p_session_id, p_request->>'id', p_request->>'ip', p_detail)
$$;
--> statement-breakpoint
SELECT latchkey.maintain_event_partitions();
