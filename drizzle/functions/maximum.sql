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
