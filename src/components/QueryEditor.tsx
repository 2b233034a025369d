import { css } from '@emotion/css';
import type { GrafanaTheme2, QueryEditorProps } from '@grafana/data';
import { Trans, t } from '@grafana/i18n';
import { getTemplateSrv } from '@grafana/runtime';
import { Alert, Button, Field, LoadingPlaceholder, useStyles2 } from '@grafana/ui';
import { useEffect, useMemo } from 'react';

import { isAlerting, type DataSource } from '../datasource';
import { shapeOf } from '../params';
import type { Names } from '../promql/complete';
import { OUTPUT_ANNOTATIONS, OUTPUT_LATEST, type ForeshockOptions, type ForeshockQuery } from '../types';
import { DetectForm } from './DetectForm';
import { DimensionsEditor } from './DimensionsEditor';
import { PromQLEditor } from './PromQLEditor';
import { useDescriptors } from './useDescriptors';

type Props = QueryEditorProps<DataSource, ForeshockQuery, ForeshockOptions> & {
  /** Given by Grafana where the query makes annotations. */
  annotation?: unknown;
};

/** The form of a query: PromQL, then everything else as the back end describes it. */
export function QueryEditor({ query, onChange, onRunQuery, datasource, range, app, annotation }: Props) {
  const styles = useStyles2(getStyles);
  const { descriptors, error, retry } = useDescriptors(datasource);
  const alerting = isAlerting(app);
  const forced = annotation ? OUTPUT_ANNOTATIONS : undefined;

  // An alert rule needs one number per series; where nothing was chosen yet, choose that.
  useEffect(() => {
    if (alerting && !query.output) {
      onChange({ ...query, output: OUTPUT_LATEST });
    }
    // eslint-disable-next-line react-hooks/exhaustive-deps -- only when the query comes without an output
  }, [alerting, query.output]);

  const change = (next: ForeshockQuery) => {
    const stored = forced ? { ...next, output: forced } : next;
    onChange(alerting ? { ...emptied(query), ...stored } : stored);
    onRunQuery();
  };

  const commitExpr = (expr: string, run: boolean) => {
    if (expr !== (query.expr ?? '')) {
      change({ ...query, expr });
    } else if (run) {
      onRunQuery();
    }
  };

  const names = useMemo(
    (): Names => ({
      metrics: (prefix) => datasource.metrics(prefix, range),
      labelNames: () => datasource.labelNames(range),
      labelValues: (label) => datasource.labelValues(label, range),
      variables: () =>
        getTemplateSrv()
          .getVariables()
          .map((variable) => variable.name),
    }),
    [datasource, range]
  );

  const kind = descriptors?.kinds.find((k) => k.name === query.kind);
  const named = shapeOf(descriptors?.kinds ?? [], kind, query.of)?.dimensions ?? false;
  const dimensions = query.dimensions ?? {};
  const exprLabel = t('query-editor.expr', 'Metric (PromQL)');
  return (
    <div className={styles.form} data-testid="foreshock-query-editor">
      {!kind?.plain && Object.keys(dimensions).length === 0 && (
        <Field noMargin label={exprLabel}>
          <PromQLEditor
            value={query.expr ?? ''}
            label={exprLabel}
            placeholder={t('query-editor.expr-placeholder', 'What shall be watched? Shift+Enter runs the query')}
            names={names}
            onCommit={commitExpr}
          />
        </Field>
      )}
      {named && (
        <DimensionsEditor
          id={`foreshock-${query.refId}`}
          dimensions={dimensions}
          names={names}
          onChange={(next) => {
            const { dimensions: _, expr, ...rest } = query;
            change(next ? { ...rest, dimensions: next } : { ...rest, expr });
          }}
        />
      )}
      {error && (
        <Alert
          severity="error"
          title={t('query-editor.failed', 'The detectors could not be loaded')}
          className={styles.alert}
        >
          <div className={styles.failure}>
            <span>{error}</span>
            <Button size="sm" variant="secondary" icon="sync" onClick={retry}>
              <Trans i18nKey="query-editor.retry">Retry</Trans>
            </Button>
          </div>
        </Alert>
      )}
      {!descriptors && !error && <LoadingPlaceholder text={t('query-editor.loading', 'Loading detectors…')} />}
      {descriptors && (
        <DetectForm
          query={forced ? { ...query, output: forced } : query}
          descriptors={descriptors}
          alerting={alerting}
          outputFixed={forced !== undefined}
          onChange={change}
        />
      )}
    </div>
  );
}

/** The fields of a query, all undefined. Alert rules merge a change into what was: what is only left out would stay. */
function emptied(query: ForeshockQuery): object {
  return Object.fromEntries(Object.keys(query).map((name) => [name, undefined]));
}

const getStyles = (theme: GrafanaTheme2) => ({
  form: css({ display: 'flex', flexDirection: 'column', gap: theme.spacing(2), width: '100%', minWidth: 0 }),
  alert: css({ marginBottom: 0 }),
  failure: css({ display: 'flex', alignItems: 'center', justifyContent: 'space-between', gap: theme.spacing(2) }),
});
