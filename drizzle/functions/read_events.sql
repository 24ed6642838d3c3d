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
