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
