import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OperationEvent } from '../../base/events.js';
import { EventRecords, machineRecord } from './log-record.js';

function records(asynchronous: boolean, events: OperationEvent[]): string {
  const told = new EventRecords(asynchronous);
  return events
    .flatMap((event) => told.of(event))
    .map(machineRecord)
    .join('');
}

describe('machineRecord', () => {
  it('puts level and codes into the first line, the text behind dots, and ends with an empty line', () => {
    const text = 'one\n\ntwo';
    assert.equal(machineRecord({ level: 0, code: 19, text }), 'ERROR 19\n. one\n. \n. two\n\n');
    assert.equal(machineRecord({ level: 5, code: 2, extra: '1 3', text: '' }), 'INFO 2 1 3\n\n');
    const levels = [0, 1, 2, 3, 4, 5, 8, 9].map((level) => machineRecord({ level, code: 1, text: '' }));
    assert.deepEqual(
      levels.map((record) => record.split(' ')[0]),
      ['ERROR', 'WARNING', 'WARNING', 'NOTICE', 'NOTICE', 'INFO', 'INFO', 'DEBUG'],
    );
  });
});

describe('EventRecords', () => {
  it('has the code of each event, and what front ends read behind it', () => {
    const text = records(false, [
      { kind: 'file', change: 'new', key: 'd\0\xc3\xa9' },
      { kind: 'file', change: 'changed', key: '' },
      { kind: 'file', change: 'deleted', key: '\xff' },
      { kind: 'restored', key: 'p', type: 'fifo' },
      { kind: 'file-warning', key: 'a\0b', code: 12, text: 'a/b: unusable' },
      { kind: 'file-warning', key: 'b', code: 10, text: 'b: unreadable', path: '/s/b' },
      { kind: 'message', level: 'info', text: 'Skipping', code: 15, path: "/s/it's" },
      { kind: 'message', level: 'warning', text: 'No chain', code: 11, extra: '20200101T000000Z' },
      { kind: 'upload', phase: 'begin', name: 'vol1', sizeBytes: 10 },
      { kind: 'progress', bytesDone: 70 },
      { kind: 'upload', phase: 'end', name: 'vol1', sizeBytes: 10 },
      { kind: 'sent', sizeBytes: 10 },
      { kind: 'volume', number: 1, sizeBytes: 10 },
      { kind: 'volume', number: 2, sizeBytes: 10, count: 3 },
    ]);
    const expected = [
      "INFO 4 'd/\\xe9'\n. A d/é",
      "INFO 5 '.'\n. M .",
      "INFO 6 '\\udcff'\n. D \ufffd",
      "INFO 7 'p' fifo\n. Restored p (fifo)",
      "WARNING 12 'a/b'\n. a/b: unusable",
      "WARNING 10 '/s/b'\n. b: unreadable",
      "INFO 15 '/s/it\\x27s'\n. Skipping",
      'WARNING 11 20200101T000000Z\n. No chain',
      'INFO 11\n. Writing vol1',
      'INFO 2 70',
      'INFO 13\n. Written vol1',
      'INFO 2 70\n. Processed volume 1',
      'INFO 2 2 3\n. Processed volume 2 of 3',
    ];
    assert.deepEqual(text.split('\n\n').slice(0, -1), expected);
  });

  it('tells asynchronous uploads by codes of their own', () => {
    const upload = { kind: 'upload', name: 'v', sizeBytes: 1 } as const;
    const text = records(true, [
      { ...upload, phase: 'begin' },
      { ...upload, phase: 'end' },
    ]);
    assert.match(text, /^INFO 12\n.*\n\nINFO 14\n/);
  });
});
