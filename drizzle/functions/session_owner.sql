-- Whose session a request shows, live or not.
CREATE OR REPLACE FUNCTION latchkey.session_owner(p_family_hash bytea, p_session_id uuid) RETURNS uuid LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF p_family_hash IS NULL THEN RETURN (SELECT user_id FROM sessions WHERE id = p_session_id); END IF;
  RETURN (SELECT user_id FROM sessions WHERE family_hash = p_family_hash);
END $$;
