-- Users and their keys.

-- name: groups_of
SELECT groups FROM app_user WHERE tenant_id = %(tenant)s AND name = %(name)s;

-- name: add_key
INSERT INTO api_key (tenant_id, public_id, name, user_id, scopes, hash, hint, priority, requests_per_minute, expires_at)
VALUES (%(tenant)s, %(public_id)s, %(name)s, %(user)s, %(scopes)s, %(hash)s, %(hint)s, %(priority)s,
        %(requests_per_minute)s, %(expires_at)s)
RETURNING created_at;
