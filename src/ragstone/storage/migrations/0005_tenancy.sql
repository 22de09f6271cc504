-- Tenants: where the rows of each lie, moves between such places while they are read, removal without a rest.
--
-- A tenant's row says what is allowed in this database: which shards a transaction may be entered with, and which one
-- is written. Two advisory locks make that sure, with the tenant as the second number. Every transaction holds
-- (its shard, tenant) from its beginning, every writing one (-1, tenant) from its first write to its end. Whoever moves
-- or removes a tenant changes the row, then waits for the lock: from there on nobody is left who knew the row as it
-- was. (-2, tenant) keeps two movers apart. A lock dies with its connection, so a mover that is killed holds up nobody.
--
-- No transaction spans two databases. Of where a tenant is, the installation's knows alone, and only there is the tenant
-- ever written or worked for: a mover first shuts the place that it leaves, then switches the row, then opens the place
-- where the row says that the tenant is. Whoever finds the mover dead opens that place, and does no harm where it is open
-- already. From the first step to the last the tenant is read in both places, which have the same rows.
--
-- The functions below that act as the owner (SECURITY DEFINER), and why the application's role may have them:
--   enter, attend          give the policies an asker; they return nothing, and one tenant is all that a transaction sees
--   tenant_named, find_tenant, list_tenants, unused_parts
--                          return names and places of tenants, never contents
--   add_tenant, plan_move, receive_tenant, show_here, serve_here, leave_here, switch_tenant, forget_shard, give_up_move,
--   end_move               write the row of a tenant and the states of its tasks; return nothing of any other table
--   numbers_given, follow_numbers
--                          tell the last number that each table gave; move such numbers forward, never back
--   import_rows            writes rows of the transaction's tenant, and only where that tenant is not served: neither
--                          the guard nor the audit log is passed by
--   discard_rows, remove_rows
--                          delete rows of the transaction's tenant, and only where that tenant is not served
--   prepare_shard, attach_shard, drop_part
--                          make and drop partitions from 16 on; drop only what no tenant's row refers to
--   begin_deletion, close_tenant, delete_tenant
--                          remove a tenant; return numbers of rows
--   audited, audit_number  write the audit log, and number it

ALTER TABLE tenant
  -- In this database; a tenant that has its own has none here.
  ADD COLUMN readable_shards int[] NOT NULL DEFAULT '{}',
  ADD COLUMN writable_shard int,  -- NULL: nothing of it is written here
  -- Kept in the installation's database, for a move that was interrupted.
  ADD COLUMN moving_shard int,  -- where it is moving to; NULL: it is not moving
  ADD COLUMN moving_database text,
  ADD COLUMN former_shard int,  -- where rows are left that nobody needs any more; NULL: nowhere
  ADD COLUMN former_database text,
  ADD COLUMN deleting boolean NOT NULL DEFAULT false,
  ADD COLUMN guest boolean NOT NULL DEFAULT false;  -- this is not the installation's database but the tenant's own
UPDATE tenant SET readable_shards = ARRAY[shard], writable_shard = shard;

CREATE SEQUENCE own_shard AS int MINVALUE 16;

-- What every caller of a tenant that is on its way is told: try again.
CREATE FUNCTION unsettled() RETURNS void
LANGUAGE plpgsql
AS $$ BEGIN
  RAISE EXCEPTION 'the tenant is being moved or removed' USING ERRCODE = 'RS002';
END $$;


-- Who may read and write -----------------------------------------------------------------------------------------

