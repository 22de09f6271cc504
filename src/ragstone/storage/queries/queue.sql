-- The queue from inside a tenant; what looks across tenants are functions of 0003.
-- A claim is a task with the number of its taking and its worker: who has lost it changes nothing with these.

-- name: enqueue
-- A subject whose work is asked for again starts again; whoever works on it now has lost it.
WITH put AS (
  INSERT INTO task (tenant_id, kind, subject_id, priority)
  VALUES (%(tenant)s, %(kind)s, %(subject)s, %(priority)s)
  ON CONFLICT (tenant_id, kind, subject_id) DO UPDATE SET
    state = 'waiting', priority = EXCLUDED.priority, attempt = task.attempt + 1, failures = 0, deaths = 0,
    run_after = now(), worker = NULL, lease_until = NULL, reason = NULL
  RETURNING id
)
SELECT pg_notify('ragstone_task', '') FROM put;

-- name: end_claim
DELETE FROM task
WHERE tenant_id = %(tenant)s AND id = %(task)s AND attempt = %(attempt)s AND worker = %(worker)s AND state = 'running'
RETURNING id;

-- name: retry_claim
UPDATE task
SET state = 'waiting', failures = failures + 1, run_after = now() + make_interval(secs => %(seconds)s),
    worker = NULL, lease_until = NULL, reason = %(reason)s
WHERE tenant_id = %(tenant)s AND id = %(task)s AND attempt = %(attempt)s AND worker = %(worker)s AND state = 'running'
RETURNING id;

-- name: bury_claim
UPDATE task
SET state = 'dead', failures = failures + 1, worker = NULL, lease_until = NULL, reason = %(reason)s
WHERE tenant_id = %(tenant)s AND id = %(task)s AND attempt = %(attempt)s AND worker = %(worker)s AND state = 'running'
RETURNING id;

-- name: hand_back_claim
WITH back AS (
  UPDATE task SET state = 'waiting', worker = NULL, lease_until = NULL
  WHERE tenant_id = %(tenant)s AND id = %(task)s AND attempt = %(attempt)s AND worker = %(worker)s
    AND state = 'running'
  RETURNING id
)
SELECT id, pg_notify('ragstone_task', '') FROM back;

-- name: fail_document
UPDATE document SET status = 'failed', error_code = %(code)s, error_message = %(reason)s
WHERE tenant_id = %(tenant)s AND id = %(subject)s;

-- name: fail_response
UPDATE response SET status = 'failed', error_code = %(code)s, error_message = %(reason)s
WHERE tenant_id = %(tenant)s AND id = %(subject)s;

-- name: forget_tasks
DELETE FROM task WHERE tenant_id = %(tenant)s AND kind = 'ingest' AND subject_id = ANY(%(documents)s);

-- name: cancel_documents
WITH gone AS (
  UPDATE document SET status = 'cancelled'
  WHERE tenant_id = %(tenant)s AND id = ANY(%(documents)s) AND status = 'in_progress'
  RETURNING id
)
-- Workers look at their claims when they hear this.
SELECT id, pg_notify('ragstone_task', 'cancel') FROM gone;

-- name: lock_dead
SELECT id FROM document
WHERE tenant_id = %(tenant)s AND id IN (
  SELECT subject_id FROM task WHERE tenant_id = %(tenant)s AND state = 'dead' AND kind = 'ingest')
ORDER BY id
FOR UPDATE;

-- name: requeue
WITH again AS (
  UPDATE task SET state = 'waiting', failures = 0, deaths = 0, run_after = now(), reason = NULL
  WHERE tenant_id = %(tenant)s AND state = 'dead' AND kind = 'ingest' AND subject_id = ANY(%(documents)s)
  RETURNING subject_id
), told AS (
  UPDATE document SET status = 'in_progress', error_code = NULL, error_message = NULL
  FROM again WHERE tenant_id = %(tenant)s AND document.id = again.subject_id
)
SELECT subject_id, pg_notify('ragstone_task', '') FROM again;

-- name: assignment
-- The document that a claim is about, where its bytes lie, and the store that it goes to.
SELECT d.id AS document, d.audience_id AS audience, d.filename, d.source,
       d.max_chunk_tokens, d.chunk_overlap_tokens,
       f.public_id AS file, f.place, f.content_hash,
       s.id AS store, s.public_id, s.name, s.language, s.created_at,
       m.id AS model_id, m.name AS model, m.dimension, m.max_tokens, m.query_prefix, m.passage_prefix
FROM task t
JOIN document d ON d.tenant_id = %(tenant)s AND d.id = t.subject_id
JOIN file f ON f.tenant_id = %(tenant)s AND f.id = d.file_id
JOIN store s ON s.tenant_id = %(tenant)s AND s.id = d.store_id
JOIN embedding_model m ON m.id = s.model_id
WHERE t.tenant_id = %(tenant)s AND t.id = %(task)s AND t.attempt = %(attempt)s AND t.worker = %(worker)s
  AND t.state = 'running';

-- name: complete_document
-- In the audience that its chunks were written for; returns the version that is to be replaced.
UPDATE document SET status = 'completed', error_code = NULL, error_message = NULL
WHERE tenant_id = %(tenant)s AND id = %(document)s AND audience_id = %(audience)s
RETURNING version_id;

-- name: give_way
-- Short transactions of a worker: one that was stopped must not keep its successor waiting.
SET LOCAL idle_in_transaction_session_timeout = '20s';

-- name: wait_little
-- Whoever else has a lock on the task or its document at the end is about to take it away. The server's look for
-- deadlocks comes after a second: this comes before it, so that it is never the other side that gives up.
SET LOCAL lock_timeout = '500ms';
