import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OperationEvent } from '../../base/events.js';
import { textRenderer } from './text.js';

const events: OperationEvent[] = [
  { kind: 'message', level: 'error', text: 'error' },
  { kind: 'message', level: 'warning', text: 'warning' },
  { kind: 'message', level: 'notice', text: 'notice' },
  { kind: 'message', level: 'info', text: 'info' },
  { kind: 'message', level: 'debug', text: 'debug' },
  { kind: 'file', change: 'new', key: 'd\0\xc3\xa9' },
  { kind: 'file', change: 'changed', key: '' },
  { kind: 'file', change: 'deleted', key: '\xff' },
  { kind: 'file-warning', key: 'f', code: 12, text: 'f: unreadable' },
  { kind: 'volume', number: 3, sizeBytes: 10 },
  { kind: 'progress', bytesDone: 10 },
];

function rendered(verbosity: number): string[] {
  const lines: string[] = [];
  const render = textRenderer(verbosity, {
    out: (line) => lines.push(line),
    err: (line) => lines.push(`! ${line}`),
  });
  for (const event of events) render(event);
  return lines;
}

describe('textRenderer', () => {
  it('shows what is as important as the verbosity asks, errors apart from the rest', () => {
    assert.deepEqual(rendered(0), ['! error']);
    assert.deepEqual(rendered(1), rendered(0));
    assert.deepEqual(rendered(2), ['! error', 'warning', 'f: unreadable']);
    assert.deepEqual(rendered(3), ['! error', 'warning', 'notice', 'f: unreadable']);
    assert.deepEqual(rendered(4), rendered(3));
    assert.deepEqual(rendered(5), [
      '! error',
      'warning',
      'notice',
      'info',
      'A d/é',
      'M .',
      'D \ufffd',
      'f: unreadable',
      'Processed volume 3',
    ]);
    assert.deepEqual(rendered(9).length, rendered(5).length + 1);
  });
});