DROP FUNCTION enter(int, text, text[], boolean, text);
-- Begins a transaction's work for an asker. The settings end with the transaction.
CREATE FUNCTION enter(
  asking_tenant int, asking_actor text, asking_readers text[], everything boolean, request text DEFAULT '',
  asking_shard int DEFAULT NULL  -- where the asker believes the rows to be; NULL: wherever they are
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
DECLARE
  place int := asking_shard;
  audiences int[] := '{0}';
BEGIN
  IF asking_tenant <> 0 THEN  -- which is the installation, with its audit log
    IF place IS NULL THEN
      SELECT readable_shards[1] INTO place FROM tenant WHERE tenant_id = asking_tenant;
    END IF;
    -- The lock before the look: whoever changes the row waits for those who may have seen it as it was.
    IF place IS NULL OR NOT pg_try_advisory_xact_lock_shared(place, asking_tenant) THEN
      PERFORM unsettled();
    END IF;
    IF NOT EXISTS (SELECT FROM tenant WHERE tenant_id = asking_tenant AND place = ANY (readable_shards)) THEN
      PERFORM unsettled();
    END IF;
  END IF;
  IF NOT everything AND cardinality(asking_readers) > 0 THEN
    SELECT audiences || COALESCE(array_agg(id), '{}') INTO audiences
    FROM audience WHERE tenant_id = asking_tenant AND readers && asking_readers;
  END IF;
  PERFORM set_config('ragstone.tenant', asking_tenant::text, true),
          set_config('ragstone.shard', place::text, true),
          set_config('ragstone.actor', asking_actor, true),
          set_config('ragstone.readers', asking_readers::text, true),
          set_config('ragstone.audiences', audiences::text, true),
          set_config('ragstone.reads_all', CASE WHEN everything THEN 'on' ELSE 'off' END, true),
          set_config('ragstone.request', request, true);
END $$;

-- Begins work on a tenant's users, keys and audit log, which are here wherever its contents are, and the work of
-- whoever moves or removes it. Of contents nobody reads more than with enter(), and the guard still stands.
CREATE FUNCTION attend(whose int, asking_actor text, everything boolean, request text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$ BEGIN
  PERFORM set_config('ragstone.tenant', whose::text, true),
          set_config('ragstone.shard', '-1', true),
          set_config('ragstone.actor', asking_actor, true),
          set_config('ragstone.reads_all', CASE WHEN everything THEN 'on' ELSE 'off' END, true),
          set_config('ragstone.request', request, true);
END $$;

-- Refuses what the application writes for a tenant that is not written here, or into a shard that is not its own.
-- The owner's functions answer for themselves.
CREATE FUNCTION guard_writes() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
  whose int;
  written int;
BEGIN
  IF current_user <> 'ragstone_app' THEN
    RETURN NULL;
  END IF;
  whose := ragstone.current_tenant();
  IF whose IS NULL OR current_setting('ragstone.writing', true) = whose::text THEN
    RETURN NULL;
  END IF;
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'writing needs read committed: an older snapshot may not show that the tenant has moved';
  END IF;
  -- Fails as well while a mover waits for its turn: whoever writes already goes on, the others come back.
  IF NOT pg_try_advisory_xact_lock_shared(-1, whose) THEN
    PERFORM ragstone.unsettled();
  END IF;
  SELECT writable_shard INTO written FROM ragstone.tenant WHERE tenant_id = whose;
  IF written = current_setting('ragstone.shard')::int THEN
    PERFORM set_config('ragstone.writing', whose::text, true);
  ELSIF written IS NULL OR TG_ARGV[0] = 'sharded' THEN
    PERFORM ragstone.unsettled();
  END IF;
  RETURN NULL;
END $$;

CREATE PROCEDURE guard(tab regclass)
LANGUAGE plpgsql
AS $$
DECLARE
  kind char := (SELECT relkind FROM pg_class WHERE oid = tab);
BEGIN
  EXECUTE format(
    'CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON %s'
    ' FOR EACH STATEMENT EXECUTE FUNCTION ragstone.guard_writes(%L)',
    tab, CASE kind WHEN 'p' THEN 'sharded' ELSE 'whole' END);
END $$;

-- As before, and every table that is shut from now on is guarded as well.
CREATE OR REPLACE PROCEDURE isolate(tab regclass)
LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', tab);
  EXECUTE format(
    'CREATE POLICY tenant_isolation ON %s USING (tenant_id = (SELECT ragstone.current_tenant())) '
    'WITH CHECK (tenant_id = (SELECT ragstone.current_tenant()))', tab);
  EXECUTE format('CALL ragstone.guard(%L)', tab);
END $$;

ALTER PROCEDURE isolate_contents RENAME TO shut_contents;
CREATE PROCEDURE isolate_contents(tab regclass)
LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('CALL ragstone.shut_contents(%L)', tab);
  EXECUTE format('CALL ragstone.guard(%L)', tab);
END $$;

CREATE OR REPLACE PROCEDURE isolate_by_actor(tab regclass)
LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', tab);
  EXECUTE format(
    'CREATE POLICY actor_only ON %s USING (tenant_id = (SELECT ragstone.current_tenant()) AND '
    '(actor = (SELECT ragstone.current_actor()) OR (SELECT ragstone.reads_all()))) '
    'WITH CHECK (tenant_id = (SELECT ragstone.current_tenant()))', tab);
  EXECUTE format('CALL ragstone.guard(%L)', tab);
END $$;


-- Partitions -----------------------------------------------------------------------------------------------------

-- A table for one shard, not yet a partition: with its primary key, and without the indexes that are quicker to build
-- once it is filled.
CREATE PROCEDURE make_part(tab regclass, shard int)
LANGUAGE plpgsql
AS $$
DECLARE
  part text := format('ragstone.%I', (SELECT relname FROM pg_class WHERE oid = tab) || '_' || shard);
  key_columns text := (
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.nth)
    FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY k (attnum, nth)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indrelid = tab AND i.indisprimary);
BEGIN
  IF to_regclass(part) IS NULL THEN
    EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING IDENTITY EXCLUDING INDEXES)', part, tab);
    EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (%s)', part, key_columns);
    EXECUTE format('CALL ragstone.shut_contents(%L)', part);
  END IF;
