-- Answers and vectors that are remembered.

-- name: recall
-- The versions of the stores, and the answer to this question, in one snapshot.
SELECT p.store_ids, p.versions, a.answer
FROM cache_place(%(tenant)s, %(decided)s, %(stores)s::bigint[]) p
LEFT JOIN cached_answer a
  ON a.tenant_id = %(tenant)s AND a.place = p.place AND a.question_key = %(question_key)s AND a.expires_at > now();

-- name: recall_similar
-- The questions nearest to this one among the newest in its place.
WITH kin AS MATERIALIZED (
  SELECT a.question, a.vector, a.answer
  FROM cache_place(%(tenant)s, %(decided)s, %(stores)s::bigint[]) p
  JOIN cached_answer a ON a.tenant_id = %(tenant)s AND a.place = p.place
  WHERE a.vector IS NOT NULL AND a.expires_at > now()
  ORDER BY a.expires_at DESC
  LIMIT 1000
), near AS MATERIALIZED (
  SELECT question, answer, -(vector <#> %(vector)s) AS cosine FROM kin
)
SELECT question, answer FROM near WHERE cosine >= %(similarity)s ORDER BY cosine DESC LIMIT %(limit)s;

-- name: keep
-- Unless the stores are not as they were: then nobody would find it.
INSERT INTO cached_answer AS former
  (tenant_id, place, question_key, store_ids, versions, audiences, question, vector, answer, expires_at)
SELECT %(tenant)s, p.place, %(question_key)s, p.store_ids, p.versions, p.audiences, %(question)s, %(vector)s, %(answered)s,
       now() + %(lifetime)s::interval
FROM cache_place(%(tenant)s, %(decided)s, %(stores)s::bigint[]) p
WHERE p.store_ids = %(store_ids)s::bigint[] AND p.versions = %(versions)s::bigint[]
ON CONFLICT (tenant_id, place, question_key) DO UPDATE
SET question = excluded.question, vector = excluded.vector, answer = excluded.answer, expires_at = excluded.expires_at;

-- name: known_vectors
SELECT key, vector FROM cached_embedding
WHERE tenant_id = %(tenant)s AND key = ANY(%(keys)s) AND expires_at > now();

-- name: keep_vectors
INSERT INTO cached_embedding (tenant_id, key, vector, expires_at)
SELECT %(tenant)s, key, vector, now() + %(lifetime)s::interval
FROM unnest(%(keys)s::bytea[], %(packed)s::bytea[]) AS u (key, vector)
ORDER BY key
ON CONFLICT (tenant_id, key) DO UPDATE SET expires_at = excluded.expires_at;
