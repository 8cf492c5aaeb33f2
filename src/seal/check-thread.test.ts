import assert from 'node:assert/strict';
import { after, suite, test } from 'node:test';
import { Secret } from '../base/secret.js';
import { CheckThread } from './check-thread.js';
import { checkMessage } from './library/message.js';
import { PassphraseKeys } from './library/s2k.js';
import { PASSPHRASE, refusal, SealTrial, seal, text } from './seal-trial.js';

const trial = new SealTrial();
after(() => trial.remove());

const keys = new PassphraseKeys(new Secret(PASSPHRASE));

suite('CheckThread', () => {
  test('checks several files side by side, each for itself, and goes on after a pause', async () => {
    const sealed = await seal(trial.byPassphrase, text);
    const altered = Uint8Array.from(sealed);
    altered[altered.length - 50]! ^= 1;
    const files = { good: sealed, altered, short: sealed.subarray(0, -30), last: sealed };
    const thread = new CheckThread();
    const check = (path: string, name: string) =>
      checkMessage(path, name, keys, (path, key) => thread.check(path, key));
    for (let turn = 0; turn < 2; turn++) {
      const results = await Promise.allSettled(
        Object.entries(files).map(([name, bytes]) => check(trial.stored(bytes, name), `${name}.gpg`)),
      );
      const [good, changed, short, last] = results.map((one) =>
        one.status === 'fulfilled' ? one.value : one.reason,
      );
      assert.deepEqual([good, last], [true, true]);
      assert.ok(refusal(/altered\.gpg .*altered/)(changed));
      assert.ok(refusal(/short\.gpg .*cut short/)(short));
      // The thread keeps nothing alive meanwhile, and is there again.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });

  test('tells of a file that cannot be read', async () => {
    const path = trial.stored(await seal(trial.byPassphrase, text));
    const thread = new CheckThread();
    const check = checkMessage(path, 'x.gpg', keys, (_, key) => thread.check(`${path} that is gone`, key));
    await assert.rejects(check, { code: 'generic', message: /that is gone/ });
  });
});
