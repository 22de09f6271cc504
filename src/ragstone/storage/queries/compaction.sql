-- Merging of segments. Writers only add segments and tombstones, so a merge disturbs nobody but another merge.
-- A segment has one audience, and so has what it is merged into: its statistics are for that audience's eyes alone.

-- name: lock_store
SELECT pg_try_advisory_xact_lock(hashtextextended('ragstone.compaction.' || %(store)s, %(tenant)s));

-- name: audiences
SELECT DISTINCT audience_id FROM segment WHERE tenant_id = %(tenant)s AND store_id = %(store)s ORDER BY audience_id;

-- name: segments
SELECT id, chunk_count FROM segment
WHERE tenant_id = %(tenant)s AND store_id = %(store)s AND audience_id = %(audience)s ORDER BY chunk_count, id;

-- name: count_dead_chunks
SELECT count(*) FROM tombstone WHERE tenant_id = %(tenant)s AND store_id = %(store)s AND audience_id = %(audience)s;

-- name: merge_segments
WITH parts AS (
  DELETE FROM segment
  WHERE tenant_id = %(tenant)s AND store_id = %(store)s AND audience_id = %(audience)s AND id = ANY(%(segments)s)
  RETURNING chunk_count, term_total
)
INSERT INTO segment (tenant_id, audience_id, store_id, chunk_count, term_total)
SELECT %(tenant)s, %(audience)s, %(store)s, sum(chunk_count), sum(term_total) FROM parts
RETURNING id;

-- name: merge_postings
INSERT INTO posting (shard, tenant_id, audience_id, store_id, term, segment_id, entries)
SELECT %(shard)s, %(tenant)s, %(audience)s, %(store)s, term, %(merged)s, string_agg(entries, ''::bytea ORDER BY segment_id)
FROM posting
WHERE shard = %(shard)s AND tenant_id = %(tenant)s AND store_id = %(store)s AND audience_id = %(audience)s AND segment_id = ANY(%(segments)s)
GROUP BY term;

-- name: drop_postings
DELETE FROM posting
WHERE shard = %(shard)s AND tenant_id = %(tenant)s AND store_id = %(store)s AND audience_id = %(audience)s AND segment_id = ANY(%(segments)s);

-- name: take_dead_chunks
DELETE FROM tombstone WHERE tenant_id = %(tenant)s AND store_id = %(store)s AND audience_id = %(audience)s RETURNING chunk_id, term_count;

-- name: postings_by_term
SELECT term, string_agg(entries, ''::bytea ORDER BY segment_id)
FROM posting
WHERE shard = %(shard)s AND tenant_id = %(tenant)s AND store_id = %(store)s AND audience_id = %(audience)s AND segment_id = ANY(%(segments)s)
GROUP BY term;

-- name: shrink_segment
UPDATE segment SET chunk_count = chunk_count - %(chunks)s, term_total = term_total - %(terms)s
WHERE tenant_id = %(tenant)s AND store_id = %(store)s AND audience_id = %(audience)s AND id = %(segment)s;

-- name: drop_empty_segment
DELETE FROM segment WHERE tenant_id = %(tenant)s AND store_id = %(store)s AND audience_id = %(audience)s AND id = %(segment)s AND chunk_count = 0;
