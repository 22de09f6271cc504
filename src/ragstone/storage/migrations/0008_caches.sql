-- Caches: answers that were given before, and vectors that were computed before. And what makes the first of them safe:
-- a count of changes to what can be found.
--
-- A change is a row that its transaction adds, never one that it updates: writers of one store do not wait for each
-- other. The version of a store is the sum over its rows. What a snapshot sees of committed transactions only grows from
-- one snapshot to the next, so two snapshots with the same sum see the same changes, in whatever order they were
-- committed; a highest id or a time would not tell that. Rows are merged without changing the sum.
--
-- Each change is of an audience, and shown to that audience alone. So what an asker sees of the versions says which
-- documents he may read, in which state: an answer is found again only by who sees the same, and a change of what he
-- may not read neither takes an answer away from him nor tells him that it happened.
--
-- The functions below that act as the owner (SECURITY DEFINER), and why the application's role may have them:
--   count_changes, forget_store   are triggers
--   settle_changes, forget_cached delete what is outdated, expired or too much, of all tenants; return numbers of rows

-- Changes to what can be found.
CREATE TABLE store_change (
  tenant_id int NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  audience_id int NOT NULL DEFAULT 0,
  store_id bigint NOT NULL,
  changes bigint NOT NULL CHECK (changes > 0),
  PRIMARY KEY (tenant_id, store_id, id),
  FOREIGN KEY (tenant_id, store_id) REFERENCES store ON DELETE CASCADE
);
CALL isolate_contents('store_change');
CREATE POLICY administration ON store_change TO CURRENT_USER USING (true) WITH CHECK (true);

ALTER TABLE document NO FORCE ROW LEVEL SECURITY;
INSERT INTO store_change (tenant_id, audience_id, store_id, changes)
SELECT tenant_id, audience_id, store_id, count(*) FROM document WHERE version_id IS NOT NULL GROUP BY 1, 2, 3;
ALTER TABLE document FORCE ROW LEVEL SECURITY;

-- Whatever changes a chunk, a vector or a posting gives its document another version, or another audience, or removes
-- it; attributes and names are read from the document itself. So the documents' own rows tell of every change. Rows of a
-- tenant that is not served here are on their way from or to another place: their changes travel with them.
CREATE FUNCTION count_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$ BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO store_change (tenant_id, audience_id, store_id, changes)
    SELECT l.tenant_id, l.audience_id, l.store_id, 1
    FROM latter l JOIN tenant t ON t.tenant_id = l.tenant_id AND t.writable_shard IS NOT NULL
    WHERE l.version_id IS NOT NULL
    GROUP BY 1, 2, 3;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO store_change (tenant_id, audience_id, store_id, changes)
    SELECT l.tenant_id, places.audience_id, places.store_id, 1
    FROM former f JOIN latter l ON l.tenant_id = f.tenant_id AND l.id = f.id
    JOIN tenant t ON t.tenant_id = l.tenant_id AND t.writable_shard IS NOT NULL
    CROSS JOIN LATERAL (VALUES (f.audience_id, f.store_id), (l.audience_id, l.store_id)) places (audience_id, store_id)
    WHERE COALESCE(f.version_id, l.version_id) IS NOT NULL
      AND (f.version_id, f.audience_id, f.store_id, f.public_id, f.source, f.filename, f.attributes)
          IS DISTINCT FROM (l.version_id, l.audience_id, l.store_id, l.public_id, l.source, l.filename, l.attributes)
    GROUP BY 1, 2, 3;
  ELSE
    INSERT INTO store_change (tenant_id, audience_id, store_id, changes)
    SELECT f.tenant_id, f.audience_id, f.store_id, 1
    FROM former f JOIN tenant t ON t.tenant_id = f.tenant_id AND t.writable_shard IS NOT NULL
    -- A store that goes takes its documents and its changes with it.
    JOIN store s ON s.tenant_id = f.tenant_id AND s.id = f.store_id
    WHERE f.version_id IS NOT NULL
    GROUP BY 1, 2, 3;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER count_added AFTER INSERT ON document REFERENCING NEW TABLE AS latter
  FOR EACH STATEMENT EXECUTE FUNCTION count_changes();
CREATE TRIGGER count_changed AFTER UPDATE ON document REFERENCING OLD TABLE AS former NEW TABLE AS latter
  FOR EACH STATEMENT EXECUTE FUNCTION count_changes();
