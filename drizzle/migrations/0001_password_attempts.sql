CREATE TABLE "password_attempts" (
	"key" "bytea" PRIMARY KEY NOT NULL,
	"user_id" uuid,
	"failures" integer NOT NULL,
	"next_attempt_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "password_attempts_user_id" ON "password_attempts" USING btree ("user_id");--> statement-breakpoint
ALTER TABLE "users" DROP COLUMN "failed_logins";