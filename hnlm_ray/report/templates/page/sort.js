"use strict";
// Sorts a table by the column whose button is pressed; the page is complete without it.
document.querySelectorAll("table.sortable").forEach((table) => {
  const heads = Array.from(table.tHead.rows[0].cells);
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.hasAttribute("data-value") ? cell.getAttribute("data-value") : cell.textContent.trim();
  };
  const compare = (a, b) => {
    const numbers = [Number(a), Number(b)];
    return a !== "" && b !== "" && numbers.every(Number.isFinite) ? numbers[0] - numbers[1] : a.localeCompare(b);
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const rows = Array.from(table.tBodies[0].rows);
      const missing = (row) => ["", "-"].includes(value(row, column));
      rows.sort((a, b) => {
        if (missing(a) || missing(b)) return missing(a) - missing(b);
        return (falling ? -1 : 1) * compare(value(a, column), value(b, column));
      });
      table.tBodies[0].append(...rows);
    });
  });
});
