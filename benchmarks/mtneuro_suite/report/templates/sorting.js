// Tables: every heading becomes a button; a third press brings the first order back.
for (const table of document.querySelectorAll("table.sortable")) {
  // What stands beneath a rule is sorted by itself.
  const bodies = [...table.tBodies].map((body) => ({ body, original: [...body.rows] }));
  const headings = [...table.tHead.rows[0].cells];
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return "value" in cell.dataset ? (cell.dataset.value === "" ? null : Number(cell.dataset.value)) : cell.textContent.trim();
  };
  const sorted = (original, column, direction) => original.slice().sort((a, b) => {
    const [x, y] = [valueOf(a, column), valueOf(b, column)];
    if (x === null || y === null) return (x === null) - (y === null); // what has no number stands last
    const order = typeof x === "number" ? x - y : x.localeCompare(y, "en", { numeric: true });
    return direction === "ascending" ? order : -order;
  });
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.className = "sort";
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const original = bodies[0]?.original ?? [];
      const first = original.length && typeof valueOf(original[0], column) === "string" ? "ascending" : "descending";
      const second = first === "ascending" ? "descending" : "ascending";
      const now = heading.getAttribute("aria-sort");
      const next = now === null ? first : now === first ? second : null;
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      if (next) heading.setAttribute("aria-sort", next);
      for (const { body, original } of bodies) body.append(...(next ? sorted(original, column, next) : original));
    });
  });
}
