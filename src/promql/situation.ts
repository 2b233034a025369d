/** Where in a PromQL expression the cursor stands, and so what can be proposed. `from` is where the word begun there starts. */
export type Situation =
  | { kind: 'none' }
  | { kind: 'expression'; from: number }
  | { kind: 'label-name'; from: number }
  | { kind: 'label-value'; from: number; label: string }
  | { kind: 'range'; from: number };

const WORD = /[$]?[a-zA-Z_:][\w:]*$|\$$/;
const GROUPING = /(?:^|[^\w:])(?:by|without|on|ignoring|group_left|group_right)\s*$/;

/** Reads the text before the cursor. It is a scan for brackets and strings, not a parser: half-written text is the normal case. */
export function situation(before: string): Situation {
  const open: Array<{ bracket: string; grouping: boolean }> = [];
  let quote: { mark: string; at: number } | undefined;
  for (let i = 0; i < before.length; i++) {
    const c = before.charAt(i);
    if (quote) {
      if (c === '\\' && quote.mark !== '`') {
        i++;
      } else if (c === quote.mark) {
        quote = undefined;
      }
      continue;
    }
    if (c === '"' || c === "'" || c === '`') {
      quote = { mark: c, at: i };
    } else if (c === '#') {
      const end = before.indexOf('\n', i);
      if (end < 0) {
        return { kind: 'none' };
      }
      i = end;
    } else if (c === '(' || c === '{' || c === '[') {
      open.push({ bracket: c, grouping: c === '(' && GROUPING.test(before.slice(0, i)) });
    } else if (c === ')' || c === '}' || c === ']') {
      open.pop();
    }
  }
  const inner = open.at(-1);
  if (quote) {
    const name = /([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)\s*$/.exec(before.slice(0, quote.at))?.[1];
    return inner?.bracket === '{' && name ? { kind: 'label-value', from: quote.at + 1, label: name } : { kind: 'none' };
  }
  const from = before.length - (WORD.exec(before)?.[0].length ?? 0);
  if (inner?.bracket === '[') {
    return { kind: 'range', from: before.lastIndexOf('[') + 1 };
  }
  if (inner?.bracket === '{') {
    return /[{,]\s*$/.test(before.slice(0, from)) ? { kind: 'label-name', from } : { kind: 'none' };
  }
  if (inner?.grouping) {
    return { kind: 'label-name', from };
  }
  return /[\d.]$/.test(before.slice(0, from)) ? { kind: 'none' } : { kind: 'expression', from };
}