END $$;

-- Makes it a partition, with all indexes. Takes no lock that readers or writers of the table wait for.
CREATE PROCEDURE attach_part(tab regclass, shard int)
LANGUAGE plpgsql
AS $$
DECLARE
  part regclass := format('ragstone.%I', (SELECT relname FROM pg_class WHERE oid = tab) || '_' || shard);
BEGIN
  IF NOT (SELECT relispartition FROM pg_class WHERE oid = part) THEN
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES IN (%s)', tab, part, shard);
  END IF;
END $$;

CREATE OR REPLACE PROCEDURE open_shard(tab regclass, shard int)
LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('CALL ragstone.make_part(%L, %s)', tab, shard);
  EXECUTE format('CALL ragstone.attach_part(%L, %s)', tab, shard);
END $$;

-- Of a new table: for all shards in use, also of a tenant that is on its way.
CREATE OR REPLACE PROCEDURE partition_by_shard(tab regclass)
LANGUAGE plpgsql
AS $$
DECLARE
  wanted int;
BEGIN
  FOR wanted IN
    SELECT generate_series(0, 15)
    UNION SELECT unnest(ARRAY[shard, moving_shard, former_shard]) FROM ragstone.tenant
    EXCEPT SELECT NULL::int
  LOOP
    EXECUTE format('CALL ragstone.open_shard(%L, %s)', tab, wanted);
  END LOOP;
END $$;

-- The tables that consist of partitions.
CREATE FUNCTION sharded_tables() RETURNS SETOF regclass
LANGUAGE sql STABLE
AS $$
  SELECT c.oid::regclass FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid
  WHERE c.relnamespace = 'ragstone'::regnamespace ORDER BY c.relname
$$;

-- Empty tables for a tenant's own shard. What an interrupted move left in tables that are no partitions yet is dropped.
CREATE FUNCTION prepare_shard(wanted int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, public, pg_temp
AS $$
DECLARE
  tab regclass;
  part regclass;
BEGIN
  IF wanted < 16 THEN
    RAISE EXCEPTION 'shard % is shared', wanted;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('ragstone.embedding_model'));
  FOR tab IN SELECT sharded_tables() LOOP
    part := to_regclass(format('ragstone.%I', (SELECT relname FROM pg_class WHERE oid = tab) || '_' || wanted));
    IF part IS NOT NULL AND NOT (SELECT relispartition FROM pg_class WHERE oid = part) THEN
      EXECUTE format('DROP TABLE %s', part);
    END IF;
    CALL make_part(tab, wanted);
  END LOOP;
END $$;

