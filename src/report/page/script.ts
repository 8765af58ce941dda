/**
 * The script of a page: sorts tables, and shows descriptions of chart marks on hover, tap and keyboard focus.
 * It is text rather than a function, so that no compiler changes the bytes whose hash is in the page's
 * policy.
 */
export const SCRIPT = `'use strict';
(() => {
  const orderOf = (row, column) => {
    const cell = row.cells[column];
    const order = cell.dataset.order;
    return order === undefined ? cell.textContent : Number(order);
  };
  const compare = (a, b) => {
    if (typeof a === 'number' && typeof b === 'number') return a - b;
    return typeof a === 'string' && typeof b === 'string' ? a.localeCompare(b, 'en') : 0;
  };
  const sort = (heading) => {
    const { tBodies, tHead } = heading.closest('table');
    const headings = [...tHead.rows[0].cells];
    const column = headings.indexOf(heading);
    const isNumber = heading.dataset.sort === 'number';
    const first = isNumber ? 'descending' : 'ascending';
    const other = first === 'ascending' ? 'descending' : 'ascending';
    const direction = heading.getAttribute('aria-sort') === first ? other : first;
    for (const one of headings) one.removeAttribute('aria-sort');
    heading.setAttribute('aria-sort', direction);
    const sign = direction === 'ascending' ? 1 : -1;
    const isMissing = (row) => isNumber && typeof orderOf(row, column) === 'string';
    const rows = [...tBodies[0].rows].sort(
      (a, b) => isMissing(a) - isMissing(b) || sign * compare(orderOf(a, column), orderOf(b, column)),
    );
    tBodies[0].append(...rows);
  };
  for (const heading of document.querySelectorAll('th[data-sort]')) {
    if (heading.closest('table').tBodies[0].rows.length < 2) continue;
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener('click', () => sort(heading));
  }

  const cuts = new ResizeObserver((entries) => {
    for (const { target } of entries)
      target.classList.toggle('cut', target.scrollWidth > target.clientWidth + 1);
  });
  for (const region of document.querySelectorAll('.scroll')) cuts.observe(region);

  const tip = document.createElement('div');
  tip.className = 'tip';
  tip.hidden = true;
  tip.setAttribute('aria-hidden', 'true');
  document.body.append(tip);
  const hide = () => {
    tip.hidden = true;
  };
  const show = (mark) => {
    tip.textContent = mark.getAttribute('aria-label');
    tip.hidden = false;
    const box = mark.getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const left = Math.min(box.left + box.width / 2 - size.width / 2, innerWidth - size.width - 8);
    const above = box.top - size.height - 8;
    tip.style.left = Math.max(8, left) + 'px';
    tip.style.top = (above < 8 ? box.bottom + 8 : above) + 'px';
  };
  const REACH = 16;
  const nearest = ({ marks, clientX, clientY }) => {
    const far = marks.map((mark) => {
      const { left, right, top, bottom } = mark.getBoundingClientRect();
      const x = Math.max(left - clientX, 0, clientX - right);
      const y = Math.max(top - clientY, 0, clientY - bottom);
      const middle = Math.hypot((left + right) / 2 - clientX, (top + bottom) / 2 - clientY);
      return { mark, edge: Math.hypot(x, y), middle };
    });
    return far.filter(({ edge }) => edge <= REACH).sort((a, b) => a.edge - b.edge || a.middle - b.middle)[0]?.mark;
  };
  let pointed;
  const follow = () => {
    const focused = document.activeElement.closest('.chart [role=img]');
    const mark = (pointed && nearest(pointed)) || focused;
    if (mark) show(mark);
    else hide();
  };
  const leave = () => {
    pointed = undefined;
    hide();
  };
  const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  for (const chart of document.querySelectorAll('.chart svg')) {
    const marks = [...chart.querySelectorAll('[role=img][aria-label]')];
    marks.forEach((mark, index) => {
      mark.tabIndex = index === 0 ? 0 : -1;
    });
    chart.addEventListener('keydown', (event) => {
      const step = STEPS[event.key];
      const next = marks[marks.indexOf(document.activeElement) + step];
      if (step === undefined || next === undefined) return;
      event.preventDefault();
      for (const mark of marks) mark.tabIndex = mark === next ? 0 : -1;
      next.focus();
    });
    const point = ({ clientX, clientY }) => {
      pointed = { marks, clientX, clientY };
      follow();
    };
    chart.addEventListener('pointermove', point);
    chart.addEventListener('pointerdown', point);
    chart.addEventListener('pointerleave', ({ pointerType }) => {
      if (pointerType === 'mouse') leave();
    });
    chart.addEventListener('focusin', (event) => {
      if (marks.includes(event.target)) show(event.target);
    });
    chart.addEventListener('focusout', hide);
  }
  addEventListener('pointerdown', ({ target }) => {
    if (!target.closest('.chart')) leave();
  });
  addEventListener('scroll', follow, { capture: true, passive: true });
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape') hide();
  });
  addEventListener('beforeprint', () => {
    for (const details of document.querySelectorAll('details')) details.open = true;
  });
})();
`;
