-- The service: who asks, what they may read, uploaded files, the queue of work, stored answers, the audit log.
--
-- Two things change for every row of a tenant's contents. It carries its audience, and the policy of its table shows
-- it to that audience alone. And it lies in its tenant's shard: partitions are lists of shards instead of hashes of
-- tenants, so that a tenant can move to a partition of its own while it is read.


-- The transaction's asker ----------------------------------------------------------------------------------------

-- Ids of the audiences that the asker belongs to; 0 is everybody in the tenant.
CREATE FUNCTION current_audiences() RETURNS int[]
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT COALESCE(NULLIF(current_setting('ragstone.audiences', true), ''), '{0}')::int[] $$;

-- Whether the asker reads every document of the tenant: workers, the command line, administrators.
CREATE FUNCTION reads_all() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT current_setting('ragstone.reads_all', true) = 'on' $$;

CREATE FUNCTION current_actor() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT NULLIF(current_setting('ragstone.actor', true), '') $$;


-- Shuts a table to all but the tenant of the transaction, and its rows to all but their audience.
CREATE PROCEDURE isolate_contents(tab regclass)
LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', tab);
  EXECUTE format('DROP POLICY IF EXISTS tenant_isolation ON %s', tab);
  EXECUTE format(
    'CREATE POLICY readers_only ON %s USING (tenant_id = (SELECT ragstone.current_tenant()) AND '
    '(audience_id = ANY ((SELECT ragstone.current_audiences())::int[]) OR (SELECT ragstone.reads_all()))) '
    'WITH CHECK (tenant_id = (SELECT ragstone.current_tenant()))', tab);
END $$;

-- Shuts a table to all but the tenant of the transaction, and its rows to all but the actor that made them.
CREATE PROCEDURE isolate_by_actor(tab regclass)
LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', tab);
  EXECUTE format(
    'CREATE POLICY actor_only ON %s USING (tenant_id = (SELECT ragstone.current_tenant()) AND '
    '(actor = (SELECT ragstone.current_actor()) OR (SELECT ragstone.reads_all()))) '
    'WITH CHECK (tenant_id = (SELECT ragstone.current_tenant()))', tab);
END $$;


-- Tenants and audiences ------------------------------------------------------------------------------------------

ALTER TABLE tenant
  ADD COLUMN shard int NOT NULL DEFAULT 0,  -- 0 to 15 are shared, a higher one is the tenant's own
  ADD COLUMN database text;  -- name of its own database in the settings; NULL: this one
UPDATE tenant SET shard = tenant_id % 16;

-- A set of readers that is not everybody: principals such as user:alice and group:hr.
CREATE TABLE audience (
  tenant_id int NOT NULL REFERENCES tenant ON DELETE CASCADE,
  id int GENERATED ALWAYS AS IDENTITY,
  readers text[] NOT NULL CHECK (cardinality(readers) > 0),  -- ascending
  readers_key bytea NOT NULL,  -- SHA-256 of them: a long list does not fit an index entry
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, readers_key)
);
CREATE INDEX audience_readers ON audience USING gin (readers);
ALTER TABLE audience ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY readers_only ON audience USING (tenant_id = (SELECT current_tenant())
  AND (id = ANY ((SELECT current_audiences())::int[]) OR (SELECT reads_all())));
-- The owner looks audiences up in enter() and audience_of() below.
CREATE POLICY administration ON audience TO CURRENT_USER USING (true) WITH CHECK (true);

