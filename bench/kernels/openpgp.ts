import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Secret } from '../../src/base/secret.js';
import { createCipher, createOpener } from '../../src/seal/ciphers.js';
import { CompressPool } from '../../src/seal/compress-pool.js';
import type { SealSettings } from '../../src/seal/settings.js';
import { logOf, noise } from '../contents.js';
import type { Comparison } from '../findings.js';
import { stopAgents, versionOf } from '../tools.js';
import { type Contest, takeTurns } from './turns.js';

const passphrase = 'correct horse battery staple';
const pieceBytes = 1 << 20;
const keyName = 'bench@example.org';

/**
 * Encryption with a passphrase and its opposite, as a backup does both, beside the gpg program as duplicity calls it; and
 * the opening of what gpg encrypted to a public key. From file to file. Half of the contests are of data that does not
 * compress: what is left of them is the cipher.
 */
export async function openPgp(folder: string, sizeBytes: number, rounds: number): Promise<Comparison> {
  const ground = join(folder, 'openpgp');
  const gnupg = join(ground, 'gnupg');
  mkdirSync(gnupg, { recursive: true, mode: 0o700 });
  const hasGpg = versionOf('gpg') !== undefined;
  const contests: Contest[] = [];
  try {
    if (hasGpg) makeKey(gnupg);
    for (const [kind, contents] of [
      ['noise', noise('openpgp')],
      ['a log', logOf('openpgp')],
    ] as const) {
      const name = kind.replace(' ', '-');
      const [plain, ours, theirs, opened] = ['plain', 'tundra', 'gpg', 'opened'].map((end) =>
        join(ground, `${name}.${end}`),
      ) as [string, string, string, string];
      writeFileSync(plain, contents(sizeBytes));
      const gpg = (args: string[]) => () => {
        rmSync(args[1]!, { force: true });
        const own = ['--homedir', gnupg, '--batch', '--pinentry-mode', 'loopback', '--passphrase-fd', '0'];
        const { status, stderr } = spawnSync('gpg', [...own, '--no-secmem-warning', ...args], {
          input: passphrase,
        });
        if (status !== 0) throw new Error(`gpg ended with ${status}: ${stderr}`);
      };
      const toKey = join(ground, `${name}.to-key`);
      if (hasGpg) gpg(['--output', toKey, '--recipient', keyName, '--encrypt', plain])();
      const decryptOurs = async () => decrypt(settingsIn(ground), ours, opened);
      const openByKey = async () => decrypt(settingsWithKey(ground, gnupg), toKey, opened);
      const encryptTheirs = gpg(['--output', theirs, '--symmetric', plain]);
      const decryptTheirs = gpg(['--output', opened, '--decrypt', theirs]);
      contests.push(
        {
          what: `encrypt ${kind}`,
          sizeBytes,
          actions: [() => encrypt(ground, plain, ours), hasGpg ? encryptTheirs : undefined],
        },
        {
          what: `decrypt ${kind}`,
          sizeBytes,
          actions: [decryptOurs, hasGpg ? decryptTheirs : undefined],
        },
        {
          what: `decrypt ${kind}, to a public key`,
          sizeBytes,
          actions: hasGpg
            ? [openByKey, gpg(['--output', opened, '--decrypt', toKey])]
            : [undefined, undefined],
        },
      );
    }
    const rows = await takeTurns(contests, rounds);
    const title = `OpenPGP, with a passphrase where nothing else is said, ${sizeBytes / 1e6} MB`;
    return { work: 'kernels', title, contenders: ['tundra', 'gpg'], rows };
  } finally {
    stopAgents([ground]);
    rmSync(ground, { recursive: true, force: true });
  }
}

/** What sealing and opening take. */
function settingsIn(folder: string): SealSettings {
  const own = { kind: 'passphrase', passphrase: new Secret(passphrase) } as const;
  return { ...own, tempDir: folder, onWarning: () => {} };
}

async function encrypt(folder: string, from: string, to: string): Promise<void> {
  const output = openSync(to, 'w');
  const compressor = new CompressPool();
  const writer = createCipher({ ...settingsIn(folder), compressor }).seal(
    (piece) => void writeSync(output, piece),
  );
  const plain = readFileSync(from);
  for (let at = 0; at < plain.length; at += pieceBytes) {
    await writer.write(plain.subarray(at, at + pieceBytes));
  }
  await writer.finish();
  await compressor.close();
  closeSync(output);
}

function settingsWithKey(folder: string, gnupg: string): SealSettings {
  const own = { kind: 'none', gnupg: { userOptions: `--homedir=${gnupg}` } } as const;
  return { ...own, tempDir: folder, onWarning: () => {} };
}

function makeKey(gnupg: string): void {
  const own = ['--homedir', gnupg, '--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', ''];
  const commands = ['--quick-gen-key', keyName, 'future-default', 'default', 'never'];
  const { status, stderr } = spawnSync('gpg', [...own, ...commands]);
  if (status !== 0) throw new Error(`gpg ended with ${status}: ${stderr}`);
}

/** As a restore does, of a volume whose hash was right: with a passphrase it is read once. */
async function decrypt(settings: SealSettings, from: string, to: string): Promise<void> {
  const output = openSync(to, 'w');
  const opener = createOpener(settings);
  const sealing = { encrypted: true, compressed: false };
  const opened = await opener.open(from, sealing, from, await opener.check(from, sealing, from, true));
  for await (const piece of opened.bytes) writeSync(output, piece);
  closeSync(output);
}
