
// Following: the page that serve gives hears of news, and takes over the parts that have changed.
(() => {
  const bar = document.querySelector('aside.bar'), link = document.getElementById('link'), answer = document.getElementById('answer'), ask = document.getElementById('ask');
  let busy = false, again = false, said = '';

  async function take() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const response = await fetch('/content', { credentials: 'same-origin' });
      if (!response.ok) throw new Error(response.statusText);
      replace(new DOMParser().parseFromString(`<main>${await response.text()}</main>`, 'text/html').querySelector('main'));
      link.textContent = `live, ${new Date().toLocaleTimeString()}`;
    } catch {
      link.textContent = 'no answer; trying again';
    }
    busy = false;
    if (again) { again = false; take(); }
  }

  // What stands open, is zoomed or has the focus stays so.
  function replace(fresh) {
    const states = [...fresh.querySelectorAll('header.run')].map(head => ['h1, h2', '.badge'].map(part => head.querySelector(part)?.textContent ?? '').join(' ')).join('; ');
    // The time and the step change all the while; that a run ended or began again is worth a word.
    if (said && said !== states) document.getElementById('heard').textContent = states;
    said = states;
    const main = document.getElementById('main'), parts = [...fresh.querySelectorAll('[data-part]')];
    const known = new Map([...main.querySelectorAll('[data-part]')].map(part => [part.dataset.part, part]));
    if (parts.length !== known.size || parts.some(part => !known.has(part.dataset.part))) {
      main.replaceChildren(...fresh.childNodes);
    } else {
      for (const part of parts) {
        const old = known.get(part.dataset.part);
        if (sources.get(part.dataset.part) === part.innerHTML) continue;
        sources.set(part.dataset.part, part.innerHTML);
        const open = [...old.querySelectorAll('details')].map(details => details.open), focus = [...old.querySelectorAll(focusable)].indexOf(document.activeElement);
        part.querySelectorAll('details').forEach((details, i) => { details.open = open[i] || false; });
        old.replaceWith(part);
        setUpCharts();
        if (focus >= 0) part.querySelectorAll(focusable)[focus]?.focus({ preventScroll: true });
      }
    }
    setUpCharts();
  }
  const sources = new Map(), focusable = 'a, button, summary, [tabindex]';

  const events = new EventSource('/events');
  events.addEventListener('news', take);
  events.addEventListener('said', event => { answer.textContent = event.data; });
  events.addEventListener('open', () => { link.textContent = 'live'; });
  events.addEventListener('error', () => { link.textContent = 'no answer; trying again'; });

  document.addEventListener('click', event => {
    const button = event.target.closest('button[data-action]');
    if (!button) return;
    document.getElementById('question').textContent = button.dataset.question;
    ask.returnValue = '';
    ask.onclose = async () => {
      button.focus();
      if (ask.returnValue !== 'yes') return;
      try {
        const response = await fetch(`/act?run=${button.dataset.run}&action=${button.dataset.action}${button.dataset.step ? `&step=${button.dataset.step}` : ''}`, { method: 'POST', credentials: 'same-origin', headers: { 'X-Cairn-Token': bar.dataset.token } });
        const text = (await response.text()).trim();
        // What becomes of one that was accepted comes as an event, maybe before this answer.
        if (response.status !== 202) answer.textContent = text;
      } catch {
        answer.textContent = 'No answer.';
      }
    };
    ask.showModal();
  });
  ask.addEventListener('click', event => { if (event.target.value) ask.close(event.target.value); });
})();
