-- Stores. Everybody in the tenant sees them; what they hold, and so what is counted, only its readers see.

-- name: lock_store_name
-- Names are not unique: this keeps two processes from making the same store.
SELECT pg_advisory_xact_lock(hashtextextended('ragstone.store.' || %(name)s, %(tenant)s));

-- name: make_store
-- What has expired answers to no name.
INSERT INTO store (tenant_id, public_id, name, model_id, language)
SELECT %(tenant)s, %(public_id)s, %(name)s, %(model)s, %(language)s
WHERE NOT EXISTS (
  SELECT FROM store WHERE tenant_id = %(tenant)s AND name = %(name)s AND NOT expired
  AND COALESCE(last_active_at + make_interval(days => expires_after_days) > now(), true));

-- name: find_store
SELECT s.id, s.public_id, s.name, s.language, s.created_at, s.metadata,
       m.name AS model, m.dimension, m.max_tokens, m.query_prefix, m.passage_prefix,
       s.expired OR COALESCE(s.last_active_at + make_interval(days => s.expires_after_days) <= now(), false) AS expired,
       s.last_active_at < now() - interval '1 minute' AND current_setting('transaction_read_only') = 'off' AS idle
FROM store s JOIN embedding_model m ON m.id = s.model_id
WHERE s.tenant_id = %(tenant)s AND (s.name = %(name)s OR s.public_id = %(name)s)
-- A store may be named like the id of another: the id wins, it cannot be chosen. Of stores of one name, the oldest
-- that has not expired; one that has is only found to say so.
ORDER BY s.public_id = %(name)s DESC, expired, s.id
LIMIT 1;

-- name: touch_store
-- Whoever else touches it now does the same; nobody waits.
UPDATE store SET last_active_at = now()
WHERE tenant_id = %(tenant)s AND id = (
  SELECT id FROM store
  WHERE tenant_id = %(tenant)s AND id = %(store)s AND last_active_at < now() - interval '1 minute'
  FOR NO KEY UPDATE SKIP LOCKED);

-- name: sizes
-- All stores as the command line lists them.
SELECT s.public_id, s.name, m.name AS model, s.created_at,
       (SELECT count(*) FROM document d WHERE d.tenant_id = %(tenant)s AND d.store_id = s.id) AS documents,
       (SELECT COALESCE(sum(g.chunk_count), 0) FROM segment g WHERE g.tenant_id = %(tenant)s AND g.store_id = s.id)
       - (SELECT count(*) FROM tombstone t WHERE t.tenant_id = %(tenant)s AND t.store_id = s.id) AS chunks
FROM store s JOIN embedding_model m ON m.id = s.model_id
WHERE s.tenant_id = %(tenant)s
ORDER BY s.name;

-- name: add_store
INSERT INTO store (tenant_id, public_id, name, description, model_id, language, metadata, expires_after_days)
VALUES (%(tenant)s, %(public_id)s, %(name)s, %(description)s, %(model)s, %(language)s, %(metadata)s, %(days)s)
RETURNING id;

-- name: locate_store
SELECT id, model_id, expired OR COALESCE(last_active_at + make_interval(days => expires_after_days) <= now(), false)
FROM store WHERE tenant_id = %(tenant)s AND public_id = %(store_id)s;

-- name: hold_store
-- It does not vanish before the transaction ends.
SELECT id, model_id, expired OR COALESCE(last_active_at + make_interval(days => expires_after_days) <= now(), false)
FROM store WHERE tenant_id = %(tenant)s AND public_id = %(store_id)s
FOR KEY SHARE;

-- name: shut_store
-- Nothing more can be put into it. Whether it has expired is seen behind the lock: somebody may have used it meanwhile.
SELECT id, model_id, expired OR COALESCE(last_active_at + make_interval(days => expires_after_days) <= now(), false)
FROM store WHERE tenant_id = %(tenant)s AND public_id = %(store_id)s
FOR UPDATE;

-- name: describe_store
SELECT s.id, s.public_id, s.name, s.description, s.language, s.metadata, s.created_at, s.last_active_at,
       s.expires_after_days, c.*,
       s.expired OR COALESCE(s.last_active_at + make_interval(days => s.expires_after_days) <= now(), false) AS expired