-- Begins a transaction's work for an asker. The settings end with the transaction.
CREATE FUNCTION enter(
  asking_tenant int, asking_actor text, asking_readers text[], everything boolean, request text DEFAULT ''
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
DECLARE
  audiences int[] := '{0}';
BEGIN
  IF NOT everything AND cardinality(asking_readers) > 0 THEN
    SELECT audiences || COALESCE(array_agg(id), '{}') INTO audiences
    FROM audience WHERE tenant_id = asking_tenant AND readers && asking_readers;
  END IF;
  PERFORM set_config('ragstone.tenant', asking_tenant::text, true),
          set_config('ragstone.actor', asking_actor, true),
          set_config('ragstone.readers', asking_readers::text, true),
          set_config('ragstone.audiences', audiences::text, true),
          set_config('ragstone.reads_all', CASE WHEN everything THEN 'on' ELSE 'off' END, true),
          set_config('ragstone.request', request, true);
END $$;

-- The audience of these readers in the transaction's tenant, made if there is none; 0 for no readers.
-- Nobody hides a document from himself: he could not see what became of it.
CREATE FUNCTION audience_of(wanted text[]) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
DECLARE
  sorted text[] := ARRAY(SELECT DISTINCT unnest(wanted) ORDER BY 1);
  key bytea := sha256(convert_to(sorted::text, 'UTF8'));
  found int;
BEGIN
  IF cardinality(sorted) = 0 THEN
    RETURN 0;
  END IF;
  IF NOT reads_all() AND NOT sorted && COALESCE(NULLIF(current_setting('ragstone.readers', true), ''), '{}')::text[] THEN
    RAISE EXCEPTION 'the readers leave out the one who gives them' USING ERRCODE = 'RS001';
  END IF;
  SELECT id INTO found FROM audience WHERE tenant_id = current_tenant() AND readers_key = key;
  IF found IS NULL THEN
    INSERT INTO audience (tenant_id, readers, readers_key) VALUES (current_tenant(), sorted, key)
    ON CONFLICT (tenant_id, readers_key) DO NOTHING;
    SELECT id INTO found FROM audience WHERE tenant_id = current_tenant() AND readers_key = key;
  END IF;
  -- One that was made after the transaction was entered, here or elsewhere.
  IF NOT found = ANY (current_audiences()) THEN
    PERFORM set_config('ragstone.audiences', (current_audiences() || found)::text, true);
  END IF;
  RETURN found;
END $$;

-- The readers of an audience that the asker belongs to; empty for everybody.
CREATE FUNCTION readers_of(wanted_audience int) RETURNS text[]
LANGUAGE sql STABLE
AS $$ SELECT COALESCE(
  (SELECT readers FROM ragstone.audience WHERE tenant_id = ragstone.current_tenant() AND id = wanted_audience), '{}') $$;

DROP FUNCTION tenant_named(text);
-- The tenant of that name, made if there is none. Knowing a name is no right: the caller decides who acts for it.
CREATE FUNCTION tenant_named(tenant_name text)
RETURNS TABLE (tenant_id int, name text, shard int, database text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
#variable_conflict use_column
BEGIN
  IF NOT EXISTS (SELECT FROM tenant t WHERE t.name = tenant_name) THEN
    INSERT INTO tenant (name) VALUES (tenant_name) ON CONFLICT (name) DO NOTHING;
    UPDATE tenant t SET shard = t.tenant_id % 16 WHERE t.name = tenant_name AND t.shard = 0;
  END IF;
  RETURN QUERY SELECT t.tenant_id, t.name, t.shard, t.database FROM tenant t WHERE t.name = tenant_name;
END $$;


-- Shards ---------------------------------------------------------------------------------------------------------

-- A partition of every partitioned table for one shard. Attaching takes no lock that readers or writers wait for.
CREATE PROCEDURE open_shard(tab regclass, shard int)
LANGUAGE plpgsql
AS $$
DECLARE
  parent text := (SELECT relname FROM pg_class WHERE oid = tab);
  part text := parent || '_' || shard;
BEGIN
  EXECUTE format('CREATE TABLE ragstone.%I (LIKE %s INCLUDING ALL EXCLUDING IDENTITY EXCLUDING INDEXES)', part, tab);
  EXECUTE format('CALL ragstone.isolate_contents(%L)', format('ragstone.%I', part));
  EXECUTE format('ALTER TABLE %s ATTACH PARTITION ragstone.%I FOR VALUES IN (%s)', tab, part, shard);
END $$;

CREATE PROCEDURE partition_by_shard(tab regclass)
LANGUAGE plpgsql
AS $$
DECLARE
  wanted int;
BEGIN
  FOR wanted IN SELECT generate_series(0, 15) UNION SELECT shard FROM ragstone.tenant WHERE shard > 15 LOOP
    EXECUTE format('CALL ragstone.open_shard(%L, %s)', tab, wanted);
  END LOOP;
END $$;

-- What was stored so far moves over.
CREATE SCHEMA ragstone_former;
DO $$
DECLARE
  moved regclass;
BEGIN
  FOR moved IN
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    LEFT JOIN pg_partitioned_table p ON p.partrelid IN (c.oid, i.inhparent)
    WHERE n.nspname = 'ragstone' AND c.relkind IN ('r', 'p') AND p.partrelid IS NOT NULL
    ORDER BY c.relkind DESC
  LOOP
    EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', moved);
    EXECUTE format('ALTER TABLE %s SET SCHEMA ragstone_former', moved);
  END LOOP;
END $$;
DROP PROCEDURE partition_by_tenant;

CREATE TABLE chunk (
  shard int NOT NULL,
  tenant_id int NOT NULL,
  id bigint GENERATED BY DEFAULT AS IDENTITY,
  audience_id int NOT NULL DEFAULT 0,
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
  PRIMARY KEY (shard, tenant_id, id)
) PARTITION BY LIST (shard);
CREATE INDEX chunk_document ON chunk (tenant_id, document_id);
CREATE INDEX chunk_store ON chunk (tenant_id, store_id);

CREATE TABLE posting (
  shard int NOT NULL,
  tenant_id int NOT NULL,
  store_id bigint NOT NULL,
  term text COLLATE "C" NOT NULL,
  audience_id int NOT NULL DEFAULT 0,
  segment_id bigint NOT NULL,
  -- 12 bytes a chunk, little-endian: int8 chunk id, uint2 frequency of the term, uint2 terms of the chunk.
  -- Plain bytes because arrays of PostgreSQL cost twice that on the wire, and bytes merge by concatenation.
  entries bytea NOT NULL,
  PRIMARY KEY (shard, tenant_id, store_id, term, audience_id, segment_id)
) PARTITION BY LIST (shard);
-- Compressed, the lists of common terms took half as long again to read (0002).
ALTER TABLE posting ALTER COLUMN entries SET STORAGE EXTERNAL;
CREATE INDEX posting_segment ON posting (tenant_id, store_id, segment_id);

CALL partition_by_shard('chunk');
CALL isolate_contents('chunk');
CALL partition_by_shard('posting');
CALL isolate_contents('posting');

CREATE OR REPLACE PROCEDURE create_embedding_table(model_id int, dimension int)
LANGUAGE plpgsql
AS $$
DECLARE
  name text := 'embedding_' || model_id;
BEGIN
  EXECUTE format(
    'CREATE TABLE ragstone.%I ('
    ' shard int NOT NULL, tenant_id int NOT NULL, chunk_id bigint NOT NULL, audience_id int NOT NULL DEFAULT 0,'
    ' store_id bigint NOT NULL, document_id bigint NOT NULL, vector halfvec(%s) NOT NULL,'
    ' PRIMARY KEY (shard, tenant_id, chunk_id)) PARTITION BY LIST (shard)',
    name, dimension);
  -- Plain: a vector that moved out of line costs a second look-up a candidate.
  EXECUTE format('ALTER TABLE ragstone.%I ALTER COLUMN vector SET STORAGE PLAIN', name);
  EXECUTE format('CREATE INDEX %I ON ragstone.%I (tenant_id, store_id, audience_id)', name || '_store', name);
  EXECUTE format('CREATE INDEX %I ON ragstone.%I USING hnsw (vector halfvec_ip_ops)'
                 ' WITH (m = 16, ef_construction = 64)', name || '_hnsw', name);
  EXECUTE format('CALL ragstone.partition_by_shard(%L)', format('ragstone.%I', name));
  EXECUTE format('CALL ragstone.isolate_contents(%L)', format('ragstone.%I', name));
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ragstone.%I TO ragstone_app', name);
END $$;

DO $$
DECLARE
  model record;
  tab text;
BEGIN
  FOR model IN SELECT id, dimension FROM embedding_model LOOP
    CALL create_embedding_table(model.id, model.dimension);
  END LOOP;
  FOREACH tab IN ARRAY ARRAY['chunk', 'posting'] || ARRAY(SELECT 'embedding_' || id FROM embedding_model) LOOP
    EXECUTE format('ALTER TABLE ragstone.%I NO FORCE ROW LEVEL SECURITY', tab);
  END LOOP;
  INSERT INTO chunk (shard, tenant_id, id, store_id, document_id, version_id, ordinal, start_offset, end_offset, page,
                     heading, turns, context, body, term_count)
  SELECT tenant_id % 16, tenant_id, id, store_id, document_id, version_id, ordinal, start_offset, end_offset, page,
         heading, turns, context, body, term_count FROM ragstone_former.chunk;
  PERFORM setval(pg_get_serial_sequence('ragstone.chunk', 'id'),
                 nextval(pg_get_serial_sequence('ragstone_former.chunk', 'id')));
  INSERT INTO posting (shard, tenant_id, store_id, term, segment_id, entries)
  SELECT tenant_id % 16, tenant_id, store_id, term, segment_id, entries FROM ragstone_former.posting;
  FOR model IN SELECT id FROM embedding_model LOOP
    EXECUTE format(
      'INSERT INTO ragstone.%1$I (shard, tenant_id, chunk_id, store_id, document_id, vector)'
      ' SELECT tenant_id %% 16, tenant_id, chunk_id, store_id, document_id, vector FROM ragstone_former.%1$I',
      'embedding_' || model.id);
  END LOOP;
  FOREACH tab IN ARRAY ARRAY['chunk', 'posting'] || ARRAY(SELECT 'embedding_' || id FROM embedding_model) LOOP
    EXECUTE format('ALTER TABLE ragstone.%I FORCE ROW LEVEL SECURITY', tab);
  END LOOP;
END $$;
DROP SCHEMA ragstone_former CASCADE;

ALTER TABLE segment ADD COLUMN audience_id int NOT NULL DEFAULT 0;
CALL isolate_contents('segment');
ALTER TABLE tombstone ADD COLUMN audience_id int NOT NULL DEFAULT 0;
CALL isolate_contents('tombstone');


-- Stores, files, documents ---------------------------------------------------------------------------------------

-- Names are labels, as in OpenAI's interface: not unique, and may be missing. The oldest store that has not expired
-- answers to its name.
ALTER TABLE store
  DROP CONSTRAINT store_tenant_id_name_key,
  DROP CONSTRAINT store_name_check,
  ALTER COLUMN name SET DEFAULT '',
  ADD COLUMN description text NOT NULL DEFAULT '',
  ADD COLUMN expires_after_days int CHECK (expires_after_days > 0),  -- after the last activity; NULL: never
  ADD COLUMN last_active_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN expired boolean NOT NULL DEFAULT false;  -- its documents are removed
CREATE INDEX store_name ON store (tenant_id, name, id);

CREATE TABLE file (
  tenant_id int NOT NULL REFERENCES tenant ON DELETE CASCADE,
  id bigint GENERATED ALWAYS AS IDENTITY,
  audience_id int NOT NULL DEFAULT 0,
  public_id text NOT NULL,  -- file-...
  filename text NOT NULL,
  purpose text NOT NULL DEFAULT 'assistants',
  size bigint NOT NULL,
  media_type text NOT NULL DEFAULT '',
  content_hash bytea,  -- SHA-256; NULL while it is uploaded
  -- Where its bytes lie. An object's key is its tenant and public id. 'source': where it was ingested from.
  place text NOT NULL CHECK (place IN ('database', 'bucket', 'source')),
  uploaded boolean NOT NULL DEFAULT false,  -- completely
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, public_id)
);
CREATE INDEX file_expiry ON file (expires_at) WHERE expires_at IS NOT NULL;
CALL isolate_contents('file');

-- The bytes of files that lie in the database, a mebibyte a row.
CREATE TABLE file_part (
  tenant_id int NOT NULL,
  file_id bigint NOT NULL,
  number int NOT NULL,  -- from 0
  audience_id int NOT NULL DEFAULT 0,
  content bytea NOT NULL,
  PRIMARY KEY (tenant_id, file_id, number),
  FOREIGN KEY (tenant_id, file_id) REFERENCES file ON DELETE CASCADE
);
ALTER TABLE file_part ALTER COLUMN content SET STORAGE EXTERNAL;
CALL isolate_contents('file_part');

ALTER TABLE document
  ADD COLUMN audience_id int NOT NULL DEFAULT 0,
  ADD COLUMN file_id bigint,
  ADD COLUMN status text NOT NULL DEFAULT 'completed'
    CHECK (status IN ('in_progress', 'completed', 'cancelled', 'failed')),
  ADD COLUMN error_code text,  -- of a failed one: server_error, unsupported_file or invalid_file
  ADD COLUMN error_message text,
  ADD COLUMN max_chunk_tokens int,  -- NULL: chosen by the service
  ADD COLUMN chunk_overlap_tokens int NOT NULL DEFAULT 0;
ALTER TABLE document_version ADD COLUMN audience_id int NOT NULL DEFAULT 0;

-- Documents so far were read from folders; each becomes a file that lies at its source.
ALTER TABLE document NO FORCE ROW LEVEL SECURITY;
ALTER TABLE document_version NO FORCE ROW LEVEL SECURITY;
ALTER TABLE file NO FORCE ROW LEVEL SECURITY;
INSERT INTO file (tenant_id, public_id, filename, size, media_type, content_hash, place, uploaded, created_at)
SELECT d.tenant_id, d.public_id, d.filename, v.size, v.media_type, v.content_hash, 'source', true, d.created_at
FROM document d JOIN document_version v ON v.tenant_id = d.tenant_id AND v.id = d.version_id;
UPDATE document d SET file_id = f.id FROM file f WHERE f.tenant_id = d.tenant_id AND f.public_id = d.public_id;
ALTER TABLE file FORCE ROW LEVEL SECURITY;
-- NULL only inside the transaction that makes the document.
ALTER TABLE document ADD FOREIGN KEY (tenant_id, file_id) REFERENCES file;
CREATE INDEX document_file ON document (tenant_id, file_id);
CREATE INDEX document_order ON document (tenant_id, store_id, id);
CALL isolate_contents('document');
CALL isolate_contents('document_version');

CREATE TABLE file_batch (
  tenant_id int NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  public_id text NOT NULL,  -- vsfb_...
  store_id bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  cancelled_at timestamptz,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, public_id),
  FOREIGN KEY (tenant_id, store_id) REFERENCES store ON DELETE CASCADE
);
CALL isolate('file_batch');

