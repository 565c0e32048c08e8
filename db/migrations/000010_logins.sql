-- A platform may have several ways to connect accounts; an app is registered for one of them.
alter table platform_apps add column login text check (login ~ '^[a-z]{1,20}$');
comment on column platform_apps.login is 'Which way of the platform''s accounts are connected through the app; null for the usual one.';
