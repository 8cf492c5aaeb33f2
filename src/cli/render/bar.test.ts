import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { barText } from './bar.js';

const transfer = {
  doneBytes: 12_900_000,
  elapsedSeconds: 3,
  fraction: 0.34,
  secondsLeft: 80,
  bytesPerSecond: 4_300_000,
  isStalled: false,
};

describe('barText', () => {
  it('tells how far it is, how fast, and what is left', () => {
    const bar = `[${'='.repeat(10)}>${' '.repeat(20)}]`;
    assert.equal(barText(transfer, 100), `${bar}   34 %  12.3 MB  4.10 MB/s  1 min 20 s left`);
  });

  it('leaves out what is not known', () => {
    const unknown = { ...transfer, fraction: undefined, secondsLeft: undefined };
    assert.equal(barText(unknown, 100), '12.3 MB  4.10 MB/s');
    assert.match(barText({ ...transfer, isStalled: true }, 100), /\] {3}34 % {2}12\.3 MB$/);
    const begun = { ...transfer, doneBytes: 0, bytesPerSecond: 0, fraction: undefined };
    assert.equal(barText(begun, 100, '2 of 9 volumes thawed'), '2 of 9 volumes thawed');
    assert.doesNotMatch(barText({ ...transfer, fraction: 1, secondsLeft: 0 }, 100), /left/);
  });

  it('never is wider than the terminal', () => {
    for (let columns = 1; columns < 120; columns++) {
      assert.ok(barText(transfer, columns, '2 of 9 volumes thawed').length <= columns);
    }
    assert.match(barText(transfer, 60), /^\[=+> +\] {3}34 %/);
    assert.doesNotMatch(barText(transfer, 40), /\[/);
  });
});
