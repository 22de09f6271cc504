-- Stored answers. One is its asker's alone, and only as long as the asker may read all that he could when he asked:
-- who has left a group is not told again what was in its documents.

-- name: add_response
INSERT INTO response (tenant_id, public_id, actor, readers, reads_all, previous_id, status, request, body, created_at,
                      completed_at, expires_at)
VALUES (%(tenant)s, %(public_id)s, %(actor)s, %(readers)s, %(reads_all)s, %(previous)s, %(status)s, %(asked)s::jsonb,
        %(answered)s::jsonb, %(created_at)s, %(completed_at)s, now() + %(lifetime)s::interval)
RETURNING id;

-- name: find_response
SELECT id, public_id, status, request, body::text, created_at, completed_at, error_code, error_message
FROM response
WHERE tenant_id = %(tenant)s AND public_id = %(response)s AND actor = %(actor)s AND expires_at > now()
  AND readers <@ %(readers)s::text[] AND (NOT reads_all OR %(reads_all)s);

-- name: response_status
SELECT status FROM response
WHERE tenant_id = %(tenant)s AND public_id = %(response)s AND actor = %(actor)s AND expires_at > now()
  AND readers <@ %(readers)s::text[] AND (NOT reads_all OR %(reads_all)s);

-- name: conversation
-- A response and those before it, the oldest first, without the passages that they were looked for in.
WITH RECURSIVE turn AS (
  SELECT id, previous_id, public_id, status, request, body, created_at, completed_at, error_code, error_message
  FROM response
  WHERE tenant_id = %(tenant)s AND public_id = %(response)s AND actor = %(actor)s AND expires_at > now()
    AND readers <@ %(readers)s::text[] AND (NOT reads_all OR %(reads_all)s)
  UNION ALL
  SELECT r.id, r.previous_id, r.public_id, r.status, r.request, r.body, r.created_at, r.completed_at, r.error_code,
         r.error_message
  FROM turn t JOIN response r ON r.id = t.previous_id
  WHERE r.tenant_id = %(tenant)s AND r.actor = %(actor)s AND r.expires_at > now()
    AND r.readers <@ %(readers)s::text[] AND (NOT r.reads_all OR %(reads_all)s)
)
SELECT id, public_id, status, request, (body || '{"nearest": []}')::text AS body, created_at, completed_at,
       error_code, error_message
FROM turn ORDER BY id;

-- name: forget_answer_task
-- Before the response is touched: its worker ends it in this order, too.
DELETE FROM task t USING response r
WHERE t.tenant_id = %(tenant)s AND t.kind = 'answer' AND t.subject_id = r.id
  AND r.tenant_id = %(tenant)s AND r.public_id = %(response)s AND r.actor = %(actor)s
  AND r.readers <@ %(readers)s::text[] AND (NOT r.reads_all OR %(reads_all)s);

-- name: cancel_response
WITH gone AS (
  UPDATE response SET status = 'cancelled'
  WHERE tenant_id = %(tenant)s AND public_id = %(response)s AND actor = %(actor)s
    AND readers <@ %(readers)s::text[] AND (NOT reads_all OR %(reads_all)s) AND status IN ('queued', 'in_progress')
  RETURNING id
)
-- Workers look at their claims when they hear this.
SELECT pg_notify('ragstone_task', 'cancel') FROM gone;

-- name: remove_response
DELETE FROM response
WHERE tenant_id = %(tenant)s AND public_id = %(response)s AND actor = %(actor)s AND expires_at > now()
  AND readers <@ %(readers)s::text[] AND (NOT reads_all OR %(reads_all)s)
RETURNING id;

-- name: begin_response
-- What a claim is about, and on whose behalf.
UPDATE response r SET status = 'in_progress'
FROM task t
WHERE t.tenant_id = %(tenant)s AND t.id = %(task)s AND t.attempt = %(attempt)s AND t.worker = %(worker)s
  AND t.state = 'running' AND r.tenant_id = %(tenant)s AND r.id = t.subject_id
RETURNING r.actor, r.readers, r.reads_all, r.request ->> 'key', r.request -> 'settings' ->> 'model',
          r.request -> 'question';

-- name: complete_response
UPDATE response SET status = 'completed', body = %(answered)s::jsonb, completed_at = clock_timestamp()
WHERE tenant_id = %(tenant)s AND id = %(subject)s;

-- name: give_response_up
UPDATE response SET status = 'failed', error_code = %(code)s, error_message = %(reason)s
WHERE tenant_id = %(tenant)s AND id = %(subject)s;

-- name: searchable_stores
SELECT s.id, s.public_id, s.name, s.language, s.created_at
FROM store s JOIN embedding_model m ON m.id = s.model_id
WHERE s.tenant_id = %(tenant)s AND m.name = %(model_name)s AND NOT s.expired
  AND COALESCE(s.last_active_at + make_interval(days => s.expires_after_days) > now(), true)
ORDER BY s.id;

-- name: excerpt
-- A stretch of a document's text, from the oldest of the stores that have it.
SELECT d.filename, v.title, d.attributes, substr(v.body, %(start)s + 1, %(length)s) AS text, length(v.body) AS characters
FROM document d JOIN document_version v ON v.tenant_id = %(tenant)s AND v.id = d.version_id
WHERE d.tenant_id = %(tenant)s AND d.public_id = %(file)s AND d.store_id = ANY(%(stores)s)
ORDER BY d.store_id
LIMIT 1;
