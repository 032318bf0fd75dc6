"use strict";
// The page around the figures: filters, choices, tables and what is behind a point.
(function () {
  var account = JSON.parse(document.getElementById("account").textContent);
  var charts = {};
  var chosen = {};
  account.axes.forEach(function (axis) { chosen[axis.name] = axis.values.slice(); });
  var sorting = { column: null, down: true };

  function element(id) { return document.getElementById(id); }
  function write(id, text) { element(id).textContent = text || ""; }
  function made(tag, text, kind) {
    var one = document.createElement(tag);
    if (text !== undefined) { one.textContent = text; }
    if (kind) { one.className = kind; }
    return one;
  }
  function is_dark() { return document.documentElement.dataset.theme === "dark"; }

  function shown_rows() {
    return account.rows.filter(function (row) {
      return account.axes.every(function (axis) { return chosen[axis.name].indexOf(row.axes[axis.name]) >= 0; });
    });
  }

  function metrics() {
    return account.metrics.map(function (one) { return one.metric; }).filter(function (metric) {
      return account.rows.some(function (row) { return row.metrics[metric]; });
    });
  }

  function options(id, values, value, worded) {
    var select = element(id);
    values.forEach(function (one) {
      var option = made("option", worded ? worded(one) : one);
      option.value = one;
      select.appendChild(option);
    });
    if (values.indexOf(value) >= 0) { select.value = value; }
    select.addEventListener("change", draw);
  }

  function draw_one(id, name, choice) {
    var chart = charts[id];
    if (!chart) {
      chart = charts[id] = echarts.init(element(id));
      chart.on("click", function (event) {
        var row = event.name && figures.by_name(account, event.name);
        if (!row && event.componentType === "series" && name === "curves") {
          row = figures.by_name(account, (chart.getOption().series[event.seriesIndex] || {}).row);
        }
        if (row && id !== "drill-curves") { drill(row); }
      });
    }
    choice.dark = is_dark();
    chart.setOption(figures.all[name](account, choice), true);
    return chart;
  }

  function draw() {
    var rows = shown_rows();
    var colour = element("colour").value;
    draw_one("figure-front", "front", {
      rows: rows, x: element("front-x").value, y: element("front-y").value, colour: colour, log: element("front-log").checked
    });
    draw_one("figure-effects", "effects", { metric: element("effect-metric").value });
    draw_one("figure-interactions", "interactions", {
      rows: rows, a: element("interaction-a").value, b: element("interaction-b").value, metric: element("interaction-metric").value
    });
    draw_one("figure-parallel", "parallel", { rows: rows });
    draw_one("figure-grid", "grid", { rows: rows, metric: element("grid-metric").value });
    draw_one("figure-curves", "curves", { rows: rows, colour: colour, curve: element("curve").value });
    table(rows);
    document.body.dataset.rows = rows.length;
  }

  function columns() {
    var axes = account.axes.map(function (axis) {
      return { name: axis.name, of: function (row) { return row.axes[axis.name]; } };
    });
    var measured = metrics().map(function (metric) {
      return {
        name: figures.title(metric), of: function (row) { return row.metrics[metric] ? row.metrics[metric][0] : null; },
        told: function (row) { return figures.told_with_interval(metric, row.metrics[metric]); }
      };
    });
    var judged = [
      { name: "on front", of: function (row) { return row.probability; }, told: function (row) { return figures.told("top1", row.probability); } },
      { name: "verdict", of: function (row) { return row.verdict; }, text: true },
      { name: "seeds", of: function (row) { return row.seeds.length; }, told: function (row) { return row.seeds.length + "/" + row.trials.length; } },
      { name: "key", of: function (row) { return row.configuration.slice(0, 8); }, text: true }
    ];
    return axes.concat(measured, judged);
  }

  function table(rows) {
    var all = columns();
    var target = element("rows");
    target.replaceChildren();
    var head = target.createTHead().insertRow();
    all.forEach(function (column, index) {
      var cell = made("th", column.name + (sorting.column === index ? (sorting.down ? " ↓" : " ↑") : ""), column.text ? "text" : "");
      cell.addEventListener("click", function () {
        sorting = { column: index, down: sorting.column === index ? !sorting.down : true };
        table(shown_rows());
      });
      head.appendChild(cell);
    });
    var sorted = rows.slice();
    if (sorting.column !== null) {
      var of = all[sorting.column].of, sign = sorting.down ? -1 : 1;
      sorted.sort(function (a, b) {
        var x = of(a), y = of(b);
        if (x === y) { return 0; }
        if (x === null || x === undefined) { return 1; }
        if (y === null || y === undefined) { return -1; }
        return sign * (x < y ? -1 : 1);
      });
    }
    var body = target.createTBody();
    sorted.slice(0, 500).forEach(function (row) {
      var line = body.insertRow();
      line.dataset.name = row.name;
      all.forEach(function (column) {
        var value = column.told ? column.told(row) : column.of(row);
        var cell = made("td", value === null || value === undefined ? "–" : String(value), column.text ? "text" : "");
        if (row.on_front) { cell.classList.add("front"); }
        line.appendChild(cell);
      });
      line.addEventListener("click", function () { drill(row); });
    });
    if (sorted.length > 500) { body.insertRow().appendChild(made("td", "… and " + (sorted.length - 500) + " more", "text")); }
  }

  function simple_table(id, rows, names) {
    var target = element(id);
    target.replaceChildren();
    if (!rows.length) { return; }
    var keys = names || Object.keys(rows[0]);
    var head = target.createTHead().insertRow();
    keys.forEach(function (key) { head.appendChild(made("th", key.replace(/_/g, " "), "text")); });
    var body = target.createTBody();
    rows.forEach(function (row) {
      var line = body.insertRow();
      keys.forEach(function (key) {
        var value = row[key];
        line.appendChild(made("td", value === null || value === undefined ? "–" : String(value), "text"));
      });
    });
  }

  // Everything behind a point.
  function drill(row) {
    write("drill-name", figures.label(account, row));
    var facts = made("div", undefined, "facts");
    function fact(name, value) {
      var one = made("div");
      one.appendChild(made("span", name + " "));
      one.appendChild(document.createTextNode(value));
      facts.appendChild(one);
    }
    Object.keys(row.metrics).forEach(function (metric) {
      fact(figures.title(metric), figures.told_with_interval(metric, row.metrics[metric]));
    });
    if (row.probability !== null) { fact("on the front", figures.told("top1", row.probability) + ", " + row.verdict); }
    if (row.beaten_by) {
      var rival = figures.by_name(account, row.beaten_by);
      fact("beaten by", rival ? figures.label(account, rival) : row.beaten_by);
    }
    fact("configuration", row.configuration.slice(0, 8));
    element("drill-facts").replaceChildren(facts);
    var top1 = {};
    row.seeds.forEach(function (seed) { top1[seed[1]] = seed[2]; });
    var trials = account.trials.filter(function (trial) { return row.trials.indexOf(trial.key) >= 0; });
    simple_table("drill-trials", trials.map(function (trial) {
      return {
        trial: trial.key.slice(0, 8), seed: trial.seed, state: trial.state,
        "top-1": top1[trial.key] === undefined ? null : figures.told("top1", top1[trial.key]),
        "training s": trial.train_time_s === null ? null : trial.train_time_s.toPrecision(4), attempts: trial.attempts,
        ended: trial.ended_at, commit: trial.git_commit === null ? null : trial.git_commit.slice(0, 10) + (trial.git_dirty ? " and changes" : "")
      };
    }));
    element("drill").showModal();
    draw_one("drill-curves", "curves", { rows: [row], curve: element("curve").value }).resize();
  }

  function filters() {
    account.axes.forEach(function (axis) {
      var group = made("fieldset");
      group.appendChild(made("legend", axis.name));
      axis.values.forEach(function (value) {
        var label = made("label", String(value));
        var box = made("input");
        box.type = "checkbox";
        box.checked = true;
        box.name = axis.name;
        box.value = String(value);
        box.addEventListener("change", function () {
          chosen[axis.name] = axis.values.filter(function (one) {
            return one === value ? box.checked : chosen[axis.name].indexOf(one) >= 0;
          });
          draw();
        });
        label.prepend(box);
        group.appendChild(label);
      });
      element("filters").appendChild(group);
    });
  }

  function summary() {
    var status = account.status || {};
    function fact(value, name) {
      var one = made("div");
      one.appendChild(made("b", value));
      one.appendChild(made("span", name));
      element("summary").appendChild(one);
    }
    fact((status.finished || 0) + " of " + (status.trials || 0), "trials finished");
    if (status.diverged) { fact(String(status.diverged), "diverged"); }
    if (status.failed) { fact(String(status.failed), "failed"); }
    var best = account.rows.filter(function (row) { return row.metrics.top1; })
      .sort(function (a, b) { return b.metrics.top1[0] - a.metrics.top1[0]; })[0];
    if (best) { fact(figures.told("top1", best.metrics.top1[0]), "best top-1: " + figures.label(account, best)); }
    fact(String(account.rows.filter(function (row) { return row.on_front; }).length),
      "on the front over " + account.objectives.map(function (one) { return one.direction + " " + one.metric; }).join(", "));
    var open = account.rows.filter(function (row) { return row.verdict === "undecided"; }).length;
    fact(String(open), "undecided");
    if (account.advice.length) {
      var advice = account.advice[0], row = figures.by_name(account, advice.row);
      fact(/images_per_s/.test(advice.metric) ? "one more measurement" : "one more seed",
        "would settle most, of " + (row ? figures.label(account, row) : advice.row));
    }
  }

  function theme(wanted) {
    document.documentElement.dataset.theme = wanted;
    Object.keys(charts).forEach(function (id) { charts[id].dispose(); delete charts[id]; });
    draw();
  }

  var axes = account.axes.map(function (axis) { return axis.name; });
  document.title = account.sweep.name + " · effsweep";
  write("name", account.sweep.name);
  write("description", account.sweep.description);
  write("file", account.sweep.text);
  write("foot", "effsweep " + account.version + " · registered " + account.sweep.updated_at);
  options("front-x", metrics(), figures.second_objective(account), figures.title);
  options("front-y", metrics(), "top1", figures.title);
  options("colour", axes, axes[0]);
  options("effect-metric", ["top1", "test_loss", "train_images_per_s", "inference_images_per_s", "train_time_s"].filter(function (metric) {
    return account.effects.some(function (one) { return one.metric === metric; });
  }), "top1", figures.title);
  options("interaction-a", axes, axes[0]);
  options("interaction-b", axes, axes[1] || axes[0]);
  options("interaction-metric", metrics(), "top1", figures.title);
  options("grid-metric", metrics(), "top1", figures.title);
  element("front-log").addEventListener("change", draw);
  element("curve").addEventListener("change", draw);
  element("theme").addEventListener("click", function () { theme(is_dark() ? "light" : "dark"); });
  element("badly").hidden = !account.ended_badly.length;
  simple_table("ended-badly", account.ended_badly);
  simple_table("machines", account.machines);
  filters();
  summary();
  window.addEventListener("resize", function () { Object.keys(charts).forEach(function (id) { charts[id].resize(); }); });
  theme(window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  window.effsweep = { charts: charts, account: account };
})();
