(function () {
  "use strict";
  var all = function (selector, root) { return Array.prototype.slice.call((root || document).querySelectorAll(selector)); };
  function make(tag, text, attributes) {
    var element = document.createElement(tag);
    if (text) { element.textContent = text; }
    Object.keys(attributes || {}).forEach(function (name) { element.setAttribute(name, attributes[name]); });
    return element;
  }
  var unpacked = {};
  function unpack(id) {
    if (!unpacked[id]) {
      var bytes = Uint8Array.from(atob(document.getElementById(id).textContent), function (c) { return c.charCodeAt(0); });
      unpacked[id] = new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
    }
    return unpacked[id];
  }
  function parsed(id) { return unpack(id).then(JSON.parse); }

  // Figures: the pictures stand in the page; plotly draws those that come near the window, and adds hover and zoom.
  var night = window.matchMedia("(prefers-color-scheme: dark)"), library = null, drawn = [];
  function plotly() {
    library = library || unpack("plotly-source").then(function (source) {
      document.head.appendChild(make("script", source));
      if (!window.Plotly) { throw new Error("plotly did not start"); }
    });
    return library;
  }
  function colours() {
    var text = night.matches ? "#e6e9ec" : "#1c2024", grid = night.matches ? "#333b43" : "#dde1e6";
    return {
      "font.color": text, "xaxis.gridcolor": grid, "yaxis.gridcolor": grid, "xaxis.linecolor": grid, "yaxis.linecolor": grid,
      "modebar.bgcolor": "rgba(0,0,0,0)", "modebar.color": text, "modebar.activecolor": text
    };
  }
  function draw(figure) {
    return Promise.all([plotly(), parsed("figures-data")]).then(function (both) {
      var plot = figure.querySelector(".plot"), data = both[1][figure.id];
      plot.setAttribute("role", "group");  // it holds the buttons to zoom
      plot.setAttribute("aria-label", figure.querySelector(".static").getAttribute("aria-label"));
      plot.hidden = false;
      figure.classList.add("drawn");
      return Plotly.newPlot(plot, data.data, data.layout, {displaylogo: false, responsive: true, modeBarButtons: [["zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]]})
        .then(function () { return Plotly.relayout(plot, colours()); })
        .then(function () { drawn.push(plot); sync(figure); });
    }).catch(function (reason) {  // the picture stays
      figure.classList.remove("drawn");
      figure.querySelector(".plot").hidden = true;
      console.warn("figure kept as a picture: " + reason);
    });
  }
  function sync(figure) {
    var plot = figure.querySelector(".plot"), off = {};
    all(".legend button", figure).forEach(function (b) { off[b.dataset.group] = b.getAttribute("aria-pressed") === "false"; });
    all(".static [data-group]", figure).forEach(function (group) {
      group.style.display = off[group.dataset.group] ? "none" : "";
    });
    if (plot.data) {
      var names = plot.data.map(function (trace) { return trace.legendgroup || ""; });
      Plotly.restyle(plot, {visible: names.map(function (name) { return !off[plain(name)]; })});
      var log = figure.querySelector(".log input");
      if (log && (plot.layout.xaxis.type === "log") !== log.checked) {
        Plotly.relayout(plot, {"xaxis.type": log.checked ? "log" : "linear", "xaxis.dtick": log.checked && !plot.layout.xaxis.tickvals ? "D2" : null, "xaxis.autorange": true});
      }
    }
  }
  function plain(escaped) {
    return escaped.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&quot;/g, '"').replace(/&#x27;/g, "'").replace(/&amp;/g, "&");
  }
  all(".figure").forEach(function (figure) {
    all(".legend li[data-group]", figure).forEach(function (item) {
      var button = make("button", "", {type: "button", "aria-pressed": "true", "data-group": item.dataset.group});
      while (item.firstChild) { button.appendChild(item.firstChild); }
      item.appendChild(button);
      button.addEventListener("click", function () {
        button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") === "false" ? "true" : "false");
        sync(figure);
      });
    });
    var log = figure.querySelector(".log");
    if (log) {
      log.hidden = false;
      log.addEventListener("change", function () { sync(figure); });
    }
  });
  if (window.IntersectionObserver && window.DecompressionStream && document.getElementById("plotly-source")) {
    var near = new IntersectionObserver(function (entries) {
      entries.forEach(function (entry) {
        if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
      });
    }, {rootMargin: "200px"});
    all(".figure").forEach(function (figure) { near.observe(figure); });
    night.addEventListener("change", function () { drawn.forEach(function (plot) { Plotly.relayout(plot, colours()); }); });
  }

  // What is folded opens where a link leads, and in print; a table that is cut says so.
  function folds(element) {
    var found = [];
    for (var e = element; e; e = e.parentElement) { if (e.tagName === "DETAILS") { found.push(e); } }
    return found;
  }
  function reveal() {
    var target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    folds(target).forEach(function (fold) { fold.open = true; });
    if (target && folds(target).length) { target.scrollIntoView(); }
  }
  all('a[href^="#"]').forEach(function (link) {
    link.addEventListener("click", function () { if (link.hash === location.hash) { reveal(); } });
  });
  window.addEventListener("hashchange", reveal);
  reveal();
  var folded = [];
  window.addEventListener("beforeprint", function () {
    folded = all(".section:not([open]), .panel:not([open])");
    folded.forEach(function (fold) { fold.open = true; });
  });
  window.addEventListener("afterprint", function () { folded.forEach(function (fold) { fold.open = false; }); });
  if (window.ResizeObserver) {
    var sizes = new ResizeObserver(function (entries) {
      entries.forEach(function (entry) { entry.target.classList.toggle("cut", entry.target.scrollWidth > entry.target.clientWidth + 1); });
    });
    all(".wide, .canvas").forEach(function (box) { sizes.observe(box); });
  }

  // The table of trials: sorted by its headings, filtered by words and choices.
  function key(cell) {
    var text = cell.textContent.trim(), number = parseFloat(text.replace(/,/g, ""));
    return /^[<>+\-−]?[\d.,]+(e[+-]?\d+)?$/.test(text) ? number : text === "–" ? null : text.toLowerCase();
  }
  function compare(a, b) {
    if (a === null || b === null) { return (a === null) - (b === null); }
    return typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1;
  }
  all("table.sortable").forEach(function (table) {
    var body = table.tBodies[0], heads = all("thead th", table), rows = Array.prototype.slice.call(body.rows);
    heads.forEach(function (head, column) {
      var button = make("button", head.textContent, {type: "button"});
      head.textContent = "";
      head.appendChild(button);
      button.addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") === "ascending", sign = down ? -1 : 1;
        heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        rows.map(function (row, i) { return [key(row.cells[column]), i, row]; })
          .sort(function (a, b) { return (a[0] === null || b[0] === null ? compare(a[0], b[0]) : sign * compare(a[0], b[0])) || a[1] - b[1]; })
          .forEach(function (entry) { body.appendChild(entry[2]); });
      });
    });
    var bar = document.getElementById("trial-filters"), chosen = [], texts = null;
    var words = make("input", "", {type: "search"}), count = make("span", "", {role: "status"});
    function labelled(text, control) {
      var label = make("label", text);
      label.appendChild(control);
      bar.appendChild(label);
      control.addEventListener("input", filter);
    }
    function filter() {
      texts = texts || rows.map(function (row) { return row.textContent.toLowerCase(); });
      var wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean), shown = 0;
      rows.forEach(function (row, i) {
        var fits = wanted.every(function (word) { return texts[i].indexOf(word) >= 0; }) &&
          chosen.every(function (c) { return !c[1].value || row.cells[c[0]].textContent.trim().indexOf(c[1].value) === 0; });
        row.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      count.textContent = shown.toLocaleString("en") + " of " + rows.length.toLocaleString("en") + " shown";
    }
    labelled("containing", words);
    heads.forEach(function (head, column) {
      if (["data set", "arm", "labels", "phase", "status"].indexOf(head.textContent) < 0) { return; }
      var values = {}, select = make("select");
      rows.forEach(function (row) { values[row.cells[column].textContent.trim().split(":")[0]] = true; });
      select.appendChild(make("option", "all", {value: ""}));
      Object.keys(values).sort().forEach(function (value) { select.appendChild(make("option", value)); });
      chosen.push([column, select]);
      labelled(head.textContent, select);
    });
    count.textContent = rows.length.toLocaleString("en") + (rows.length === 1 ? " trial" : " trials");
    bar.appendChild(count);
    bar.hidden = false;
  });

  // Downloads.
  function save(name, text, type) {
    var link = make("a", "", {download: name});
    link.href = URL.createObjectURL(new Blob([text], {type: type}));
    document.body.appendChild(link);
    link.click();
    link.remove();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 10000);
  }
  function csv(rows) {
    var columns = [];
    rows.forEach(function (row) { Object.keys(row).forEach(function (k) { if (columns.indexOf(k) < 0) { columns.push(k); } }); });
    function cell(value) {
      if (value === null || value === undefined) { return ""; }
      var text = typeof value === "object" ? JSON.stringify(value) : String(value);
      // no spreadsheet takes it for a formula, whichever separator it splits lines by
      if (typeof value === "string") { text = text.replace(/(^|[;\t\r\n])(?=[=+\-@\t\r＝＋－＠])/g, "$1'"); }
      return /[",\n\r]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
    }
    return [columns].concat(rows.map(function (row) { return columns.map(function (k) { return row[k]; }); }))
      .map(function (cells) { return cells.map(cell).join(","); }).join("\r\n") + "\r\n";
  }
  function trials() {
    var table = document.querySelector("table.sortable"), names = all("thead th", table).map(function (h) { return h.textContent; });
    return all("tbody tr", table).map(function (row) {
      var found = {};
      names.forEach(function (name, i) { found[name] = row.cells[i].textContent.trim(); });
      return found;
    });
  }
  var list = document.getElementById("downloads");
  if (list && window.DecompressionStream) {
    var names = list.dataset.tables.split(" ").concat(document.querySelector("table.sortable") ? ["trials"] : []);
    names.forEach(function (name) {
      var item = make("li", name.replace("_", " ") + (name === "trials" ? ", as shown" : "") + " ");
      ["csv", "json"].forEach(function (format) {
        var button = make("button", format, {type: "button", "aria-label": name.replace("_", " ") + " as " + format});
        button.addEventListener("click", function () {
          (name === "trials" ? Promise.resolve(trials()) : parsed("tables-data").then(function (t) { return t[name]; })).then(function (rows) {
            save(name + "." + format, format === "csv" ? csv(rows) : JSON.stringify(rows, null, 1), format === "csv" ? "text/csv" : "application/json");
          });
        });
        item.appendChild(button);
      });
      list.appendChild(item);
    });
  }

  // A running study.
  var live = document.getElementById("live");
  if (live) {
    var box = live.querySelector("input");
    try { box.checked = sessionStorage.getItem("follow") !== "no"; } catch (ignored) { /* a page from a file may have no storage */ }
    live.querySelector("label").hidden = false;
    box.addEventListener("change", function () { try { sessionStorage.setItem("follow", box.checked ? "yes" : "no"); } catch (ignored) { /* as above */ } });
    setInterval(function () { if (box.checked && !document.hidden) { location.reload(); } }, 1000 * live.dataset.live);
  }
})();