CREATE TABLE file_batch_item (
  tenant_id int NOT NULL,
  batch_id bigint NOT NULL,
  document_id bigint NOT NULL,
  audience_id int NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, batch_id, document_id),
  FOREIGN KEY (tenant_id, batch_id) REFERENCES file_batch ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, document_id) REFERENCES document ON DELETE CASCADE
);
CREATE INDEX file_batch_item_document ON file_batch_item (tenant_id, document_id);
CALL isolate_contents('file_batch_item');


-- The queue ------------------------------------------------------------------------------------------------------

-- Work that is to be done. A finished task is deleted: what became of it stands in its subject.
CREATE TABLE task (
  tenant_id int NOT NULL REFERENCES tenant ON DELETE CASCADE,
  id bigint GENERATED ALWAYS AS IDENTITY,
  kind text NOT NULL CHECK (kind IN ('ingest', 'answer')),
  subject_id bigint NOT NULL,  -- of the document or the response
  priority smallint NOT NULL DEFAULT 1,  -- 0 interactive, 1 batch, 2 evaluation
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'dead')),
  attempt int NOT NULL DEFAULT 0,  -- counts the takings; the last write of a task checks it
  run_after timestamptz NOT NULL DEFAULT now(),
  worker text,  -- that has it
  lease_until timestamptz,  -- a worker that says nothing until then has lost it
  reason text,  -- of the last failure
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, kind, subject_id)
);
CREATE INDEX task_waiting ON task (priority, tenant_id, run_after, id) WHERE state = 'waiting';
CREATE INDEX task_running ON task (lease_until) WHERE state = 'running';
CALL isolate('task');
-- The owner alone looks across tenants, in the functions that hand tasks out.
CREATE POLICY administration ON task TO CURRENT_USER USING (true) WITH CHECK (true);


