-- Stored answers. One is its asker's alone, and only as long as the asker may read all that he could when he asked:
-- who has left a group is not told again what was in its documents.

-- name: add_response
INSERT INTO response (tenant_id, public_id, actor, readers, reads_all, previous_id, status, request, body, created_at,
                      completed_at, expires_at)
VALUES (%(tenant)s, %(public_id)s, %(actor)s, %(readers)s, %(reads_all)s, %(previous)s, %(status)s, %(asked)s::jsonb,
        %(answered)s::jsonb, %(created_at)s, %(completed_at)s, now() + %(lifetime)s::interval)
RETURNING id;

-- name: find_response
SELECT public_id, status, request -> 'settings' AS settings, request -> 'question' ->> 'text' AS asked, body::text,
       created_at, completed_at, error_code, error_message
FROM response
WHERE tenant_id = %(tenant)s AND public_id = %(response)s AND actor = %(actor)s AND expires_at > now()
  AND readers <@ %(readers)s::text[] AND (NOT reads_all OR %(reads_all)s);

-- name: response_status
SELECT status FROM response
WHERE tenant_id = %(tenant)s AND public_id = %(response)s AND actor = %(actor)s AND expires_at > now()
  AND readers <@ %(readers)s::text[] AND (NOT reads_all OR %(reads_all)s);

-- name: conversation
-- What was said in a response and in those before it, the oldest first, as far as it fits into so many bytes. The turn
-- that does not is the last that is looked at, and is given without its words.
WITH RECURSIVE turn AS (
  SELECT r.id, r.previous_id, said.input, said.answer, said.bytes::bigint AS bytes
  FROM response r, LATERAL (
    SELECT r.request -> 'input' AS input, r.body ->> 'text' AS answer,
           octet_length((r.request -> 'input')::text) + COALESCE(octet_length(r.body ->> 'text'), 0) AS bytes
  ) AS said
  WHERE r.tenant_id = %(tenant)s AND r.public_id = %(response)s AND r.actor = %(actor)s AND r.expires_at > now()
    AND r.readers <@ %(readers)s::text[] AND (NOT r.reads_all OR %(reads_all)s)
  UNION ALL
  SELECT r.id, r.previous_id, said.input, said.answer, t.bytes + said.bytes
  FROM turn t JOIN response r ON r.id = t.previous_id, LATERAL (
    SELECT r.request -> 'input' AS input, r.body ->> 'text' AS answer,
           octet_length((r.request -> 'input')::text) + COALESCE(octet_length(r.body ->> 'text'), 0) AS bytes
  ) AS said
  WHERE t.bytes <= %(most)s AND r.tenant_id = %(tenant)s AND r.actor = %(actor)s AND r.expires_at > now()
    AND r.readers <@ %(readers)s::text[] AND (NOT r.reads_all OR %(reads_all)s)
)
SELECT id, CASE WHEN bytes <= %(most)s THEN input END AS input, CASE WHEN bytes <= %(most)s THEN answer END AS answer
FROM turn ORDER BY id;

-- name: input_items
-- What a response was made from, an item a row: its own input, behind what was said and answered before it as far as
-- that fits into so many bytes. An answer's two items are made again from it, without its passages. The page begins with
-- the item of the cursor, so that one that there is not can be told from the last one.
WITH RECURSIVE turn AS (
  SELECT id, previous_id, 0::bigint AS bytes
  FROM response
  WHERE tenant_id = %(tenant)s AND public_id = %(response)s AND actor = %(actor)s AND expires_at > now()
    AND readers <@ %(readers)s::text[] AND (NOT reads_all OR %(reads_all)s)
  UNION ALL
  SELECT r.id, r.previous_id, t.bytes + said.bytes
  FROM turn t JOIN response r ON r.id = t.previous_id, LATERAL (
    SELECT octet_length((r.request -> 'input')::text) + COALESCE(octet_length(r.body ->> 'text'), 0) AS bytes
  ) AS said
  WHERE t.bytes + said.bytes <= %(most)s AND r.tenant_id = %(tenant)s AND r.actor = %(actor)s AND r.expires_at > now()
    AND r.readers <@ %(readers)s::text[] AND (NOT r.reads_all OR %(reads_all)s)
), item AS (
  SELECT r.id AS turn, said.place, said.item ->> 'id' AS item_id, said.item
  FROM turn t JOIN response r ON r.tenant_id = %(tenant)s AND r.id = t.id,
    jsonb_array_elements(r.request -> 'input') WITH ORDINALITY AS said (item, place)
  UNION ALL
  SELECT r.id, made.place, made.kind || substr(r.public_id, length('resp_') + 1), NULL
  FROM turn t JOIN response r ON r.tenant_id = %(tenant)s AND r.id = t.id,
    (VALUES (2147483646, 'fs_'), (2147483647, 'msg_')) AS made (place, kind)  -- behind any input
  WHERE r.body IS NOT NULL AND r.public_id <> %(response)s
), listed AS (
  SELECT turn, item_id, item, row_number() OVER (ORDER BY turn {direction}, place {direction}) AS position FROM item
), page AS (
  SELECT * FROM listed
  WHERE position >= CASE WHEN %(cursor)s::text IS NULL THEN 1
                         ELSE (SELECT min(position) FROM listed WHERE item_id = %(cursor)s) END
  ORDER BY position LIMIT %(limit)s
)
SELECT p.item_id, p.item, r.public_id, r.status, asked.settings, asked.question AS asked, asked.body, r.created_at,
       r.completed_at, r.error_code, r.error_message
FROM page p LEFT JOIN response r ON r.tenant_id = %(tenant)s AND r.id = p.turn AND p.item IS NULL, LATERAL (
  SELECT r.request -> 'settings' AS settings, r.request -> 'question' ->> 'text' AS question,
         (r.body || '{"nearest": []}')::text AS body
) AS asked
ORDER BY p.position;

-- name: forget_answer_task
-- The response is locked before its task, as everybody takes these locks.
WITH locked AS MATERIALIZED (
  SELECT id FROM response
  WHERE tenant_id = %(tenant)s AND public_id = %(response)s AND actor = %(actor)s
    AND readers <@ %(readers)s::text[] AND (NOT reads_all OR %(reads_all)s)
  FOR UPDATE
)
DELETE FROM task t USING locked
WHERE t.tenant_id = %(tenant)s AND t.kind = 'answer' AND t.subject_id = locked.id;

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
  -- Seen again when somebody who cancels it was waited for; the task is not.
  AND r.status IN ('queued', 'in_progress')
RETURNING r.actor, r.readers, r.reads_all, r.request ->> 'key', r.request -> 'settings' ->> 'model',
          r.request -> 'question';

-- name: complete_response
-- What was said before it is in the turns before it: it was repeated for the worker alone.
UPDATE response
SET status = 'completed', body = %(answered)s::jsonb, completed_at = clock_timestamp(),
    request = jsonb_set(request, '{question}', jsonb_build_object('text', request -> 'question' -> 'text'))
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
