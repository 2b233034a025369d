import { useCallback, useEffect, useMemo, useState } from 'react';

import type { DataSource } from '../datasource';
import { descriptorLanguage } from '../i18n';
import type { Descriptors } from '../types';

interface State {
  descriptors?: Descriptors;
  error?: string;
}

/** Asks the back end which detectors there are and what they can be told; `retry` asks again after an error. */
export function useDescriptors(datasource: DataSource): State & { retry: () => void } {
  const [answer, setAnswer] = useState<State & { to?: object }>({});
  const [attempt, setAttempt] = useState(0);
  const lang = descriptorLanguage();
  // An answer counts for the question it was given to.
  const question = useMemo(() => ({ datasource, lang, attempt }), [datasource, lang, attempt]);

  useEffect(() => {
    question.datasource.descriptors(question.lang).then(
      (descriptors) => setAnswer({ to: question, descriptors }),
      (error: unknown) => setAnswer({ to: question, error: message(error) })
    );
  }, [question]);

  const retry = useCallback(() => setAttempt((n) => n + 1), []);
  return answer.to === question ? { descriptors: answer.descriptors, error: answer.error, retry } : { retry };
}

/** The sentence of the back end (`{"error": "..."}`) where it gave one, else Grafana's. */
function message(error: unknown): string {
  const failed = error as { data?: { error?: string; message?: string }; statusText?: string; message?: string };
  return failed?.data?.error ?? failed?.data?.message ?? failed?.message ?? failed?.statusText ?? String(error);
}
