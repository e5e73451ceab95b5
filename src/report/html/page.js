(() => {
  const all = [...document.querySelectorAll('.scenario')];
  const nav = document.querySelector('.filter');
  const nothing = document.querySelector('.nothing');
  const search = nav.querySelector('input');
  const points = nav.querySelector('[data-points]');
  const buttons = [...nav.querySelectorAll('[data-show]')];
  const fold = nav.querySelector('[data-fold]');
  const unfold = nav.querySelector('[data-unfold]');
  const language = document.querySelector('[data-language]');
  let show = 'all';
  nav.hidden = false;
  language.hidden = false;
  // One width and one case, so that a full-width or capital letter finds the same.
  const plain = (text) => text.normalize('NFKC').toLowerCase();
  const apply = () => {
    const words = plain(search.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const one of all) {
      const wanted = (show === 'all' || one.dataset.verdict === show)
        && (!points.value || one.dataset.point === points.value)
        && words.every((word) => plain(one.dataset.find).includes(word));
      one.hidden = !wanted;
      shown += wanted;
    }
    nothing.hidden = shown > 0 || all.length === 0;
    for (const button of buttons) {
      button.setAttribute('aria-pressed', String(button.dataset.show === show));
    }
  };
  for (const button of buttons) {
    button.addEventListener('click', () => { show = button.dataset.show; apply(); });
  }
  search.addEventListener('input', apply);
  points.addEventListener('change', apply);
  const open = (opened) => {
    all.forEach((one) => { one.open = opened; });
    [fold.hidden, unfold.hidden] = [opened, !opened];
  };
  fold.addEventListener('click', () => open(true));
  unfold.addEventListener('click', () => open(false));
  language.addEventListener('click', () => {
    const root = document.documentElement;
    root.lang = root.lang === 'en' ? 'zh-CN' : 'en';
  });
  window.addEventListener('beforeprint', () => all.forEach((one) => { one.open = true; }));
  for (const button of document.querySelectorAll('[data-copy]')) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      button.textContent = '✓';
    });
  }
})();
