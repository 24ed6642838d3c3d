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