CREATE TRIGGER count_removed AFTER DELETE ON document REFERENCING OLD TABLE AS former
  FOR EACH STATEMENT EXECUTE FUNCTION count_changes();


-- Caches are not written to the log: a server that dies begins with empty ones.
CREATE UNLOGGED TABLE cached_answer (
  tenant_id int NOT NULL REFERENCES tenant ON DELETE CASCADE,
  place bytea NOT NULL,  -- SHA-256 of all that decides an answer but the question, versions and audiences included
  question_key bytea NOT NULL,  -- SHA-256
  store_ids bigint[] NOT NULL,  -- of those with anything to find, ascending
  versions bigint[] NOT NULL,  -- of these
  audiences int[] NOT NULL,  -- whose documents may have been used, ascending
  question text NOT NULL DEFAULT '',  -- beside a vector only
  vector halfvec,  -- of the question, where similar ones are looked for
  answer text NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, place, question_key)
);
CREATE INDEX cached_answer_expiry ON cached_answer (expires_at);
ALTER TABLE cached_answer ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
-- An answer is shown to who may read all that it may have been made of, should the place not have told already.
CREATE POLICY readers_only ON cached_answer
  USING (tenant_id = (SELECT current_tenant())
    AND (audiences <@ (SELECT current_audiences())::int[] OR (SELECT reads_all())))
  WITH CHECK (tenant_id = (SELECT current_tenant())
    AND (audiences <@ (SELECT current_audiences())::int[] OR (SELECT reads_all())));
CREATE POLICY administration ON cached_answer TO CURRENT_USER USING (true) WITH CHECK (true);
CALL guard('cached_answer');

CREATE UNLOGGED TABLE cached_embedding (
  tenant_id int NOT NULL REFERENCES tenant ON DELETE CASCADE,
  key bytea NOT NULL,  -- SHA-256 of the model, whether it is a question, and the text
  vector bytea NOT NULL,  -- 32-bit floats, little-endian: what is remembered is what the model said
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, key)
);
ALTER TABLE cached_embedding ALTER COLUMN vector SET STORAGE EXTERNAL;  -- nothing in it that could be compressed
CREATE INDEX cached_embedding_expiry ON cached_embedding (expires_at);
CALL isolate('cached_embedding');
CREATE POLICY administration ON cached_embedding TO CURRENT_USER USING (true) WITH CHECK (true);


-- Where an asker's answers from these stores lie at this moment: the stores with anything to find, their versions, and
-- the audiences that these are of, as far as the asker belongs to them.
CREATE FUNCTION cache_place(whose int, decided bytea, stores bigint[])
RETURNS TABLE (store_ids bigint[], versions bigint[], audiences int[], place bytea)
LANGUAGE sql STABLE
AS $$
  WITH seen AS MATERIALIZED (
    SELECT store_id, audience_id, sum(changes)::bigint AS changes
    FROM ragstone.store_change WHERE tenant_id = whose AND store_id = ANY (stores) GROUP BY 1, 2
  ), summed AS (
    SELECT store_id, sum(changes)::bigint AS changes FROM seen GROUP BY 1
  ), state AS (
    SELECT ARRAY(SELECT store_id FROM summed ORDER BY store_id) AS store_ids,
           ARRAY(SELECT changes FROM summed ORDER BY store_id) AS versions,
           ARRAY(SELECT DISTINCT audience_id FROM seen ORDER BY 1) AS audiences
  )
  SELECT s.*, sha256(decided || convert_to(concat_ws(';', stores, s.store_ids, s.versions, s.audiences), 'UTF8'))
  FROM state s
$$;

-- What can be found in a store that is removed is not kept in answers.
CREATE FUNCTION forget_store() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$ BEGIN
  DELETE FROM cached_answer a USING former f JOIN tenant t ON t.tenant_id = f.tenant_id AND t.writable_shard IS NOT NULL
  WHERE a.tenant_id = f.tenant_id AND a.store_ids @> ARRAY[f.id];
  RETURN NULL;
END $$;
CREATE TRIGGER forget_store AFTER DELETE ON store REFERENCING OLD TABLE AS former
  FOR EACH STATEMENT EXECUTE FUNCTION forget_store();

