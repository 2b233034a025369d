import type { DataSourceJsonData } from '@grafana/data';
import type { DataQuery } from '@grafana/schema';

/** A parameter as it stands in a query. */
export type ParamValue = string | number | boolean | string[];

/** Parameters by name. Only what differs from the default is written. */
export type ParamValues = Record<string, ParamValue>;

/** The query, as stored in dashboards and alert rules. An absent field means the back end's default. Durations are text like "5m". */
export interface ForeshockQuery extends DataQuery {
  kind?: string;
  expr?: string;
  /** PromQL by name, where several series are judged as one vector. */
  dimensions?: Record<string, string>;
  group_by?: string[];
  /** Of kinds that run detectors of every shape again: the kind whose detectors these are. */
  of?: string;
  /** PromQL whose truth marks the samples that are fit for training. */
  clean?: string;
  detector?: string;
  params?: ParamValues;
  step?: string;
  train?: string;
  refit?: string;
  min_train?: string;
  zone?: string;
  policy?: ParamValues;
  output?: string;
  legend?: string;
  lang?: string;
  /** Which cases of the webhook. */
  state?: string;
  grade?: string[];
  search?: string;
  cluster?: string;
  every?: string;
  limit?: number;
}

/** What the back end tells about one parameter; forms are drawn from it. Limits of durations are in seconds. */
export interface Param {
  name: string;
  /** Shown instead of the name. */
  title?: string;
  type: 'number' | 'integer' | 'boolean' | 'string' | 'duration' | 'enum' | 'strings';
  help: string;
  unit?: string;
  default: ParamValue | null;
  min?: number;
  max?: number;
  enum?: string[];
}

export interface Output {
  name: string;
  title: string;
  help: string;
}

export interface QueryKind {
  name: string;
  title: string;
  summary: string;
  outputs: Output[];
  /** The kind's own detectors; without any the common ones are meant. */
  detectors?: Detector[];
  /** The detector of a query that names none. */
  detector?: string;
  /** Several named expressions may stand in place of one. */
  dimensions?: boolean;
  /** No expression, detector and policy: `fields` are all that there is to fill in. */
  plain?: boolean;
  /** Fields that the kind has besides the common ones. */
  fields?: Param[];
}

export interface Detector {
  name: string;
  title: string;
  summary: string;
  source: string;
  params: Param[];
}

/** The answer of the resource `descriptors`. */
export interface Descriptors {
  kinds: QueryKind[];
  detectors: Detector[];
  policy: Param[];
  walk: Param[];
}

/** One row of the resource `metrics`. */
export interface Metric {
  name: string;
  type?: string;
  help?: string;
}

/** Settings of the data source. Connection and authentication are kept where Grafana's own HTTP settings keep them. */
export interface ForeshockOptions extends DataSourceJsonData {
  maxSeries?: number;
  zone?: string;
  lang?: string;
  settle?: string;
  httpMethod?: string;
  timeInterval?: string;
  fitCacheMiB?: number;
  blockCacheMiB?: number;
  lokiUrl?: string;
  lokiTenant?: string;
  lokiUser?: string;
  timeout?: number;
  enableSecureSocksProxy?: boolean;
  webhookURL?: string;
}

/** Secrets of the data source: Grafana keeps them, and tells forms only whether they are set. */
export interface ForeshockSecrets {
  webhookToken?: string;
  lokiPassword?: string;
}

/** Query kind and detector of a query that names none. */
export const DEFAULT_KIND = 'detect';
export const DEFAULT_DETECTOR = 'auto';

/** Kinds that ask without an expression; the descriptors call them plain. */
export const PLAIN_KINDS = ['logs', 'cases'];

export const OUTPUT_SERIES = 'series';
export const OUTPUT_LATEST = 'latest';
export const OUTPUT_ANNOTATIONS = 'annotations';