-- Answers --------------------------------------------------------------------------------------------------------

CREATE TABLE response (
  tenant_id int NOT NULL REFERENCES tenant ON DELETE CASCADE,
  id bigint GENERATED ALWAYS AS IDENTITY,
  public_id text NOT NULL,  -- resp_...
  actor text NOT NULL,  -- who asked, and alone may see it
  readers text[] NOT NULL DEFAULT '{}',  -- principals of the asker: a background answer is looked for with them
  reads_all boolean NOT NULL DEFAULT false,
  previous_id bigint,
  status text NOT NULL CHECK (status IN ('queued', 'in_progress', 'completed', 'failed', 'cancelled', 'incomplete')),
  request jsonb NOT NULL,
  body jsonb,  -- as it is answered, once it is there
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, public_id)
);
CREATE INDEX response_expiry ON response (expires_at);
CALL isolate_by_actor('response');

-- Writes that were made under an Idempotency-Key, with their answers.
CREATE TABLE idempotency (
  tenant_id int NOT NULL REFERENCES tenant ON DELETE CASCADE,
  actor text NOT NULL,
  key text NOT NULL,
  fingerprint bytea NOT NULL,  -- SHA-256 of the request: the same key with another request is an error
  status int,  -- NULL while it is worked on
  media_type text,
  body bytea,
  locked_until timestamptz NOT NULL,  -- a process that died leaves the key to the next after this
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, actor, key)
);
CALL isolate_by_actor('idempotency');