-- Lets the tables of a tenant's own shard be partitions.
CREATE FUNCTION attach_shard(wanted int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, public, pg_temp
AS $$
DECLARE
  tab regclass;
BEGIN
  FOR tab IN SELECT sharded_tables() LOOP
    CALL open_shard(tab, wanted);
  END LOOP;
END $$;

-- Drops one table of a shard that no tenant has any more. Detaching shuts the whole table for a moment, so it is given
-- up (55P03) when that moment does not come at once: a queue behind it would be worse than another attempt.
CREATE FUNCTION drop_part(tab text, unused int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, public, pg_temp SET lock_timeout = '100ms'
AS $$
DECLARE
  part regclass := to_regclass(format('ragstone.%I', tab || '_' || unused));
BEGIN
  IF unused < 16 OR to_regclass(format('ragstone.%I', tab)) NOT IN (SELECT sharded_tables()) OR EXISTS (
    SELECT FROM tenant
    WHERE (unused IN (shard, moving_shard) AND NOT deleting) OR unused = writable_shard OR unused = ANY (readable_shards)
  ) THEN
    RAISE EXCEPTION 'shard % of % is in use', unused, tab;
  END IF;
  IF part IS NOT NULL AND (SELECT relispartition FROM pg_class WHERE oid = part) THEN
    EXECUTE format('ALTER TABLE ragstone.%I DETACH PARTITION %s', tab, part);
  END IF;
  IF part IS NOT NULL THEN
    EXECUTE format('DROP TABLE %s', part);
  END IF;
END $$;

-- Shards of their own whose tenants have gone.
CREATE FUNCTION unused_parts() RETURNS TABLE (tab text, shard int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
  SELECT parent.relname::text, substring(part.relname FROM '[0-9]+$')::int
  FROM sharded_tables() AS s (oid) JOIN pg_class parent ON parent.oid = s.oid
  JOIN pg_class part ON part.relnamespace = parent.relnamespace AND part.relname ~ ('^' || parent.relname || '_[0-9]+$')
  WHERE substring(part.relname FROM '[0-9]+$')::int NOT IN (
    SELECT unnest(ARRAY[t.shard, t.moving_shard, t.former_shard, t.writable_shard] || t.readable_shards) FROM tenant t
    UNION SELECT generate_series(0, 15) EXCEPT SELECT NULL::int)
$$;


-- A tenant's row -------------------------------------------------------------------------------------------------

-- Makes a tenant; no row when there is one of that name.
CREATE FUNCTION add_tenant(tenant_name text)
RETURNS TABLE (tenant_id int, name text, shard int, database text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  new_id int := nextval(pg_get_serial_sequence('ragstone.tenant', 'tenant_id'));
BEGIN
  RETURN QUERY
    INSERT INTO tenant AS t (tenant_id, name, shard, readable_shards, writable_shard) OVERRIDING SYSTEM VALUE
    VALUES (new_id, tenant_name, new_id % 16, ARRAY[new_id % 16], new_id % 16)
    ON CONFLICT DO NOTHING
    RETURNING t.tenant_id, t.name, t.shard, t.database;
END $$;

-- The tenant of that name, made if there is none. Knowing a name is no right: the caller decides who acts for it.
CREATE OR REPLACE FUNCTION tenant_named(tenant_name text)
RETURNS TABLE (tenant_id int, name text, shard int, database text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
#variable_conflict use_column
BEGIN
  IF NOT EXISTS (SELECT FROM tenant t WHERE t.name = tenant_name) THEN
    PERFORM add_tenant(tenant_name);
  END IF;
  RETURN QUERY SELECT t.tenant_id, t.name, t.shard, t.database FROM tenant t
               WHERE t.name = tenant_name AND NOT t.deleting;
  IF NOT FOUND THEN
    PERFORM unsettled();
  END IF;
END $$;

CREATE OR REPLACE FUNCTION find_tenant(tenant_name text)
RETURNS TABLE (tenant_id int, name text, shard int, database text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
  SELECT t.tenant_id, t.name, t.shard, t.database FROM tenant t WHERE t.name = tenant_name AND NOT t.deleting
$$;

-- All tenants, or the one of that name, with what is under way.
CREATE FUNCTION list_tenants(wanted text DEFAULT NULL) RETURNS TABLE (
  tenant_id int, name text, shard int, database text, created_at timestamptz,
  moving_shard int, moving_database text, former_shard int, former_database text, deleting boolean
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
  SELECT t.tenant_id, t.name, t.shard, t.database, t.created_at,
         t.moving_shard, t.moving_database, t.former_shard, t.former_database, t.deleting
  FROM tenant t WHERE wanted IS NULL OR t.name = wanted ORDER BY t.name
$$;

-- Notes where a tenant is going; its own shard is `-1` until it gets a number. Returns the shard.
CREATE FUNCTION plan_move(whose int, wanted_shard int, wanted_database text) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
DECLARE
  planned int := CASE wanted_shard WHEN -1 THEN nextval('own_shard') ELSE wanted_shard END;
BEGIN
  -- A model that is met for the first time gets partitions for all shards in use: before this, or knowing of it.
  PERFORM pg_advisory_xact_lock(hashtext('ragstone.embedding_model'));
  UPDATE tenant SET moving_shard = planned, moving_database = wanted_database
  WHERE tenant_id = whose AND NOT deleting AND former_shard IS NULL;
  IF NOT FOUND THEN
    PERFORM unsettled();
  END IF;
  RETURN planned;
END $$;

-- In a tenant's own database: a row for it, without anything allowed yet.
CREATE FUNCTION receive_tenant(whose int, tenant_name text, its_shard int, its_database text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
BEGIN
  INSERT INTO tenant (tenant_id, name, shard, database, guest) OVERRIDING SYSTEM VALUE
  VALUES (whose, tenant_name, its_shard, its_database, true) ON CONFLICT DO NOTHING;
  -- A move that was interrupted may have been further.
  UPDATE tenant SET database = its_database, readable_shards = '{}', writable_shard = NULL
  WHERE tenant_id = whose AND name = tenant_name AND guest;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the database holds another tenant with the number or the name of %', tenant_name
      USING ERRCODE = 'RS003';
  END IF;
  UPDATE task SET state = 'held', worker = NULL, lease_until = NULL WHERE tenant_id = whose AND state <> 'dead';
END $$;

-- In a tenant's own database, where all its rows are now: it is read from now on, as soon as somebody comes.
CREATE FUNCTION show_here(whose int, its_shard int) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$ UPDATE tenant SET readable_shards = ARRAY[its_shard] WHERE tenant_id = whose $$;

-- Where the installation knows the tenant to be, and nowhere else: it is read, written and worked for from now on.
CREATE FUNCTION serve_here(whose int, its_shard int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
BEGIN
  UPDATE tenant SET readable_shards = ARRAY[its_shard], writable_shard = its_shard WHERE tenant_id = whose;
  UPDATE task SET state = 'waiting' WHERE tenant_id = whose AND state = 'held';
END $$;

-- Where a tenant has been: it is read here for a while, and not written any more. Its tasks stay until its rows are
-- removed: should the mover die before the tenant is known elsewhere, it is served here again.
CREATE FUNCTION leave_here(whose int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
BEGIN
  UPDATE tenant SET writable_shard = NULL WHERE tenant_id = whose;
  UPDATE task SET state = 'held', worker = NULL, lease_until = NULL WHERE tenant_id = whose AND state <> 'dead';
END $$;

-- In the installation's database: from here on everybody who comes is sent to where the tenant was moving.
CREATE FUNCTION switch_tenant(whose int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
DECLARE
  t tenant;
BEGIN
  UPDATE tenant SET shard = moving_shard, database = moving_database, former_shard = shard, former_database = database,
                    moving_shard = NULL, moving_database = NULL
  WHERE tenant_id = whose AND moving_shard IS NOT NULL RETURNING * INTO STRICT t;
  IF t.database IS NULL THEN
    PERFORM serve_here(whose, t.shard);
    IF t.former_database IS NULL THEN
      UPDATE tenant SET readable_shards = ARRAY[t.shard, t.former_shard] WHERE tenant_id = whose;
    END IF;
  ELSIF t.former_database IS NULL THEN
    PERFORM leave_here(whose);
  END IF;
END $$;

-- Where a tenant has been: nobody enters with that shard any more.
CREATE FUNCTION forget_shard(whose int, former int) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
  UPDATE tenant SET readable_shards = array_remove(readable_shards, former)
  WHERE tenant_id = whose AND writable_shard IS DISTINCT FROM former
$$;

-- In the installation's database: a move that was not completed leaves behind what it has copied so far.
CREATE FUNCTION give_up_move(whose int) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
  UPDATE tenant SET former_shard = moving_shard, former_database = moving_database,
                    moving_shard = NULL, moving_database = NULL
  WHERE tenant_id = whose AND moving_shard IS NOT NULL AND former_shard IS NULL
$$;

-- In the installation's database: nothing of a move is left to do, be it completed or given up.
CREATE FUNCTION end_move(whose int) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
  UPDATE tenant SET moving_shard = NULL, moving_database = NULL, former_shard = NULL, former_database = NULL
  WHERE tenant_id = whose
$$;

-- In the installation's database: the tenant's keys and users are gone, and nobody becomes it any more.
CREATE FUNCTION begin_deletion(whose int) RETURNS TABLE (api_keys bigint, app_users bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
BEGIN
  UPDATE tenant SET deleting = true WHERE tenant_id = whose AND NOT deleting;
  DELETE FROM api_key WHERE tenant_id = whose;
  GET DIAGNOSTICS api_keys = ROW_COUNT;
  DELETE FROM app_user WHERE tenant_id = whose;
  GET DIAGNOSTICS app_users = ROW_COUNT;
  RETURN NEXT;
END $$;

-- Where a tenant's rows are: nobody enters, and nothing is worked on.
CREATE FUNCTION close_tenant(whose int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
BEGIN
  UPDATE tenant SET readable_shards = '{}', writable_shard = NULL, deleting = true WHERE tenant_id = whose;
  DELETE FROM task WHERE tenant_id = whose;
END $$;

-- Removes the row of a tenant that has nothing left here: one that is deleted, or one that has moved away.
CREATE FUNCTION delete_tenant(whose int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
DECLARE
  tab text;
  rest bigint;
BEGIN
  FOR tab IN SELECT name FROM tenant_tables() UNION ALL VALUES ('app_user'), ('api_key') LOOP
    EXECUTE format('SELECT count(*) FROM ragstone.%I WHERE tenant_id = $1', tab) INTO rest USING whose;
    IF rest > 0 THEN
      RAISE EXCEPTION 'tenant % still has % rows in %', whose, rest, tab USING ERRCODE = 'RS003';
    END IF;
  END LOOP;
  DELETE FROM tenant
  WHERE tenant_id = whose AND (deleting OR guest) AND readable_shards = '{}' AND writable_shard IS NULL;
  IF NOT FOUND THEN
    PERFORM unsettled();
  END IF;
END $$;


-- Rows on their way ----------------------------------------------------------------------------------------------

-- Tasks of a tenant that is not served yet: no worker takes them.
ALTER TABLE task DROP CONSTRAINT task_state_check;
ALTER TABLE task ADD CONSTRAINT task_state_check CHECK (state IN ('waiting', 'running', 'dead', 'held'));

-- The tables that move with a tenant, by the catalog, so that none can be forgotten: all that have its number but its
-- row, its users and its keys. Key columns are those of the primary key; parents are the tables that it refers to.
CREATE FUNCTION tenant_tables() RETURNS TABLE (name text, sharded boolean, key_columns text[], parents text[])
LANGUAGE sql STABLE
AS $$
  SELECT c.relname::text, c.relkind = 'p',
    ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
          WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY a.attnum),
    ARRAY(SELECT DISTINCT p.relname::text FROM pg_constraint f JOIN pg_class p ON p.oid = f.confrelid
          WHERE f.conrelid = c.oid AND f.contype = 'f' AND p.oid <> c.oid)
  FROM pg_class c
  WHERE c.relnamespace = 'ragstone'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant_id' AND attnum > 0)
    AND c.relname NOT IN ('tenant', 'app_user', 'api_key')
    -- A table that is to become a partition is not one of its own.
    AND NOT EXISTS (SELECT FROM ragstone.sharded_tables() AS s (oid) JOIN pg_class o ON o.oid = s.oid
                    WHERE c.relname ~ ('^' || o.relname || '_[0-9]+$'))
  ORDER BY c.relname
$$;

-- The columns of a row `t` as they will be where it is going, with the shard and the numbers of models there.
-- For a digest, values of extensions are told by their bytes: their texts take long to write.
CREATE FUNCTION moved_columns(tab text, to_shard int, to_models jsonb, for_digest boolean) RETURNS text
LANGUAGE sql STABLE
AS $$
  SELECT string_agg(
    CASE
      WHEN a.attname = 'shard' THEN to_shard::text
      WHEN EXISTS (SELECT FROM pg_constraint f WHERE f.conrelid = a.attrelid AND f.contype = 'f'
                   AND f.confrelid = 'ragstone.embedding_model'::regclass AND f.conkey = ARRAY[a.attnum])
        THEN format('COALESCE((%2$L::jsonb ->> t.%1$I::text)::int, t.%1$I)', a.attname, to_models)
      WHEN tab = 'task' AND a.attname = 'state' THEN 'CASE t.state WHEN ''dead'' THEN ''dead'' ELSE ''held'' END'
      WHEN tab = 'task' AND a.attname IN ('worker', 'lease_until') THEN 'NULL'
      WHEN for_digest AND y.typnamespace <> 'pg_catalog'::regnamespace THEN format('%s(t.%I)', y.typsend, a.attname)
      ELSE format('t.%I', a.attname)
    END, ', ' ORDER BY a.attnum)
  FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
  WHERE a.attrelid = format('ragstone.%I', tab)::regclass AND a.attnum > 0 AND NOT a.attisdropped
$$;

-- The table that has the rows of a shard; refuses a place where the transaction's tenant is served.
CREATE FUNCTION unserved_part(tab text, at_shard int) RETURNS regclass
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  t ragstone.tenant;
  is_sharded boolean;
BEGIN
  SELECT * INTO STRICT t FROM ragstone.tenant WHERE tenant_id = ragstone.current_tenant();
  SELECT sharded INTO STRICT is_sharded FROM ragstone.tenant_tables() WHERE name = tab;
  IF (CASE WHEN is_sharded THEN at_shard = ANY (t.readable_shards) OR at_shard IS NOT DISTINCT FROM t.writable_shard
           ELSE t.readable_shards <> '{}' OR t.writable_shard IS NOT NULL END) THEN
    RAISE EXCEPTION 'the tenant is served from there' USING ERRCODE = 'RS003';
  END IF;
  RETURN format('ragstone.%I', tab || CASE WHEN is_sharded THEN '_' || at_shard ELSE '' END);
END $$;

-- Adds rows of the transaction's tenant, given as texts of whole rows, or replaces those with the same key.
CREATE FUNCTION import_rows(tab text, at_shard int, given text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, public, pg_temp
SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres'
AS $$
DECLARE
  part regclass := unserved_part(tab, at_shard);
  keys text[] := (SELECT key_columns FROM tenant_tables() WHERE name = tab);
  changes text;
BEGIN
  SELECT string_agg(format('%1$I = EXCLUDED.%1$I', attname), ', ') INTO changes FROM pg_attribute
  WHERE attrelid = part AND attnum > 0 AND NOT attisdropped AND attname <> ALL (keys);
  EXECUTE format(
    'INSERT INTO %1$s OVERRIDING SYSTEM VALUE SELECT (x.r).* '
    'FROM (SELECT given::%2$s AS r FROM unnest($1) AS u (given) OFFSET 0) x WHERE (x.r).tenant_id = $2 '
    'ON CONFLICT (%3$s) DO %4$s',
    part, part, (SELECT string_agg(quote_ident(k), ', ') FROM unnest(keys) k),
    CASE WHEN changes IS NULL THEN 'NOTHING' ELSE 'UPDATE SET ' || changes END)
  USING given, current_tenant();
END $$;

-- What numbers the rows of each table that moves with a tenant.
CREATE FUNCTION sequences() RETURNS TABLE (tab text, numbers regclass)
LANGUAGE sql STABLE
AS $$
  SELECT s.name, pg_get_serial_sequence(format('ragstone.%I', s.name), a.attname)::regclass
  FROM ragstone.tenant_tables() AS s
  JOIN pg_attribute a ON a.attrelid = format('ragstone.%I', s.name)::regclass AND a.attidentity <> ''
$$;

-- The last number that was given in each table, be its row there or gone: tombstones and cursors remember some.
CREATE FUNCTION numbers_given() RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$ SELECT jsonb_object_agg(tab, pg_sequence_last_value(numbers)) FROM sequences() $$;

-- Numbers that are given here later follow those of the place that a tenant comes from.
CREATE FUNCTION follow_numbers(given jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
DECLARE
  counted record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('ragstone.numbers'));  -- setval() would go back behind another mover's
  FOR counted IN SELECT numbers, (given ->> tab)::bigint AS last FROM sequences() LOOP
    IF counted.last > COALESCE(pg_sequence_last_value(counted.numbers), 0) THEN
      PERFORM setval(counted.numbers, counted.last + 10000);  -- a little ahead, because others take some meanwhile
    END IF;
  END LOOP;
END $$;

-- Deletes rows of the transaction's tenant by their keys, given as an array of objects.
CREATE FUNCTION discard_rows(tab text, at_shard int, given jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, public, pg_temp
AS $$
DECLARE
  part regclass := unserved_part(tab, at_shard);
  matches text := (
    SELECT string_agg(CASE key WHEN 'shard' THEN 't.shard = $3' ELSE format('t.%1$I = k.%1$I', key) END, ' AND ')
    FROM tenant_tables() AS s, unnest(s.key_columns) AS key WHERE s.name = tab);
BEGIN
  EXECUTE format('DELETE FROM %1$s t USING jsonb_populate_recordset(NULL::%1$s, $1) k WHERE t.tenant_id = $2 AND %2$s',
                 part, matches) USING given, current_tenant(), at_shard;
END $$;

-- Deletes up to `most` rows of the transaction's tenant; returns how many. Of the audit log, lines about keys and users
-- stay where those are, unless the tenant goes altogether.
CREATE FUNCTION remove_rows(tab text, at_shard int, most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, public, pg_temp
AS $$
DECLARE
  part regclass := unserved_part(tab, at_shard);
  going boolean := (SELECT deleting FROM tenant WHERE tenant_id = current_tenant());
  removed bigint;
BEGIN
  PERFORM set_config('ragstone.deleting_tenant', current_tenant()::text, true);
  EXECUTE format(
    'DELETE FROM %1$s WHERE ctid = ANY (ARRAY(SELECT ctid FROM %1$s WHERE tenant_id = $1 %2$s LIMIT $2))',
    part, CASE WHEN tab = 'audit' AND NOT going THEN 'AND NOT stays_with_keys(action)' ELSE '' END)
  USING current_tenant(), most;
  GET DIAGNOSTICS removed = ROW_COUNT;
  PERFORM set_config('ragstone.deleting_tenant', '', true);
  RETURN removed;
END $$;

-- Whether a line of the audit log is about what stays in the installation's database.
CREATE FUNCTION stays_with_keys(action text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT action ~ '^(key|user)\.' $$;


-- The audit log --------------------------------------------------------------------------------------------------

-- Lines are numbered by time, to the microsecond, so that those of two databases have one order. The last twelve bits
-- keep apart what happens at the same time. Good until 2091.
CREATE SEQUENCE audit_tick MAXVALUE 4095 CYCLE;
CREATE FUNCTION audit_number() RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$ SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 - 1577836800000000)::bigint * 4096
             + nextval('audit_tick') % 4096 $$;
ALTER TABLE audit
  ALTER COLUMN id DROP IDENTITY,
  ALTER COLUMN id SET DEFAULT audit_number();

CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$ BEGIN
  -- Only the removal of a tenant, or its move, takes lines away.
  IF TG_OP = 'DELETE' THEN
    IF current_setting('ragstone.deleting_tenant', true) = OLD.tenant_id::text THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only_as_a_whole BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Records a change of a row. Arguments: the noun, the column that names the row, and the columns worth telling.
-- What becomes of tenants is told to the installation. Rows that are moved or removed with their tenant are not told.
CREATE OR REPLACE FUNCTION audited() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
DECLARE
  before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
  after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
  told text[] := string_to_array(TG_ARGV[2], ',');
  whose int := (COALESCE(after, before) ->> 'tenant_id')::int;
  noun text := TG_ARGV[0];
  detail jsonb;
BEGIN
  SELECT COALESCE(jsonb_object_agg(key, value), '{}') INTO detail
  FROM jsonb_each(COALESCE(after, before))
  WHERE key = ANY(told) AND CASE TG_OP WHEN 'UPDATE' THEN value IS DISTINCT FROM before -> key ELSE value <> 'null' END
    AND NOT (key = 'deleting' AND value = 'false');
  IF TG_OP = 'UPDATE' AND detail = '{}' THEN
    RETURN NULL;
  END IF;
  IF noun = 'tenant' AND (COALESCE(after, before) ->> 'guest')::boolean OR noun <> 'tenant' AND NOT EXISTS (
    SELECT FROM tenant t WHERE t.tenant_id = whose AND NOT t.deleting
    AND (t.writable_shard IS NOT NULL OR stays_with_keys(noun || '.'))) THEN
    RETURN NULL;
  END IF;
  INSERT INTO audit (tenant_id, actor, request, action, subject, detail)
  VALUES (CASE noun WHEN 'tenant' THEN 0 ELSE whose END, current_actor(),
          NULLIF(current_setting('ragstone.request', true), ''),
          noun || CASE TG_OP WHEN 'INSERT' THEN '.created' WHEN 'UPDATE' THEN '.changed' ELSE '.deleted' END,
          COALESCE(after, before) ->> TG_ARGV[1], detail);
  RETURN NULL;
END $$;
DROP TRIGGER audit ON tenant;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON tenant FOR EACH ROW
  EXECUTE FUNCTION audited('tenant', 'name', 'name,shard,database,deleting');


-- Every table that the application writes for a tenant is guarded.
DO $$
DECLARE
  tab text;
BEGIN
  FOR tab IN SELECT name FROM tenant_tables() WHERE name NOT IN ('audience', 'audit') LOOP
    EXECUTE format('CALL guard(%L)', format('ragstone.%I', tab));
  END LOOP;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ragstone FROM PUBLIC;
REVOKE ALL ON ALL PROCEDURES IN SCHEMA ragstone FROM PUBLIC;
GRANT EXECUTE ON FUNCTION enter, attend, unsettled, guard_writes, sharded_tables, tenant_tables, moved_columns,
  stays_with_keys, prepare_shard, attach_shard, drop_part, unused_parts, add_tenant, tenant_named, find_tenant,
  list_tenants, plan_move, receive_tenant, show_here, serve_here, leave_here, switch_tenant, forget_shard, give_up_move,
  end_move, begin_deletion, close_tenant, delete_tenant, numbers_given, follow_numbers, import_rows, discard_rows,
  remove_rows TO ragstone_app;
