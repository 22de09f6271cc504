-- Users and their keys.

-- name: groups_of
SELECT groups FROM app_user WHERE tenant_id = %(tenant)s AND name = %(name)s;

-- name: put_user
INSERT INTO app_user (tenant_id, name, groups) VALUES (%(tenant)s, %(name)s, %(groups)s)
ON CONFLICT (tenant_id, name) DO UPDATE SET groups = EXCLUDED.groups
RETURNING name, groups, created_at;

-- name: list_users
SELECT name, groups, created_at FROM app_user
WHERE tenant_id = %(tenant)s AND id > %(above)s AND id < %(below)s
ORDER BY id {direction}
LIMIT %(limit)s;

-- name: user_position
SELECT id FROM app_user WHERE tenant_id = %(tenant)s AND name = %(cursor)s;

-- name: remove_user
-- With the keys, one by one, so that the audit log names each.
WITH gone AS (
  SELECT id FROM app_user WHERE tenant_id = %(tenant)s AND name = %(name)s
), keys AS (
  DELETE FROM api_key WHERE tenant_id = %(tenant)s AND user_id IN (SELECT id FROM gone) RETURNING id
)
DELETE FROM app_user WHERE tenant_id = %(tenant)s AND id IN (SELECT id FROM gone) RETURNING name;

-- name: add_key
-- No row for a user that there is not.
INSERT INTO api_key (tenant_id, public_id, name, user_id, scopes, hash, hint, priority, limits, account_id, expires_at)
SELECT %(tenant)s, %(public_id)s, %(name)s, u.id, %(scopes)s, %(hash)s, %(hint)s, %(priority)s,
       %(limits)s, %(account)s, %(expires_at)s
FROM (VALUES (0)) AS one LEFT JOIN app_user u ON u.tenant_id = %(tenant)s AND u.name = %(user)s
WHERE %(user)s::text IS NULL OR u.id IS NOT NULL
RETURNING created_at;

-- name: list_keys
SELECT k.public_id, k.name, u.name AS user, k.scopes, k.hint, k.priority, k.limits, k.created_at,
       k.expires_at, k.revoked_at, k.last_used_at
FROM api_key k LEFT JOIN app_user u ON u.tenant_id = %(tenant)s AND u.id = k.user_id
WHERE k.tenant_id = %(tenant)s AND k.id > %(above)s AND k.id < %(below)s
ORDER BY k.id {direction}
LIMIT %(limit)s;

-- name: key_position
SELECT id FROM api_key WHERE tenant_id = %(tenant)s AND public_id = %(cursor)s;

-- name: find_key
SELECT k.public_id, k.name, u.name AS user, k.scopes, k.hint, k.priority, k.limits, k.created_at,
       k.expires_at, k.revoked_at, k.last_used_at, COALESCE(k.account_id, k.id) AS account
FROM api_key k LEFT JOIN app_user u ON u.tenant_id = %(tenant)s AND u.id = k.user_id
WHERE k.tenant_id = %(tenant)s AND k.public_id = %(public_id)s
FOR UPDATE OF k;

-- name: revoke_key
UPDATE api_key SET revoked_at = COALESCE(revoked_at, now())
WHERE tenant_id = %(tenant)s AND public_id = %(public_id)s
RETURNING revoked_at;

-- name: end_key
UPDATE api_key SET expires_at = LEAST(expires_at, %(expires_at)s)
WHERE tenant_id = %(tenant)s AND public_id = %(public_id)s;

-- name: limits_and_end_of_key
SELECT limits, expires_at FROM api_key WHERE tenant_id = %(tenant)s AND public_id = %(public_id)s;

-- name: limit_key
UPDATE api_key SET limits = %(limits)s WHERE tenant_id = %(tenant)s AND public_id = %(public_id)s;
