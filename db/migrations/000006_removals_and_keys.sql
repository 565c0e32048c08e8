-- Taking down what went public: a row for each publication that somebody asked to have removed.
create table removals (
  tenant_id uuid not null default current_tenant() references tenants (id),
  publication_id uuid not null,
  post_id uuid not null,
  target_id uuid not null,
  part integer not null,
  request_id uuid not null,
  state text not null default 'REQUESTED' check (state in ('REQUESTED', 'REMOVED', 'FAILED')),
  requested_by uuid not null,
  requested_by_name text not null,
  requested_at timestamptz not null default clock_timestamp(),
  removed_at timestamptz,
  error_code text,
  error_message text,
  primary key (tenant_id, publication_id),
  foreign key (tenant_id, publication_id) references publications (tenant_id, id),
  foreign key (tenant_id, post_id, target_id) references targets (tenant_id, post_id, id)
);
create index removals_of_request on removals (tenant_id, request_id);
alter table removals enable row level security;
alter table removals force row level security;
create policy tenant_isolation on removals to gatepost_api, gatepost_worker
  using (tenant_id = (select current_tenant())) with check (tenant_id = (select current_tenant()));
grant select, insert, update on removals to gatepost_api;
grant select, update on removals to gatepost_worker;

alter table targets add column removed_at timestamptz;
comment on column targets.removed_at is 'When the post was taken down there on somebody''s word.';

alter table outbox drop constraint outbox_kind_check;
alter table outbox add constraint outbox_kind_check check (
  (kind = 'start-post' and post_id is not null)
  or (kind in ('poke-posts', 'import-media', 'remove-publications') and post_id is null));

-- What a change of keys must reach of connections.
grant update (client_secret) on platform_apps to gatepost_worker;
grant update (verifier) on oauth_states to gatepost_worker;
grant update (access_token) on profiles to gatepost_worker;