-- People and keys ------------------------------------------------------------------------------------------------

CREATE TABLE app_user (
  tenant_id int NOT NULL REFERENCES tenant ON DELETE CASCADE,
  id bigint GENERATED ALWAYS AS IDENTITY,
  name text NOT NULL CHECK (name <> ''),
  groups text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, name)
);
CALL isolate('app_user');
CREATE POLICY administration ON app_user TO CURRENT_USER USING (true) WITH CHECK (true);

CREATE TABLE api_key (
  tenant_id int NOT NULL REFERENCES tenant ON DELETE CASCADE,
  id bigint GENERATED ALWAYS AS IDENTITY,
  public_id text NOT NULL,  -- key_...
  name text NOT NULL DEFAULT '',
  user_id bigint,  -- whom it acts for; NULL: the tenant itself
  scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
  hash bytea NOT NULL UNIQUE,  -- SHA-256 of 256 random bits: nothing to guess, so nothing to slow down
  hint text NOT NULL,  -- its last characters, to tell keys apart
  priority smallint NOT NULL DEFAULT 0,  -- best class that its requests may claim
  requests_per_minute int CHECK (requests_per_minute > 0),  -- NULL: no limit
  spent_until timestamptz,  -- of the limit: the theoretical arrival time of the generic cell rate algorithm
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,  -- to the minute
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, public_id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES app_user ON DELETE CASCADE
);
CALL isolate('api_key');
CREATE POLICY administration ON api_key TO CURRENT_USER USING (true) WITH CHECK (true);

