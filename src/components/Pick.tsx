import { Combobox, type ComboboxOption } from '@grafana/ui';
import { useEffect, useMemo, useRef } from 'react';

interface Props {
  id: string;
  options: Array<ComboboxOption<string>>;
  /** One that is not among the options is shown as it is. */
  value: string;
  /** Called once for each choice. */
  onChange: (value: string) => void;
}

/**
 * One of several, in Grafana's list. After a movement of the mouse that it has not dealt with yet, that list reports the same choice at every
 * drawing. Where a change is drawn at once, as in Explore, the first report would lead to the second and so on: each runs the query, until
 * the page ends with "Maximum update depth exceeded".
 */
export function Pick({ id, options, value, onChange }: Props) {
  const told = useRef(value);
  useEffect(() => {
    told.current = value;
  }, [value]);

  // The same objects at every drawing, since to the list new ones are other ones.
  const text = JSON.stringify(options);
  const same = useMemo(() => JSON.parse(text) as Props['options'], [text]);

  const report = (option: ComboboxOption<string>) => {
    if (option.value !== told.current) {
      told.current = option.value;
      onChange(option.value);
    }
  };
  const known = same.some((option) => option.value === value);
  return <Combobox id={id} options={same} value={known ? value : { label: value, value }} onChange={report} />;
}
