import type { SandboxPlatform } from '../platform.ts';
import { instagram } from './instagram.ts';
import { linkedin } from './linkedin.ts';
import { reddit } from './reddit.ts';

/** A new platform is one line here. */
const registered = { linkedin, instagram, reddit } as const satisfies Record<string, SandboxPlatform>;

export type Platform = keyof typeof registered;
export const platforms = Object.keys(registered) as [Platform, ...Platform[]];
export const sandboxPlatforms: Readonly<Record<Platform, SandboxPlatform>> = registered;

/** The calls that faults can be scripted for. */
export type OperationName = (typeof registered)[Platform]['operations'][number];
export const operationNames: readonly OperationName[] = platforms.flatMap<OperationName>((platform) => [
  ...registered[platform].operations,
]);
