-- The key of a bucket that belongs to a row here. (A bucket of an address or a network has a keyed hash, which the caller makes.)
CREATE OR REPLACE FUNCTION latchkey.subject_key(p_name text, p_subject text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
  SELECT sha256(convert_to(p_name || E'\n' || p_subject, 'UTF8'))
$$;
