import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { ReactMonacoEditor, useStyles2, type Monaco, type MonacoEditor, type monacoTypes } from '@grafana/ui';
import { useEffect, useRef, useState } from 'react';

import { complete, type Names, type Proposal } from '../promql/complete';
import { ensureLanguage, LANGUAGE } from '../promql/language';

interface Props {
  value: string;
  placeholder: string;
  label: string;
  names: Names;
  /** The text was left or Shift+Enter was pressed. `run` is true for the latter: run the query even when nothing changed. */
  onCommit: (value: string, run: boolean) => void;
}

const OPTIONS: monacoTypes.editor.IStandaloneEditorConstructionOptions = {
  codeLens: false,
  contextmenu: false,
  fixedOverflowWidgets: true, // dashboards clip what hangs over
  folding: false,
  guides: { indentation: false },
  fontSize: 14,
  lineDecorationsWidth: 8,
  lineNumbers: 'off',
  minimap: { enabled: false },
  overviewRulerBorder: false,
  overviewRulerLanes: 0,
  padding: { top: 6, bottom: 6 },
  renderLineHighlight: 'none',
  scrollbar: { vertical: 'hidden', horizontal: 'hidden', alwaysConsumeMouseWheel: false },
  scrollBeyondLastLine: false,
  suggest: { showWords: false, preview: false },
  suggestFontSize: 12,
  quickSuggestions: { other: true, strings: true, comments: false },
  wordBasedSuggestions: false,
  wordWrap: 'on',
};

/** A PromQL field that grows with its text, colours it, and proposes metrics, labels, values and functions. */
export function PromQLEditor(props: Props) {
  const styles = useStyles2(getStyles);
  const [empty, setEmpty] = useState(props.value === '');
  const box = useRef<HTMLDivElement>(null);
  const disposables = useRef<Array<{ dispose(): void }>>([]);
  // Monaco keeps the handlers of the first drawing; through this they see the props of the last.
  const latest = useRef(props);
  useEffect(() => {
    latest.current = props;
  });
  useEffect(() => () => disposables.current.forEach((d) => d.dispose()), []);

  const mounted = (editor: MonacoEditor, monaco: Monaco) => {
    editor.updateOptions({ ariaLabel: latest.current.label });
    const commit = (run: boolean) => latest.current.onCommit(editor.getValue(), run);
    disposables.current.push(
      editor.onDidBlurEditorWidget(() => commit(false)),
      editor.onDidChangeModelContent(() => setEmpty(editor.getValue() === '')),
      editor.onKeyDown((event) => {
        if (event.shiftKey && event.keyCode === monaco.KeyCode.Enter) {
          event.preventDefault();
          event.stopPropagation();
          commit(true);
        }
      }),
      editor.onDidContentSizeChange(() => fit(editor, box.current)),
      monaco.languages.registerCompletionItemProvider(
        LANGUAGE,
        provider(monaco, editor, () => latest.current.names)
      )
    );
    setEmpty(editor.getValue() === '');
    fit(editor, box.current);
  };

  return (
    <div ref={box} className={styles.box} data-testid="foreshock-expr">
      <ReactMonacoEditor
        language={LANGUAGE}
        value={props.value}
        options={OPTIONS}
        beforeMount={ensureLanguage}
        onMount={mounted}
      />
      {empty && (
        <div className={styles.placeholder} aria-hidden>
          {props.placeholder}
        </div>
      )}
    </div>
  );
}

/** Makes the field as high as its text. */
function fit(editor: MonacoEditor, box: HTMLDivElement | null): void {
  if (box) {
    const height = editor.getContentHeight();
    box.style.height = `${height + 2}px`;
    editor.layout({ width: box.clientWidth, height });
  }
}

/** Monaco registers completion per language, not per editor: this one answers for its own editor only. */
function provider(
  monaco: Monaco,
  editor: MonacoEditor,
  names: () => Names
): monacoTypes.languages.CompletionItemProvider {
  return {
    triggerCharacters: ['{', ',', '(', '[', '"', '$', ' '],
    provideCompletionItems: async (model, position) => {
      if (model.id !== editor.getModel()?.id) {
        return { suggestions: [] };
      }
      const offset = model.getOffsetAt(position);
      const { from, proposals } = await complete(model.getValue().slice(0, offset), names());
      const start = model.getPositionAt(from);
      const range = monaco.Range.fromPositions(start, position);
      return {
        // Metric names are asked by prefix, so that the list must be asked again with each letter.
        incomplete: true,
        suggestions: proposals.map((proposal, i) => item(monaco, proposal, i, range)),
      };
    },
  };
}

function item(
  monaco: Monaco,
  proposal: Proposal,
  i: number,
  range: monacoTypes.IRange
): monacoTypes.languages.CompletionItem {
  const { CompletionItemKind, CompletionItemInsertTextRule } = monaco.languages;
  const kinds = {
    metric: CompletionItemKind.Field,
    function: CompletionItemKind.Function,
    aggregation: CompletionItemKind.Function,
    keyword: CompletionItemKind.Keyword,
    label: CompletionItemKind.Property,
    value: CompletionItemKind.Value,
    range: CompletionItemKind.Unit,
    variable: CompletionItemKind.Variable,
  };
  const called = proposal.kind === 'function' || proposal.kind === 'aggregation';
  return {
    label: proposal.detail ? { label: proposal.text, description: proposal.detail } : proposal.text,
    kind: kinds[proposal.kind],
    documentation: proposal.help,
    insertText: called ? `${proposal.text}($0)` : proposal.text,
    insertTextRules: called ? CompletionItemInsertTextRule.InsertAsSnippet : undefined,
    command: called ? { id: 'editor.action.triggerSuggest', title: '' } : undefined,
    filterText: proposal.text,
    sortText: String(i).padStart(6, '0'),
    range,
  };
}

const getStyles = (theme: GrafanaTheme2) => ({
  box: css({
    position: 'relative',
    minHeight: theme.spacing(4),
    border: `1px solid ${theme.components.input.borderColor}`,
    borderRadius: theme.shape.radius.default,
    overflow: 'hidden',
    '&:focus-within': { borderColor: theme.colors.primary.border },
  }),
  placeholder: css({
    position: 'absolute',
    top: 6,
    left: 10,
    color: theme.colors.text.disabled,
    fontFamily: theme.typography.fontFamilyMonospace,
    fontSize: theme.typography.body.fontSize,
    pointerEvents: 'none',
  }),
});
