-- What may be spent: limits of keys and tenants, how much of them is used, and what was spent on each day.
--
-- All of this is in the installation's database, as keys are, also for tenants that have a database to themselves.
-- Money is counted in whole millionths of the currency of the models' prices, windows begin and end with those of UTC.
--
-- Before a language model is asked, what the answer may take at most is counted against the limits (reserve_spending),
-- and afterwards replaced by what it did take (settle_spending). Who does both holds the rows of the accounts, so the
-- reservations of all processes together never pass a limit. A process that dies in between leaves its reservation
-- counted until the windows that it was made in have ended.
--
-- The functions below that act as the owner (SECURITY DEFINER), and why the application's role may have them:
--   admit_key, admit_tenant    return who holds a key, or a tenant by its name, and count one request
--   reserve_spending, settle_spending
--                              count for a tenant and one of its keys; return nothing but the limit that is reached
--   limit_tenant               writes the limits of one tenant
--   installation_spending      returns names of tenants and sums
--   forget_spending            deletes what limits and reports need no more
--   begin_deletion, delete_tenant
--                              remove a tenant, as in 0005; return numbers of rows
--   recount_requests           is a trigger

-- Such as {"tokens_per_day": 100000, "cost_per_month": 50000000}: names of columns of `account`, or requests_per_minute.
CREATE FUNCTION sound_limits(limits jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT NOT EXISTS (
  SELECT FROM jsonb_each(limits) AS l
  WHERE l.key !~ '^(requests|tokens|cost)_per_(minute|day|month)$' OR jsonb_typeof(l.value) <> 'number'
     OR l.value::text !~ '^[1-9][0-9]{0,17}$') $$;

ALTER TABLE tenant ADD COLUMN limits jsonb NOT NULL DEFAULT '{}' CHECK (sound_limits(limits));
ALTER TABLE api_key
  ADD COLUMN limits jsonb NOT NULL DEFAULT '{}' CHECK (sound_limits(limits)),
  ADD COLUMN account_id bigint;  -- of the key that this one replaces, whose use of limits it goes on with; NULL: its own
DROP TRIGGER audit ON api_key;
UPDATE api_key SET limits = jsonb_build_object('requests_per_minute', requests_per_minute)
WHERE requests_per_minute IS NOT NULL;
ALTER TABLE api_key DROP COLUMN requests_per_minute, DROP COLUMN spent_until;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON api_key FOR EACH ROW
  EXECUTE FUNCTION audited('key', 'public_id', 'name,user_id,scopes,hint,priority,limits,expires_at,revoked_at');
DROP TRIGGER audit ON tenant;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON tenant FOR EACH ROW
  EXECUTE FUNCTION audited('tenant', 'name', 'name,shard,database,deleting,limits');


-- Tables ---------------------------------------------------------------------------------------------------------

-- How much of its limits a key or a tenant has used. Counters are named like the limits on them.
CREATE TABLE account (
  tenant_id int NOT NULL REFERENCES tenant ON DELETE CASCADE,
  id bigint NOT NULL,  -- of the first of the keys that replaced each other; 0: of the tenant as a whole
  -- Of requests_per_minute: the theoretical arrival time of the generic cell rate algorithm.
  spent_until timestamptz NOT NULL DEFAULT 'epoch',
  -- The beginnings of the windows that are counted; a counter of an earlier one is worth 0.
  minute timestamptz NOT NULL DEFAULT 'epoch',
  day timestamptz NOT NULL DEFAULT 'epoch',
  month timestamptz NOT NULL DEFAULT 'epoch',
  -- Requests are counted here only while there is a limit on them.
  requests_per_day bigint NOT NULL DEFAULT 0,
  requests_per_month bigint NOT NULL DEFAULT 0,
  tokens_per_minute bigint NOT NULL DEFAULT 0,
  tokens_per_day bigint NOT NULL DEFAULT 0,
  tokens_per_month bigint NOT NULL DEFAULT 0,
  cost_per_minute bigint NOT NULL DEFAULT 0,
  cost_per_day bigint NOT NULL DEFAULT 0,
  cost_per_month bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 50);
CALL isolate('account');
CREATE POLICY administration ON account TO CURRENT_USER USING (true) WITH CHECK (true);

-- What answers that are being made may take at most.
CREATE TABLE reservation (
  tenant_id int NOT NULL REFERENCES tenant ON DELETE CASCADE,
  id uuid NOT NULL,  -- chosen by who reserves
  key text NOT NULL DEFAULT '',  -- public id of the key; empty: none was shown
  account_id bigint NOT NULL DEFAULT 0,  -- of the key; 0: it has none
  at timestamptz NOT NULL,
  tokens bigint NOT NULL,
  cost bigint NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CALL isolate('reservation');
CREATE POLICY administration ON reservation TO CURRENT_USER USING (true) WITH CHECK (true);

-- What was spent on each day with each key. It outlives the key.
CREATE TABLE spending (
  tenant_id int NOT NULL REFERENCES tenant ON DELETE CASCADE,
  day date NOT NULL,
  key text NOT NULL DEFAULT '',  -- public id of the key; empty: none was shown
  requests bigint NOT NULL DEFAULT 0,
  answers bigint NOT NULL DEFAULT 0,  -- for which a language model was asked
  input_tokens bigint NOT NULL DEFAULT 0,
  output_tokens bigint NOT NULL DEFAULT 0,
  cost bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, day, key)
) WITH (fillfactor = 80);
CALL isolate('spending');
CREATE POLICY administration ON spending TO CURRENT_USER USING (true) WITH CHECK (true);


-- Accounts -------------------------------------------------------------------------------------------------------

-- The account as it is at this time: counters of windows that have ended begin anew. Also of no account.
CREATE FUNCTION rolled(a account, clock timestamptz) RETURNS account
LANGUAGE plpgsql STABLE
AS $$ BEGIN
  IF a.minute IS NULL OR a.minute < date_trunc('minute', clock, 'UTC') THEN
    a.minute := date_trunc('minute', clock, 'UTC');
    a.tokens_per_minute := 0;
    a.cost_per_minute := 0;
  END IF;
  IF a.day IS NULL OR a.day < date_trunc('day', clock, 'UTC') THEN
    a.day := date_trunc('day', clock, 'UTC');
    a.requests_per_day := 0;
    a.tokens_per_day := 0;
    a.cost_per_day := 0;
  END IF;
  IF a.month IS NULL OR a.month < date_trunc('month', clock, 'UTC') THEN
    a.month := date_trunc('month', clock, 'UTC');
    a.requests_per_month := 0;
    a.tokens_per_month := 0;
    a.cost_per_month := 0;
  END IF;
  RETURN a;
END $$;

-- How much of each limit is used, and when nothing of it is used any more, on an account that is as it is at this time.
CREATE FUNCTION standings(limits jsonb, a account, clock timestamptz)
RETURNS TABLE (name text, most bigint, used bigint, renews_at timestamptz)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  counters CONSTANT jsonb := to_jsonb(a);
BEGIN
  FOR name, most IN SELECT l.key, l.value::bigint FROM jsonb_each_text(limits) AS l LOOP
    IF name = 'requests_per_minute' THEN
      renews_at := GREATEST(a.spent_until, clock);
      used := ceil(EXTRACT(EPOCH FROM renews_at - clock) * most / 60);
    ELSE
      used := counters ->> name;
      renews_at := CASE split_part(name, '_per_', 2)
        WHEN 'minute' THEN a.minute + interval '1 minute'
        WHEN 'day' THEN a.day + interval '24 hours'
        ELSE (a.month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC' END;
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;

-- What comes of an attempt to spend: when it was counted or, with a name, that it was not, and which limit is reached.
CREATE TYPE verdict AS (
  at timestamptz,
  whose text,  -- key or tenant
  name text,  -- of the limit
  most bigint,
  used bigint,
  renews_at timestamptz,
  wait_seconds double precision,  -- until another attempt may have success
  held bigint  -- of what is used: reserved for answers that are being made
);

-- The limit that the account would pass with this; of several the one that holds longest. Without a name: none.
CREATE FUNCTION reached(
  whose text, limits jsonb, a account, clock timestamptz, requests bigint, tokens bigint, cost bigint
) RETURNS verdict
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  s record;
  more bigint;
  wait_seconds double precision;
  outcome verdict;
BEGIN
  IF limits = '{}' THEN
    RETURN outcome;
  END IF;
  FOR s IN SELECT * FROM standings(limits, a, clock) LOOP
    more := CASE split_part(s.name, '_', 1) WHEN 'requests' THEN requests WHEN 'tokens' THEN tokens ELSE cost END;
    IF more > 0 AND s.used + more > s.most THEN
      wait_seconds := EXTRACT(EPOCH FROM s.renews_at - clock);
      IF s.name = 'requests_per_minute' THEN
        wait_seconds := wait_seconds - 60 + 60::double precision / s.most;
      END IF;
      IF outcome.wait_seconds IS NULL OR outcome.wait_seconds < wait_seconds THEN
        outcome := (clock, whose, s.name, s.most, s.used, s.renews_at, wait_seconds, 0);
      END IF;
    END IF;
  END LOOP;
  RETURN outcome;
END $$;

-- The accounts of a tenant and, unless it is NULL, of a key, held until the end of the transaction. The tenant's is the
-- first for everybody, so that nobody waits for somebody who waits for him.
CREATE FUNCTION hold_accounts(whose int, key_account bigint) RETURNS SETOF account
LANGUAGE plpgsql
AS $$
DECLARE
  wanted bigint[] := ARRAY[0::bigint] || NULLIF(key_account, 0);
BEGIN
  INSERT INTO account (tenant_id, id)
  SELECT whose, w FROM unnest(wanted) AS w
  WHERE w IS NOT NULL AND NOT EXISTS (SELECT FROM account a WHERE a.tenant_id = whose AND a.id = w)
  ORDER BY w
  ON CONFLICT DO NOTHING;
  RETURN QUERY SELECT * FROM account a WHERE a.tenant_id = whose AND a.id = ANY (wanted) ORDER BY a.id FOR UPDATE;
END $$;

CREATE FUNCTION save_account(a account) RETURNS void
LANGUAGE plpgsql
AS $$ BEGIN
  UPDATE account SET
    spent_until = a.spent_until, minute = a.minute, day = a.day, month = a.month,
    requests_per_day = a.requests_per_day, requests_per_month = a.requests_per_month,
    tokens_per_minute = a.tokens_per_minute, tokens_per_day = a.tokens_per_day, tokens_per_month = a.tokens_per_month,
    cost_per_minute = a.cost_per_minute, cost_per_day = a.cost_per_day, cost_per_month = a.cost_per_month
  WHERE account.tenant_id = a.tenant_id AND account.id = a.id;
END $$;

-- Counts this for a tenant and one of its keys, unless it would pass a limit: all of it or nothing.
CREATE FUNCTION spend(
  whose int, key_account bigint, key_limits jsonb, tenant_limits jsonb, requests bigint, tokens bigint, cost bigint
) RETURNS verdict
LANGUAGE plpgsql
AS $$
DECLARE
  held account[] := ARRAY(SELECT a FROM hold_accounts(whose, key_account) AS a);
  clock CONSTANT timestamptz := clock_timestamp();  -- not before the accounts are held
  a account;
  per_minute bigint;
  outcome verdict;
  other verdict;
BEGIN
  FOR n IN 1 .. cardinality(held) LOOP
    a := rolled(held[n], clock);
    held[n] := a;
    other := reached(CASE a.id WHEN 0 THEN 'tenant' ELSE 'key' END,
                     CASE a.id WHEN 0 THEN tenant_limits ELSE key_limits END, a, clock, requests, tokens, cost);
    IF other.name IS NOT NULL AND (outcome.name IS NULL OR outcome.wait_seconds < other.wait_seconds) THEN
      outcome := other;
    END IF;
  END LOOP;
  IF outcome.name IS NOT NULL THEN
    RETURN outcome;
  END IF;
  FOREACH a IN ARRAY held LOOP
    per_minute := (CASE a.id WHEN 0 THEN tenant_limits ELSE key_limits END ->> 'requests_per_minute')::bigint;
    IF requests > 0 AND per_minute IS NOT NULL THEN
      a.spent_until := GREATEST(a.spent_until, clock) + requests * interval '1 minute' / per_minute;
    END IF;
    a.requests_per_day := a.requests_per_day + requests;
    a.requests_per_month := a.requests_per_month + requests;
    a.tokens_per_minute := a.tokens_per_minute + tokens;
    a.tokens_per_day := a.tokens_per_day + tokens;
    a.tokens_per_month := a.tokens_per_month + tokens;
    a.cost_per_minute := a.cost_per_minute + cost;
    a.cost_per_day := a.cost_per_day + cost;
    a.cost_per_month := a.cost_per_month + cost;
    PERFORM save_account(a);
  END LOOP;
  outcome.at := clock;
  RETURN outcome;
END $$;

-- Lets limits on requests begin with those that were made in this day and month before there were such limits.
CREATE FUNCTION recount_requests() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
  whose CONSTANT int := NEW.tenant_id;
  new_row CONSTANT jsonb := to_jsonb(NEW);
  key_account CONSTANT bigint := CASE TG_TABLE_NAME WHEN 'api_key'
    THEN COALESCE((new_row ->> 'account_id')::bigint, (new_row ->> 'id')::bigint) ELSE 0 END;
  keys text[];
  a account;
BEGIN
  IF NOT NEW.limits ?| ARRAY['requests_per_day', 'requests_per_month']
     OR OLD.limits ?| ARRAY['requests_per_day', 'requests_per_month'] THEN
    RETURN NULL;  -- they need not be counted, or have been all the time
  END IF;
  IF key_account <> 0 THEN
    keys := ARRAY(SELECT k.public_id FROM api_key k
                  WHERE k.tenant_id = whose AND COALESCE(k.account_id, k.id) = key_account);
  END IF;
  SELECT (rolled(h, clock_timestamp())).* INTO a FROM hold_accounts(whose, key_account) AS h WHERE h.id = key_account;
  SELECT COALESCE(sum(s.requests) FILTER (WHERE s.day >= a.day::date), 0), COALESCE(sum(s.requests), 0)
  INTO a.requests_per_day, a.requests_per_month
  FROM spending s
  WHERE s.tenant_id = whose AND s.day >= a.month::date AND (keys IS NULL OR s.key = ANY (keys));
  PERFORM save_account(a);
  RETURN NULL;
END $$;
CREATE TRIGGER recount AFTER UPDATE OF limits ON api_key FOR EACH ROW EXECUTE FUNCTION recount_requests();
CREATE TRIGGER recount AFTER UPDATE OF limits ON tenant FOR EACH ROW EXECUTE FUNCTION recount_requests();


-- Requests -------------------------------------------------------------------------------------------------------

-- Counts one request, unless a limit on requests is reached.
CREATE FUNCTION count_request(whose int, shown_key text, key_account bigint, key_limits jsonb, tenant_limits jsonb)
RETURNS verdict
LANGUAGE plpgsql
AS $$
DECLARE
  outcome verdict;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  IF key_limits || tenant_limits ?| ARRAY['requests_per_minute', 'requests_per_day', 'requests_per_month'] THEN
    outcome := spend(whose, key_account, key_limits, tenant_limits, 1, 0, 0);
  END IF;
  IF outcome.name IS NULL THEN
    INSERT INTO spending AS s (tenant_id, day, key, requests)
    VALUES (whose, (clock_timestamp() AT TIME ZONE 'UTC')::date, shown_key, 1)
    ON CONFLICT (tenant_id, day, key) DO UPDATE SET requests = s.requests + 1;
  END IF;
  RETURN outcome;
END $$;

DROP FUNCTION admit_key(bytea);
-- Who holds the key of this hash, and which limit makes it wait, if one does; no row for a key that does not open.
-- One statement for each request: a key that is revoked is revoked for the next one, and every replica counts.
CREATE FUNCTION admit_key(shown bytea) RETURNS TABLE (
  tenant_id int, tenant text, shard int, database text,
  key_id text, person text, groups text[], scopes text[], priority smallint,
  whose text, name text, most bigint, used bigint, renews_at timestamptz, wait_seconds double precision
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  k api_key;
  t tenant;
  outcome verdict;
BEGIN
  SELECT * INTO k FROM api_key
  WHERE hash = shown AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp());
  IF NOT FOUND THEN
    RETURN;
  END IF;
  SELECT * INTO t FROM tenant WHERE tenant.tenant_id = k.tenant_id;
  -- Before the accounts are held, as whoever changes a key's limits does.
  IF k.last_used_at IS NULL OR k.last_used_at < clock_timestamp() - interval '1 minute' THEN
    UPDATE api_key SET last_used_at = clock_timestamp() WHERE hash = shown;
  END IF;
  outcome := count_request(k.tenant_id, k.public_id, COALESCE(k.account_id, k.id), k.limits, t.limits);
  RETURN QUERY
    SELECT t.tenant_id, t.name, t.shard, t.database, k.public_id, u.name, COALESCE(u.groups, '{}'), k.scopes,
           k.priority, outcome.whose, outcome.name, outcome.most, outcome.used, outcome.renews_at, outcome.wait_seconds
    FROM (SELECT) AS one LEFT JOIN app_user u ON u.tenant_id = k.tenant_id AND u.id = k.user_id;
END $$;

-- The tenant of that name, and which of its limits makes a request wait that shows no key but a token.
CREATE FUNCTION admit_tenant(tenant_name text) RETURNS TABLE (
  tenant_id int, tenant text, shard int, database text,
  whose text, name text, most bigint, used bigint, renews_at timestamptz, wait_seconds double precision
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  t tenant;
  outcome verdict;
BEGIN
  SELECT * INTO t FROM tenant WHERE tenant.name = tenant_name AND NOT deleting;
  IF FOUND THEN
    outcome := count_request(t.tenant_id, '', NULL, '{}', t.limits);
    RETURN QUERY SELECT t.tenant_id, t.name, t.shard, t.database,
      outcome.whose, outcome.name, outcome.most, outcome.used, outcome.renews_at, outcome.wait_seconds;
  END IF;
END $$;


-- Answers --------------------------------------------------------------------------------------------------------

-- Counts what an answer may take at most, unless it would pass a limit; without a key only the tenant's count. The same
-- reservation a second time is refused by its key.
CREATE FUNCTION reserve_spending(whose int, shown_key text, wanted uuid, tokens bigint, cost bigint) RETURNS verdict
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
DECLARE
  tenant_limits jsonb;
  key_limits jsonb;
  key_account bigint;
  outcome verdict;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT t.limits INTO tenant_limits FROM tenant t WHERE t.tenant_id = whose AND NOT t.deleting;
  IF NOT FOUND THEN
    PERFORM unsettled();
  END IF;
  SELECT k.limits, COALESCE(k.account_id, k.id) INTO key_limits, key_account
  FROM api_key k WHERE k.tenant_id = whose AND k.public_id = shown_key;
  outcome := spend(whose, key_account, COALESCE(key_limits, '{}'), tenant_limits, 0, tokens, cost);
  IF outcome.name IS NULL THEN
    INSERT INTO reservation (tenant_id, id, key, account_id, at, tokens, cost)
    VALUES (whose, wanted, shown_key, COALESCE(key_account, 0), outcome.at, reserve_spending.tokens,
            reserve_spending.cost);
  ELSE
    -- No answer takes ten minutes: what is older was left behind by a crash. And what was reserved in an earlier window
    -- is no part of what is used in this one.
    SELECT COALESCE(sum(CASE split_part(outcome.name, '_', 1) WHEN 'tokens' THEN r.tokens ELSE r.cost END), 0)
    INTO outcome.held
    FROM reservation r
    WHERE r.tenant_id = whose AND r.at > clock_timestamp() - interval '10 minutes'
      AND r.at >= date_trunc(split_part(outcome.name, '_per_', 2), outcome.at, 'UTC')
      AND (outcome.whose = 'tenant' OR r.account_id = key_account);
  END IF;
  RETURN outcome;
END $$;

-- Counts what an answer did take instead of what was reserved for it; false, and nothing is counted, if there is no such
-- reservation (any more). It counts in the windows in which it was reserved, if they still last, and on that day.
CREATE FUNCTION settle_spending(
  whose int, settled uuid, input_tokens bigint, output_tokens bigint, cost bigint, called boolean
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
DECLARE
  r reservation;
  more_tokens bigint;
  more_cost bigint;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  DELETE FROM reservation WHERE tenant_id = whose AND id = settled RETURNING * INTO r;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  more_tokens := input_tokens + output_tokens - r.tokens;
  more_cost := cost - r.cost;
  PERFORM FROM account a WHERE a.tenant_id = whose AND a.id IN (0, r.account_id) ORDER BY a.id FOR UPDATE;
  UPDATE account a SET
    tokens_per_minute = a.tokens_per_minute + CASE a.minute WHEN w.minute THEN more_tokens ELSE 0 END,
    tokens_per_day = a.tokens_per_day + CASE a.day WHEN w.day THEN more_tokens ELSE 0 END,
    tokens_per_month = a.tokens_per_month + CASE a.month WHEN w.month THEN more_tokens ELSE 0 END,
    cost_per_minute = a.cost_per_minute + CASE a.minute WHEN w.minute THEN more_cost ELSE 0 END,
    cost_per_day = a.cost_per_day + CASE a.day WHEN w.day THEN more_cost ELSE 0 END,
    cost_per_month = a.cost_per_month + CASE a.month WHEN w.month THEN more_cost ELSE 0 END
  FROM (SELECT date_trunc('minute', r.at, 'UTC') AS minute, date_trunc('day', r.at, 'UTC') AS day,
               date_trunc('month', r.at, 'UTC') AS month) AS w
  WHERE a.tenant_id = whose AND a.id IN (0, r.account_id);
  INSERT INTO spending AS s (tenant_id, day, key, answers, input_tokens, output_tokens, cost)
  VALUES (whose, (r.at AT TIME ZONE 'UTC')::date, r.key, called::int, settle_spending.input_tokens,
          settle_spending.output_tokens, settle_spending.cost)
  ON CONFLICT (tenant_id, day, key) DO UPDATE SET
    answers = s.answers + EXCLUDED.answers, input_tokens = s.input_tokens + EXCLUDED.input_tokens,
    output_tokens = s.output_tokens + EXCLUDED.output_tokens, cost = s.cost + EXCLUDED.cost;
  RETURN true;
END $$;


-- Administration -------------------------------------------------------------------------------------------------

-- In the installation's database: what a tenant may spend from now on. Limits that are not named stay, null lifts one.
CREATE FUNCTION limit_tenant(whose int, changes jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$ BEGIN
  UPDATE tenant SET limits = jsonb_strip_nulls(limits || changes) WHERE tenant_id = whose AND NOT deleting;
  IF NOT FOUND THEN
    PERFORM unsettled();
  END IF;
END $$;

-- What each tenant has spent on each day since this one.
CREATE FUNCTION installation_spending(since date) RETURNS TABLE (
  day date, tenant text, requests bigint, answers bigint, input_tokens bigint, output_tokens bigint, cost bigint
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
  SELECT s.day, t.name, sum(s.requests)::bigint, sum(s.answers)::bigint, sum(s.input_tokens)::bigint,
         sum(s.output_tokens)::bigint, sum(s.cost)::bigint
  FROM spending s JOIN tenant t ON t.tenant_id = s.tenant_id
  WHERE s.day >= since GROUP BY s.day, t.name ORDER BY s.day, t.name
$$;

-- Deletes reservations of a day ago, accounts of keys that are gone, and what was spent so many days ago; returns how
-- many rows. A reservation that a crash left behind is counted in its accounts, with or without its row; the row of one
-- whose answer is still being made has to stay, also when a month ends meanwhile.
CREATE FUNCTION forget_spending(days int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
DECLARE
  total bigint;
  gone bigint;
BEGIN
  DELETE FROM reservation WHERE at < clock_timestamp() - interval '1 day';
  GET DIAGNOSTICS total = ROW_COUNT;
  DELETE FROM account a WHERE a.id <> 0 AND NOT EXISTS (
    SELECT FROM api_key k WHERE k.tenant_id = a.tenant_id AND COALESCE(k.account_id, k.id) = a.id);
  GET DIAGNOSTICS gone = ROW_COUNT;
  total := total + gone;
  DELETE FROM spending WHERE day < (clock_timestamp() AT TIME ZONE 'UTC')::date - days;
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN total + gone;
END $$;


-- Tenants that move or are removed -------------------------------------------------------------------------------

-- What stays in the installation's database wherever a tenant's contents are, beside its row. In the order in which
-- everybody who needs several of them takes hold of rows, so that nobody waits for somebody who waits for him.
CREATE FUNCTION registry_tables() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT '{api_key,reservation,account,spending,app_user}'::text[] $$;

CREATE OR REPLACE FUNCTION tenant_tables() RETURNS TABLE (name text, sharded boolean, key_columns text[], parents text[])
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
    AND c.relname <> ALL ('tenant'::text || ragstone.registry_tables())
    -- A table that is to become a partition is not one of its own.
    AND NOT EXISTS (SELECT FROM ragstone.sharded_tables() AS s (oid) JOIN pg_class o ON o.oid = s.oid
                    WHERE c.relname ~ ('^' || o.relname || '_[0-9]+$'))
  ORDER BY c.relname
$$;

DROP FUNCTION begin_deletion(int);
-- In the installation's database: the tenant's keys, users and accounts are gone, and nobody becomes it any more.
CREATE FUNCTION begin_deletion(whose int) RETURNS TABLE (tab text, removed bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
BEGIN
  UPDATE tenant SET deleting = true WHERE tenant_id = whose AND NOT deleting;
  FOREACH tab IN ARRAY registry_tables() LOOP
    EXECUTE format('DELETE FROM ragstone.%I WHERE tenant_id = $1', tab) USING whose;
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN NEXT;
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION delete_tenant(whose int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ragstone, pg_temp
AS $$
DECLARE
  tab text;
  rest bigint;
BEGIN
  FOR tab IN SELECT name FROM tenant_tables() UNION ALL SELECT unnest(registry_tables()) LOOP
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


GRANT SELECT ON account, reservation, spending TO ragstone_app;
REVOKE ALL ON FUNCTION sound_limits, rolled, standings, reached, hold_accounts, save_account, spend, recount_requests,
  count_request, admit_key, admit_tenant, reserve_spending, settle_spending, limit_tenant, installation_spending,
  forget_spending, registry_tables, tenant_tables, begin_deletion, delete_tenant FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sound_limits, rolled, standings, admit_key, admit_tenant, reserve_spending, settle_spending,
  limit_tenant, installation_spending, forget_spending, registry_tables, tenant_tables, begin_deletion, delete_tenant
  TO ragstone_app;
