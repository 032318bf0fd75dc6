"use strict";
// The figures of a sweep: its account (docs/reports.md) and a choice go in, an ECharts option comes out. The page draws
// them in a browser, `effsweep plot` as SVG without one.
var figures = (function () {
  // Okabe and Ito's colours, told apart with any kind of sight.
  var PALETTE = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8c8c00", "#882255"];
  var SEQUENCE = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"];
  var TITLES = {
    top1: "top-1 accuracy", top5: "top-5 accuracy", test_loss: "test loss",
    train_images_per_s: "training, images/s", inference_images_per_s: "inference, images/s",
    parameters: "parameters", macs: "multiply-accumulates", train_time_s: "training time, s",
    peak_memory_mib: "peak memory, MiB"
  };
  var SHARES = { top1: true, top5: true };

  function title(metric) { return TITLES[metric] || metric; }

  function told(metric, value) {
    if (value === null || value === undefined) { return "–"; }
    if (SHARES[metric]) { return (100 * value).toFixed(1) + " %"; }
    if (metric === "parameters" || metric === "macs") { return scaled(value); }
    if (metric === "test_loss") { return value.toPrecision(3); }
    return value >= 100 ? Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ",") : value.toPrecision(3);
  }

  function scaled(value) {
    var units = ["", " k", " M", " G", " T"];
    var unit = 0;
    while (value >= 1000 && unit < units.length - 1) { value /= 1000; unit += 1; }
    return (value >= 100 ? value.toFixed(0) : value.toPrecision(3)) + units[unit];
  }

  function told_with_interval(metric, values) {
    if (!values) { return "–"; }
    var ends = values[1] < values[2] ? " (" + told(metric, values[1]) + " to " + told(metric, values[2]) + ")" : "";
    return told(metric, values[0]) + ends;
  }

  function ink(choice) {
    return choice.dark
      ? { text: "#e6e6e6", faint: "#9a9a9a", line: "#3a3a3a", empty: "#2b2b2b" }
      : { text: "#1c1c1c", faint: "#6b6b6b", line: "#d9d9d9", empty: "#efefef" };
  }

  function base(choice, heading) {
    var tone = ink(choice);
    return {
      animation: false,
      backgroundColor: choice.background || "transparent",
      color: PALETTE,
      textStyle: { fontFamily: "Helvetica, Arial, DejaVu Sans, sans-serif", color: tone.text },
      title: choice.titled ? { text: heading, left: "center", textStyle: { fontSize: 15, color: tone.text } } : undefined,
      grid: { left: 70, right: 30, top: choice.titled ? 70 : 44, bottom: 56, containLabel: false },
      tooltip: { confine: true, backgroundColor: choice.dark ? "#202020" : "#ffffff", textStyle: { color: tone.text } },
      legend: { top: choice.titled ? 32 : 8, textStyle: { color: tone.text }, type: "scroll" }
    };
  }

  function axis(choice, name, more) {
    var tone = ink(choice);
    var one = {
      name: name, nameLocation: "middle", nameGap: 34, nameTextStyle: { color: tone.text },
      axisLine: { lineStyle: { color: tone.faint } }, axisLabel: { color: tone.text },
      splitLine: { lineStyle: { color: tone.line } }
    };
    Object.keys(more || {}).forEach(function (key) { one[key] = more[key]; });
    return one;
  }

  function metric_axis(choice, metric, more) {
    var one = axis(choice, title(metric), { type: "value", scale: true });
    one.axisLabel.formatter = function (value) { return told(metric, value); };
    one.axisLabel.hideOverlap = true;
    Object.keys(more || {}).forEach(function (key) { one[key] = more[key]; });
    return one;
  }

  function rows_of(account, choice) { return choice.rows || account.rows; }

  function value(row, metric) { return row.metrics[metric] ? row.metrics[metric][0] : null; }

  function direction(account, metric) {
    var all = account.objectives.concat(account.metrics);
    var found = all.filter(function (one) { return one.metric === metric; })[0];
    return found ? found.direction : "max";
  }

  // The rows that no other one beats in two metrics.
  function front_of(account, rows, x, y) {
    var signs = [x, y].map(function (metric) { return direction(account, metric) === "max" ? 1 : -1; });
    var points = rows.map(function (row) { return [signs[0] * value(row, x), signs[1] * value(row, y)]; });
    return rows.filter(function (_, index) {
      var own = points[index];
      return !points.some(function (other) {
        return other[0] >= own[0] && other[1] >= own[1] && (other[0] > own[0] || other[1] > own[1]);
      });
    });
  }

  // The edge of what is attained: corners between neighbours on the front.
  function stairs(account, members, x, y) {
    var sorted = members.map(function (row) { return [value(row, x), value(row, y)]; })
      .sort(function (a, b) { return a[0] - b[0]; });
    var more = direction(account, x) === "max";
    var points = [];
    sorted.forEach(function (point, index) {
      var before = sorted[index - 1];
      if (before) { points.push(more ? [before[0], point[1]] : [point[0], before[1]]); }
      points.push(point);
    });
    return points;
  }

  // Bars from low to high, across each point.
  function error_bars(data, colour, horizontal, vertical) {
    return {
      type: "custom", silent: true, z: 1, data: data, clip: true,
      renderItem: function (_, api) {
        var at = [0, 1, 2, 3, 4, 5].map(function (index) { return api.value(index); });
        var lines = [];
        function line(from, to) {
          var a = api.coord(from), b = api.coord(to);
          lines.push({ type: "line", shape: { x1: a[0], y1: a[1], x2: b[0], y2: b[1] }, style: { stroke: colour, lineWidth: 1.2, opacity: 0.6 } });
        }
        if (horizontal && at[2] < at[3]) { line([at[2], at[1]], [at[3], at[1]]); }
        if (vertical && at[4] < at[5]) { line([at[0], at[4]], [at[0], at[5]]); }
        return { type: "group", children: lines };
      }
    };
  }

  function describe(account, row) {
    var axes = account.axes.map(function (one) { return one.name + " <b>" + escape(row.axes[one.name]) + "</b>"; });
    var metrics = Object.keys(row.metrics).map(function (metric) {
      return title(metric) + ": " + told_with_interval(metric, row.metrics[metric]);
    });
    var chance = row.probability === null ? [] : ["on the front: " + told("top1", row.probability) + " (" + row.verdict + ")"];
    return "<div class='tip'>" + axes.join(", ") + "<br>" + metrics.concat(chance).join("<br>") +
      "<br>seeds: " + row.seeds.length + " of " + row.trials.length + "</div>";
  }

  function escape(text) {
    return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  }

  function label(account, row) {
    return account.axes.map(function (one) { return row.axes[one.name]; }).join(" · ");
  }

  function axis_values(account, name) {
    var found = account.axes.filter(function (one) { return one.name === name; })[0];
    return found ? found.values : [""];
  }

  function colour_axis(account, choice) {
    return choice.colour || (account.axes[0] ? account.axes[0].name : "");
  }

  // Accuracy against a cost: the front, how sure it is, and everything else.
  function front(account, choice) {
    var x = choice.x || second_objective(account), y = choice.y || "top1";
    var tone = ink(choice);
    var rows = rows_of(account, choice).filter(function (row) { return value(row, x) !== null && value(row, y) !== null; });
    var members = front_of(account, rows, x, y);
    var option = base(choice, account.sweep.name + ": " + title(y) + " against " + title(x));
    var by = colour_axis(account, choice);
    var log = choice.log === true;
    option.xAxis = metric_axis(choice, x, log ? { type: "log" } : {});
    option.yAxis = metric_axis(choice, y, { nameGap: 52 });
    option.series = [{
      name: "front", type: "line", data: stairs(account, members, x, y), symbol: "none", silent: true, z: 1,
      lineStyle: { color: tone.faint, width: 1.5, type: "dashed" }, itemStyle: { color: tone.faint }
    }];
    axis_values(account, by).forEach(function (one, index) {
      var own = rows.filter(function (row) { return !by || row.axes[by] === one; });
      var colour = PALETTE[index % PALETTE.length];
      if (!own.length) { return; }
      option.series.push(error_bars(own.map(function (row) {
        var a = row.metrics[x], b = row.metrics[y];
        return [a[0], b[0], a[1], a[2], b[1], b[2]];
      }), colour, true, true));
      option.series.push({
        name: by ? by + " " + one : "configurations", type: "scatter", z: 3, itemStyle: { color: colour },
        data: own.map(function (row) {
          var sure = row.verdict === "frontier", open = row.verdict === "undecided";
          return {
            value: [value(row, x), value(row, y)], name: row.name,
            symbolSize: members.indexOf(row) >= 0 ? 13 : 8,
            itemStyle: {
              color: colour, borderColor: colour, borderWidth: 2,
              opacity: sure ? 1 : open ? 0.75 : 0.35
            },
            symbol: open ? "emptyCircle" : "circle"
          };
        })
      });
    });
    option.tooltip.formatter = function (point) { return describe(account, by_name(account, point.name)); };
    return option;
  }

  function by_name(account, name) {
    return account.rows.filter(function (row) { return row.name === name; })[0];
  }

  // What the front is drawn over beside accuracy.
  function second_objective(account) {
    var others = account.objectives.filter(function (one) {
      return one.metric !== "top1" && account.rows.some(function (row) { return value(row, one.metric) !== null; });
    });
    return others.length ? others[0].metric : "macs";
  }

  // One line a configuration through all axes and what came out.
  function parallel(account, choice) {
    var tone = ink(choice);
    var metrics = ["train_images_per_s", "inference_images_per_s", "top1"].filter(function (metric) {
      return account.rows.some(function (row) { return value(row, metric) !== null; });
    });
    var rows = rows_of(account, choice).filter(function (row) { return value(row, "top1") !== null; });
    var option = base(choice, account.sweep.name + ": all axes");
    delete option.grid;
    delete option.legend;
    var text = { color: tone.text };
    option.parallelAxis = account.axes.map(function (one, index) {
      return { dim: index, name: one.name, type: "category", data: one.values.map(String), nameTextStyle: text, axisLabel: { color: tone.text } };
    }).concat(metrics.map(function (metric, index) {
      return {
        dim: account.axes.length + index, name: title(metric), type: "value", scale: true, nameTextStyle: text,
        axisLabel: { color: tone.text, formatter: function (one) { return told(metric, one); } }
      };
    }));
    option.parallel = {
      left: 60, right: 90, top: choice.titled ? 80 : 50, bottom: 30,
      parallelAxisDefault: { nameLocation: "end", nameGap: 14, axisLine: { lineStyle: { color: tone.faint } } }
    };
    var tops = rows.map(function (row) { return value(row, "top1"); });
    option.visualMap = {
      show: false, dimension: account.axes.length + metrics.length - 1,
      min: Math.min.apply(null, tops.concat([1])), max: Math.max.apply(null, tops.concat([0])), inRange: { color: SEQUENCE }
    };
    option.series = [{
      type: "parallel", smooth: 0.15, lineStyle: { width: 2, opacity: 0.6 }, inactiveOpacity: 0.04,
      data: rows.map(function (row) {
        var places = account.axes.map(function (one) { return String(row.axes[one.name]); });
        return { name: row.name, value: places.concat(metrics.map(function (metric) { return value(row, metric); })) };
      })
    }];
    option.tooltip.formatter = function (point) { return describe(account, by_name(account, point.name)); };
    return option;
  }

  // What each value of each axis does at equal everything else.
  function effects(account, choice) {
    var metric = choice.metric || "top1";
    var tone = ink(choice);
    var shown = account.effects.filter(function (one) { return one.metric === metric; }).reverse();
    var factor = shown.some(function (one) { return one.factor; });
    var option = base(choice, account.sweep.name + ": effect on " + title(metric));
    delete option.legend;
    function worded(one) { return one.axis + "  " + one.from + " → " + one.to; }
    function change(value) {
      if (factor) { return value.toPrecision(3) + "×"; }
      var points = SHARES[metric] ? 100 * value : value;
      return (points > 0 ? "+" : points < 0 ? "−" : "") + (SHARES[metric] ? Math.abs(points).toFixed(1) : Math.abs(points).toPrecision(3));
    }
    var name = factor ? title(metric) + ", factor" : SHARES[metric] ? title(metric) + ", points of a percent" : title(metric) + ", difference";
    option.grid.left = 190;
    option.xAxis = axis(choice, name, { type: "value", scale: true });
    option.xAxis.axisLabel.formatter = change;
    option.yAxis = axis(choice, "", { type: "category", data: shown.map(worded) });
    var better = direction(account, metric) === "max" ? 1 : -1;
    option.series = [
      error_bars(shown.filter(function (one) { return one.low !== null; }).map(function (one) {
        return [one.relative, worded(one), one.low, one.high, 0, 0];
      }), tone.text, true, false),
      {
        type: "scatter", symbolSize: 11, z: 3,
        data: shown.map(function (one) {
          var side = one.verdict === "undecided" || one.verdict === "equal" ? 0 : one.verdict === "better" ? 1 : -1;
          return {
            value: [one.relative, worded(one)], effect: one,
            itemStyle: { color: side > 0 ? PALETTE[2] : side < 0 ? PALETTE[3] : tone.faint }
          };
        }),
        markLine: { silent: true, symbol: "none", label: { show: false }, lineStyle: { color: tone.faint, type: "solid" }, data: [{ xAxis: factor ? 1 : 0 }] }
      }
    ];
    option.tooltip.formatter = function (point) {
      var one = point.data.effect;
      var ends = one.low === null ? "" : " (" + change(one.low) + " to " + change(one.high) + ")";
      return worded(one) + "<br><b>" + change(one.relative) + "</b>" + ends + "<br>better in " + one.better + " of " + one.pairs +
        " pairs that differ in nothing else: " + one.verdict;
    };
    return option;
  }

  // Whether the effect of one axis depends on another.
  function interactions(account, choice) {
    var metric = choice.metric || "top1";
    var a = choice.a || (account.axes[0] || {}).name, b = choice.b || (account.axes[1] || account.axes[0] || {}).name;
    var rows = rows_of(account, choice).filter(function (row) { return value(row, metric) !== null; });
    var option = base(choice, account.sweep.name + ": " + title(metric) + " by " + a + " and " + b);
    option.xAxis = axis(choice, b, { type: "category", data: axis_values(account, b).map(String) });
    option.yAxis = metric_axis(choice, metric, { nameGap: 52 });
    option.tooltip.valueFormatter = function (one) { return told(metric, one); };
    option.series = axis_values(account, a).map(function (one) {
      return {
        name: a + " " + one, type: "line", symbolSize: 9,
        data: axis_values(account, b).map(function (other) {
          var cell = rows.filter(function (row) { return row.axes[a] === one && row.axes[b] === other; });
          if (!cell.length) { return null; }
          return cell.reduce(function (sum, row) { return sum + value(row, metric); }, 0) / cell.length;
        })
      };
    });
    return option;
  }

  // How each trial learned.
  function curves(account, choice) {
    var by = colour_axis(account, choice);
    var column = choice.curve === "top1" ? 2 : 1;
    var option = base(choice, account.sweep.name + ": learning curves");
    option.xAxis = axis(choice, "epoch", { type: "value", minInterval: 1 });
    option.yAxis = axis(choice, column === 2 ? "accuracy in training" : "training loss", { type: "value", scale: true, nameGap: 48 });
    var seen = {};
    option.series = [];
    rows_of(account, choice).forEach(function (row) {
      row.trials.forEach(function (trial) {
        var points = account.curves[trial];
        if (!points || seen[trial]) { return; }
        seen[trial] = true;
        var place = Math.max(0, axis_values(account, by).indexOf(row.axes[by]));
        option.series.push({
          name: by ? by + " " + row.axes[by] : "trials", type: "line", showSymbol: points.length < 2, symbolSize: 6,
          lineStyle: { width: 1.4, opacity: 0.75 }, color: PALETTE[place % PALETTE.length], trial: trial, row: row.name,
          data: points.map(function (point) { return [point[0] + 1, point[column]]; })
        });
      });
    });
    option.tooltip.formatter = function (point) {
      var series = option.series[point.seriesIndex];
      return escape(series.name) + "<br>trial " + series.trial.slice(0, 8) + "<br>epoch " + point.value[0] + ": " + Number(point.value[1]).toPrecision(4);
    };
    return option;
  }

  // The whole grid, what is missing included.
  function grid(account, choice) {
    var metric = choice.metric || "top1";
    var tone = ink(choice);
    var names = account.axes.map(function (one) { return one.name; });
    var half = Math.ceil(names.length / 2);
    var down = names.slice(0, half), across = names.slice(half);
    var rows = rows_of(account, choice);
    function place(row, list) { return list.map(function (name) { return row.axes[name]; }).join(" · ") || "all"; }
    function labels(list) {
      var sorted = rows.slice().sort(function (a, b) {
        for (var index = 0; index < list.length; index += 1) {
          var values = axis_values(account, list[index]);
          var apart = values.indexOf(a.axes[list[index]]) - values.indexOf(b.axes[list[index]]);
          if (apart) { return apart; }
        }
        return 0;
      });
      var seen = [];
      sorted.forEach(function (row) { var one = place(row, list); if (seen.indexOf(one) < 0) { seen.push(one); } });
      return seen;
    }
    var states = {};
    account.trials.forEach(function (trial) { states[trial.key] = trial.state; });
    function state(row) {
      var all = row.trials.map(function (key) { return states[key] || "planned"; });
      return ["running", "failed", "diverged", "planned"].filter(function (one) { return all.indexOf(one) >= 0; })[0] || "finished";
    }
    var known = [], missing = [];
    rows.forEach(function (row) {
      var at = [place(row, across), place(row, down)];
      var one = value(row, metric);
      if (one === null) { missing.push({ value: at.concat([0]), name: row.name, state: state(row) }); }
      else { known.push({ value: at.concat([one]), name: row.name }); }
    });
    var values = known.map(function (one) { return one.value[2]; });
    var least = values.length ? Math.min.apply(null, values) : 0, most = values.length ? Math.max.apply(null, values) : 1;
    known.forEach(function (one) {
      // Dark words on the bright end of the scale.
      one.label = { color: one.value[2] > least + 0.6 * (most - least) ? "#101010" : "#ffffff" };
    });
    var option = base(choice, account.sweep.name + ": " + title(metric) + " over the grid");
    delete option.legend;
    var cells = labels(across).length * labels(down).length;
    option.grid.left = 120;
    option.grid.right = 90;
    option.grid.top = choice.titled ? 46 : 20;
    option.xAxis = axis(choice, across.join(" · "), { type: "category", data: labels(across), splitArea: { show: false } });
    option.yAxis = axis(choice, down.join(" · "), { type: "category", data: labels(down), nameGap: 96, inverse: true });
    option.visualMap = {
      min: least, max: most, text: [told(metric, most), told(metric, least)],
      calculable: false, right: 8, top: "middle", seriesIndex: 0, inRange: { color: SEQUENCE }, textStyle: { color: tone.text },
      formatter: function (one) { return told(metric, one); }
    };
    option.series = [
      {
        type: "heatmap", data: known, itemStyle: { borderColor: choice.dark ? "#161616" : "#ffffff", borderWidth: 1 },
        label: { show: cells <= 240, formatter: function (point) { return told(metric, point.value[2]).replace(" %", ""); }, fontSize: 11 }
      },
      {
        type: "heatmap", data: missing.map(function (one) {
          return { value: one.value, name: one.name, state: one.state, itemStyle: { color: tone.empty, borderColor: tone.faint, borderType: "dashed", borderWidth: 1 } };
        }),
        label: { show: cells <= 240, color: tone.faint, fontSize: 10, formatter: function (point) { return point.data.state; } }
      }
    ];
    option.tooltip.formatter = function (point) { return describe(account, by_name(account, point.name)); };
    return option;
  }

  return {
    all: { front: front, effects: effects, interactions: interactions, parallel: parallel, curves: curves, grid: grid },
    title: title, told: told, told_with_interval: told_with_interval, label: label, describe: describe,
    by_name: by_name, escape: escape, second_objective: second_objective
  };
})();

// A figure as SVG, where there is no page.
function drawn(name, account, choice, width, height) {
  var chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: width, height: height });
  chart.setOption(figures.all[name](account, choice));
  var svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
