import { carryOver, check, durationSeconds, formatSeconds, isDefault, read, unknownNames, withValue } from './params';
import { descriptors } from './test/fixtures';
import type { Param, ParamValue } from './types';

const number: Param = { name: 'ratio', type: 'number', help: '', default: 1, min: 0.5, max: 10 };
const integer: Param = { name: 'count', type: 'integer', help: '', default: 3, min: 1 };
const duration: Param = { name: 'wait', type: 'duration', help: '', default: '1w', min: 60, max: 1_209_600 };
const choice: Param = { name: 'side', type: 'enum', help: '', default: 'both', enum: ['both', 'up'] };
const flag: Param = { name: 'flag', type: 'boolean', help: '', default: true };
const list: Param = { name: 'names', type: 'strings', help: '', default: [] };

describe('durations', () => {
  test.each<[string, number | undefined]>([
    ['90s', 90],
    ['1w2d', 777_600],
    ['1d12h', 129_600],
    ['500ms', 0.5],
    ['0', 0],
    ['', undefined],
    ['5', undefined],
    ['5 m', undefined],
    ['-5m', undefined],
    ['1m1h', undefined],
    ['1.5h', undefined],
  ])('%s', (text, seconds) => {
    expect(durationSeconds(text)).toBe(seconds);
  });

  test.each<[number, string]>([
    [0, '0s'],
    [90, '1m30s'],
    [604_800, '1w'],
    [777_600, '9d'],
    [0.001, '1ms'],
  ])('%d is written %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text);
  });
});

describe('reading a field', () => {
  test.each<[Param, string, unknown]>([
    [number, ' 2.5 ', { value: 2.5 }],
    [number, '', { empty: true }],
    [number, '11', { error: 'Ratio: "11" is not allowed, want a number from 0.5 to 10' }],
    [number, 'NaN', { error: 'Ratio: "NaN" is not allowed, want a number from 0.5 to 10' }],
    [number, 'Infinity', { error: 'Ratio: "Infinity" is not allowed, want a number from 0.5 to 10' }],
    [integer, '2.5', { error: 'Count: "2.5" is not allowed, want a whole number, at least 1' }],
    [integer, '12', { value: 12 }],
    [duration, '5m', { value: '5m' }],
    [duration, '$window', { value: '$window' }],
    [duration, '30s', { error: 'Wait: "30s" is not allowed, want a duration like 90s, 5m, 1d from 1m to 2w' }],
  ])('%p given %p', (param, text, want) => {
    expect(read(param, text)).toEqual(want);
  });

  it('does not take a text for a number', () => {
    expect(check(number, '2')).toContain('not allowed');
    expect(check(choice, 'down')).toBe('Side: "down" is not allowed, want both, up');
    expect(check(flag, 'true')).toContain('true, false');
    expect(check(list, 'a')).toContain('a list of texts');
  });
});

describe('what is written', () => {
  it('is what differs from the default', () => {
    expect(withValue(undefined, number, 1)).toBeUndefined();
    expect(withValue(undefined, number, 2)).toEqual({ ratio: 2 });
    expect(withValue({ ratio: 2, count: 4 }, number, undefined)).toEqual({ count: 4 });
    expect(withValue({ ratio: 2 }, number, 1)).toBeUndefined();
    expect(withValue({ wait: '2w' }, duration, '7d')).toBeUndefined();
    expect(isDefault(list, [])).toBe(true);
  });

  it('leaves other values alone, default or not', () => {
    expect(withValue({ ratio: 1 }, integer, 4)).toEqual({ ratio: 1, count: 4 });
  });

  it('drops at a change of detector what the new one does not have or cannot mean', () => {
    const values: Record<string, ParamValue> = { ratio: 2, count: 99, side: 'down', gone: 1 };
    expect(carryOver(values, [number, choice, { ...integer, max: 10 }])).toEqual({ ratio: 2 });
    expect(carryOver({ gone: 1 }, [number])).toBeUndefined();
  });

  it('knows names that no parameter has', () => {
    expect(unknownNames({ ratio: 1, typo: 1 }, [number])).toEqual(['typo']);
  });
});

test('every default that the back end gives is allowed', () => {
  const { detectors, policy, walk } = descriptors();
  const all = [...detectors.flatMap((d) => d.params), ...policy, ...walk];
  expect(all.length).toBeGreaterThan(10);
  for (const param of all) {
    if (param.default !== null) {
      expect([param.name, check(param, param.default)]).toEqual([param.name, undefined]);
    }
  }
});
