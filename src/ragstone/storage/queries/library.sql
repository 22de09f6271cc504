-- The writing side. Every statement names its tenant although row-level security would add it: pruning of
-- partitions needs it, and a policy is the second lock of the door, not the first.

-- name: make_store
INSERT INTO store (tenant_id, public_id, name, model_id, language)
VALUES (%(tenant)s, %(public_id)s, %(name)s, %(model)s, %(language)s)
ON CONFLICT (tenant_id, name) DO NOTHING;

-- name: find_store
SELECT s.id, s.public_id, s.name, s.language, s.created_at,
       m.name AS model, m.dimension, m.max_tokens, m.query_prefix, m.passage_prefix
FROM store s JOIN embedding_model m ON m.id = s.model_id
WHERE s.tenant_id = %(tenant)s AND (s.name = %(name)s OR s.public_id = %(name)s)
-- A store may be named like the id of another: the id wins, it cannot be chosen.
ORDER BY s.public_id = %(name)s DESC
LIMIT 1;

-- name: list_stores
SELECT s.public_id, s.name, m.name AS model, s.created_at,
       (SELECT count(*) FROM document d WHERE d.tenant_id = %(tenant)s AND d.store_id = s.id) AS documents,
       (SELECT COALESCE(sum(g.chunk_count), 0) FROM segment g WHERE g.tenant_id = %(tenant)s AND g.store_id = s.id)
       - (SELECT count(*) FROM tombstone t WHERE t.tenant_id = %(tenant)s AND t.store_id = s.id) AS chunks
FROM store s JOIN embedding_model m ON m.id = s.model_id
WHERE s.tenant_id = %(tenant)s
ORDER BY s.name;

-- name: known
SELECT d.source, v.content_hash, v.pipeline, d.attributes
FROM document d
JOIN document_version v ON v.tenant_id = %(tenant)s AND v.id = d.version_id
WHERE d.tenant_id = %(tenant)s AND d.store_id = %(store)s;

-- name: claim_document
-- Takes the row's lock, so that two writers of one source come one after the other.
INSERT INTO document (tenant_id, store_id, public_id, source, source_key, filename, attributes)
VALUES (%(tenant)s, %(store)s, %(public_id)s, %(source)s, %(source_key)s, %(filename)s, %(attributes)s)
ON CONFLICT (tenant_id, store_id, source_key)
DO UPDATE SET filename = EXCLUDED.filename, attributes = EXCLUDED.attributes
RETURNING id, public_id, version_id;

-- name: add_version
INSERT INTO document_version
  (tenant_id, document_id, number, content_hash, pipeline, size, media_type, title, warnings, body)
SELECT %(tenant)s, %(document)s,
       1 + COALESCE((SELECT max(number) FROM document_version
                     WHERE tenant_id = %(tenant)s AND document_id = %(document)s), 0),
       %(content_hash)s, %(pipeline)s, %(size)s, %(media_type)s, %(title)s, %(warnings)s, %(body)s
RETURNING id;

-- name: set_current_version
UPDATE document SET version_id = %(version)s WHERE tenant_id = %(tenant)s AND id = %(document)s;

-- name: add_chunks
INSERT INTO chunk (tenant_id, store_id, document_id, version_id, ordinal, start_offset, end_offset, page,
                   heading, turns, context, body, term_count)
SELECT %(tenant)s, %(store)s, %(document)s, %(version)s, ordinal, start_offset, end_offset, page,
       string_to_array(heading, E'\x1f'), turns, context, body, term_count
FROM unnest(%(ordinals)s::int[], %(starts)s::int[], %(ends)s::int[], %(pages)s::int[], %(headings)s::text[],
            %(turns)s::jsonb[], %(contexts)s::text[], %(bodies)s::text[], %(term_counts)s::int[])
  AS u (ordinal, start_offset, end_offset, page, heading, turns, context, body, term_count)
ORDER BY ordinal
RETURNING id;

-- name: add_vectors
INSERT INTO {embedding} (tenant_id, chunk_id, store_id, document_id, vector)
SELECT %(tenant)s, id, %(store)s, %(document)s, vector
FROM unnest(%(ids)s::bigint[], %(vectors)s::halfvec[]) AS u (id, vector);

-- name: add_segment
INSERT INTO segment (tenant_id, store_id, chunk_count, term_total)
VALUES (%(tenant)s, %(store)s, %(chunk_count)s, %(term_total)s)
RETURNING id;

-- name: add_postings
INSERT INTO posting (tenant_id, store_id, term, segment_id, entries)
SELECT %(tenant)s, %(store)s, term, %(segment)s, entries
FROM unnest(%(terms)s::text[], %(entries)s::bytea[]) AS u (term, entries)
ORDER BY term;

-- name: remove_version
-- One statement, so that a chunk's vector and postings go with it or stay with it.
WITH gone AS (
  DELETE FROM chunk WHERE tenant_id = %(tenant)s AND document_id = %(document)s AND version_id = %(version)s
  RETURNING id, term_count
), vectors AS (
  DELETE FROM {embedding} WHERE tenant_id = %(tenant)s AND chunk_id IN (SELECT id FROM gone)
), version AS (
  DELETE FROM document_version WHERE tenant_id = %(tenant)s AND id = %(version)s
)
INSERT INTO tombstone (tenant_id, store_id, chunk_id, term_count)
SELECT %(tenant)s, %(store)s, id, term_count FROM gone;

-- name: lock_documents
SELECT id, version_id FROM document
WHERE tenant_id = %(tenant)s AND store_id = %(store)s AND source_key = ANY(%(source_keys)s)
ORDER BY id
FOR UPDATE;

-- name: remove_document
DELETE FROM document WHERE tenant_id = %(tenant)s AND id = %(document)s;
