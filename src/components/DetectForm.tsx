import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { t } from '@grafana/i18n';
import { Field, RadioButtonGroup, useStyles2 } from '@grafana/ui';

import { carryOver, shapeOf, show, titleOf } from '../params';
import {
  DEFAULT_DETECTOR,
  DEFAULT_KIND,
  type Descriptors,
  type ForeshockQuery,
  type Param,
  type ParamValues,
} from '../types';
import { DetectorPicker } from './DetectorPicker';
import { OutputPicker } from './OutputPicker';
import { ParamsForm } from './ParamsForm';
import { Section } from './Section';
import { TextFields } from './TextFields';

interface Props {
  query: ForeshockQuery;
  descriptors: Descriptors;
  alerting: boolean;
  /** The place decides the output, such as an annotation. */
  outputFixed: boolean;
  onChange: (query: ForeshockQuery) => void;
}

/** Everything below the PromQL: what to do with the metric, drawn from the descriptors. */
export function DetectForm({ query, descriptors, alerting, outputFixed, onChange }: Props) {
  const styles = useStyles2(getStyles);
  const id = `foreshock-${query.refId}`;
  const kindName = query.kind ?? DEFAULT_KIND;
  const kind = descriptors.kinds.find((k) => k.name === kindName) ?? descriptors.kinds[0];
  const shape = shapeOf(descriptors.kinds, kind, query.of);
  const detectors = shape?.detectors ?? descriptors.detectors;
  const detectorName = query.detector ?? shape?.detector ?? DEFAULT_DETECTOR;
  const detector = detectors.find((d) => d.name === detectorName);
  const fields = kind?.fields ?? [];
  const walk = pick(query, descriptors.walk);

  const set = (fields: Partial<ForeshockQuery>) => onChange(without(offered({ ...query, ...fields }, descriptors)));

  const chooseDetector = (name: string) => {
    const params = detectors.find((d) => d.name === name)?.params ?? [];
    set({ detector: name, params: carryOver(query.params, params) });
  };

  // Each kind has its own detectors and fields: what the new one does not know is taken away.
  const chooseKind = (name: string) => {
    const next = descriptors.kinds.find((k) => k.name === name);
    const gone = fields.filter((field) => !next?.fields?.some((f) => f.name === field.name));
    const others = next?.detectors !== undefined || shape?.detectors !== undefined;
    if (next?.plain) {
      return onChange({ ...(query.datasource && { datasource: query.datasource }), refId: query.refId, kind: name });
    }
    set({
      ...Object.fromEntries(gone.map((field) => [field.name, undefined])),
      ...(!next?.dimensions && { dimensions: undefined }),
      ...(others && { detector: next?.detector, params: undefined }),
      kind: name,
    });
  };

  const changeFields = (values: ParamValues | undefined) => {
    const cleared = Object.fromEntries(fields.map((field) => [field.name, undefined]));
    const next = shapeOf(descriptors.kinds, kind, values?.of);
    set({
      ...cleared,
      ...(next !== shape && { detector: undefined, params: undefined }),
      ...(!next?.dimensions && { dimensions: undefined }),
      ...values,
    });
  };

  const changeWalk = (values: ParamValues | undefined) => {
    const cleared = Object.fromEntries(descriptors.walk.map((param) => [param.name, undefined]));
    set({ ...cleared, ...values });
  };

  return (
    <div>
      <div className={styles.row}>
        {descriptors.kinds.length > 1 && (
          <Field noMargin label={t('detect-form.kind', 'Question')} description={kind?.summary}>
            <RadioButtonGroup
              options={descriptors.kinds.map((k) => ({ label: k.title, value: k.name }))}
              value={kindName}
              onChange={chooseKind}
            />
          </Field>
        )}
        {!kind?.plain && (
          <DetectorPicker id={`${id}-detector`} detectors={detectors} value={detectorName} onChange={chooseDetector} />
        )}
        <OutputPicker
          id={`${id}-output`}
          outputs={kind?.outputs ?? []}
          value={query.output}
          alerting={alerting}
          fixed={outputFixed}
          onChange={(output) => set({ output })}
        />
        {!kind?.plain && <TextFields id={id} query={query} onChange={set} />}
      </div>
      {fields.length > 0 && (
        <Section
          key={kind?.plain ? 'plain' : 'more'} // where these are all fields, they are open
          id={`${id}-fields`}
          title={t('detect-form.fields', 'Settings of this question')}
          summary={changes(fields, pick(query, fields))}
          startOpen={kind?.plain || kind?.detectors !== undefined}
        >
          <ParamsForm id={`${id}-fields`} params={fields} values={pick(query, fields)} onChange={changeFields} />
        </Section>
      )}
      {detector && !kind?.plain && (
        <Section
          id={`${id}-params`}
          title={t('detect-form.params', 'Detector parameters')}
          summary={changes(detector.params, query.params)}
          startOpen
        >
          <ParamsForm
            key={detector.name}
            id={`${id}-params`}
            params={detector.params}
            values={query.params}
            onChange={(params) => set({ params })}
          />
        </Section>
      )}
      {!kind?.plain && (
        <>
          <Section
            id={`${id}-walk`}
            title={t('detect-form.walk', 'Samples and training')}
            summary={current(descriptors.walk, walk)}
          >
            <ParamsForm id={`${id}-walk`} params={descriptors.walk} values={walk} onChange={changeWalk} />
          </Section>
          <Section
            id={`${id}-policy`}
            title={t('detect-form.policy', 'What counts as an anomaly')}
            summary={changes(descriptors.policy, query.policy)}
          >
            <ParamsForm
              id={`${id}-policy`}
              params={descriptors.policy}
              values={query.policy}
              onChange={(policy) => set({ policy })}
            />
          </Section>
        </>
      )}
    </div>
  );
}

