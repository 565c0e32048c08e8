-- What follows a target's post is brought out in rounds: the first by itself, each further one on somebody's word.
create table part_rounds (
  tenant_id uuid not null default current_tenant() references tenants (id),
  post_id uuid not null,
  target_id uuid not null,
  cycle integer not null check (cycle >= 1),
  request_id uuid,
  revision_id uuid not null,
  approved_hash text not null,
  public_id text not null,
  kinds jsonb not null,
  requested_by uuid,
  requested_by_name text,
  outcomes jsonb,
  created_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  primary key (tenant_id, post_id, target_id, cycle),
  foreign key (tenant_id, post_id, target_id) references targets (tenant_id, post_id, id),
  foreign key (tenant_id, post_id, revision_id) references revisions (tenant_id, post_id, id)
);
comment on column part_rounds.request_id is 'Whose word it was; null for the first round.';
comment on column part_rounds.outcomes is 'What became of each part, as the round ended.';
alter table part_rounds enable row level security;
alter table part_rounds force row level security;
create policy tenant_isolation on part_rounds to gatepost_api, gatepost_worker
  using (tenant_id = (select current_tenant())) with check (tenant_id = (select current_tenant()));
grant select, insert on part_rounds to gatepost_api;
grant select, insert, update on part_rounds to gatepost_worker;

alter table outbox drop constraint outbox_kind_check;
alter table outbox add constraint outbox_kind_check check (
  (kind = 'start-post' and post_id is not null)
  or (kind in ('poke-posts', 'import-media', 'remove-publications', 'start-parts') and post_id is null));
