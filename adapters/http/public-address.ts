import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * What the library still takes for unicast and is not for everybody, or leads on to another address.
 * https://www.iana.org/assignments/iana-ipv4-special-registry and https://www.iana.org/assignments/iana-ipv6-special-registry
 * (read 2026-11-21)
 */
const special = [
  // Between benchmarks' devices.
  '198.18.0.0/15',
  // AS112 and anycast relays, some of which lead on to IPv6.
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.175.48.0/24',
  // Metadata of a cloud under an address that is none of the special ones; the others' are.
  '168.63.129.16/32',
  // IETF's own: Teredo, ORCHID, benchmarks, AMT, AS112.
  '2001::/23',
  '2620:4f:8000::/48',
  // 6to4 and NAT64 lead on to the IPv4 address within.
  '2002::/16',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  // For documents.
  '2001:db8::/32',
  '3fff::/20',
].map((range) => ipaddr.parseCIDR(range));
/** All that is given out to the public in IPv6. */
const global6 = [ipaddr.parseCIDR('2000::/3')];

/**
 * Whether an address as a resolver gives it is one of the open internet: not private, loopback, link-local, shared by a
 * carrier, multicast, reserved, unspecified, and no wrapping of another address. What cannot be read is not.
 */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 0 || address.includes('%')) return false;
  const parsed = ipaddr.parse(address);
  if (parsed.range() !== 'unicast' || isWithin(parsed, special)) return false;
  return parsed.kind() === 'ipv4' || isWithin(parsed, global6);
}

type Address = ReturnType<typeof ipaddr.parse>;

/** Within one of the ranges of its own kind. */
const isWithin = (address: Address, ranges: readonly [Address, number][]): boolean =>
  ranges.some(
    ([network, bits]) =>
      // The library's types match a kind with itself alone.
      network.kind() === address.kind() && (address as ipaddr.IPv6).match(network as ipaddr.IPv6, bits),
  );
