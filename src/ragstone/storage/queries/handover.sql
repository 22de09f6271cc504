-- A document that gets other readers.

-- name: lock
SELECT d.audience_id, d.version_id, d.store_id, s.model_id, s.language FROM document d
JOIN store s ON s.tenant_id = %(tenant)s AND s.id = d.store_id
WHERE d.tenant_id = %(tenant)s AND d.id = %(document)s
FOR UPDATE OF d;

-- name: document
UPDATE document SET audience_id = %(audience)s WHERE tenant_id = %(tenant)s AND id = %(document)s;

-- name: file
-- One that lies where it was ingested from is nothing but this document.
UPDATE file f SET audience_id = %(audience)s
FROM document d
WHERE d.tenant_id = %(tenant)s AND f.tenant_id = %(tenant)s AND d.id = %(document)s AND f.id = d.file_id
  AND f.place = 'source';

-- name: batch_items
UPDATE file_batch_item SET audience_id = %(audience)s
WHERE tenant_id = %(tenant)s AND document_id = %(document)s;

-- name: copy_version
INSERT INTO document_version
  (tenant_id, audience_id, document_id, number, content_hash, pipeline, size, media_type, title, warnings, body)
SELECT tenant_id, %(audience)s, document_id, number + 1, content_hash, pipeline, size, media_type, title, warnings, body
FROM document_version
WHERE tenant_id = %(tenant)s AND id = %(former)s
RETURNING id;

-- name: chunks
SELECT c.ordinal, c.start_offset, c.end_offset, c.page, c.heading, c.turns, c.context, c.body, e.vector
FROM chunk c
JOIN {embedding} e ON e.shard = %(shard)s AND e.tenant_id = %(tenant)s AND e.chunk_id = c.id
WHERE c.shard = %(shard)s AND c.tenant_id = %(tenant)s AND c.document_id = %(document)s AND c.version_id = %(former)s
ORDER BY c.ordinal;
