-- Keys of writes are forgotten after a day.

CREATE INDEX idempotency_age ON idempotency (created_at);
-- The owner looks across tenants, in the function that forgets keys.
CREATE POLICY administration ON idempotency TO CURRENT_USER USING (true) WITH CHECK (true);

-- Deletes up to `most` keys of all tenants that are older than `age`, and says how many. Processes that do it at the
-- same time share the work instead of waiting for each other.
CREATE FUNCTION forget_idempotency(age interval, most int) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
  WITH old AS (
    SELECT tenant_id, actor, key FROM idempotency WHERE created_at < clock_timestamp() - age
    ORDER BY created_at LIMIT most FOR UPDATE SKIP LOCKED
  ), gone AS (
    DELETE FROM idempotency i USING old
    WHERE i.tenant_id = old.tenant_id AND i.actor = old.actor AND i.key = old.key
    RETURNING 1
  )
  SELECT count(*) FROM gone $$;

REVOKE ALL ON FUNCTION forget_idempotency FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_idempotency TO ragstone_app;
