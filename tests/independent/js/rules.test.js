// Rules that no published vector reaches: JSON that is kept as it was, and zips that were altered.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex, parseJson, Refused, utf8, writeJson } from './encodings.js';
import { firstIndex, nextIndex } from './records.js';
import { readZip, summary, writeZip } from './zip.js';

test('JSON is taken as RFC 8259 has it, and no field twice', () => {
  const kept = '{"a":[1,-0,1.50,1e400,12345678901234567890,{"__proto__":null,"2":"\\n","1":""}],"b":true}';
  // JavaScript puts names that are numbers first; the order of fields means nothing.
  const reordered = kept.replace('{"__proto__":null,"2":"\\n","1":""}', '{"1":"","2":"\\n","__proto__":null}');
  assert.equal(writeJson(parseJson(` ${kept}\n`)), reordered);
  const refused = [
    '{"a":1,"a":2}', '{"a":1,"\\u0061":2}', '[1,]', '{"a"}', '01', '+1', '.5', '"\u0001"', '"\\ud800"', '\ufeff{}',
    '{} {}', '', '[', "{'a':1}", 'NaN', '"\\x"', '['.repeat(100) + ']'.repeat(100), '\u00a01',
  ];
  for (const source of refused) assert.throws(() => parseJson(source), Refused, source);
});

test('an index is rewritten with what it holds beyond the rules', () => {
  const index = {
    ...firstIndex(), later: parseJson('{"x":0.10}'), objects: [{ id: 'aa', name: 'one', note: 'kept' }],
  };
  const next = nextIndex(index, 1, 'aa', { name: 'two' });
  assert.equal(next.counter, 2);
  assert.equal(writeJson(next.later), '{"x":0.10}');
  assert.deepEqual(next.objects, [{ id: 'aa', name: 'two', note: 'kept' }]);
  assert.throws(() => nextIndex({ ...index, min_writer: 2 }, 1, 'aa', {}), Refused);
});

test('no byte of a zip can be changed or cut unnoticed', () => {
  const ticks = 132274316961234567n;
  const zip = writeZip([
    { path: 'd', directory: true, mode: 0o755, ticks },
    { path: 'd/file', directory: false, mode: 0o644, ticks, content: utf8('content') },
  ]);
  const print = (bytes) => hex(summary(readZip(bytes)).fingerprint);
  const sound = print(zip);
  const unnoticed = [];
  for (let at = 0; at < zip.length; at += 1) {
    for (const bit of [1, 0x80]) {
      const changed = zip.slice();
      changed[at] ^= bit;
      try {
        if (print(changed) === sound) unnoticed.push(at);
      } catch (error) {
        assert.ok(error instanceof Refused, `${at}: ${error.stack}`);
      }
    }
    assert.throws(() => readZip(zip.subarray(0, at)), Refused);
  }
  assert.deepEqual(unnoticed, []);
});
