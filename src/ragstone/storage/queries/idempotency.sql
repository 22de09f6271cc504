-- Writes that are made under a key. A row's creation names its holder: who took the key over has made it anew.

-- name: claim_key
-- Another's transaction of a moment is waited for. What is lost when the server dies is lost with the write it guards:
-- the log is written in order.
WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO idempotency AS known (tenant_id, actor, key, fingerprint, locked_until, created_at)
SELECT %(tenant)s, %(actor)s, %(key)s, %(fingerprint)s, clock_timestamp() + %(lock)s::interval, clock_timestamp()
FROM setting
ON CONFLICT (tenant_id, actor, key) DO UPDATE
SET fingerprint = excluded.fingerprint, status = NULL, media_type = NULL, body = NULL,
    locked_until = excluded.locked_until, created_at = excluded.created_at
WHERE known.created_at < clock_timestamp() - %(age)s::interval
   OR (known.status IS NULL AND known.locked_until < clock_timestamp())
RETURNING created_at;

-- name: known_key
SELECT fingerprint, status, media_type, body
FROM idempotency
WHERE tenant_id = %(tenant)s AND actor = %(actor)s AND key = %(key)s;

-- name: hold_key
UPDATE idempotency
SET locked_until = clock_timestamp() + %(lock)s::interval
WHERE tenant_id = %(tenant)s AND actor = %(actor)s AND key = %(key)s AND created_at = %(claimed)s AND status IS NULL;

-- name: record_answer
UPDATE idempotency
SET fingerprint = %(fingerprint)s, status = %(status_code)s, media_type = %(media_type)s, body = %(answer)s
WHERE tenant_id = %(tenant)s AND actor = %(actor)s AND key = %(key)s AND created_at = %(claimed)s AND status IS NULL;

-- name: free_key
DELETE FROM idempotency
WHERE tenant_id = %(tenant)s AND actor = %(actor)s AND key = %(key)s AND created_at = %(claimed)s AND status IS NULL;
