-- Platform apps, connections by OAuth, and grants that are kept alive.

create table platform_apps (
  tenant_id uuid not null default current_tenant() references tenants (id),
  id uuid not null,
  platform text not null check (platform ~ '^[a-z]{1,20}$'),
  name text not null check (length(name) between 1 and 200),
  client_id text not null check (length(client_id) between 1 and 500),
  client_secret bytea not null,
  scopes text[],
  redirect_uri text not null,
  return_urls text[] not null default '{}',
  row_version integer not null default 1,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, id),
  -- One of its own for each: an answer meant for one app never passes for another's.
  unique (tenant_id, redirect_uri)
);
comment on column platform_apps.client_secret is 'AES-256-GCM envelope bound to tenant, table, column and row.';
comment on column platform_apps.scopes is 'What is asked for; null asks for what the platform''s connector names.';

create table oauth_states (
  tenant_id uuid not null default current_tenant() references tenants (id),
  id uuid not null,
  state_hash bytea not null check (length(state_hash) = 32),
  app_id uuid not null,
  subject text not null,
  redirect_uri text not null,
  return_url text,
  verifier bytea,
  expires_at timestamptz not null,
  used_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, id),
  unique (tenant_id, state_hash),
  foreign key (tenant_id, app_id) references platform_apps (tenant_id, id) on delete cascade
);
comment on column oauth_states.id is 'The id of the connection that the state becomes.';
comment on column oauth_states.verifier is 'Enveloped: the PKCE verifier; null where the platform has no PKCE.';
create index oauth_states_by_hash on oauth_states (state_hash);
create index oauth_states_by_expiry on oauth_states (expires_at);

create table connections (
  tenant_id uuid not null default current_tenant() references tenants (id),
  id uuid not null,
  app_id uuid not null,
  platform text not null check (platform ~ '^[a-z]{1,20}$'),
  subject text not null,
  state text not null default 'pending' check (state in ('pending', 'completed', 'revoked')),
  code_hash bytea not null check (length(code_hash) = 32),
  tokens bytea,
  accounts jsonb not null,
  page_tokens bytea,
  grant_id uuid,
  expires_at timestamptz not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, id),
  unique (tenant_id, code_hash),
  foreign key (tenant_id, app_id) references platform_apps (tenant_id, id) on delete cascade
);
comment on column connections.tokens is 'Enveloped; erased as the connection is completed, or given back once it is revoked.';
comment on column connections.accounts is 'What the authorisation may publish for; without tokens.';

-- Existing rows are read for the new keys, and given what the schedules go by.
alter table grants no force row level security;
alter table grants
  add column app_id uuid,
  add column state text not null default 'ACTIVE' check (state in ('ACTIVE', 'REFRESHING', 'DEAD')),
  add column refresh_token bytea,
  add column refresh_expires_at timestamptz,
  add column scopes text[],
  add column lease_id uuid,
  add column lease_until timestamptz,
  add column refresh_fingerprint text,
  add column doubtful_refreshes integer not null default 0,
  add column refreshed_at timestamptz,
  add column refresh_due_at timestamptz,
  add column failures integer not null default 0,
  add column row_version integer not null default 1,
  alter column access_token drop not null,
  add foreign key (tenant_id, app_id) references platform_apps (tenant_id, id),
  add check ((state = 'REFRESHING') = (lease_id is not null and lease_until is not null));
update grants set refresh_due_at = expires_at - interval '7 days' where expires_at is not null;
alter table grants force row level security;
comment on column grants.access_token is 'AES-256-GCM envelope bound to tenant, table, column and row; null once the grant holds nothing any more.';
comment on column grants.refresh_token is 'Enveloped likewise.';
comment on column grants.lease_id is 'Who is refreshing: stored before the one call, and asked for when its answer is saved.';
comment on column grants.refresh_fingerprint is 'Of the token that the call under way spends: after a crash it says whether that one is still stored.';
comment on column grants.doubtful_refreshes is 'Calls in a row of which nobody knows whether they took effect.';
comment on column grants.refresh_due_at is 'When the schedules look at it next; null for never.';
comment on column grants.row_version is 'Rises whenever the tokens change.';
create index grants_due on grants (refresh_due_at) where refresh_due_at is not null;

alter table profiles
  add column access_token bytea,
  add column disconnected_at timestamptz;
comment on column profiles.access_token is 'Enveloped: a page''s token of its own; null where the grant''s serves.';
comment on column profiles.disconnected_at is 'Set while the profile is connected by nobody; its history stays.';
create index profiles_of_grant on profiles (tenant_id, grant_id);

