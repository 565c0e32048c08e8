-- Holds, rates, due times of single targets, and policies that reach waiting posts.

alter table tenants add column policies_version integer not null default 1;
comment on column tenants.policies_version is 'Rises with every change of the tenant''s policy or of one of its profiles'': what an armed row is compared with.';

alter table targets add column due_at timestamptz, add column due_local text, add column due_zone text;
comment on column targets.due_at is 'The target''s own due time; null takes the post''s.';

-- Existing rows get what they would have been armed with. The owner is subject to the policies like everybody else.
alter table publications no force row level security;
alter table targets no force row level security;
alter table profiles no force row level security;
alter table publications
  add column send_at timestamptz,
  add column profile_id uuid,
  add column platform text check (platform in ('linkedin', 'instagram')),
  add column policy_version integer not null default 1;
update publications p set send_at = p.due_at, profile_id = t.profile_id, platform = f.platform
  from targets t join profiles f on f.tenant_id = t.tenant_id and f.id = t.profile_id
  where t.tenant_id = p.tenant_id and t.id = p.target_id;
alter table publications
  alter column send_at set not null,
  alter column profile_id set not null,
  alter column platform set not null,
  alter column policy_version drop default;
alter table publications force row level security;
alter table targets force row level security;
alter table profiles force row level security;
comment on column publications.send_at is 'When the platform''s rate admits it: the due time, or later.';
comment on column publications.policy_version is 'The policies that the post was ready under; sent only while they stand.';
create index publications_armed on publications (tenant_id, profile_id) where state in ('ARMED', 'SENDING', 'UNKNOWN');

create table holds (
  tenant_id uuid not null default current_tenant() references tenants (id),
  id uuid not null,
  scope text not null check (scope in ('tenant', 'profile', 'platform')),
  profile_id uuid,
  platform text check (platform in ('linkedin', 'instagram')),
  reason text not null check (length(reason) between 1 and 500),
  placed_by uuid not null,
  placed_by_name text not null,
  placed_at timestamptz not null default clock_timestamp(),
  lifted_by uuid,
  lifted_by_name text,
  lifted_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, profile_id) references profiles (tenant_id, id),
  check ((scope = 'profile') = (profile_id is not null)),
  check ((scope = 'platform') = (platform is not null))
);
create index holds_standing on holds (tenant_id, placed_at) where lifted_at is null;

create table rate_buckets (
  tenant_id uuid not null default current_tenant() references tenants (id),
  key text not null,
  full_at timestamptz not null,
  primary key (tenant_id, key)
);
comment on table rate_buckets is 'Token buckets by the generic cell rate algorithm: full_at is when a bucket has all its tokens again.';

create table revision_fingerprints (
  tenant_id uuid not null default current_tenant() references tenants (id),
  revision_id uuid not null,
  profile_id uuid not null,
  post_id uuid not null,
  fingerprint text not null,
  primary key (tenant_id, revision_id, profile_id),
  foreign key (tenant_id, revision_id) references revisions (tenant_id, id),
  foreign key (tenant_id, profile_id) references profiles (tenant_id, id)
);
comment on table revision_fingerprints is 'What a revision shows on a profile, as a hash: equal ones are said twice.';
create index revision_fingerprints_equal on revision_fingerprints (tenant_id, profile_id, fingerprint);

do $$
declare tenant_table text;
begin
  foreach tenant_table in array array['holds', 'rate_buckets', 'revision_fingerprints']
  loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('alter table %I force row level security', tenant_table);
    execute format('create policy tenant_isolation on %I to gatepost_api, gatepost_worker
      using (tenant_id = (select current_tenant())) with check (tenant_id = (select current_tenant()))', tenant_table);
  end loop;
end $$;

grant select, insert, update on holds to gatepost_api;
grant select on holds to gatepost_worker;
grant select, insert on revision_fingerprints to gatepost_api;
grant select, insert, update on rate_buckets to gatepost_worker;

-- The interface takes armed rows back when a hold is placed or a policy changes, and can do nothing else to them.
grant update (state, fence, holder, updated_at) on publications to gatepost_api;
create policy only_disarms on publications as restrictive for update to gatepost_api
  using (state = 'ARMED') with check (state = 'DISARMED');

alter table outbox drop constraint outbox_kind_check, alter column post_id drop not null;
alter table outbox add constraint outbox_kind_check
  check ((kind = 'start-post' and post_id is not null) or (kind = 'poke-posts' and post_id is null));

-- One round trip for any number of buckets, locked in the order given, which is everybody's. The rights are the caller's.
-- An interval is the time one token takes, a tolerance the time that a full bucket is ahead.
-- Each bucket is asked for the instant that the one before it gives and charged for that, not for the last one's: what
-- waits for its own profile takes nobody else's turn at the application.
create function admit_send(earliest timestamptz, keys text[], intervals interval[], tolerances interval[])
  returns timestamptz
  language plpgsql security invoker set search_path = ''
  as $$
declare
  slot timestamptz := earliest;
  full_after timestamptz;
begin
  for bucket in 1 .. cardinality(keys) loop
    insert into public.rate_buckets as b (key, full_at) values (keys[bucket], slot + intervals[bucket])
      on conflict (tenant_id, key) do update set full_at = greatest(b.full_at, slot) + intervals[bucket]
      returning b.full_at into full_after;
    slot := greatest(slot, full_after - intervals[bucket] - tolerances[bucket]);
  end loop;
  return slot;
end $$;
revoke all on function admit_send(timestamptz, text[], interval[], interval[]) from public;
grant execute on function admit_send(timestamptz, text[], interval[], interval[]) to gatepost_worker;