-- Who holds the key of this hash, and how long its limit makes it wait; no row for a key that does not open.
-- One statement for each request: a key that is revoked is revoked for the next one, and every replica counts.
CREATE FUNCTION admit_key(shown bytea) RETURNS TABLE (
  tenant_id int, tenant text, shard int, database text,
  key_id text, person text, groups text[], scopes text[], priority smallint, wait_seconds double precision
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  k api_key;
  clock timestamptz := clock_timestamp();
  minute CONSTANT interval := '1 minute';
  arrival timestamptz;
  waits interval;
BEGIN
  SELECT * INTO k FROM api_key
  WHERE hash = shown AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock);
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF k.requests_per_minute IS NOT NULL THEN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT spent_until INTO k.spent_until FROM api_key WHERE hash = shown FOR UPDATE;
    clock := clock_timestamp();
    arrival := GREATEST(k.spent_until, clock) + minute / k.requests_per_minute;
    IF arrival > clock + minute THEN
      waits := arrival - clock - minute;
    ELSE
      UPDATE api_key SET spent_until = arrival, last_used_at = clock WHERE hash = shown;
    END IF;
  ELSIF k.last_used_at IS NULL OR k.last_used_at < clock - minute THEN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE api_key SET last_used_at = clock WHERE hash = shown;
  END IF;
  RETURN QUERY
    SELECT t.tenant_id, t.name, t.shard, t.database, k.public_id, u.name, COALESCE(u.groups, '{}'), k.scopes,
           k.priority, COALESCE(EXTRACT(EPOCH FROM waits), 0)::double precision
    FROM tenant t LEFT JOIN app_user u ON u.tenant_id = t.tenant_id AND u.id = k.user_id
    WHERE t.tenant_id = k.tenant_id;
