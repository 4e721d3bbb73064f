document.querySelectorAll("table[data-sortable] th").forEach(function (head) {
  var button = document.createElement("button");
  while (head.firstChild) { button.appendChild(head.firstChild); }
  head.appendChild(button);
  button.addEventListener("click", function () {
    var table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
    var numeric = head.classList.contains("n");
    var down = head.getAttribute("aria-sort") === (numeric ? "descending" : "ascending") ? !numeric : numeric;
    table.querySelectorAll("th").forEach(function (other) { other.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    var value = function (row) {
      var cell = row.cells[column], told = cell.getAttribute("data-v");
      if (!numeric) { return cell.textContent; }
      return told === null || told === "" ? null : Number(told);
    };
    Array.prototype.slice.call(body.rows).sort(function (one, other) {
      var a = value(one), b = value(other);
      if (a === null || b === null) { return (a === null) - (b === null); }
      var order = numeric ? a - b : a.localeCompare(b);
      return down ? -order : order;
    }).forEach(function (row) { body.appendChild(row); });
  });
});
