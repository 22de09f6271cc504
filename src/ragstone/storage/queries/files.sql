-- Files as they are uploaded, listed and deleted. One that is still being uploaded, or has expired, is not there.

-- name: begin_file
INSERT INTO file (tenant_id, audience_id, public_id, filename, size, place, expires_at)
VALUES (%(tenant)s, %(audience)s, %(public_id)s, %(filename)s, 0, %(place)s, now() + %(patience)s);

-- name: finish_file
UPDATE file
SET audience_id = %(audience)s, purpose = %(purpose)s, size = %(size)s, media_type = %(media_type)s,
    content_hash = %(content_hash)s, uploaded = true, expires_at = created_at + %(lifetime)s::interval
WHERE tenant_id = %(tenant)s AND public_id = %(file)s AND NOT uploaded AND expires_at > now()
RETURNING id, public_id, filename, purpose, size, media_type, place, created_at, expires_at,
          readers_of(audience_id) AS readers;

-- name: hand_parts_over
-- To the readers that were only named behind the bytes.
UPDATE file_part p SET audience_id = %(audience)s
FROM file f
WHERE f.tenant_id = %(tenant)s AND p.tenant_id = %(tenant)s AND p.file_id = f.id AND f.public_id = %(file)s
  AND p.audience_id <> %(audience)s;

-- name: withdraw_file
-- Nobody sees it any more. Its row stays until its bytes are gone, so that nothing is forgotten if this breaks off.
UPDATE file SET uploaded = false, expires_at = now() WHERE tenant_id = %(tenant)s AND public_id = %(file)s;

-- name: abandon_file
UPDATE file SET expires_at = now() WHERE tenant_id = %(tenant)s AND public_id = %(file)s AND NOT uploaded;

-- name: is_uploaded
SELECT id FROM file WHERE tenant_id = %(tenant)s AND public_id = %(file)s AND uploaded;

-- name: erase_file
DELETE FROM file WHERE tenant_id = %(tenant)s AND public_id = %(file)s AND NOT uploaded AND expires_at <= now();

-- name: find_file
SELECT id, public_id, filename, purpose, size, media_type, place, created_at, expires_at,
       readers_of(audience_id) AS readers
FROM file
WHERE tenant_id = %(tenant)s AND public_id = %(file)s AND uploaded AND (expires_at IS NULL OR expires_at > now());

-- name: list_files
SELECT id, public_id, filename, purpose, size, media_type, place, created_at, expires_at,
       readers_of(audience_id) AS readers
FROM file
WHERE tenant_id = %(tenant)s AND uploaded AND (expires_at IS NULL OR expires_at > now())
  AND (%(purpose)s::text IS NULL OR purpose = %(purpose)s) AND id > %(above)s AND id < %(below)s
ORDER BY id {direction}
LIMIT %(limit)s;

-- name: file_position
SELECT COALESCE((SELECT id FROM file WHERE tenant_id = %(tenant)s AND public_id = %(cursor)s),
                former_id('file', %(cursor)s));

-- name: see_file
-- Whether the asker may know of it, whatever its state.
SELECT id FROM file WHERE tenant_id = %(tenant)s AND public_id = %(file)s;

-- name: hold_stores_of_file
SELECT s.id FROM store s
WHERE s.tenant_id = %(tenant)s AND s.id IN (
  SELECT d.store_id FROM document d
  WHERE d.tenant_id = %(tenant)s AND d.file_id = (
    SELECT id FROM file WHERE tenant_id = %(tenant)s AND public_id = %(file)s))
ORDER BY s.id
FOR KEY SHARE;

-- name: lock_file
SELECT id, place FROM file
WHERE tenant_id = %(tenant)s AND public_id = %(file)s AND uploaded AND (expires_at IS NULL OR expires_at > now())
FOR UPDATE;

-- name: attached_elsewhere
-- Whether it got into a store beside these. None that does once the file is locked.
SELECT id FROM document
WHERE tenant_id = %(tenant)s AND file_id = %(file_id)s AND store_id <> ALL(%(stores)s::bigint[])
LIMIT 1;

-- name: lock_expired_file
SELECT id, place FROM file WHERE tenant_id = %(tenant)s AND public_id = %(file)s AND expires_at <= now() FOR UPDATE;

-- name: expired_files
SELECT public_id FROM file
WHERE tenant_id = %(tenant)s AND expires_at <= now() AND place = ANY(%(places)s)
ORDER BY id
LIMIT %(limit)s;
