-- Bytes of uploaded files that lie in the database. A file is complete when its last part is shorter than a mebibyte.

-- name: add_part
INSERT INTO file_part (tenant_id, file_id, number, audience_id, content)
SELECT tenant_id, id, %(number)s, audience_id, %(content)s
FROM file
WHERE tenant_id = %(tenant)s AND public_id = %(file)s;

-- name: last_part
SELECT p.number, octet_length(p.content)
FROM file f JOIN file_part p ON p.tenant_id = f.tenant_id AND p.file_id = f.id
WHERE f.tenant_id = %(tenant)s AND p.tenant_id = %(tenant)s AND f.public_id = %(file)s
ORDER BY p.number DESC
LIMIT 1;

-- name: part
SELECT substring(p.content FROM %(first)s FOR %(count)s)
FROM file f JOIN file_part p ON p.tenant_id = f.tenant_id AND p.file_id = f.id
WHERE f.tenant_id = %(tenant)s AND p.tenant_id = %(tenant)s AND f.public_id = %(file)s AND p.number = %(number)s;

-- name: remove_parts
DELETE FROM file_part p
USING file f
WHERE f.tenant_id = %(tenant)s AND p.tenant_id = %(tenant)s AND p.file_id = f.id AND f.public_id = ANY(%(files)s);

-- name: files_with_parts
SELECT f.public_id
FROM file f
WHERE f.tenant_id = %(tenant)s AND f.public_id > %(after_file)s
  AND EXISTS (SELECT FROM file_part p WHERE p.tenant_id = %(tenant)s AND p.file_id = f.id)
ORDER BY f.public_id
LIMIT %(limit)s;
