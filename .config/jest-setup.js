// What jsdom lacks and @grafana/* wants at import.
import '@testing-library/jest-dom';
import { configure } from '@testing-library/dom';
import { ReadableStream, TransformStream, WritableStream } from 'node:stream/web';
import { TextDecoder, TextEncoder } from 'node:util';

// Generous: a busy machine is no fault of a test.
configure({ asyncUtilTimeout: 60_000 });

/** The one of worker_threads keeps the process alive for ever. */
class MessageChannel {
  constructor() {
    this.port1 = {};
    this.port2 = { postMessage: (data) => setTimeout(() => this.port1.onmessage?.({ data }), 0) };
  }
}

Object.assign(globalThis, {
  TextDecoder,
  TextEncoder,
  ReadableStream,
  TransformStream,
  WritableStream,
  MessageChannel,
});

Object.defineProperty(globalThis, 'matchMedia', {
  writable: true,
  value: (media) => ({ matches: false, media, onchange: null, addEventListener() {}, removeEventListener() {} }),
});

globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
};

HTMLCanvasElement.prototype.getContext = () => ({ measureText: (text) => ({ width: 8 * text.length }) });
Element.prototype.scrollIntoView ??= () => {};

// Lists are drawn only as far as they are visible, and nothing has a size here.
Element.prototype.getBoundingClientRect = () => ({
  x: 0,
  y: 0,
  top: 0,
  left: 0,
  right: 400,
  bottom: 400,
  width: 400,
  height: 400,
  toJSON() {},
});
Object.defineProperty(HTMLElement.prototype, 'offsetHeight', { configurable: true, get: () => 400 });
Object.defineProperty(HTMLElement.prototype, 'offsetWidth', { configurable: true, get: () => 400 });

// i18next advertises its makers.
jest.spyOn(console, 'info').mockImplementation(() => {});

// What React complains about is a fault, not a remark.
const complaints = [];
jest.spyOn(console, 'error').mockImplementation((...args) => complaints.push(args.map(String).join(' ')));
afterEach(() => {
  const said = complaints.splice(0);
  if (said.length > 0) {
    throw new Error(`console.error was called: ${said.join('; ')}`);
  }
});
