// Icons are fetched over HTTP in Grafana; tests need only their place.
export default function SVG({ src, className }) {
  return <svg data-src={src} className={className} />;
}
export const cacheStore = {};
