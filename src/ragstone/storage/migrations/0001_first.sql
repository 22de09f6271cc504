-- The first schema: tenants, stores, documents with versions, chunks, vectors by model, lexical postings.
--
-- Every table with a tenant's data has row-level security that its owner cannot leave either. A transaction names
-- its tenant in the setting ragstone.tenant; without it no row is seen and none is taken. The role ragstone_app,
-- under which the application works, owns nothing.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ragstone_app') THEN
    CREATE ROLE ragstone_app NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  -- Roles are the cluster's: another database of it, which is prepared at the same time, has made it.
END $$;

CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;

GRANT USAGE ON SCHEMA ragstone TO ragstone_app;

-- The tenant of the transaction; NULL, which equals nothing, when none is set.
CREATE FUNCTION current_tenant() RETURNS int
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT NULLIF(current_setting('ragstone.tenant', true), '')::int $$;


-- Shuts a table to all but the tenant of the transaction.
CREATE PROCEDURE isolate(tab regclass)
LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', tab);
  EXECUTE format(
    'CREATE POLICY tenant_isolation ON %s USING (tenant_id = (SELECT ragstone.current_tenant())) '
    'WITH CHECK (tenant_id = (SELECT ragstone.current_tenant()))', tab);
END $$;

-- Sixteen partitions by tenant keep an HNSW index and its builds at a sixteenth of the whole. They are reached
-- through their parent alone: a partition has no grants, and is closed by its own row-level security besides.
CREATE PROCEDURE partition_by_tenant(tab regclass)
LANGUAGE plpgsql
AS $$
DECLARE
  name text := (SELECT relname FROM pg_class WHERE oid = tab);
BEGIN
  FOR i IN 0..15 LOOP
    EXECUTE format('CREATE TABLE ragstone.%I PARTITION OF %s FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
                   name || '_' || i, tab, i);
    EXECUTE format('CALL ragstone.isolate(%L)', format('ragstone.%I', name || '_' || i));
  END LOOP;
END $$;


CREATE TABLE tenant (
  tenant_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE CHECK (name <> ''),
  created_at timestamptz NOT NULL DEFAULT now()
);
CALL isolate('tenant');
-- The owner alone may look a tenant up by its name, in tenant_named() below.
CREATE POLICY administration ON tenant TO CURRENT_USER USING (true) WITH CHECK (true);

-- The tenant of that name, made if there is none. Knowing a name is no right: the caller decides who acts for it.
CREATE FUNCTION tenant_named(tenant_name text) RETURNS int
LANGUAGE sql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
  INSERT INTO tenant (name) VALUES (tenant_name) ON CONFLICT (name) DO NOTHING;
  SELECT tenant_id FROM tenant WHERE name = tenant_name;
$$;


-- Models belong to the installation, not to a tenant; each has a table of vectors of its own dimension.
CREATE TABLE embedding_model (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE,
  dimension int NOT NULL CHECK (dimension BETWEEN 1 AND 4000),  -- what HNSW on halfvec can index
  max_tokens int NOT NULL CHECK (max_tokens > 0),
  query_prefix text NOT NULL DEFAULT '',
  passage_prefix text NOT NULL DEFAULT ''
);
GRANT SELECT ON embedding_model TO ragstone_app;


CREATE TABLE store (
  tenant_id int NOT NULL REFERENCES tenant ON DELETE CASCADE,
  id bigint GENERATED ALWAYS AS IDENTITY,
  public_id text NOT NULL,
  name text NOT NULL CHECK (name <> ''),
  model_id int NOT NULL REFERENCES embedding_model,
  language text NOT NULL,  -- of the stemmer: documents and questions have to agree on it
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, name),
  UNIQUE (tenant_id, public_id)
);
CALL isolate('store');

-- One row a source; what it says stands in its versions.
CREATE TABLE document (
  tenant_id int NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  store_id bigint NOT NULL,
  public_id text NOT NULL,  -- file-..., the same in every store that a file is attached to
  source text NOT NULL,
  source_key bytea NOT NULL,  -- SHA-256 of source: a path may be longer than an index entry
  filename text NOT NULL,
  attributes jsonb NOT NULL DEFAULT '{}',
  version_id bigint,  -- the current one; NULL only inside the transaction that makes the document
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, store_id, source_key),
  UNIQUE (tenant_id, store_id, public_id),
  FOREIGN KEY (tenant_id, store_id) REFERENCES store ON DELETE CASCADE
);
CALL isolate('document');

-- Only the current version is kept today; the number goes on counting, so that history can be kept later.
CREATE TABLE document_version (
  tenant_id int NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  document_id bigint NOT NULL,
  number int NOT NULL,
  content_hash bytea NOT NULL,
  pipeline text NOT NULL,  -- versions of reader, splitter and analyzer: another one reads the file again
  size bigint NOT NULL,
  media_type text NOT NULL,
  title text NOT NULL,
  warnings text[] NOT NULL,
  body text NOT NULL,  -- what citations point into
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, document_id, number),
  FOREIGN KEY (tenant_id, document_id) REFERENCES document ON DELETE CASCADE
);
CALL isolate('document_version');


