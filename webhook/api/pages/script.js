// What the pages do beyond what a browser does by itself: they refresh, and can be used from the keyboard. Everything works without.
(() => {
  'use strict';
  const main = () => document.getElementById('main');
  const boxes = () => [...document.querySelectorAll('.case input[type=checkbox]')];
  const busy = () => {
    const at = document.activeElement;
    return (at && /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName)) || boxes().some((b) => b.checked) || String(getSelection()) !== '' || document.hidden;
  };

  // Reads the page again and puts the new content in the place of the old one, unless somebody is at work on it.
  const refresh = async () => {
    const old = main();
    if (!old || busy()) return;
    try {
      const url = new URL(location.href);
      url.searchParams.delete('done');
      url.searchParams.delete('left');
      const answer = await fetch(url, { credentials: 'same-origin', headers: { Accept: 'text/html' }, redirect: 'error' });
      if (!answer.ok) return;
      const next = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const fresh = next.getElementById('main');
      if (!fresh || busy()) return;
      const open = new Set([...old.querySelectorAll('details')].map((d, i) => (d.open ? i : -1)));
      fresh.querySelectorAll('details').forEach((d, i) => { d.open = open.has(i); });
      old.replaceWith(document.adoptNode(fresh));
      const foot = next.querySelector('footer');
      if (foot) document.querySelector('footer').replaceWith(document.adoptNode(foot));
      enhance();
    } catch { /* the next time */ }
  };
  const every = Number(main()?.dataset.refresh);
  if (every > 0) setInterval(refresh, every * 1000);

  const enhance = () => {
    document.querySelectorAll('.all, .keys').forEach((e) => { e.hidden = false; });
    document.getElementById('all')?.addEventListener('change', (e) => boxes().forEach((b) => { b.checked = e.target.checked; }));
  };
  enhance();

  const links = () => [...document.querySelectorAll('.case a.title')];
  const step = (by) => {
    const all = links();
    const at = all.indexOf(document.activeElement);
    const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
    if (next) { next.focus(); next.scrollIntoView({ block: 'nearest' }); }
  };
  const keys = {
    '/': () => document.getElementById('q')?.focus(),
    j: () => step(1),
    k: () => step(-1),
    x: () => { const box = document.activeElement?.closest?.('.case')?.querySelector('input[type=checkbox]'); if (box) box.checked = !box.checked; },
    a: () => document.querySelector('[formaction$="/acknowledge"]')?.click(),
    r: () => refresh(),
    o: () => { location.href = document.querySelector('.top nav a').href; },
    c: () => { location.href = document.querySelector('.top nav a:nth-child(2)').href; },
  };
  document.addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
    if (e.key === 'Escape') { document.activeElement?.blur(); return; }
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName) && e.target.type !== 'checkbox') return;
    const act = keys[e.key];
    if (act) { e.preventDefault(); act(); }
  });
})();
