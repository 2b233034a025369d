import type { Monaco } from '@grafana/ui';

/** Our own name: Grafana's Prometheus editor registers "promql" when it is first shown, and its completion must not answer here nor ours there. */
export const LANGUAGE = 'foreshock-promql';

export const AGGREGATIONS = [
  'avg',
  'bottomk',
  'count',
  'count_values',
  'group',
  'limit_ratio',
  'limitk',
  'max',
  'min',
  'quantile',
  'stddev',
  'stdvar',
  'sum',
  'topk',
];

export const FUNCTIONS = (
  'abs absent absent_over_time acos acosh asin asinh atan atanh avg_over_time ceil changes clamp clamp_max clamp_min cos cosh ' +
  'count_over_time day_of_month day_of_week day_of_year days_in_month deg delta deriv double_exponential_smoothing exp floor ' +
  'histogram_avg histogram_count histogram_fraction histogram_quantile histogram_stddev histogram_stdvar histogram_sum hour ' +
  'idelta increase info irate label_join label_replace last_over_time ln log10 log2 mad_over_time max_over_time min_over_time ' +
  'minute month pi predict_linear present_over_time quantile_over_time rad rate resets round scalar sgn sin sinh sort sort_by_label ' +
  'sort_by_label_desc sort_desc sqrt stddev_over_time stdvar_over_time sum_over_time tan tanh time timestamp vector year'
).split(' ');

export const KEYWORDS = [
  'and',
  'bool',
  'by',
  'group_left',
  'group_right',
  'ignoring',
  'offset',
  'on',
  'or',
  'unless',
  'without',
];

/** Durations worth proposing inside square brackets; the macros follow the query's own step. */
export const RANGES = ['$__rate_interval', '$__interval', '$__range', '1m', '5m', '10m', '30m', '1h', '1d'];

let registered = false;

/** Tells Monaco how PromQL is coloured and which characters pair up. Done once per page. */
export function ensureLanguage(monaco: Monaco): void {
  if (registered) {
    return;
  }
  registered = true;
  monaco.languages.register({ id: LANGUAGE });
  monaco.languages.setLanguageConfiguration(LANGUAGE, {
    wordPattern: /[$]?[a-zA-Z_:][a-zA-Z0-9_:]*/,
    comments: { lineComment: '#' },
    brackets: [
      ['{', '}'],
      ['[', ']'],
      ['(', ')'],
    ],
    autoClosingPairs: [
      { open: '{', close: '}' },
      { open: '[', close: ']' },
      { open: '(', close: ')' },
      { open: '"', close: '"', notIn: ['string'] },
      { open: "'", close: "'", notIn: ['string'] },
    ],
  });
  monaco.languages.setMonarchTokensProvider(LANGUAGE, {
    functions: [...FUNCTIONS, ...AGGREGATIONS],
    keywords: KEYWORDS,
    tokenizer: {
      root: [
        [/#.*$/, 'comment'],
        [/\$\{?\w+\}?/, 'variable'],
        [/[a-zA-Z_]\w*(?=\s*(?:=~|!~|!=|=(?!=)))/, 'tag'],
        [
          /[a-zA-Z_:][\w:]*/,
          { cases: { '@keywords': 'keyword', '@functions': 'keyword.flow', '@default': 'identifier' } },
        ],
        [/"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|`[^`]*`?/, 'string'],
        [/\d+(?:ms|[smhdwy])(?:\d+(?:ms|[smhdwy]))*/, 'number'],
        [/\d+(?:\.\d+)?(?:e[+-]?\d+)?/i, 'number'],
        [/[{}()[\]]/, '@brackets'],
        [/=~|!~|!=|==|<=|>=|[-+*/%^<>=@]/, 'delimiter'],
      ],
    },
  });
}