CREATE TABLE chunk (
  tenant_id int NOT NULL,
  id bigint GENERATED BY DEFAULT AS IDENTITY,
  store_id bigint NOT NULL,
  document_id bigint NOT NULL,
  version_id bigint NOT NULL,
  ordinal int NOT NULL,
  start_offset int NOT NULL,
  end_offset int NOT NULL,
  page int,
  heading text[] NOT NULL,
  turns jsonb NOT NULL,  -- [start, heading, page] where a chunk goes on under another heading or on another page
  context text NOT NULL,  -- searched with the body, never quoted
  body text NOT NULL,
  term_count int NOT NULL,
  PRIMARY KEY (tenant_id, id)
) PARTITION BY HASH (tenant_id);
CREATE INDEX chunk_document ON chunk (tenant_id, document_id);
CALL partition_by_tenant('chunk');
CALL isolate('chunk');


-- BM25 postings, log-structured: a document's commit writes one segment, a background job merges segments.
CREATE TABLE segment (
  tenant_id int NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  store_id bigint NOT NULL,
  chunk_count int NOT NULL,
  term_total bigint NOT NULL,
  PRIMARY KEY (tenant_id, store_id, id),
  FOREIGN KEY (tenant_id, store_id) REFERENCES store ON DELETE CASCADE
);
CALL isolate('segment');

CREATE TABLE posting (
  tenant_id int NOT NULL,
  store_id bigint NOT NULL,
  term text COLLATE "C" NOT NULL,
  segment_id bigint NOT NULL,
  -- 12 bytes a chunk, little-endian: int8 chunk id, uint2 frequency of the term, uint2 terms of the chunk.
  -- Plain bytes because arrays of PostgreSQL cost twice that on the wire, and bytes merge by concatenation.
  entries bytea NOT NULL,
  PRIMARY KEY (tenant_id, store_id, term, segment_id)
) PARTITION BY HASH (tenant_id);
-- Compressed, the lists of common terms took half as long again to read (0002).
ALTER TABLE posting ALTER COLUMN entries SET STORAGE EXTERNAL;
CALL partition_by_tenant('posting');
CALL isolate('posting');

-- Chunks that are gone while postings still name them; a merge that rewrites their segment removes both.
CREATE TABLE tombstone (
  tenant_id int NOT NULL,
  store_id bigint NOT NULL,
  chunk_id bigint NOT NULL,
  term_count int NOT NULL,
  PRIMARY KEY (tenant_id, store_id, chunk_id),
  FOREIGN KEY (tenant_id, store_id) REFERENCES store ON DELETE CASCADE
);
CALL isolate('tombstone');


-- The table of a model's vectors is made when the model is first seen.
CREATE PROCEDURE create_embedding_table(model_id int, dimension int)
LANGUAGE plpgsql
AS $$
DECLARE
  name text := 'embedding_' || model_id;
BEGIN
  EXECUTE format(
    'CREATE TABLE ragstone.%I ('
    ' tenant_id int NOT NULL, chunk_id bigint NOT NULL, store_id bigint NOT NULL, document_id bigint NOT NULL,'
    ' vector halfvec(%s) NOT NULL, PRIMARY KEY (tenant_id, chunk_id)) PARTITION BY HASH (tenant_id)',
    name, dimension);
  -- Plain: a vector that moved out of line costs a second look-up a candidate.
  EXECUTE format('ALTER TABLE ragstone.%I ALTER COLUMN vector SET STORAGE PLAIN', name);
  EXECUTE format('CREATE INDEX %I ON ragstone.%I (tenant_id, store_id)', name || '_store', name);
  EXECUTE format('CREATE INDEX %I ON ragstone.%I USING hnsw (vector halfvec_ip_ops)'
                 ' WITH (m = 16, ef_construction = 64)', name || '_hnsw', name);
  EXECUTE format('CALL ragstone.partition_by_tenant(%L)', format('ragstone.%I', name));
  EXECUTE format('CALL ragstone.isolate(%L)', format('ragstone.%I', name));
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ragstone.%I TO ragstone_app', name);
END $$;

-- The id of a model, made with its table if it is new.
CREATE FUNCTION model_named(
  model_name text, model_dimension int, model_max_tokens int, model_query_prefix text, model_passage_prefix text
) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, public, pg_temp
AS $$
DECLARE
  found_id int;
  found_dimension int;
BEGIN
  SELECT id, dimension INTO found_id, found_dimension FROM embedding_model WHERE name = model_name;
  IF found_id IS NULL THEN
    -- Two processes that meet here for the first time must not both create the table.
    PERFORM pg_advisory_xact_lock(hashtext('ragstone.embedding_model'));
    INSERT INTO embedding_model (name, dimension, max_tokens, query_prefix, passage_prefix)
    VALUES (model_name, model_dimension, model_max_tokens, model_query_prefix, model_passage_prefix)
    ON CONFLICT (name) DO NOTHING RETURNING id INTO found_id;
    IF found_id IS NULL THEN
      SELECT id, dimension INTO found_id, found_dimension FROM embedding_model WHERE name = model_name;
    ELSE
      CALL create_embedding_table(found_id, model_dimension);
      RETURN found_id;
    END IF;
  END IF;
  IF found_dimension <> model_dimension THEN
    RAISE EXCEPTION 'model % has % dimensions here, not %', model_name, found_dimension, model_dimension;
  END IF;
  RETURN found_id;
END $$;


GRANT SELECT ON tenant TO ragstone_app;
GRANT SELECT, INSERT, UPDATE, DELETE
  ON store, document, document_version, chunk, segment, posting, tombstone TO ragstone_app;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ragstone FROM PUBLIC;
REVOKE ALL ON ALL PROCEDURES IN SCHEMA ragstone FROM PUBLIC;
GRANT EXECUTE ON FUNCTION current_tenant, tenant_named, model_named TO ragstone_app;
