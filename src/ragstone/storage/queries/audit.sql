-- The audit log. Lines are numbered by time, in all databases alike.

-- name: page
SELECT id, at, actor, request, action, subject, detail FROM audit
WHERE tenant_id = %(tenant)s AND id < %(below)s AND at >= %(since)s
ORDER BY id DESC
LIMIT %(limit)s;
