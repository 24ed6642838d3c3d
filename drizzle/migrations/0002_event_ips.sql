DROP INDEX "events_at";--> statement-breakpoint
CREATE INDEX "events_with_ip" ON "events" USING btree ("at") WHERE ip IS NOT NULL;