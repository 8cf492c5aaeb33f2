import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { needs } from '../../../test/peers.js';
import { type BackupStatistics, emptyCounts } from '../../base/statistics.js';
import { runPeerPython } from '../../chain/peer.fixture.js';
import { durationText, sizeText, statisticsText } from './statistics.js';

process.env.TZ = 'Europe/Berlin';

const statistics: BackupStatistics = {
  ...emptyCounts(),
  startTime: 1700000000.125,
  endTime: 1700003661.635,
  sourceFiles: 5,
  sourceFileSizeBytes: 3008197,
  newFiles: 4,
  newFileSizeBytes: 1,
  deletedFiles: 2,
  changedFiles: 1,
  changedFileSizeBytes: 7763000000,
  deltaEntries: 7,
  rawDeltaSizeBytes: 1023,
  totalDestinationSizeChangeBytes: 104857600,
  errors: 1,
  warnings: 9,
};

describe('statisticsText', () => {
  it('has the form that scripts know', () => {
    assert.equal(
      statisticsText(statistics),
      `--------------[ Backup Statistics ]--------------
StartTime 1700000000.12 (Tue Nov 14 23:13:20 2023)
EndTime 1700003661.63 (Wed Nov 15 00:14:21 2023)
ElapsedTime 3661.51 (1 hour 1 minute 1.51 seconds)
SourceFiles 5
SourceFileSize 3008197 (2.87 MB)
NewFiles 4
NewFileSize 1 (1 byte)
DeletedFiles 2
ChangedFiles 1
ChangedFileSize 7763000000 (7.23 GB)
ChangedDeltaSize 0 (0 bytes)
DeltaEntries 7
RawDeltaSize 1023 (1023 bytes)
TotalDestinationSizeChange 104857600 (100 MB)
Errors 1
-------------------------------------------------
`,
    );
  });

  it('is what the peer writes, for many sizes and durations', (t) => {
    if (!needs(t, 'duplicity')) return;
    const sizes = [
      -1,
      0,
      1,
      2,
      1023,
      1024,
      10239,
      10240,
      102400,
      -5000,
      1 << 20,
      3008197,
      2 ** 31,
      2 ** 40,
      5e13,
    ];
    // Ties of the last digit that is shown.
    sizes.push(2 ** 20 + 2 ** 17, 10 * 2 ** 20 + 2 ** 18, 100 * 2 ** 20 + 2 ** 19, 101 * 2 ** 20 + 2 ** 19);
    const durations = [
      0, 0.004, 0.125, 0.375, 1, 1.5, 59.999, 60, 61, 119.25, 3600, 3601, 7200.5, 90061.625, 360000,
    ];
    const program = `
import json, sys
from duplicity import statistics
cases = json.load(sys.stdin)
def text(start, duration, size):
    s = statistics.StatsDeltaProcess()
    s.StartTime, s.EndTime, s.RawDeltaSize = float(start), float(start) + duration, size
    s.TotalDestinationSizeChange = size
    return s.get_stats_logstring('Backup Statistics')
print(json.dumps([text(*case) for case in cases]))
`;
    const cases = sizes.map((size, i) => [1e9 + size / 8, durations[i % durations.length]!, size] as const);
    const expected = JSON.parse(runPeerPython(program, JSON.stringify(cases), { TZ: 'Europe/Berlin' }));
    const texts = cases.map(([startTime, duration, size]) =>
      statisticsText({
        ...emptyCounts(),
        startTime,
        endTime: startTime + duration,
        rawDeltaSizeBytes: size,
        totalDestinationSizeChangeBytes: size,
      }),
    );
    assert.deepEqual(texts, expected);
  });
});

describe('sizeText', () => {
  it('shows three digits', () => {
    assert.deepEqual([0, 1, 999, 1024, 10240, 102400, 1 << 20, 2 ** 30, 2 ** 40, -2048].map(sizeText), [
      '0 bytes',
      '1 byte',
      '999 bytes',
      '1.00 KB',
      '10.0 KB',
      '100 KB',
      '1.00 MB',
      '1.00 GB',
      '1.00 TB',
      '-2.00 KB',
    ]);
  });
});

describe('durationText', () => {
  it('leaves out what is zero', () => {
    assert.deepEqual([0, 1, 2.5, 60, 3601, 7260].map(durationText), [
      '0.00 seconds',
      '1 second',
      '2.50 seconds',
      '1 minute',
      '1 hour 1 second',
      '2 hours 1 minute',
    ]);
  });
});
