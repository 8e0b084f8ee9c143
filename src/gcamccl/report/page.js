"use strict";
// Tables: sort by a heading, filter by text, download. The page reads the same without this.
(function () {
  function number(text) {
    const value = parseFloat(text); // "0.755 [0.70, 0.81]" sorts by its mean
    return Number.isNaN(value) ? null : value;
  }

  function compare(a, b, numeric, sign) {
    if (numeric) {
      const x = number(a), y = number(b);
      if (x === null || y === null) return (x === null) - (y === null); // what is missing stays last
      return sign * (x - y);
    }
    return sign * a.localeCompare(b, "en", { numeric: true });
  }

  function sortBy(table, heading) {
    const column = Array.from(heading.parentNode.children).indexOf(heading);
    const numeric = heading.classList.contains("number");
    const direction = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    table.querySelectorAll("thead th").forEach(function (other) { other.removeAttribute("aria-sort"); });
    heading.setAttribute("aria-sort", direction);
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    const sign = direction === "ascending" ? 1 : -1;
    rows.map(function (row, place) { return [row.cells[column].textContent, place, row]; })
      .sort(function (a, b) { return compare(a[0], b[0], numeric, sign) || a[1] - b[1]; })
      .forEach(function (entry) { body.appendChild(entry[2]); });
  }

  function filter(table, text, status) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    Array.from(table.tBodies[0].rows).forEach(function (row) {
      const content = row.textContent.toLowerCase();
      row.hidden = !words.every(function (word) { return content.includes(word); });
      shown += row.hidden ? 0 : 1;
    });
    status.textContent = shown + " of " + table.tBodies[0].rows.length + " rows";
  }

  function asTsv(table) {
    function clean(cell) { return cell.textContent.replace(/\s+/g, " ").trim(); }
    const rows = Array.from(table.tBodies[0].rows).filter(function (row) { return !row.hidden; });
    return [table.tHead.rows[0]].concat(rows)
      .map(function (row) { return Array.from(row.cells).map(clean).join("\t"); })
      .join("\n") + "\n";
  }

  function download(table) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([asTsv(table)], { type: "text/tab-separated-values" }));
    link.download = table.dataset.name + ".tsv";
    link.click();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 1000);
  }

  function tools(table) {
    const bar = document.createElement("div");
    bar.className = "tools";
    const label = document.createElement("label");
    label.textContent = "Filter ";
    const input = document.createElement("input");
    input.type = "search";
    input.setAttribute("aria-controls", table.id);
    label.appendChild(input);
    const status = document.createElement("span");
    status.setAttribute("role", "status");
    input.addEventListener("input", function () { filter(table, input.value, status); });
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Download rows as TSV";
    button.addEventListener("click", function () { download(table); });
    bar.append(label, status, button);
    const frame = table.closest(".scroll");
    frame.parentNode.insertBefore(bar, frame);
    filter(table, "", status);
  }

  document.querySelectorAll("table.data").forEach(function (table) {
    table.querySelectorAll("thead th").forEach(function (heading) {
      const button = document.createElement("button");
      button.type = "button";
      button.append.apply(button, Array.from(heading.childNodes));
      button.addEventListener("click", function () { sortBy(table, heading); });
      heading.appendChild(button);
    });
    if (table.tBodies[0].rows.length > 1) tools(table);
  });
  const wide = window.matchMedia("(min-width: 68rem)");
  const contents = document.querySelector("nav details");
  function fold() { contents.open = wide.matches; }
  wide.addEventListener("change", fold);
  fold();
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (part) { part.open = true; });
  });
})();
