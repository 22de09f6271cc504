-- Files that were attached together. A batch itself tells nothing; of its files each asker sees his own.

-- name: add_batch
INSERT INTO file_batch (tenant_id, public_id, store_id) VALUES (%(tenant)s, %(public_id)s, %(store)s) RETURNING id;

-- name: add_items
INSERT INTO file_batch_item (tenant_id, batch_id, document_id, audience_id)
SELECT %(tenant)s, %(batch)s, id, audience_id FROM document
WHERE tenant_id = %(tenant)s AND id = ANY(%(documents)s);

-- name: find_batch
SELECT b.id, b.public_id, %(store_id)s::text AS store_id, b.created_at, b.cancelled_at IS NOT NULL AS cancelled_on_demand,
       count(d.id) FILTER (WHERE d.status = 'in_progress') AS in_progress,
       count(d.id) FILTER (WHERE d.status = 'completed') AS completed,
       count(d.id) FILTER (WHERE d.status = 'failed') AS failed,
       count(d.id) FILTER (WHERE d.status = 'cancelled') AS cancelled
FROM file_batch b
LEFT JOIN file_batch_item i ON i.tenant_id = %(tenant)s AND i.batch_id = b.id
LEFT JOIN document d ON d.tenant_id = %(tenant)s AND d.id = i.document_id
WHERE b.tenant_id = %(tenant)s AND b.store_id = %(store)s AND b.public_id = %(batch_id)s
GROUP BY b.tenant_id, b.id;

-- name: unfinished
SELECT d.id FROM file_batch b
JOIN file_batch_item i ON i.tenant_id = %(tenant)s AND i.batch_id = b.id
JOIN document d ON d.tenant_id = %(tenant)s AND d.id = i.document_id
WHERE b.tenant_id = %(tenant)s AND b.id = %(batch)s AND d.status = 'in_progress'
ORDER BY d.id
FOR UPDATE OF d;

-- name: set_cancelled
UPDATE file_batch SET cancelled_at = now() WHERE tenant_id = %(tenant)s AND id = %(batch)s;

-- name: list_items
SELECT d.id, d.public_id, %(store_id)s::text AS store_id, d.status, d.error_code, d.error_message, d.attributes,
       d.created_at, d.usage_bytes, d.max_chunk_tokens, d.chunk_overlap_tokens, readers_of(d.audience_id) AS readers
FROM file_batch_item i
JOIN document d ON d.tenant_id = %(tenant)s AND d.id = i.document_id
WHERE i.tenant_id = %(tenant)s AND i.batch_id = %(batch)s AND (%(status)s::text IS NULL OR d.status = %(status)s)
  AND i.document_id > %(above)s AND i.document_id < %(below)s
ORDER BY i.document_id {direction}
LIMIT %(limit)s;
