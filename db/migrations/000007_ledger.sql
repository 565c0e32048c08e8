-- What a platform takes only so many of in a day is counted by what has gone out.

alter table publications add column post_type text;
comment on column publications.post_type is 'What it is on its platform: a cap may count posts of some types alone. Null before there were caps.';

create index publications_ledger on publications (tenant_id, platform, (coalesce(send_started_at, send_at)))
  where state in ('ARMED', 'SENDING', 'UNKNOWN', 'UNCONFIRMED', 'PUBLISHED');
