/**
 * Gatepost for tests: everything real but the platforms, in three lines. docs/testing.md shows it in use.
 */
export type { Duration } from './clock.ts';
export type { GatepostClock, ToDueOptions, ToEndOptions } from './due-clock.ts';
export { type Gatepost, type GatepostOptions, startGatepost, type TemporalAccess } from './gatepost.ts';
export type { Histories, ReplayOptions } from './histories.ts';
export { Refused, type Reply, type Send } from './http.ts';
export type { Ledger, LedgerEntry, OnTime } from './ledger.ts';
export type { Media, Medium, PictureOptions } from './media.ts';
export type { MemberOptions, People, Person } from './people.ts';
export type { FaultKind, FaultOptions, OperationName, Platforms, ScriptedFault } from './platforms.ts';
export type {
  NewPost,
  Post,
  PostEdit,
  Posts,
  PostView,
  Rejection,
  RevisionView,
  Standing,
  TimelineView,
} from './posts.ts';
export type { Profile, Profiles } from './profiles.ts';
export {
  type RunningServers,
  type Servers,
  type ServersOptions,
  startServers,
  type TimeMode,
} from './servers.ts';
