import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ProgressMeter } from './progress.js';
import { transferRecord, transferText } from './render/transfer.js';

describe('ProgressMeter', () => {
  it('goes by what was read of a backup and what of that was sent', () => {
    const meter = new ProgressMeter(0, 5000);
    const at = (ms: number) => {
      const { fraction, doneBytes, secondsLeft } = meter.transfer(ms);
      return { fraction, doneBytes, secondsLeft };
    };
    assert.deepEqual(at(0), { fraction: undefined, doneBytes: 0, secondsLeft: undefined });
    meter.event({ kind: 'estimate', changedBytes: 1000 }, 0);
    meter.event({ kind: 'progress', bytesDone: 5000, changedBytes: 500 }, 1000);
    assert.deepEqual(at(1000), { fraction: 0.25, doneBytes: 0, secondsLeft: 3 });
    meter.event({ kind: 'upload', phase: 'begin', name: 'v', sizeBytes: 100 }, 1000);
    meter.event({ kind: 'sent', sizeBytes: 100 }, 2000);
    assert.deepEqual(at(2000), { fraction: 0.5, doneBytes: 100, secondsLeft: 2 });
    // The next volume is large: what was told is not taken back.
    meter.event({ kind: 'upload', phase: 'begin', name: 'v', sizeBytes: 1900 }, 2000);
    assert.equal(at(2500).fraction, 0.5);
    meter.event({ kind: 'progress', bytesDone: 9000, changedBytes: 1000 }, 3000);
    meter.event({ kind: 'sent', sizeBytes: 1900 }, 3000);
    assert.equal(at(3000).fraction, 0.99);
    meter.event({ kind: 'finished' }, 4000);
    assert.deepEqual(at(4000), { fraction: 1, doneBytes: 2000, secondsLeft: 0 });
  });

  it('goes by the volumes of a restore', () => {
    const meter = new ProgressMeter(0, 5000);
    meter.event({ kind: 'volume', number: 1, count: 4, sizeBytes: 300 }, 1000);
    const transfer = meter.transfer(1000);
    assert.deepEqual([transfer.fraction, transfer.doneBytes, transfer.bytesPerSecond], [0.25, 300, 300]);
  });

  it('tells when nothing has moved for a while', () => {
    const meter = new ProgressMeter(0, 5000);
    assert.equal(meter.transfer(5000).isStalled, false);
    assert.equal(meter.transfer(5001).isStalled, true);
    meter.event({ kind: 'sent', sizeBytes: 1 }, 6000);
    assert.equal(meter.transfer(6000).isStalled, false);
  });
});

describe('transferRecord', () => {
  const transfer = {
    doneBytes: 129,
    elapsedSeconds: 3.9,
    fraction: 1,
    secondsLeft: 0,
    bytesPerSecond: 0,
    isStalled: false,
  };

  it('is the record and the line of duplicity', () => {
    // As duplicity 0.8.22 told the end of a backup.
    const { extra, text } = transferRecord(transfer);
    assert.equal(extra, '129 3 100 0 0 0');
    assert.equal(text, `0.1KB 00:00:03 [0.0KB/s] [${'='.repeat(40)}>] 100% ETA 0sec`);
  });

  it('finds units, and says what is left as far as it is known', () => {
    const left = (secondsLeft: number) => /ETA (.*)/.exec(transferText({ ...transfer, secondsLeft }))?.[1];
    assert.deepEqual([15, 16, 31, 46, 60, 90, 301, 360, 3600, 3660, 90_000, 176_460].map(left), [
      '15sec',
      '< 30sec',
      '< 45sec',
      '< 1min',
      '1min',
      '1min 30sec',
      '5min',
      '6min',
      '1h',
      '1h 1min',
      '1d 1h',
      '2d 1h 1min',
    ]);
    const unknown = { ...transfer, fraction: undefined, doneBytes: 5 * 2 ** 30, elapsedSeconds: 180_000 };
    assert.equal(transferText(unknown), '5.0GB 2d,02:00:00 [0.0KB/s]');
    assert.match(transferText({ ...transfer, isStalled: true }), /\[0\.0B\/s\].*ETA Stalled!/);
  });
});
