import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { errnoOf, errorOfPlain, exitStatusOf, messageOf, plainError, TundraError } from './errors.js';

function thrown(action: () => void): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return assert.fail('nothing was thrown');
}

describe('TundraError', () => {
  it('says never unless another retry is given, and ends the process with the status of its code', () => {
    const error = new TundraError('hash-mismatch', 'bad');
    assert.equal(error.retry, 'never');
    assert.equal(error.advice, undefined);
    assert.equal(error.exitStatus, 21);
    assert.equal('cause' in error, false);
    assert.ok(Object.values(exitStatusOf).every((status) => status > 0 && status < 256));
  });

  it('keeps its cause', () => {
    const cause = new Error('inner');
    assert.equal(new TundraError('backend', 'outer', { cause }).cause, cause);
  });
});

describe('errnoOf', () => {
  it('names the errno of a system error', () => {
    assert.equal(errnoOf(thrown(() => readFileSync('/nowhere/at/all'))), 'ENOENT');
  });

  it('is undefined for all else, also for errors of our own, which have a code', () => {
    assert.equal(errnoOf(new TundraError('hash-mismatch', 'bad')), undefined);
    assert.equal(errnoOf(new Error('plain')), undefined);
    assert.equal(errnoOf(Object.assign(new Error('odd'), { code: 5 })), undefined);
    assert.equal(errnoOf({ code: 'ENOENT' }), undefined);
    assert.equal(errnoOf(undefined), undefined);
  });
});

describe('plainError', () => {
  it('takes a TundraError over a thread boundary whole, but for its cause', () => {
    const error = new TundraError('connection', 'the line went dead', {
      advice: 'Plug it in.',
      retry: 'later',
      retryAfterMs: 1500,
      cause: new Error('inner'),
    });
    const back = errorOfPlain(structuredClone(plainError(error)));
    assert.ok(back instanceof TundraError);
    const { code, message, advice, retry, retryAfterMs, stack, exitStatus } = back;
    assert.deepEqual(
      { code, message, advice, retry, retryAfterMs, stack, exitStatus },
      {
        code: 'connection',
        message: 'the line went dead',
        advice: 'Plug it in.',
        retry: 'later',
        retryAfterMs: 1500,
        stack: error.stack,
        exitStatus: 38,
      },
    );
    assert.equal(back.cause, undefined);
  });

  it('makes a plain Error of any other', () => {
    const error = thrown(() => readFileSync('/nowhere/at/all')) as Error;
    const back = errorOfPlain(structuredClone(plainError(error)));
    assert.equal(back.constructor, Error);
    assert.equal(back.message, error.message);
    assert.equal(back.stack, error.stack);
  });

  it('takes what is no error, too', () => {
    assert.equal(errorOfPlain(plainError('only text')).message, 'only text');
    assert.equal(messageOf(7), '7');
    assert.equal(plainError(undefined).stack, undefined);
  });
});
