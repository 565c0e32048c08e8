-- Changing what stands in public: a proposal that passes the content gate, and a row for each target it is sent to.
create table amendments (
  tenant_id uuid not null default current_tenant() references tenants (id),
  id uuid not null,
  post_id uuid not null,
  revision_id uuid not null,
  state text not null check (state in ('PROPOSED', 'SENDING', 'DONE', 'REJECTED', 'WITHDRAWN')),
  gate jsonb not null,
  decisions jsonb not null,
  proposed_by uuid not null,
  proposed_by_name text not null,
  proposed_at timestamptz not null default clock_timestamp(),
  closed_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, post_id) references posts (tenant_id, id),
  foreign key (tenant_id, post_id, revision_id) references revisions (tenant_id, post_id, id)
);
comment on column amendments.revision_id is 'What the post says when it is done; what is sent is loaded by it.';
-- One at a time: what is approved is then what stands there.
create unique index amendments_open on amendments (tenant_id, post_id) where state in ('PROPOSED', 'SENDING');
create index amendments_of_post on amendments (tenant_id, post_id, proposed_at);

create table amendment_targets (
  tenant_id uuid not null default current_tenant() references tenants (id),
  amendment_id uuid not null,
  post_id uuid not null,
  target_id uuid not null,
  publication_id uuid not null,
  state text not null default 'WAITING' check (state in ('WAITING', 'SENDING', 'AMENDED', 'FAILED')),
  fence integer not null default 0,
  amended_at timestamptz,
  error_code text,
  error_message text,
  primary key (tenant_id, amendment_id, target_id),
  foreign key (tenant_id, amendment_id) references amendments (tenant_id, id),
  foreign key (tenant_id, post_id, target_id) references targets (tenant_id, post_id, id),
  foreign key (tenant_id, publication_id) references publications (tenant_id, id)
);

alter table amendments enable row level security;
alter table amendments force row level security;
create policy tenant_isolation on amendments to gatepost_api, gatepost_worker
  using (tenant_id = (select current_tenant())) with check (tenant_id = (select current_tenant()));
grant select, insert, update on amendments to gatepost_api;
grant select on amendments to gatepost_worker;
grant update (state, closed_at) on amendments to gatepost_worker;
alter table amendment_targets enable row level security;
alter table amendment_targets force row level security;
create policy tenant_isolation on amendment_targets to gatepost_api, gatepost_worker
  using (tenant_id = (select current_tenant())) with check (tenant_id = (select current_tenant()));
grant select, insert on amendment_targets to gatepost_api;
grant select on amendment_targets to gatepost_worker;
grant update (state, fence, amended_at, error_code, error_message) on amendment_targets to gatepost_worker;

alter table outbox drop constraint outbox_kind_check;
alter table outbox add constraint outbox_kind_check check (
  (kind = 'start-post' and post_id is not null)
  or (kind in ('poke-posts', 'import-media', 'remove-publications', 'start-parts', 'amend-post') and post_id is null));