create table token_events (
  tenant_id uuid not null default current_tenant() references tenants (id),
  id bigint generated always as identity,
  grant_id uuid not null,
  at timestamptz not null default clock_timestamp(),
  kind text not null check (kind ~ '^[a-z-]{1,40}$'),
  outcome text not null check (outcome ~ '^[a-z-]{1,40}$'),
  message text check (length(message) <= 500),
  profile_id uuid,
  primary key (tenant_id, id),
  foreign key (tenant_id, grant_id) references grants (tenant_id, id),
  foreign key (tenant_id, profile_id) references profiles (tenant_id, id)
);
comment on table token_events is 'What was tried with each grant and what came of it; never a token.';
create index token_events_of_grant on token_events (tenant_id, grant_id, id);

do $$
declare tenant_table text;
begin
  foreach tenant_table in array array['platform_apps', 'oauth_states', 'connections', 'token_events']
  loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('alter table %I force row level security', tenant_table);
    execute format('create policy tenant_isolation on %I to gatepost_api, gatepost_worker
      using (tenant_id = (select current_tenant())) with check (tenant_id = (select current_tenant()))', tenant_table);
  end loop;
end $$;

grant select, insert, update, delete on platform_apps to gatepost_api;
grant select, insert, update on oauth_states, connections to gatepost_api;
grant select, insert on token_events to gatepost_api;

grant select on platform_apps to gatepost_worker;
grant select, delete on oauth_states to gatepost_worker;
grant select, update (state, tokens, page_tokens) on connections to gatepost_worker;
grant update (access_token, refresh_token, expires_at, refresh_expires_at, scopes, state, lease_id, lease_until,
  refresh_fingerprint, doubtful_refreshes, refreshed_at, refresh_due_at, failures, row_version) on grants to gatepost_worker;
grant update (health, row_version, updated_at) on profiles to gatepost_worker;
grant select, insert on token_events to gatepost_worker;
-- A change of health tells the open posts, in the transaction that makes it.
grant insert on outbox to gatepost_worker;

-- A callback knows no tenant before its state is found; the sweeps learn ids across tenants and work under each.
set local row_security = on;
grant select (tenant_id, id, state_hash, expires_at) on oauth_states to gatepost_state_reader;
create policy callback on oauth_states for select to gatepost_state_reader using (true);
create function find_oauth_state(of_hash bytea)
  returns table (tenant_id uuid, id uuid)
  language sql stable security definer set search_path = ''
  as $$ select s.tenant_id, s.id from public.oauth_states s where s.state_hash = of_hash limit 1 $$;
create function list_old_oauth_states(before timestamptz, most integer)
  returns table (tenant_id uuid, id uuid)
  language sql stable security definer set search_path = ''
  as $$
    select s.tenant_id, s.id from public.oauth_states s where s.expires_at < before order by s.expires_at limit most
  $$;

grant select (tenant_id, id, platform, refresh_due_at) on grants to gatepost_grant_reader;
create policy sweep on grants for select to gatepost_grant_reader using (true);
create function list_due_grants(of_platforms text[], before timestamptz, after_tenant_id uuid, after_id uuid, most integer)
  returns table (tenant_id uuid, id uuid)
  language sql stable security definer set search_path = ''
  as $$
    select g.tenant_id, g.id from public.grants g
    where g.refresh_due_at < before and g.platform = any(of_platforms)
      and (g.tenant_id, g.id) > (after_tenant_id, after_id)
    order by g.tenant_id, g.id limit most
  $$;

grant usage, create on schema public to gatepost_state_reader, gatepost_grant_reader;
alter function find_oauth_state(bytea) owner to gatepost_state_reader;
alter function list_old_oauth_states(timestamptz, integer) owner to gatepost_state_reader;
alter function list_due_grants(text[], timestamptz, uuid, uuid, integer) owner to gatepost_grant_reader;
revoke create on schema public from gatepost_state_reader, gatepost_grant_reader;
revoke all on function find_oauth_state(bytea) from public;
revoke all on function list_old_oauth_states(timestamptz, integer) from public;
revoke all on function list_due_grants(text[], timestamptz, uuid, uuid, integer) from public;
grant execute on function find_oauth_state(bytea) to gatepost_api;
grant execute on function list_old_oauth_states(timestamptz, integer), list_due_grants(text[], timestamptz, uuid, uuid, integer)
  to gatepost_worker;
