-- Answers that are kept: to be shown again, to be gone on from, and to be made in the background.

ALTER TABLE response
  ADD COLUMN completed_at timestamptz,
  ADD COLUMN error_code text,  -- of a failed one, as OpenAI's interface names it
  ADD COLUMN error_message text;
COMMENT ON COLUMN response.request IS
  'settings, which every answer repeats; input, the items of this turn; question, as it is searched for';
COMMENT ON COLUMN response.body IS 'the answer, once it is there';

-- The owner looks across tenants, in the function that forgets answers.
CREATE POLICY administration ON response TO CURRENT_USER USING (true) WITH CHECK (true);

-- Deletes up to `most` answers of all tenants whose time is over, and says how many. Processes that do it at the same
-- time share the work instead of waiting for each other.
CREATE FUNCTION forget_responses(most int) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
  WITH old AS (
    SELECT tenant_id, id FROM response WHERE expires_at <= clock_timestamp()
    ORDER BY expires_at LIMIT most FOR UPDATE SKIP LOCKED
  ), tasks AS (
    DELETE FROM task t USING old WHERE t.tenant_id = old.tenant_id AND t.kind = 'answer' AND t.subject_id = old.id
  ), gone AS (
    DELETE FROM response r USING old WHERE r.tenant_id = old.tenant_id AND r.id = old.id RETURNING 1
  )
  SELECT count(*) FROM gone $$;

REVOKE ALL ON FUNCTION forget_responses FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_responses TO ragstone_app;
