import { seededRandom } from '../support/random.ts';

/** Repeatable pseudo-random numbers. A fork has a stream of its own: what it draws disturbs nobody else. */
export class Random {
  readonly #seed: number;
  readonly #draw: () => number;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
    this.#draw = seededRandom(this.#seed);
  }

  /** A stream for one purpose. The same name gives the same stream, whatever has been drawn here meanwhile. */
  fork(name: string): Random {
    let hash = 0x811c9dc5 ^ this.#seed;
    for (let index = 0; index < name.length; index += 1)
      hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
    return new Random(hash);
  }

  /** At least 0, below 1. */
  next(): number {
    return this.#draw();
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.next() * items.length)]!;
  }

  /** One of the names, each as often as its weight says. */
  weighted<Name extends string>(weights: Readonly<Partial<Record<Name, number>>>): Name {
    const entries = Object.entries(weights) as [Name, number][];
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [name, weight] of entries) {
      left -= weight;
      if (left < 0) return name;
    }
    return entries.at(-1)![0];
  }
}