-- In up to `most` stores of all tenants that have changed: merges the changes, and deletes the answers that nobody finds
-- any more. Says how many stores there were. What is on its way to another place is left alone.
CREATE FUNCTION settle_changes(most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
DECLARE
  changed record;
  settled bigint := 0;
BEGIN
  FOR changed IN
    SELECT DISTINCT c.tenant_id, c.store_id FROM (
      SELECT tenant_id, store_id FROM store_change GROUP BY tenant_id, store_id, audience_id HAVING count(*) > 1) c
    JOIN tenant t ON t.tenant_id = c.tenant_id AND t.writable_shard IS NOT NULL
    LIMIT most
  LOOP
    -- As a writer of the tenant, see guard_writes().
    CONTINUE WHEN NOT pg_try_advisory_xact_lock_shared(-1, changed.tenant_id)
      OR NOT EXISTS (SELECT FROM tenant WHERE tenant_id = changed.tenant_id AND writable_shard IS NOT NULL);
    PERFORM FROM store WHERE tenant_id = changed.tenant_id AND id = changed.store_id FOR KEY SHARE SKIP LOCKED;
    CONTINUE WHEN NOT FOUND;
    WITH old AS (
      SELECT id FROM store_change WHERE tenant_id = changed.tenant_id AND store_id = changed.store_id
      FOR UPDATE SKIP LOCKED
    ), gone AS (
      DELETE FROM store_change c USING old
      WHERE c.tenant_id = changed.tenant_id AND c.store_id = changed.store_id AND c.id = old.id
      RETURNING c.audience_id, c.changes
    )
    INSERT INTO store_change (tenant_id, audience_id, store_id, changes)
    SELECT changed.tenant_id, audience_id, changed.store_id, sum(changes) FROM gone GROUP BY audience_id;
    DELETE FROM cached_answer a
    WHERE a.tenant_id = changed.tenant_id AND a.store_ids @> ARRAY[changed.store_id]
      AND a.versions[array_position(a.store_ids, changed.store_id)] <> (
        SELECT sum(c.changes) FROM store_change c
        WHERE c.tenant_id = changed.tenant_id AND c.store_id = changed.store_id AND c.audience_id = ANY (a.audiences));
    settled := settled + 1;
  END LOOP;
  RETURN settled;
END $$;

-- Deletes up to `most` answers and as many vectors of all tenants that are too old, or beyond the newest of their tenant;
-- says how many. Processes that do it at the same time share the work instead of waiting for each other.
CREATE FUNCTION forget_cached(most int, answers int, vectors int) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
  WITH surplus_answers AS (
    SELECT n.tenant_id, e.expires_at FROM (
      SELECT tenant_id FROM cached_answer GROUP BY tenant_id HAVING count(*) > answers) n
    CROSS JOIN LATERAL (
      SELECT expires_at FROM cached_answer a WHERE a.tenant_id = n.tenant_id
      ORDER BY expires_at DESC OFFSET answers LIMIT 1) e
  ), old_answers AS (
    SELECT a.ctid FROM cached_answer a LEFT JOIN surplus_answers s ON s.tenant_id = a.tenant_id
    WHERE a.expires_at <= GREATEST(clock_timestamp(), s.expires_at) LIMIT most FOR UPDATE OF a SKIP LOCKED
  ), gone_answers AS (
    DELETE FROM cached_answer WHERE ctid = ANY (ARRAY(SELECT ctid FROM old_answers)) RETURNING 1
  ), surplus_vectors AS (
    SELECT n.tenant_id, e.expires_at FROM (
      SELECT tenant_id FROM cached_embedding GROUP BY tenant_id HAVING count(*) > vectors) n
    CROSS JOIN LATERAL (
      SELECT expires_at FROM cached_embedding v WHERE v.tenant_id = n.tenant_id
      ORDER BY expires_at DESC OFFSET vectors LIMIT 1) e
  ), old_vectors AS (
    SELECT v.ctid FROM cached_embedding v LEFT JOIN surplus_vectors s ON s.tenant_id = v.tenant_id
    WHERE v.expires_at <= GREATEST(clock_timestamp(), s.expires_at) LIMIT most FOR UPDATE OF v SKIP LOCKED
  ), gone_vectors AS (
    DELETE FROM cached_embedding WHERE ctid = ANY (ARRAY(SELECT ctid FROM old_vectors)) RETURNING 1
  )
  SELECT (SELECT count(*) FROM gone_answers) + (SELECT count(*) FROM gone_vectors) $$;


GRANT SELECT ON store_change TO ragstone_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON cached_answer, cached_embedding TO ragstone_app;
REVOKE ALL ON FUNCTION count_changes, cache_place, forget_store, settle_changes, forget_cached FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cache_place, settle_changes, forget_cached TO ragstone_app;