FROM store s
CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE d.status = 'in_progress') AS in_progress,
         count(*) FILTER (WHERE d.status = 'completed') AS completed,
         count(*) FILTER (WHERE d.status = 'failed') AS failed,
         count(*) FILTER (WHERE d.status = 'cancelled') AS cancelled,
         COALESCE(sum(d.usage_bytes), 0)::bigint AS usage_bytes
  FROM document d WHERE d.tenant_id = %(tenant)s AND d.store_id = s.id) c
WHERE s.tenant_id = %(tenant)s AND s.public_id = %(store_id)s;

-- name: list_stores
SELECT s.id, s.public_id, s.name, s.description, s.language, s.metadata, s.created_at, s.last_active_at,
       s.expires_after_days, c.*,
       s.expired OR COALESCE(s.last_active_at + make_interval(days => s.expires_after_days) <= now(), false) AS expired
FROM (
  SELECT * FROM store
  WHERE tenant_id = %(tenant)s AND id > %(above)s AND id < %(below)s
  ORDER BY id {direction}
  LIMIT %(limit)s) s
CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE d.status = 'in_progress') AS in_progress,
         count(*) FILTER (WHERE d.status = 'completed') AS completed,
         count(*) FILTER (WHERE d.status = 'failed') AS failed,
         count(*) FILTER (WHERE d.status = 'cancelled') AS cancelled,
         COALESCE(sum(d.usage_bytes), 0)::bigint AS usage_bytes
  FROM document d WHERE d.tenant_id = %(tenant)s AND d.store_id = s.id) c
ORDER BY s.id {direction};

-- name: store_position
SELECT COALESCE((SELECT id FROM store WHERE tenant_id = %(tenant)s AND public_id = %(cursor)s),
                former_id('store', %(cursor)s));

-- name: lock_store
SELECT id, name, description, metadata, expires_after_days,
       expired OR COALESCE(last_active_at + make_interval(days => expires_after_days) <= now(), false) AS expired
FROM store WHERE tenant_id = %(tenant)s AND public_id = %(store_id)s
FOR NO KEY UPDATE;

-- name: change_store
UPDATE store
SET name = %(name)s, description = %(description)s, metadata = %(metadata)s, expires_after_days = %(days)s,
    last_active_at = now()
WHERE tenant_id = %(tenant)s AND id = %(store)s;

-- name: lock_sources
-- Files that lie where they were ingested from: they go with the store.
SELECT count(*) FROM (
  SELECT FROM file WHERE tenant_id = %(tenant)s AND place = 'source' AND id IN (
    SELECT file_id FROM document WHERE tenant_id = %(tenant)s AND store_id = %(store)s)
  ORDER BY id FOR UPDATE) AS locked;

-- name: lock_contents
SELECT count(*) FROM (
  SELECT FROM document WHERE tenant_id = %(tenant)s AND store_id = %(store)s ORDER BY id FOR UPDATE) AS locked;

-- name: stay
-- The same for one that is known by its id.
SELECT id FROM store WHERE tenant_id = %(tenant)s AND id = %(store)s FOR KEY SHARE;

-- name: drop_documents
-- With the files that lie where they were ingested from; uploaded ones stay.
WITH gone AS (
  DELETE FROM document WHERE tenant_id = %(tenant)s AND store_id = %(store)s RETURNING file_id
)
DELETE FROM file WHERE tenant_id = %(tenant)s AND place = 'source' AND id IN (SELECT file_id FROM gone);

-- name: drop_chunks
DELETE FROM chunk WHERE shard = %(shard)s AND tenant_id = %(tenant)s AND store_id = %(store)s;

-- name: drop_vectors
DELETE FROM {embedding} WHERE shard = %(shard)s AND tenant_id = %(tenant)s AND store_id = %(store)s;

-- name: drop_all_postings
DELETE FROM posting WHERE shard = %(shard)s AND tenant_id = %(tenant)s AND store_id = %(store)s;

-- name: drop_segments
WITH dead AS (
  DELETE FROM tombstone WHERE tenant_id = %(tenant)s AND store_id = %(store)s
)
DELETE FROM segment WHERE tenant_id = %(tenant)s AND store_id = %(store)s;

-- name: remove_store
DELETE FROM store WHERE tenant_id = %(tenant)s AND id = %(store)s;

-- name: expired_stores
SELECT public_id FROM store
WHERE tenant_id = %(tenant)s AND NOT expired
  AND last_active_at + make_interval(days => expires_after_days) <= now()
ORDER BY id;

-- name: set_expired
UPDATE store SET expired = true WHERE tenant_id = %(tenant)s AND id = %(store)s;
