-- Which platforms and kinds of account there are is known to the program alone: a new one needs no migration.
alter table grants drop constraint grants_platform_check, add check (platform ~ '^[a-z]{1,20}$');
alter table profiles
  drop constraint profiles_platform_check, add check (platform ~ '^[a-z]{1,20}$'),
  drop constraint profiles_account_kind_check, add check (account_kind ~ '^[a-z]{1,20}$');
alter table publications drop constraint publications_platform_check, add check (platform ~ '^[a-z]{1,20}$');
alter table holds drop constraint holds_platform_check, add check (platform ~ '^[a-z]{1,20}$');

alter table media
  add column frames integer,
  add column frame_rate double precision,
  add column video_codec text,
  add column audio_codec text;
comment on column media.frames is 'Pictures in an animation, 1 for a still; null for video, and for what was probed before it was counted.';

-- An upload that is under way is kept beside what it will become.
alter table preparations alter column handle drop not null, add column secret bytea, add column progress bytea;
comment on column preparations.secret is 'Enveloped: what the commit needs and whoever knows it can use.';
comment on column preparations.progress is 'Enveloped: how far an upload has come; null once it is done.';
