-- The queue's work: who gets which task next, and what becomes of tasks whose worker is gone.
--
-- The functions look across tenants, so they are the owner's; they hand out who a task belongs to and what it is
-- about, never contents.

ALTER TABLE task
  ADD COLUMN failures int NOT NULL DEFAULT 0,  -- attempts that ended with an error
  ADD COLUMN deaths int NOT NULL DEFAULT 0,  -- attempts whose worker ended instead
  -- Every row changes several times in a short life.
  SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
DROP INDEX task_running;
CREATE INDEX task_running ON task (worker, lease_until) WHERE state = 'running';
CREATE INDEX task_dead ON task (tenant_id, id) WHERE state = 'dead';

-- The key of the advisory lock that a worker holds for as long as it lives.
CREATE FUNCTION worker_key(worker text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT hashtextextended('ragstone.worker.' || worker, 0) $$;

-- Since when the locks of this server tell anything. A server that has crashed, that was promoted or that was restored
-- finds the table empty, because it is not logged; one that was stopped in good order tells by its start.
CREATE UNLOGGED TABLE lock_witness (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  since timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE lock_witness ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY administration ON lock_witness TO CURRENT_USER USING (true) WITH CHECK (true);

-- Puts a task to the dead letters and tells its subject; not if somebody has the subject, who would be waited for with
-- the tasks of other tenants in hand. For the owner's other functions alone.
CREATE FUNCTION bury_task(whose int, wanted bigint, why text) RETURNS boolean
LANGUAGE plpgsql SET search_path = ragstone, pg_temp
AS $$
DECLARE
  t task;
  tenant_before text := current_setting('ragstone.tenant', true);
  actor_before text := current_setting('ragstone.actor', true);
  reads_all_before text := current_setting('ragstone.reads_all', true);
  told boolean;
BEGIN
  SELECT * INTO STRICT t FROM task WHERE tenant_id = whose AND id = wanted;
  -- The policies hold for the owner as well.
  PERFORM set_config('ragstone.tenant', whose::text, true), set_config('ragstone.actor', 'worker', true),
          set_config('ragstone.reads_all', 'on', true);
  IF t.kind = 'ingest' THEN
    WITH free AS (
      SELECT id FROM document WHERE tenant_id = whose AND id = t.subject_id FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE document d SET status = 'failed', error_code = 'server_error', error_message = why
    FROM free WHERE d.tenant_id = whose AND d.id = free.id;
    told := FOUND OR NOT EXISTS (SELECT FROM document WHERE tenant_id = whose AND id = t.subject_id);
  ELSE
    WITH free AS (
      SELECT id FROM response WHERE tenant_id = whose AND id = t.subject_id FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE response r SET status = 'failed', error_code = 'server_error', error_message = why
    FROM free WHERE r.tenant_id = whose AND r.id = free.id;
    told := FOUND OR NOT EXISTS (SELECT FROM response WHERE tenant_id = whose AND id = t.subject_id);
  END IF;
  PERFORM set_config('ragstone.tenant', tenant_before, true), set_config('ragstone.actor', actor_before, true),
          set_config('ragstone.reads_all', reads_all_before, true);
  IF told THEN
    UPDATE task SET state = 'dead', worker = NULL, lease_until = NULL, reason = why
    WHERE tenant_id = whose AND id = wanted;
  END IF;
  RETURN told;
END $$;

-- Takes tasks away from workers that are gone: their lease ran out, or the lock of their life is free. Returns how
-- many. A task that was there each time that three workers died is not tried a fourth time.
CREATE FUNCTION free_tasks(asking text) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
DECLARE
  started timestamptz;
  locks_tell boolean;
  lost record;
  freed int := 0;
BEGIN
  -- A restart or a promotion of the server takes every lock away: the living need a moment to come back.
  INSERT INTO lock_witness DEFAULT VALUES ON CONFLICT DO NOTHING;
  SELECT GREATEST(since, pg_postmaster_start_time()) INTO STRICT started FROM lock_witness;
  locks_tell := started < clock_timestamp() - interval '15 seconds';
  FOR lost IN
    WITH gone AS MATERIALIZED (
      SELECT w.worker FROM (SELECT DISTINCT worker FROM task WHERE state = 'running' AND worker <> asking) w
      WHERE locks_tell AND pg_try_advisory_xact_lock_shared(worker_key(w.worker))
    )
    SELECT t.tenant_id, t.id, t.deaths FROM task t
    WHERE t.state = 'running' AND (t.lease_until < clock_timestamp() OR t.worker IN (SELECT worker FROM gone))
    FOR UPDATE OF t SKIP LOCKED
  LOOP
    IF lost.deaths + 1 >= 3 THEN
      -- What cannot be buried now is met again in the next round.
      CONTINUE WHEN NOT bury_task(lost.tenant_id, lost.id, 'its worker ended 3 times while it had this');
    ELSE
      UPDATE task SET
        state = 'waiting', worker = NULL, lease_until = NULL, reason = 'its worker ended',
        -- What was in flight together is not tried together again: one of them may be what ends the workers.
        run_after = now() + lost.deaths * random() * interval '30 seconds'
      WHERE tenant_id = lost.tenant_id AND id = lost.id;
    END IF;
    UPDATE task SET deaths = deaths + 1 WHERE tenant_id = lost.tenant_id AND id = lost.id;
    freed := freed + 1;
  END LOOP;
  RETURN freed;
END $$;

-- Gives a worker up to `wanted` tasks.
--
-- The best class of priority goes first. Within it the tenant with the fewest running tasks does, and chance decides
-- among equals: whoever has a million tasks waiting never delays another's one by more than what is running.
CREATE FUNCTION take_tasks(taker text, kinds text[], wanted int, lease interval)
RETURNS TABLE (
  tenant_id int, tenant text, shard int, database text,
  id bigint, kind text, subject_id bigint, attempt int, failures int
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
-- Statistics of a queue are always wrong: it was empty when they were made and is full when it is asked.
SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
DECLARE
  turn record;
  taken task;
  given int := 0;
BEGIN
  PERFORM free_tasks(taker);
  FOR turn IN
    -- One row for each class and tenant with waiting tasks, found by leaps over the index.
    WITH RECURSIVE heads AS (
      (SELECT priority, tenant_id FROM task WHERE state = 'waiting' ORDER BY priority, tenant_id LIMIT 1)
      UNION ALL
      SELECT next.* FROM heads h CROSS JOIN LATERAL (
        SELECT t.priority, t.tenant_id FROM task t
        WHERE t.state = 'waiting' AND (t.priority, t.tenant_id) > (h.priority, h.tenant_id)
        ORDER BY t.priority, t.tenant_id LIMIT 1) next
    ), running AS (
      SELECT tenant_id, count(*) AS tasks FROM task WHERE state = 'running' GROUP BY tenant_id
    )
    SELECT h.priority, h.tenant_id
    FROM heads h LEFT JOIN running r ON r.tenant_id = h.tenant_id CROSS JOIN generate_series(1, wanted) nth
    ORDER BY h.priority, COALESCE(r.tasks, 0) + nth, random()
  LOOP
    -- Two statements: joined to the update, the choice may be made again for each row that the join tries.
    SELECT * INTO taken FROM task
    WHERE state = 'waiting' AND priority = turn.priority AND tenant_id = turn.tenant_id
      AND run_after <= clock_timestamp() AND kind = ANY (kinds)
    ORDER BY run_after, id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
      UPDATE task t SET
        state = 'running', attempt = t.attempt + 1, worker = taker, lease_until = clock_timestamp() + lease
      WHERE t.tenant_id = taken.tenant_id AND t.id = taken.id
      RETURNING t.* INTO taken;
      RETURN QUERY SELECT n.tenant_id, n.name, n.shard, n.database,
                          taken.id, taken.kind, taken.subject_id, taken.attempt, taken.failures
                   FROM tenant n WHERE n.tenant_id = taken.tenant_id;
      given := given + 1;
      EXIT WHEN given = wanted;
    END IF;
  END LOOP;
END $$;

-- Extends the leases of a worker's tasks; returns those that it still has. One that somebody has locked, to take it away
-- most likely, is left to the next time: the others' leases would run out while it is waited for.
CREATE FUNCTION extend_leases(holder text, tenants int[], ids bigint[], attempts int[], lease interval)
RETURNS TABLE (id bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
  WITH held AS (
    SELECT t.tenant_id, t.id
    FROM unnest(tenants, ids, attempts) AS claim (tenant_id, id, attempt)
    JOIN task t ON t.tenant_id = claim.tenant_id AND t.id = claim.id AND t.attempt = claim.attempt
    WHERE t.worker = holder AND t.state = 'running'
  ), free AS (
    SELECT t.tenant_id, t.id FROM task t
    WHERE t.worker = holder AND t.state = 'running' AND (t.tenant_id, t.id) IN (SELECT tenant_id, id FROM held)
    FOR NO KEY UPDATE SKIP LOCKED
  ), extended AS (
    UPDATE task t SET lease_until = clock_timestamp() + lease
    FROM free WHERE t.tenant_id = free.tenant_id AND t.id = free.id
  )
  SELECT id FROM held
$$;

-- Who deletes a document or a response, by whatever way, deletes the work on it.
CREATE FUNCTION forget_work() RETURNS trigger
LANGUAGE plpgsql
AS $$ BEGIN
  DELETE FROM ragstone.task WHERE tenant_id = OLD.tenant_id AND kind = TG_ARGV[0] AND subject_id = OLD.id;
  RETURN NULL;
END $$;
CREATE TRIGGER forget_work AFTER DELETE ON document FOR EACH ROW EXECUTE FUNCTION forget_work('ingest');
CREATE TRIGGER forget_work AFTER DELETE ON response FOR EACH ROW EXECUTE FUNCTION forget_work('answer');

-- How many tasks each tenant has in each state.
CREATE FUNCTION queue_depths() RETURNS TABLE (tenant text, state text, tasks bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
  SELECT n.name, t.state, count(*) FROM task t JOIN tenant n ON n.tenant_id = t.tenant_id
  GROUP BY n.name, t.state ORDER BY n.name, t.state
$$;

REVOKE ALL ON FUNCTION worker_key, bury_task, free_tasks, take_tasks, extend_leases, forget_work, queue_depths
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION worker_key, take_tasks, extend_leases, queue_depths TO ragstone_app;
