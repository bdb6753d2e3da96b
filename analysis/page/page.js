"use strict";
// Sorting: a button in each header; up, down, and the table's own order again. What has no number comes last.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const numeric = rows.some((row) => row.cells[column].dataset.value !== undefined);
    const key = (row) => {
      const cell = row.cells[column];
      return numeric ? (cell.dataset.value === undefined ? NaN : Number(cell.dataset.value)) : cell.textContent;
    };
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const next = { none: "ascending", ascending: "descending", descending: "none" }[head.getAttribute("aria-sort")];
      const sign = next === "descending" ? -1 : 1;
      const compare = (a, b) => {
        if (!numeric) return sign * a.localeCompare(b, "en", { numeric: true });
        return Number.isNaN(a) - Number.isNaN(b) || sign * (a - b) || 0;
      };
      heads.forEach((other) => other.setAttribute("aria-sort", other === head ? next : "none"));
      body.append(...(next === "none" ? rows : [...rows].sort((a, b) => compare(key(a), key(b)))));
    });
  });
}

// Heatmaps: what stands behind a number, on hovering and on focus; one stop of the tabulator each, then arrow keys.
const tip = document.getElementById("tip");
const show = (target) => {
  tip.textContent = target.dataset.tip;
  tip.hidden = false;
  const at = target.getBoundingClientRect(), own = tip.getBoundingClientRect();
  const left = Math.min(at.left, document.documentElement.clientWidth - own.width - 8);
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${at.top > own.height + 8 ? at.top - own.height - 6 : at.bottom + 6}px`;
};
const hide = () => { tip.hidden = true; };
for (const table of document.querySelectorAll("table.heat")) {
  const grid = [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.querySelector("[title]")));
  const targets = grid.flat().filter((target) => target);
  targets.forEach((target, index) => {
    target.dataset.tip = target.title;
    target.removeAttribute("title");
    target.setAttribute("aria-describedby", "tip");
    target.tabIndex = index ? -1 : 0;
    target.addEventListener("mouseenter", () => show(target));
    target.addEventListener("mouseleave", hide);
    target.addEventListener("focus", () => show(target));
    target.addEventListener("blur", hide);
  });
  table.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step || !targets.includes(event.target)) return;
    event.preventDefault();
    let y = grid.findIndex((row) => row.includes(event.target)), x = grid[y].indexOf(event.target), next;
    do { y += step[0]; x += step[1]; next = grid[y] && grid[y][x]; } while (next === null && x > 0);
    if (!next) return;
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
document.addEventListener("scroll", hide, true);

// The links to runs follow the address of the UI. Nothing is asked of it until one is opened.
const field = document.getElementById("ui"), links = [...document.querySelectorAll("a.run")];
document.getElementById("ui-field").hidden = false;
field.addEventListener("input", () => {
  const note = document.getElementById("ui-note");
  if (!/^https?:\/\/[^\s]+$/.test(field.value.trim())) {
    note.textContent = "http://… or https://…";
    return;
  }
  const base = field.value.trim().replace(/\/+$/, "");
  for (const link of links) link.href = base + link.getAttribute("href").slice(link.getAttribute("href").indexOf("/#/"));
  document.getElementById("ui-shown").textContent = base;
  note.textContent = `${links.length} links changed`;
});
