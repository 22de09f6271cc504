-- The reading side. All statements of a search run in one repeatable-read transaction: one state of the index.

-- name: collection
-- Chunks and terms of the searched stores, without what is gone, and the ids of that.
SELECT COALESCE(sum(chunks), 0)::bigint, COALESCE(sum(terms), 0)::bigint,
       ARRAY(SELECT chunk_id FROM tombstone WHERE tenant_id = %(tenant)s AND store_id = ANY(%(stores)s))
FROM (
  SELECT sum(chunk_count) AS chunks, sum(term_total) AS terms
  FROM segment WHERE tenant_id = %(tenant)s AND store_id = ANY(%(stores)s)
  UNION ALL
  SELECT -count(*), -sum(term_count)
  FROM tombstone WHERE tenant_id = %(tenant)s AND store_id = ANY(%(stores)s)
) AS t;

-- name: postings
SELECT term, entries FROM posting
WHERE shard = %(shard)s AND tenant_id = %(tenant)s AND store_id = ANY(%(stores)s) AND term = ANY(%(terms)s);

-- name: nearest
-- Small collections are scanned: exact, for 1.6 ms more than the index at most (0002), and the index is shared by
-- all of a partition's tenants and readers, so that the search of a small store, or of the small part of a store that
-- the asker may read, would walk past most of its entries. Only one of the two arms runs, by a one-time filter.
(
  SELECT chunk_id, -(vector <#> %(vector)s) AS score
  FROM {embedding}
  WHERE shard = %(shard)s AND tenant_id = %(tenant)s AND store_id = ANY(%(stores)s)
    AND (SELECT COALESCE(sum(chunk_count), 0) FROM segment
         WHERE tenant_id = %(tenant)s AND store_id = ANY(%(stores)s)) <= %(scan_up_to)s
  ORDER BY (vector <#> %(vector)s) + 0
  LIMIT %(limit)s
)
UNION ALL
(
  SELECT chunk_id, -(vector <#> %(vector)s) AS score
  FROM {embedding}
  WHERE shard = %(shard)s AND tenant_id = %(tenant)s AND store_id = ANY(%(stores)s)
    AND (SELECT COALESCE(sum(chunk_count), 0) FROM segment
         WHERE tenant_id = %(tenant)s AND store_id = ANY(%(stores)s)) > %(scan_up_to)s
  ORDER BY vector <#> %(vector)s
  LIMIT %(limit)s
);

-- name: nearest_scanned
SELECT chunk_id, -(vector <#> %(vector)s) AS score
FROM {embedding}
WHERE shard = %(shard)s AND tenant_id = %(tenant)s AND store_id = ANY(%(stores)s)
ORDER BY (vector <#> %(vector)s) + 0
LIMIT %(limit)s;

-- name: rankable
-- The chunks whose documents pass a filter.
SELECT c.id
FROM document d
JOIN chunk c ON c.shard = %(shard)s AND c.tenant_id = %(tenant)s AND c.document_id = d.id
WHERE d.tenant_id = %(tenant)s AND d.store_id = ANY(%(stores)s) AND {condition}
ORDER BY c.id;

-- name: nearest_of
-- Exact, among the chunks that passed a selective filter.
SELECT chunk_id, -(vector <#> %(vector)s) AS score
FROM {embedding}
WHERE shard = %(shard)s AND tenant_id = %(tenant)s AND chunk_id = ANY(%(ids)s)
ORDER BY (vector <#> %(vector)s) + 0
LIMIT %(limit)s;

-- name: nearest_filtered
SELECT chunk_id, -(vector <#> %(vector)s) AS score
FROM {embedding}
WHERE shard = %(shard)s AND tenant_id = %(tenant)s AND store_id = ANY(%(stores)s)
  AND document_id = ANY(ARRAY(
    SELECT d.id FROM document d
    WHERE d.tenant_id = %(tenant)s AND d.store_id = ANY(%(stores)s) AND {condition}))
ORDER BY vector <#> %(vector)s
LIMIT %(limit)s;

-- name: inner_products
SELECT chunk_id, -(vector <#> %(vector)s) AS score
FROM {embedding}
WHERE shard = %(shard)s AND tenant_id = %(tenant)s AND chunk_id = ANY(%(ids)s) AND store_id = ANY(%(stores)s);

-- name: passages
SELECT c.id, d.public_id, d.filename, d.source, d.attributes::text, c.page, c.heading, NULLIF(c.turns, '[]')::text, c.body, c.start_offset,
       c.end_offset
FROM chunk c
JOIN document d ON d.tenant_id = %(tenant)s AND d.id = c.document_id
WHERE c.shard = %(shard)s AND c.tenant_id = %(tenant)s AND c.id = ANY(%(ids)s) AND c.store_id = ANY(%(stores)s);

-- name: quotes
-- `place` is the number of the span, from 1.
SELECT w.place, substr(v.body, w.starts + 1, w.lengths)
FROM unnest(%(files)s::text[], %(starts)s::int[], %(lengths)s::int[]) WITH ORDINALITY w (file, starts, lengths, place)
JOIN document d ON d.tenant_id = %(tenant)s AND d.store_id = ANY (%(stores)s) AND d.public_id = w.file
JOIN document_version v ON v.tenant_id = %(tenant)s AND v.id = d.version_id;