END $$;

-- The tenant of that name, if there is one.
CREATE FUNCTION find_tenant(tenant_name text)
RETURNS TABLE (tenant_id int, name text, shard int, database text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$ SELECT t.tenant_id, t.name, t.shard, t.database FROM tenant t WHERE t.name = tenant_name $$;

-- Whether any key opens anything: a service that nobody could ask does not start.
CREATE FUNCTION any_key() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$ SELECT EXISTS (
  SELECT FROM api_key WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())) $$;


-- The audit log --------------------------------------------------------------------------------------------------

-- Written by triggers, so that no code path can forget it. The application may read it and nothing else.
CREATE TABLE audit (
  tenant_id int NOT NULL,  -- 0: of the installation; no foreign key, a deleted tenant leaves one line there
  id bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor text,
  request text,  -- its x-request-id
  action text NOT NULL,  -- such as document.changed
  subject text NOT NULL,
  detail jsonb NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
ALTER TABLE audit ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY administrators_only ON audit
  USING (tenant_id = (SELECT current_tenant()) AND (SELECT reads_all()));
CREATE POLICY administration ON audit TO CURRENT_USER USING (true) WITH CHECK (true);

CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$ BEGIN
  IF current_setting('ragstone.deleting_tenant', true) IS DISTINCT FROM OLD.tenant_id::text THEN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN OLD;
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Records a change of a row. Arguments: the noun, the column that names the row, and the columns worth telling.
CREATE FUNCTION audited() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
DECLARE
  before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
  after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
  told text[] := string_to_array(TG_ARGV[2], ',');
  detail jsonb;
BEGIN
  SELECT COALESCE(jsonb_object_agg(key, value), '{}') INTO detail
  FROM jsonb_each(COALESCE(after, before))
  WHERE key = ANY(told) AND value <> 'null' AND (TG_OP <> 'UPDATE' OR value IS DISTINCT FROM before -> key);
  IF TG_OP = 'UPDATE' AND detail = '{}' THEN
    RETURN NULL;
  END IF;
  INSERT INTO audit (tenant_id, actor, request, action, subject, detail)
  VALUES ((COALESCE(after, before) ->> 'tenant_id')::int, current_actor(),
          NULLIF(current_setting('ragstone.request', true), ''),
          TG_ARGV[0] || CASE TG_OP WHEN 'INSERT' THEN '.created' WHEN 'UPDATE' THEN '.changed' ELSE '.deleted' END,
          COALESCE(after, before) ->> TG_ARGV[1], detail);
  RETURN NULL;
END $$;

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON tenant FOR EACH ROW
  EXECUTE FUNCTION audited('tenant', 'name', 'name,shard,database');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON app_user FOR EACH ROW
  EXECUTE FUNCTION audited('user', 'name', 'name,groups');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON api_key FOR EACH ROW
  EXECUTE FUNCTION audited('key', 'public_id', 'name,user_id,scopes,hint,priority,requests_per_minute,expires_at,revoked_at');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON store FOR EACH ROW
  EXECUTE FUNCTION audited('store', 'public_id', 'name,description,metadata,expires_after_days,expired');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON file FOR EACH ROW
  EXECUTE FUNCTION audited('file', 'public_id', 'filename,purpose,size,uploaded,audience_id,expires_at');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON document FOR EACH ROW
  EXECUTE FUNCTION audited('document', 'public_id', 'filename,store_id,status,version_id,attributes,audience_id,error_code');
CREATE TRIGGER audit AFTER DELETE ON response FOR EACH ROW
  EXECUTE FUNCTION audited('response', 'public_id', 'actor');


GRANT SELECT, INSERT, UPDATE, DELETE
  ON chunk, posting, file, file_part, file_batch, file_batch_item, task, response, idempotency, app_user, api_key
  TO ragstone_app;
GRANT SELECT ON audience, audit TO ragstone_app;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ragstone FROM PUBLIC;
REVOKE ALL ON ALL PROCEDURES IN SCHEMA ragstone FROM PUBLIC;
GRANT EXECUTE ON FUNCTION current_tenant, current_audiences, reads_all, current_actor, enter, audience_of, readers_of,
  tenant_named, model_named, admit_key, find_tenant, any_key TO ragstone_app;
