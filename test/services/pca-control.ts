/** How long a thaw takes: the same for all, one of a list, or within a range; an object always gets the same. */
export type ThawSeconds = number | number[] | { from: number; to: number };

/** One GET of an object in a container of the policy PCA. */
export interface ColdGet {
  account: string;
  container: string;
  object: string;
  timeMs: number;
  /** 200 or 206 with bytes, 429 while it is sealed or unsealing, or an error of Swift's. */
  status: number;
  /** Whether this GET started a thaw. */
  started: boolean;
  /** Whether it was refused for its rate: a 429 without Retry-After. */
  limited: boolean;
}

/**
 * Steers the stand-in for Public Cloud Archive inside of Swift. Everything goes by the name of a container (in every
 * account), so tests that run at the same time take containers of different names.
 */
export interface PcaControl {
  /** Rules for thaws that start from now on. Without any: a thaw takes 600 s and lasts a day. Fractions are allowed. */
  rules(container: string, rules: { thawSeconds?: ThawSeconds; unsealedSeconds?: number }): Promise<void>;
  /** Seals one object, or all of the container. */
  seal(container: string, object?: string): Promise<void>;
  /** Makes one object, or all of the container, readable at once. */
  unseal(container: string, object?: string): Promise<void>;
  /** Refuses the next GETs of objects with a 429 without Retry-After. */
  limit(container: string, count: number): Promise<void>;
  /** Every GET of an object of this container so far, in order. */
  gets(container: string): Promise<ColdGet[]>;
}

/** The control of a Swift that runs at this address. */
export function pcaControl(swiftUrl: string): PcaControl {
  async function command(body: object): Promise<unknown> {
    const response = await fetch(`${swiftUrl}/pca`, { method: 'POST', body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`PCA control: ${response.status} ${await response.text()}`);
    return await response.json();
  }
  return {
    async rules(container, rules) {
      await command({ do: 'rules', container, ...rules });
    },
    async seal(container, object) {
      await command({ do: 'seal', container, object });
    },
    async unseal(container, object) {
      await command({ do: 'unseal', container, object });
    },
    async limit(container, count) {
      await command({ do: 'limit', container, count });
    },
    async gets(container) {
      return (await command({ do: 'gets', container })) as ColdGet[];
    },
  };
}
