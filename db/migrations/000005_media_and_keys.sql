-- Media that are fetched from an address, and keys that are changed while everything runs.

-- What a file is and how large is known once it has been fetched.
alter table media
  alter column declared_content_type drop not null,
  alter column declared_size_bytes drop not null,
  add column source_url bytea;
comment on column media.source_url is 'Enveloped: where a worker fetches the file from; null for uploads, and once it is decided.';

alter table outbox drop constraint outbox_kind_check;
alter table outbox add constraint outbox_kind_check
  check ((kind = 'start-post' and post_id is not null) or (kind in ('poke-posts', 'import-media') and post_id is null));

grant update (state, object_key, sha256, content_type, size_bytes, width, height, frames, duration_seconds, frame_rate,
  video_codec, audio_codec, refusal, source_url, completed_at) on media to gatepost_worker;

-- Wrapping envelopes anew is the worker role's, tenant by tenant: the columns that hold them, and what says whose they are.
grant update (access_token) on grants to gatepost_worker;
grant update (wrapped_key) on tenant_keys to gatepost_worker;
grant select (tenant_id, subject, route, key, response), update (response) on idempotency_keys to gatepost_worker;
