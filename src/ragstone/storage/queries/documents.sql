-- Files in stores.

-- name: attachable_files
-- None of them vanishes before the transaction ends.
SELECT id, public_id, filename, audience_id, place FROM file
WHERE tenant_id = %(tenant)s AND public_id = ANY(%(files)s) AND uploaded
  AND (expires_at IS NULL OR expires_at > now())
ORDER BY id
FOR KEY SHARE;

-- name: lock_attached
SELECT id, public_id, audience_id, status, attributes, max_chunk_tokens, chunk_overlap_tokens FROM document
WHERE tenant_id = %(tenant)s AND store_id = %(store)s AND public_id = ANY(%(files)s)
ORDER BY id
FOR UPDATE;

-- name: add_documents
INSERT INTO document (tenant_id, store_id, public_id, source, source_key, filename, file_id, audience_id, attributes,
                      max_chunk_tokens, chunk_overlap_tokens, status)
SELECT %(tenant)s, %(store)s, file, 'upload:' || file, sha256(convert_to('upload:' || file, 'UTF8')), filename,
       file_id, audience, attributes, max_tokens, overlap, 'in_progress'
FROM unnest(%(files)s::text[], %(filenames)s::text[], %(file_ids)s::bigint[], %(audiences)s::int[],
            %(attribute_sets)s::jsonb[], %(max_tokens)s::int[], %(overlaps)s::int[])
  AS u (file, filename, file_id, audience, attributes, max_tokens, overlap)
ORDER BY file_id
ON CONFLICT DO NOTHING
RETURNING id, public_id;

-- name: requeue_documents
UPDATE document d
SET status = 'in_progress', error_code = NULL, error_message = NULL,
    max_chunk_tokens = u.max_tokens, chunk_overlap_tokens = u.overlap
FROM unnest(%(documents)s::bigint[], %(max_tokens)s::int[], %(overlaps)s::int[]) AS u (id, max_tokens, overlap)
WHERE d.tenant_id = %(tenant)s AND d.id = u.id;

-- name: set_attributes
UPDATE document d SET attributes = u.attributes
FROM unnest(%(documents)s::bigint[], %(attribute_sets)s::jsonb[]) AS u (id, attributes)
WHERE d.tenant_id = %(tenant)s AND d.id = u.id;

-- name: find_document
SELECT d.id, d.public_id, s.public_id AS store_id, d.status, d.error_code, d.error_message, d.attributes,
       d.created_at, d.usage_bytes, d.max_chunk_tokens, d.chunk_overlap_tokens, readers_of(d.audience_id) AS readers
FROM document d JOIN store s ON s.tenant_id = %(tenant)s AND s.id = d.store_id
WHERE d.tenant_id = %(tenant)s AND d.store_id = %(store)s AND d.public_id = %(file)s;

-- name: list_documents
SELECT d.id, d.public_id, %(store_id)s::text AS store_id, d.status, d.error_code, d.error_message, d.attributes,
       d.created_at, d.usage_bytes, d.max_chunk_tokens, d.chunk_overlap_tokens, readers_of(d.audience_id) AS readers
FROM document d
WHERE d.tenant_id = %(tenant)s AND d.store_id = %(store)s AND (%(status)s::text IS NULL OR d.status = %(status)s)
  AND d.id > %(above)s AND d.id < %(below)s
ORDER BY d.id {direction}
LIMIT %(limit)s;

-- name: document_position
SELECT COALESCE(
  (SELECT id FROM document WHERE tenant_id = %(tenant)s AND store_id = %(store)s AND public_id = %(cursor)s),
  former_id('document', %(cursor)s, %(store)s));

-- name: stay
-- It does not vanish before the transaction ends.
SELECT id FROM document WHERE tenant_id = %(tenant)s AND id = %(document)s FOR KEY SHARE;

-- name: hold_file
-- Foreign keys are looked at again when a transaction changes a document twice: the file is locked before it.
SELECT id FROM file WHERE tenant_id = %(tenant)s AND public_id = %(file)s FOR KEY SHARE;

-- name: lock_source_file
-- A file that lies where it was ingested from goes with its document, and is locked before it.
SELECT id FROM file WHERE tenant_id = %(tenant)s AND public_id = %(file)s AND place = 'source' FOR UPDATE;

-- name: lock_document
SELECT d.id, d.version_id, d.store_id, s.model_id FROM document d
JOIN store s ON s.tenant_id = %(tenant)s AND s.id = d.store_id
WHERE d.tenant_id = %(tenant)s AND d.store_id = %(store)s AND d.public_id = %(file)s
FOR UPDATE OF d;

-- name: documents_of_file
SELECT d.id, d.version_id, d.store_id, s.model_id FROM document d
JOIN store s ON s.tenant_id = %(tenant)s AND s.id = d.store_id
WHERE d.tenant_id = %(tenant)s AND d.file_id = %(file_id)s
ORDER BY d.id
FOR UPDATE OF d;

-- name: body
SELECT d.id, v.id, d.status, substr(v.body, %(start)s + 1, %(length)s), length(v.body)
FROM document d LEFT JOIN document_version v ON v.tenant_id = %(tenant)s AND v.id = d.version_id
WHERE d.tenant_id = %(tenant)s AND d.store_id = %(store)s AND d.public_id = %(file)s;

-- name: page_starts
-- Where in the text of a version the pages of its document begin, as far as its chunks tell.
SELECT min(start_offset) FROM (
  SELECT page, start_offset FROM chunk
  WHERE shard = %(shard)s AND tenant_id = %(tenant)s AND document_id = %(document)s AND version_id = %(version)s
  UNION ALL
  SELECT (turn ->> 2)::int, (turn ->> 0)::int FROM chunk CROSS JOIN LATERAL jsonb_array_elements(turns) AS turn
  WHERE shard = %(shard)s AND tenant_id = %(tenant)s AND document_id = %(document)s AND version_id = %(version)s
) AS places
WHERE page IS NOT NULL
GROUP BY page
ORDER BY 1;