/** The fields of the query that are named by parameters. */
function pick(query: ForeshockQuery, params: Param[]): ParamValues {
  const fields = query as unknown as Record<string, ParamValues[string] | undefined>;
  const values: ParamValues = {};
  for (const { name } of params) {
    const value = fields[name];
    if (value !== undefined) {
      values[name] = value;
    }
  }
  return values;
}

/** Drops an output that the kind of the query does not have: another kind was chosen. */
function offered(query: ForeshockQuery, descriptors: Descriptors): ForeshockQuery {
  const kind = descriptors.kinds.find((k) => k.name === (query.kind ?? DEFAULT_KIND));
  const known = !kind || kind.outputs.some((o) => o.name === query.output);
  return known ? query : { ...query, output: undefined };
}

/** Drops fields that are undefined: what is not set is not stored. */
function without(query: ForeshockQuery): ForeshockQuery {
  return Object.fromEntries(
    Object.entries(query).filter(([, value]) => value !== undefined)
  ) as unknown as ForeshockQuery;
}

/** "Trend false · Budget 2", or that all is as it comes. */
function changes(params: Param[], values: ParamValues | undefined): string {
  const texts = Object.entries(values ?? {}).map(([name, value]) => {
    const param = params.find((p) => p.name === name);
    return `${param ? titleOf(param) : name} ${show(value)}`;
  });
  return texts.length > 0 ? texts.join(' · ') : t('detect-form.defaults', 'All defaults');
}

/** "Step 1m · Training window 7d": what is in force, set or not. */
function current(params: Param[], values: ParamValues): string {
  return params
    .map((param) => [titleOf(param), show(values[param.name] ?? param.default)])
    .filter(([, value]) => value !== '')
    .map((pair) => pair.join(' '))
    .join(' · ');
}

const getStyles = (theme: GrafanaTheme2) => ({
  row: css({
    display: 'flex',
    flexWrap: 'wrap',
    alignItems: 'flex-start',
    gap: theme.spacing(2, 3),
    paddingBottom: theme.spacing(2),
  }),
});
