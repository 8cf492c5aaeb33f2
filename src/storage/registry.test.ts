import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryBackend } from '../../test/contract/memory-backend.js';
import { TundraError } from '../base/errors.js';
import type { OperationEvent } from '../base/events.js';
import { type BackendDriver, BackendRegistry, defaultBackendOptions } from './registry.js';

function isWarning(event: OperationEvent): boolean {
  return event.kind === 'message' && event.level === 'warning';
}

const options = { ...defaultBackendOptions, retryDelayMs: 0 };

function memoryDriver(schemes: string[], more: Partial<BackendDriver> = {}): BackendDriver {
  return { schemes, load: () => (url) => new MemoryBackend(url.display), ...more };
}

test('a driver is loaded when its scheme is opened, and sees its own environment', async () => {
  let loads = 0;
  const seen: unknown[] = [];
  const registry = new BackendRegistry([
    memoryDriver(['file']),
    {
      schemes: ['swift', 'pca'],
      load: async () => {
        loads++;
        return (url, { env }) => {
          seen.push(url.scheme, env.USER);
          return new MemoryBackend(url.display);
        };
      },
    },
  ]);
  assert.equal((await registry.open('file:///x', { env: {}, registry, options })).description, 'file:///x');
  assert.equal(loads, 0);
  await registry.open('pca://x', { env: { USER: 'me' }, registry, options });
  assert.equal(loads, 1);
  assert.deepEqual(seen, ['pca', 'me']);
  assert.deepEqual(registry.schemes, ['file', 'pca', 'swift']);
  assert.throws(
    () => new BackendRegistry([memoryDriver(['a', 'b']), memoryDriver(['b'])]),
    /two drivers for b/,
  );
});

test('an unknown scheme names the near one; one of the peer is not there yet', async () => {
  const registry = new BackendRegistry([memoryDriver(['file', 'swift', 'multi'])]);
  const context = { env: {}, registry, options };
  await assert.rejects(registry.open('flie:///x', context), (error) => {
    assert.ok(error instanceof TundraError);
    assert.equal(error.code, 'bad-url');
    assert.match(error.message, /Did you mean file:\/\/\?/);
    assert.equal(error.advice, 'Supported are file:// multi:// swift://');
    return true;
  });
  await assert.rejects(registry.open('zzzzzz://u:pass@h/x', context), (error) => {
    assert.ok(error instanceof TundraError);
    assert.equal(error.code, 'bad-url');
    assert.ok(!error.message.includes('mean') && !error.message.includes('pass'));
    return true;
  });
  for (const address of ['sftp://h/x', 'boto3+s3://b', 'par2+file:///x']) {
    await assert.rejects(registry.open(address, context), { code: 'not-implemented', exitStatus: 33 });
  }
  await assert.rejects(registry.open('/not/an/address', context), { code: 'bad-url' });
});

test('calls are retried, but not around a storage that is made of others', async () => {
  const events: OperationEvent[] = [];
  const failing = (description: string) => {
    const backend = new MemoryBackend(description);
    backend.fault = () => new TundraError('connection', 'lost', { retry: 'now' });
    return backend;
  };
  const made: MemoryBackend[] = [];
  const load = () => (url: { display: string }) => {
    made.push(failing(url.display));
    return made.at(-1)!;
  };
  const registry = new BackendRegistry([
    { schemes: ['leaf'], load },
    { schemes: ['group'], load, isComposite: true },
  ]);
  const context = {
    env: {},
    registry,
    options,
    onEvent: (event: OperationEvent) => isWarning(event) && events.push(event),
  };
  const leaf = await registry.open('leaf://x', context);
  await assert.rejects(leaf.stat('a'), { code: 'connection' });
  assert.equal(made[0]!.calls.length, 5);
  assert.equal(events.length, 4);
  const group = await registry.open('group://x', context);
  await assert.rejects(group.stat('a'), { code: 'connection' });
  assert.equal(made[1]!.calls.length, 1);
});
