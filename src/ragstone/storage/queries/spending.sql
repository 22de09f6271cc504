-- Limits, how much of them is used, and what was spent.

-- name: tenant_standings
SELECT s.name, s.most, s.used, s.renews_at
FROM tenant t LEFT JOIN account a ON a.tenant_id = %(tenant)s AND a.id = 0
CROSS JOIN clock_timestamp() AS clock
CROSS JOIN LATERAL standings(t.limits, rolled(a, clock), clock) AS s
WHERE t.tenant_id = %(tenant)s;

-- name: key_standings
SELECT s.name, s.most, s.used, s.renews_at
FROM api_key k LEFT JOIN account a ON a.tenant_id = %(tenant)s AND a.id = COALESCE(k.account_id, k.id)
CROSS JOIN clock_timestamp() AS clock
CROSS JOIN LATERAL standings(k.limits, rolled(a, clock), clock) AS s
WHERE k.tenant_id = %(tenant)s AND k.public_id = %(public_id)s;

-- name: spending
SELECT s.day, s.key AS subject, COALESCE(k.name, '') AS label, s.requests, s.answers, s.input_tokens, s.output_tokens,
       s.cost
FROM spending s LEFT JOIN api_key k ON k.tenant_id = %(tenant)s AND k.public_id = s.key
WHERE s.tenant_id = %(tenant)s AND s.day >= %(since_day)s
ORDER BY s.day, k.id, s.key;
