(() => {
  const all = [...document.querySelectorAll('.scenario')];
  const nav = document.querySelector('.filter');
  const search = nav.querySelector('input');
  const buttons = [...nav.querySelectorAll('[data-show]')];
  const fold = nav.querySelector('[data-fold]');
  let show = 'all';
  nav.hidden = false;
  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const one of all) {
      const wanted = show === 'all' || one.dataset.verdict === show;
      one.hidden = !(wanted && words.every((word) => one.dataset.find.includes(word)));
    }
    for (const button of buttons) {
      button.setAttribute('aria-pressed', String(button.dataset.show === show));
    }
  };
  for (const button of buttons) {
    button.addEventListener('click', () => { show = button.dataset.show; apply(); });
  }
  search.addEventListener('input', apply);
  fold.addEventListener('click', () => {
    const open = all.some((one) => !one.open);
    all.forEach((one) => { one.open = open; });
    fold.textContent = open ? 'Close all' : 'Open all';
  });
  window.addEventListener('beforeprint', () => all.forEach((one) => { one.open = true; }));
  for (const button of document.querySelectorAll('[data-copy]')) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      button.textContent = 'Copied';
    });
  }
})();
