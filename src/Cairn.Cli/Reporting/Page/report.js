'use strict';
// Reading and zooming. All that is shown is drawn already; without this script nothing is missing.
const svgNs = document.querySelector('svg').namespaceURI, columns = 1000, views = new Map();

function number(value) {
  if (value === 0 || (Math.abs(value) >= 0.001 && Math.abs(value) < 1e7)) return value.toLocaleString('en', { maximumSignificantDigits: 5 });
  return value.toExponential(2);
}

function setUp(chart) {
  const block = chart.querySelector('script[type="application/json"]');
  if (!block || chart.dataset.ready) return;
  chart.dataset.ready = '1';
  const data = JSON.parse(block.textContent), readout = chart.querySelector('.readout');
  const low = Number(chart.dataset.from), high = Number(chart.dataset.to);
  const plots = [...chart.querySelectorAll('svg.plot')], stretches = [...chart.querySelectorAll('svg.stretch')];
  const axis = chart.querySelector('svg.plot[data-axis]');
  const placed = [];
  for (const plot of plots) {
    for (const element of plot.querySelectorAll('*')) {
      for (const name of ['x', 'x1', 'x2', 'cx']) {
        const value = element.getAttribute(name);
        if (value && value.endsWith('%') && !element.classList.contains('grid') && !element.classList.contains('base') && plot !== axis) placed.push([element, name, parseFloat(value) / 100]);
      }
    }
  }
  const saved = views.get(chart.id) || { from: 0, to: 1, at: null };
  views.set(chart.id, saved);
  const view = saved;
  const cursors = plots.map(plot => {
    const line = document.createElementNS(svgNs, 'line');
    line.setAttribute('class', 'cursor');
    line.setAttribute('y1', '0');
    line.setAttribute('y2', plot.getAttribute('height'));
    line.setAttribute('visibility', 'hidden');
    plot.append(line);
    return line;
  });
  const originalAxis = axis ? axis.innerHTML : '';
  const tools = document.createElement('div');
  tools.className = 'zoom';
  for (const [text, label, act] of [['+', 'Zoom in', () => zoom(0.5)], ['−', 'Zoom out', () => zoom(2)], ['All', 'Show all steps', () => show(0, 1)]]) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = text;
    button.setAttribute('aria-label', label);
    button.addEventListener('click', act);
    tools.append(button);
  }
  chart.prepend(tools);

  function show(from, to) {
    const width = Math.min(1, Math.max(0.01, to - from));
    view.from = Math.max(0, Math.min(from, 1 - width));
    view.to = view.from + width;
    for (const stretch of stretches) stretch.setAttribute('viewBox', `${view.from * columns} 0 ${width * columns} ${stretch.getAttribute('height')}`);
    for (const [element, name, share] of placed) {
      const at = (share - view.from) / width;
      element.setAttribute(name, `${(at * 100).toFixed(2)}%`);
      if (name === 'x' || name === 'cx') element.setAttribute('visibility', at < -0.001 || at > 1.001 ? 'hidden' : 'visible');
    }
    tools.lastChild.disabled = width === 1;
    drawAxis();
    if (view.at !== null) read(view.at);
  }

  function drawAxis() {
    if (!axis) return;
    if (view.to - view.from === 1) { axis.innerHTML = originalAxis; axis.append(cursors[plots.indexOf(axis)]); return; }
    const first = low + (high - low) * view.from, last = low + (high - low) * view.to, power = 10 ** Math.floor(Math.log10((last - first) / 5));
    const step = Math.max(1, power * ([1, 2, 5, 10].find(n => n * power >= (last - first) / 5)));
    axis.replaceChildren();
    const add = (name, attributes, text) => {
      const element = document.createElementNS(svgNs, name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      if (text) element.textContent = text;
      axis.append(element);
    };
    add('line', { class: 'base', x1: '0', x2: '100%', y1: '.5', y2: '.5' });
    for (let value = Math.ceil(first / step) * step; value <= last; value += step) {
      const share = (value - first) / (last - first);
      add('line', { class: 'base', x1: `${share * 100}%`, x2: `${share * 100}%`, y1: '0', y2: '5' });
      add('text', { x: `${share * 100}%`, y: '18', class: share < 0.03 ? 'start' : share > 0.97 ? 'end' : 'middle' }, value.toLocaleString('en'));
    }
    axis.append(cursors[plots.indexOf(axis)]);
  }

  function zoom(factor) {
    const middle = view.at === null ? (view.from + view.to) / 2 : view.at / columns, width = Math.min(1, (view.to - view.from) * factor);
    show(middle - width / 2, middle + width / 2);
  }

  function nearest(list, column) {
    let best = null;
    for (const entry of list) if (best === null || Math.abs(entry[0] - column) < Math.abs(best[0] - column)) best = entry;
    return best;
  }

  function read(column) {
    const span = view.to - view.from;
    view.at = Math.max(view.from * columns, Math.min(view.to * columns, column));
    const lines = [`step ${Math.round(low + (high - low) * view.at / columns).toLocaleString('en')}`];
    const reach = Math.max(1, 1.5 * columns * span / plots[0].getBoundingClientRect().width);
    for (const panel of data.panels) {
      for (const curve of panel.curves) {
        const found = nearest(curve.at, view.at);
        if (!found || Math.abs(found[0] - view.at) > 12 * span) continue;
        // A pixel may stand for several columns: an extreme in one of them is read all the same.
        let least = Infinity, most = -Infinity;
        for (const entry of curve.at) {
          if (entry !== found && Math.abs(entry[0] - view.at) > reach) continue;
          least = Math.min(least, entry.length > 2 ? entry[2] : entry[1]);
          most = Math.max(most, entry.length > 2 ? entry[3] : entry[1]);
        }
        const range = most > least ? ` (${number(least)} to ${number(most)})` : '';
        lines.push(`${curve.name ? curve.name + ', ' : ''}${panel.name.toLowerCase()} ${number(found[1])}${range}`);
      }
    }
    for (const [place, text] of data.marks) if (Math.abs(place - view.at) <= 4 * span && lines.length < 9) lines.push(text);
    const share = (view.at / columns - view.from) / span;
    for (const cursor of cursors) {
      cursor.setAttribute('x1', `${share * 100}%`);
      cursor.setAttribute('x2', `${share * 100}%`);
      cursor.setAttribute('visibility', 'visible');
    }
    readout.textContent = lines.join('\n');
    const outer = chart.getBoundingClientRect(), inner = plots[0].getBoundingClientRect(), x = inner.left - outer.left + share * inner.width;
    readout.style.top = `${inner.top - outer.top + 4}px`;
    readout.style.left = x > outer.width / 2 ? `${Math.max(0, x - readout.offsetWidth - 10)}px` : `${x + 10}px`;
  }

  function away() {
    view.at = null;
    readout.textContent = '';
    for (const cursor of cursors) cursor.setAttribute('visibility', 'hidden');
  }

  const columnAt = event => {
    const box = plots[0].getBoundingClientRect();
    return (view.from + (view.to - view.from) * (event.clientX - box.left) / box.width) * columns;
  };
  let dragged = null;
  chart.addEventListener('pointermove', event => { if (!event.target.closest('.zoom, details')) read(columnAt(event)); });
  chart.addEventListener('pointerleave', () => { dragged = null; away(); });
  chart.addEventListener('pointerdown', event => { if (event.pointerType === 'mouse' && !event.target.closest('.zoom')) dragged = columnAt(event); });
  chart.addEventListener('pointerup', event => {
    const end = columnAt(event);
    if (dragged !== null && Math.abs(end - dragged) > 10 * (view.to - view.from)) show(Math.min(dragged, end) / columns, Math.max(dragged, end) / columns);
    dragged = null;
  });
  chart.addEventListener('dblclick', () => show(0, 1));
  chart.addEventListener('blur', away);
  chart.addEventListener('keydown', event => {
    if (event.target !== chart || event.ctrlKey || event.metaKey || event.altKey) return;
    const width = view.to - view.from, at = view.at === null ? (view.from + view.to) / 2 * columns : view.at, by = (event.shiftKey ? 50 : 5) * width;
    const acts = { ArrowLeft: () => read(at - by), ArrowRight: () => read(at + by), Home: () => read(view.from * columns), End: () => read(view.to * columns), '+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2), '0': () => show(0, 1), Escape: away };
    if (!acts[event.key]) return;
    event.preventDefault();
    if (event.key.startsWith('Arrow')) {
      if (at - by < view.from * columns && event.key === 'ArrowLeft') show(view.from - width / 4, view.to - width / 4);
      if (at + by > view.to * columns && event.key === 'ArrowRight') show(view.from + width / 4, view.to + width / 4);
    }
    acts[event.key]();
  });
  if (view.from !== 0 || view.to !== 1) show(view.from, view.to);
  else tools.lastChild.disabled = true;
}

function setUpCharts() {
  document.querySelectorAll('.chart[id]').forEach(setUp);
}
setUpCharts();
