-- The writing side. Every statement names its tenant although row-level security would add it: pruning of
-- partitions needs it, and a policy is the second lock of the door, not the first.

-- name: known
SELECT d.source, v.content_hash, v.pipeline, d.attributes, readers_of(d.audience_id)
FROM document d
JOIN document_version v ON v.tenant_id = %(tenant)s AND v.id = d.version_id
WHERE d.tenant_id = %(tenant)s AND d.store_id = %(store)s;

-- name: audience
SELECT audience_of(%(readers)s::text[]);

-- name: lock_source
-- Two writers of one source come one after the other, also where no document of it is there yet.
SELECT pg_advisory_xact_lock(
  hashtextextended('ragstone.source.' || %(store)s || '.' || encode(%(source_key)s, 'hex'), %(tenant)s));

-- name: lock_files
-- Of these sources: they change and go with their documents, and are locked before them.
SELECT id FROM file
WHERE tenant_id = %(tenant)s AND id IN (
  SELECT file_id FROM document
  WHERE tenant_id = %(tenant)s AND store_id = %(store)s AND source_key = ANY(%(source_keys)s))
ORDER BY id
FOR UPDATE;

-- name: claim_document
INSERT INTO document (tenant_id, audience_id, store_id, public_id, source, source_key, filename, attributes)
VALUES (%(tenant)s, %(audience)s, %(store)s, %(public_id)s, %(source)s, %(source_key)s, %(filename)s, %(attributes)s)
ON CONFLICT (tenant_id, store_id, source_key)
DO UPDATE SET filename = EXCLUDED.filename, attributes = EXCLUDED.attributes, audience_id = EXCLUDED.audience_id,
              status = 'completed', error_code = NULL, error_message = NULL
RETURNING id, public_id, version_id, file_id;

-- name: add_source_file
-- The file of a document that was just made from where it lies.
WITH f AS (
  INSERT INTO file (tenant_id, audience_id, public_id, filename, size, media_type, content_hash, place, uploaded)
  VALUES (%(tenant)s, %(audience)s, %(file)s, %(filename)s, %(size)s, %(media_type)s, %(content_hash)s, 'source', true)
  RETURNING id
)
UPDATE document SET file_id = f.id FROM f WHERE tenant_id = %(tenant)s AND document.id = %(document)s;

-- name: change_source_file
UPDATE file
SET audience_id = %(audience)s, filename = %(filename)s, size = %(size)s, media_type = %(media_type)s,
    content_hash = %(content_hash)s
WHERE tenant_id = %(tenant)s AND public_id = %(file)s AND place = 'source';

-- name: add_version
INSERT INTO document_version
  (tenant_id, audience_id, document_id, number, content_hash, pipeline, size, media_type, title, warnings, body)
SELECT %(tenant)s, %(audience)s, %(document)s,
       1 + COALESCE((SELECT max(number) FROM document_version
                     WHERE tenant_id = %(tenant)s AND document_id = %(document)s), 0),
       %(content_hash)s, %(pipeline)s, %(size)s, %(media_type)s, %(title)s, %(warnings)s, %(body)s
RETURNING id;

-- name: set_current_version
UPDATE document SET version_id = %(version)s WHERE tenant_id = %(tenant)s AND id = %(document)s;

-- name: add_chunks
INSERT INTO chunk (shard, tenant_id, audience_id, store_id, document_id, version_id, ordinal, start_offset, end_offset, page,
                   heading, turns, context, body, term_count)
SELECT %(shard)s, %(tenant)s, %(audience)s, %(store)s, %(document)s, %(version)s, ordinal, start_offset, end_offset, page,
       string_to_array(heading, E'\x1f'), turns, context, body, term_count
FROM unnest(%(ordinals)s::int[], %(starts)s::int[], %(ends)s::int[], %(pages)s::int[], %(headings)s::text[],
            %(turns)s::jsonb[], %(contexts)s::text[], %(bodies)s::text[], %(term_counts)s::int[])
  AS u (ordinal, start_offset, end_offset, page, heading, turns, context, body, term_count)
ORDER BY ordinal
RETURNING id;

-- name: add_vectors
INSERT INTO {embedding} (shard, tenant_id, chunk_id, audience_id, store_id, document_id, vector)
SELECT %(shard)s, %(tenant)s, id, %(audience)s, %(store)s, %(document)s, vector
FROM unnest(%(ids)s::bigint[], %(vectors)s::halfvec[]) AS u (id, vector);

-- name: add_segment
INSERT INTO segment (tenant_id, audience_id, store_id, chunk_count, term_total)
VALUES (%(tenant)s, %(audience)s, %(store)s, %(chunk_count)s, %(term_total)s)
RETURNING id;

-- name: add_postings
INSERT INTO posting (shard, tenant_id, audience_id, store_id, term, segment_id, entries)
SELECT %(shard)s, %(tenant)s, %(audience)s, %(store)s, term, %(segment)s, entries
FROM unnest(%(terms)s::text[], %(entries)s::bytea[]) AS u (term, entries)
ORDER BY term;

-- name: remove_version
-- One statement, so that a chunk's vector and postings go with it or stay with it.
WITH gone AS (
  DELETE FROM chunk
  WHERE shard = %(shard)s AND tenant_id = %(tenant)s AND document_id = %(document)s AND version_id = %(version)s
  RETURNING id, audience_id, term_count
), vectors AS (
  DELETE FROM {embedding} WHERE shard = %(shard)s AND tenant_id = %(tenant)s AND chunk_id IN (SELECT id FROM gone)
), version AS (
  DELETE FROM document_version WHERE tenant_id = %(tenant)s AND id = %(version)s
)
INSERT INTO tombstone (tenant_id, audience_id, store_id, chunk_id, term_count)
SELECT %(tenant)s, audience_id, %(store)s, id, term_count FROM gone;

-- name: lock_documents
-- A document that was made since the files were locked is left alone.
SELECT id, version_id FROM document
WHERE tenant_id = %(tenant)s AND store_id = %(store)s AND source_key = ANY(%(source_keys)s)
  AND file_id = ANY(%(file_ids)s)
ORDER BY id
FOR UPDATE;

-- name: remove_document
-- With its file, if that lies where it was ingested from; an uploaded one stays.
WITH gone AS (
  DELETE FROM document WHERE tenant_id = %(tenant)s AND id = %(document)s RETURNING file_id
)
DELETE FROM file WHERE tenant_id = %(tenant)s AND place = 'source' AND id IN (SELECT file_id FROM gone);
