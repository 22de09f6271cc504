-- Files, stores and their documents over HTTP: counts that cost little, and pages that can be turned on when the row
-- they ended with is gone.

-- Bytes of the file behind the current version, so that a store's size is a sum over an index.
ALTER TABLE document ADD COLUMN usage_bytes bigint NOT NULL DEFAULT 0;
ALTER TABLE document NO FORCE ROW LEVEL SECURITY;
ALTER TABLE document_version NO FORCE ROW LEVEL SECURITY;
UPDATE document d SET usage_bytes = v.size
FROM document_version v WHERE v.tenant_id = d.tenant_id AND v.id = d.version_id;
ALTER TABLE document FORCE ROW LEVEL SECURITY;
ALTER TABLE document_version FORCE ROW LEVEL SECURITY;
CREATE INDEX document_counts ON document (tenant_id, store_id) INCLUDE (audience_id, status, usage_bytes);

CREATE FUNCTION measure_document() RETURNS trigger
LANGUAGE plpgsql
AS $$ BEGIN
  -- A document that comes from another database is there before its version, and knows the size already.
  NEW.usage_bytes := CASE WHEN NEW.version_id IS NULL THEN 0 ELSE COALESCE(
    (SELECT size FROM ragstone.document_version WHERE tenant_id = NEW.tenant_id AND id = NEW.version_id),
    NEW.usage_bytes) END;
  RETURN NEW;
END $$;
CREATE TRIGGER measure BEFORE UPDATE OF version_id ON document FOR EACH ROW EXECUTE FUNCTION measure_document();

-- The audit log remembers where a row stood, for whoever turns a page behind it.
DROP TRIGGER audit ON store;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON store FOR EACH ROW
  EXECUTE FUNCTION audited('store', 'public_id', 'id,name,description,metadata,expires_after_days,expired');
DROP TRIGGER audit ON file;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON file FOR EACH ROW
  EXECUTE FUNCTION audited('file', 'public_id', 'id,filename,purpose,size,uploaded,audience_id,expires_at');
DROP TRIGGER audit ON document;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON document FOR EACH ROW
  EXECUTE FUNCTION audited('document', 'public_id',
    'id,filename,store_id,status,version_id,attributes,audience_id,error_code');
CREATE INDEX audit_deleted ON audit (tenant_id, subject) WHERE action LIKE '%.deleted';

-- The id that a removed store, file or document had, if the asker might have seen it; of documents that of one store.
CREATE FUNCTION former_id(noun text, gone text, of_store bigint DEFAULT NULL) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
  SELECT (detail ->> 'id')::bigint FROM audit
  WHERE tenant_id = current_tenant() AND subject = gone AND action LIKE '%.deleted' AND action = noun || '.deleted'
    AND (of_store IS NULL OR (detail ->> 'store_id')::bigint = of_store)
    AND (reads_all() OR COALESCE((detail ->> 'audience_id')::int, 0) = ANY (current_audiences()))
  ORDER BY id DESC LIMIT 1
$$;

-- Tenants with something that has run out: uploads that broke off, files, stores.
CREATE FUNCTION tenants_with_expired() RETURNS TABLE (tenant_id int, name text, shard int, database text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
  SELECT t.tenant_id, t.name, t.shard, t.database FROM tenant t
  WHERE t.tenant_id IN (
    SELECT f.tenant_id FROM file f WHERE f.expires_at <= now()
    UNION
    SELECT s.tenant_id FROM store s
    WHERE NOT s.expired AND s.last_active_at + make_interval(days => s.expires_after_days) <= now())
  ORDER BY t.tenant_id
$$;
CREATE POLICY administration ON file FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY administration ON store FOR SELECT TO CURRENT_USER USING (true);

REVOKE ALL ON FUNCTION measure_document, former_id, tenants_with_expired FROM PUBLIC;
GRANT EXECUTE ON FUNCTION former_id, tenants_with_expired TO ragstone_app;
